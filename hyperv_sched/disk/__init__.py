# SPDX-License-Identifier: Apache-2.0
"""Read facts and defects from a disk image file.

Uses the standard library, and a package for zstd where Python lacks it, and
runs on any system. Files that an image names are never opened. The layers,
from the file to the boot loader: :mod:`reader` reads bytes of the file within
a budget; :mod:`vhdx`, :mod:`vhd`, :mod:`qcow2`, :mod:`vmdk` and
:mod:`formats` read the container, with :mod:`compression`;
:mod:`virtual_disk` gives access to the disk in it; :mod:`boot` boots the disk
as firmware does,
by :mod:`partitions` (:mod:`mbr`, :mod:`gpt`, :mod:`iso`), :mod:`fat`,
:mod:`pe` and :mod:`uefi`, and :mod:`systems` looks behind the loader;
:mod:`media` boots an ISO, and :mod:`unified` reads an :mod:`initrd`.
:mod:`secure_boot` verifies the loaders, by
:mod:`authenticode`, :mod:`certificates` and :mod:`templates`.
:mod:`inspection` holds the result.
"""

from __future__ import annotations

import errno
import os
import stat
import typing

from hyperv_sched import text
from hyperv_sched.disk import boot
from hyperv_sched.disk import formats
from hyperv_sched.disk import inspection
from hyperv_sched.disk import iso
from hyperv_sched.disk import media
from hyperv_sched.disk import qcow2
from hyperv_sched.disk import reader
from hyperv_sched.disk import unified
from hyperv_sched.disk import vhd
from hyperv_sched.disk import vhdx
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk import vmdk
from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.inspection import Inspection

if typing.TYPE_CHECKING:
    from hyperv_sched.disk import secure_boot
    from hyperv_sched.disk import uefi

__all__ = ['Defect', 'Format', 'Inspection', 'InspectionError', 'inspect',
           'inspect_file', 'inspect_source', 'open_file', 'read_format']


class InspectionError(OSError):
    """The inspection of a file failed because of a bug in the reader."""


class Format(typing.NamedTuple):
    """The format of a file."""

    name: str
    """One of the values of :attr:`Inspection.format`."""
    subformat: str | None = None
    """fixed, dynamic or differencing for VHD; None for other formats. A VHDX
    states it outside of its first bytes."""


def inspect(path: str | os.PathLike[str],
            policy: secure_boot.Policy | None = None) -> Inspection:
    """Inspect the file at a path; see :func:`inspect_source`.

    :raises OSError: see :func:`open_file` and :func:`inspect_source`.
    """
    with open_file(path) as file:
        return inspect_file(file, policy)


def open_file(path: str | os.PathLike[str]) -> typing.BinaryIO:
    """Open a regular file for reading, without a buffer.

    Directories, pipes, devices and sockets are refused, as opening one may
    block or have side effects.

    :raises OSError: the file cannot be opened, or is not a regular file.
    """
    try:
        # Checked twice: another file may replace this one before it is open.
        _check_regular(os.stat(path))
        file = open(path, 'rb', buffering=0,  # noqa: SIM115
                    opener=_open_nonblocking)
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


def _open_nonblocking(path: str, flags: int) -> int:
    """Open without waiting for the writer of a pipe, where there are pipes."""
    return os.open(path, flags | getattr(os, 'O_NONBLOCK', 0)
                   | getattr(os, 'O_NOCTTY', 0))


def inspect_file(file: typing.BinaryIO,
                 policy: secure_boot.Policy | None = None,
                 drivers: bool = False) -> Inspection:
    """Inspect a seekable file, opened for reading in binary.

    :param drivers: see :func:`inspect_source`
    :raises OSError: see :func:`inspect_source`.
    """
    return inspect_source(reader.FileSource(file), policy, drivers)


def inspect_source(source: reader.Source,
                   policy: secure_boot.Policy | None = None,
                   drivers: bool = False) -> Inspection:
    """Inspect a source of ranges.

    Exceptions that the source raises are passed on.

    :param policy: what to verify for Secure Boot; None for nothing
    :param drivers: look for the drivers of Hyper-V in an initrd that boots,
        which may take seconds

    :raises OSError: the source has fewer bytes than its size.
    :raises InspectionError: the reader has a bug; other files can still be
        inspected.
    """
    image = reader.Reader(source)
    result = Inspection(file_size=image.size)
    try:
        disk = open_virtual_disk(image, result)
        images: list[uefi.LoadedImage] | None = None
        if disk is not None:
            images = (media if result.format == 'iso' else boot).inspect(
                disk, result)
        if images is not None and policy is not None:
            # Not imported, nor paid for, without Secure Boot.
            from hyperv_sched.disk import secure_boot
            secure_boot.verify(images, policy, result, image.allow)
        if images is not None and drivers:
            unified.inspect(images, result, image.allow)
    except inspection.DefectError as exc:
        result.add_defect(*exc.report)
    except reader.ExhaustedError as exc:
        result.add_defect(Defect.INSPECTION_STOPPED, str(exc))
    except OSError:
        raise
    except Exception as exc:
        if exc is image.source_error:
            raise
        raise InspectionError(text.internal_error(exc)) from exc
    result.bytes_read = image.bytes_read
    return result


def read_format(file: typing.BinaryIO) -> Format:
    """Return the format of a file, or of the first bytes of a file.

    Reads less than 8 KiB, and nothing of the virtual disk. The first 32774
    bytes are enough for all formats but a fixed VHD, whose footer is at the
    end of the file: its first bytes are 'raw' or 'unknown'.

    :param file: seekable, opened for reading in binary
    :raises OSError: the file cannot be read.
    """
    image = reader.Reader(reader.FileSource(file))
    name, _ = _recognize(image)
    return Format(name, vhd.read_subformat(image) if name == 'vhd' else None)


def open_virtual_disk(image: reader.Reader,
                      result: Inspection) -> virtual_disk.Disk | None:
    """Open the virtual disk; return None for a format that is not read.

    :raises inspection.DefectError: the disk cannot be read.
    """
    result.format, result.virtual_size = _recognize(image)
    if result.format == 'vhdx':
        return vhdx.read(image, result)
    if result.format == 'vhd':
        return vhd.read(image, result)
    if result.format == 'iso':
        return virtual_disk.RawDisk(image, iso.SECTOR_SIZE)
    disk: virtual_disk.Disk
    if result.format == 'qcow2':
        disk = qcow2.read(image, result)
    elif result.format == 'vmdk':
        disk = vmdk.read(image, result)
    elif result.format == 'raw':
        disk = virtual_disk.RawDisk(image)
    else:
        return None
    # None of these formats states the size.
    result.logical_sector_size = formats.sector_size(disk)
    disk.sector_size = result.logical_sector_size or 512
    return disk


def _recognize(image: reader.Reader) -> tuple[str, int | None]:
    """Return the format, and the virtual size if the first bytes state it."""
    if image.read(0, len(vhdx.SIGNATURE)) == vhdx.SIGNATURE:
        return 'vhdx', None
    if vhd.has_footer(image) or vhd.has_footer_copy(image):
        return 'vhd', None
    return formats.recognize(image)
