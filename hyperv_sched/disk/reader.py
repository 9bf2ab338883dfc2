# SPDX-License-Identifier: Apache-2.0
"""Bounded random access to an untrusted file, wherever it lies."""

from __future__ import annotations

import os
import typing

#: No structure that is read in one piece is larger.
MAX_READ = 1024 * 1024

#: What one inspection may read, except for what :meth:`Reader.allow` adds.
#: A disk with a large Linux kernel takes about 1 MiB.
MAX_BYTES = 64 * 1024 * 1024
#: How much work one inspection may make. A step is about a microsecond of
#: CPU: a number that is decoded, an entry that is looked at. Disks that
#: start take some thousand, with a kernel of 256 MiB in clusters of 512
#: bytes some ten thousand.
MAX_STEPS = 400_000
#: What a read costs, in steps, however little is read.
READ_STEPS = 8


class ExhaustedError(Exception):
    """The inspection is given up; the text says which limit it reached."""


class Source(typing.Protocol):
    """Where the bytes come from: a file, or a server that serves ranges."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Read a range that lies inside.

        :raises OSError: it cannot be read.
        """


class FileSource:
    """A seekable file, opened for reading in binary."""

    def __init__(self, file: typing.BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)

    def read(self, offset: int, length: int) -> bytes:
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

    All bytes of the file pass through here, so the budget is kept here, too.
    Work that reads nothing is charged by :meth:`spend`.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = source.size
        self.bytes_read = 0
        self.steps = 0
        """Spent so far."""
        self._bytes_left = MAX_BYTES

    def spend(self, steps: int, size: int = 0) -> None:
        """Charge work to the budget, before it is done.

        :param steps: see :data:`MAX_STEPS`
        :param size: bytes that are read, or made
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
        """Read a range; what lies outside of the file is missing.

        :returns: fewer bytes than asked for, or none, at the end of the
            file and for an offset that no file has.
        :raises OSError: the file cannot be read, or became shorter.
        :raises ExhaustedError: the budget of the inspection is spent.
        """
        length = min(length, MAX_READ, self.size - offset)
        if offset < 0 or length <= 0:
            self.spend(1)
            return b''
        self.spend(READ_STEPS, length)
        data = self._source.read(offset, length)
        if len(data) != length:
            raise OSError(f'{length - len(data)} bytes are missing at '
                          f'{offset + len(data)}')
        self.bytes_read += len(data)
        return data
