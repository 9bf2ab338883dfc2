# SPDX-License-Identifier: Apache-2.0
"""Bounded random access to an untrusted file."""

from __future__ import annotations

import os
import typing

#: The largest structure that is read in one piece.
MAX_READ = 1024 * 1024

#: Limit on bytes that one inspection reads, without those that
#: :meth:`Reader.allow` adds. A disk with a large Linux kernel takes 1 MiB.
MAX_BYTES = 64 * 1024 * 1024
#: Limit on the work of one inspection. A step is about a microsecond of CPU:
#: decoding a number, comparing an entry. Disks that boot take some thousand,
#: with a kernel of 256 MiB in clusters of 512 bytes some ten thousand.
MAX_STEPS = 400_000
#: Steps that each read takes, whatever its length.
READ_STEPS = 8


class ExhaustedError(Exception):
    """The inspection reached a limit, which the message names."""


class Source(typing.Protocol):
    """The origin of bytes: a file, or a server that serves ranges."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Read a range that is inside of the source.

        :raises OSError: the range cannot be read.
        """


class FileSource:
    """A seekable file, opened for reading in binary."""

    def __init__(self, file: typing.BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)

    def read(self, offset: int, length: int) -> bytes:
        """Read a range; return fewer bytes if the file became shorter."""
        self._file.seek(offset)
        data = self._file.read(length)
        while 0 < len(data) < length:
            more = self._file.read(length - len(data))
            if not more:
                break
            data += more
        return data


class Reader:
    """Reads ranges of a file within the budget of one inspection.

    All reads are charged here; :meth:`spend` charges other work.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = source.size
        self.bytes_read = 0
        self.steps = 0
        """Steps that are spent."""
        self.source_error: Exception | None = None
        """The exception that the source raised."""
        self._bytes_left = MAX_BYTES

    def spend(self, steps: int, size: int = 0) -> None:
        """Charge work to the budget, before the work is done.

        :param steps: see :data:`MAX_STEPS`
        :param size: bytes to read, or to allocate
        :raises ExhaustedError: the budget is spent.
        """
        self.steps += steps
        self._bytes_left -= size
        if self.steps > MAX_STEPS:
            raise ExhaustedError(
                f'it takes more than {MAX_STEPS} steps, of directory '
                'entries, clusters, sections and the like')
        if self._bytes_left < 0:
            raise ExhaustedError(
                f'it takes more than {MAX_BYTES // 1024 ** 2} MiB of reads')

    def allow(self, size: int) -> None:
        """Add bytes to the budget, for a table that is read once."""
        self._bytes_left += size

    def read(self, offset: int, length: int) -> bytes:
        """Read a range; return only the bytes that the file has.

        :raises OSError: the file cannot be read, or became shorter.
        :raises ExhaustedError: the budget of the inspection is spent.
        """
        length = min(length, MAX_READ, self.size - offset)
        if offset < 0 or length <= 0:
            self.spend(1)
            return b''
        self.spend(READ_STEPS, length)
        try:
            data = self._source.read(offset, length)
        except Exception as exc:
            self.source_error = exc
            raise
        if len(data) != length:
            raise OSError(f'{length - len(data)} bytes are missing at '
                          f'{offset + len(data)}')
        self.bytes_read += len(data)
        return data
