# SPDX-License-Identifier: Apache-2.0
"""Bounded random access to an untrusted file."""

from __future__ import annotations

import os
import typing

#: No structure that is read in one piece is larger.
MAX_READ = 64 * 1024


class Reader:
    """Reads ranges of a seekable file and counts what it read.

    :param source: opened for reading in binary, unbuffered or not.
    """

    def __init__(self, source: typing.BinaryIO) -> None:
        self._source = source
        self.size = source.seek(0, os.SEEK_END)
        self.bytes_read = 0

    def read(self, offset: int, length: int) -> bytes:
        """Read a range; what lies outside of the file is missing.

        :returns: fewer bytes than asked for, or none, at the end of the
            file and for an offset that no file has.
        """
        length = min(length, MAX_READ, self.size - offset)
        if offset < 0 or length <= 0:
            return b''
        self._source.seek(offset)
        data = self._source.read(length)
        self.bytes_read += len(data)
        return data
