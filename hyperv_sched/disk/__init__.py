# SPDX-License-Identifier: Apache-2.0
"""Read what a disk image is, by its content alone. Nothing here judges.

Standard library only, on any system. Nothing that an image names is ever
opened. From the outside in: :mod:`reader` gets bytes of the file;
:mod:`vhdx`, :mod:`vhd` and :mod:`others` make a disk of it; :mod:`boot`
looks at that as firmware does, through :mod:`partitions` (:mod:`mbr`,
:mod:`gpt`), :mod:`fat`, :mod:`pe` and :mod:`uefi`.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import typing

from hyperv_sched import text
from hyperv_sched.disk import boot
from hyperv_sched.disk import guest
from hyperv_sched.disk import others
from hyperv_sched.disk import reader
from hyperv_sched.disk import vhd
from hyperv_sched.disk import vhdx
from hyperv_sched.disk.content import Content
from hyperv_sched.disk.content import Damaged
from hyperv_sched.text import internal_error

__all__ = ['Content', 'Failed', 'Format', 'inspect', 'inspect_file',
           'inspect_source', 'open_file', 'read_format']

#: What no file may lead to, and one will.
_MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError,
             MemoryError, RecursionError, TypeError, ValueError, struct.error)


class Failed(OSError):
    """A mistake of this reader, not of the file, which nobody has seen."""


class Format(typing.NamedTuple):
    """The format of a file."""

    name: str
    """As :attr:`Content.format`."""
    subformat: str | None = None
    """fixed, dynamic or differencing; None for all formats but VHD: a VHDX
    states it behind the first bytes."""


def inspect(path: str | os.PathLike[str]) -> Content:
    """Inspect the file at a path.

    :raises OSError: see :func:`open_file`.
    """
    with open_file(path) as file:
        return inspect_file(file)


def open_file(path: str | os.PathLike[str]) -> typing.BinaryIO:
    """Open a regular file for reading, without a buffer.

    A directory, a pipe, a device or a socket has no content to inspect, and
    opening one may wait or have effects of its own.

    :raises OSError: it cannot be opened, or is not a regular file.
    """
    try:
        # The path may have another file by the time it is opened.
        _check_regular(os.stat(path))
        file = open(path, 'rb', buffering=0,  # noqa: SIM115
                    opener=_opener)
    except PermissionError as exc:
        raise OSError(exc.errno, text.file_error(exc, path)) from None
    try:
        _check_regular(os.fstat(file.fileno()))
    except OSError:
        file.close()
        raise
    return typing.cast(typing.BinaryIO, file)


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError('not a regular file')


def _opener(path: str, flags: int) -> int:
    """Do not wait for the other end of a pipe; Windows has none."""
    return os.open(path, flags | getattr(os, 'O_NONBLOCK', 0)
                   | getattr(os, 'O_NOCTTY', 0))


def inspect_file(file: typing.BinaryIO) -> Content:
    """Inspect anything seekable that reads bytes.

    :raises OSError: it cannot be read.
    """
    return inspect_source(reader.FileSource(file))


def inspect_source(source: reader.Source) -> Content:
    """Inspect what can be read by ranges.

    :raises OSError: it cannot be read.
    :raises Failed: it leads the reader astray; whoever looks at many can go
        on with the next.
    """
    image = reader.Reader(source)
    found = Content(file_size=image.size)
    try:
        disk = _open(image, found)
        if disk is not None:
            boot.inspect(disk, found)
    except Damaged as exc:
        found.note(exc.name, exc.detail)
    except reader.ExhaustedError as exc:
        found.note('inspection-stopped', str(exc))
    except _MISTAKES as exc:
        raise Failed(internal_error(exc)) from exc
    found.bytes_read = image.bytes_read
    return found


def read_format(file: typing.BinaryIO) -> Format:
    """Read the format of a file, or of the first bytes of one.

    Reads less than 8 KiB and does not look at the disk in the file, so that
    it costs next to nothing whatever the file holds. 32774 bytes tell each
    format but a fixed VHD, whose mark is at the end of the file: by its
    first bytes it is what the disk in it is, 'raw' or 'unknown'.

    :param file: seekable, opened for reading in binary
    :raises OSError: it cannot be read.
    """
    image = reader.Reader(reader.FileSource(file))
    name, _ = _recognize(image)
    return Format(name, vhd.read_subformat(image) if name == 'vhd' else None)


def _open(image: reader.Reader, found: Content) -> guest.Disk | None:
    """Open the virtual disk; None for a format that Hyper-V does not run."""
    found.format, found.virtual_size = _recognize(image)
    if found.format == 'vhdx':
        return vhdx.read(image, found)
    if found.format == 'vhd':
        return vhd.read(image, found)
    if found.format != 'raw':
        return None
    found.logical_sector_size = others.sector_size(image)
    return guest.RawDisk(image, found.logical_sector_size or 512)


def _recognize(image: reader.Reader) -> tuple[str, int | None]:
    """Read the format, and the virtual size where the first bytes state it."""
    if image.read(0, len(vhdx.SIGNATURE)) == vhdx.SIGNATURE:
        return 'vhdx', None
    if vhd.ends(image) or vhd.begins(image):
        return 'vhd', None
    return others.recognize(image)
