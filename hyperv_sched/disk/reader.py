# SPDX-License-Identifier: Apache-2.0
"""Bounded random access to an untrusted file, wherever it lies."""

from __future__ import annotations

import os
import typing

#: No structure that is read in one piece is larger.
MAX_READ = 1024 * 1024


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
    """Reads ranges, asks for nothing that is not there, and counts."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = source.size
        self.bytes_read = 0

    def read(self, offset: int, length: int) -> bytes:
        """Read a range; what lies outside of the file is missing.

        :returns: fewer bytes than asked for, or none, at the end of the
            file and for an offset that no file has.
        :raises OSError: the file cannot be read, or became shorter.
        """
        length = min(length, MAX_READ, self.size - offset)
        if offset < 0 or length <= 0:
            return b''
        data = self._source.read(offset, length)
        if len(data) != length:
            raise OSError(f'{length - len(data)} bytes are missing at '
                          f'{offset + len(data)}')
        self.bytes_read += len(data)
        return data
