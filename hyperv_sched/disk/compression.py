# SPDX-License-Identifier: Apache-2.0
"""Compressed clusters of disk images, decompressed within limits.

Python has zstd from version 3.14. The package backports.zstd is the same
module for older versions.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
import sys
import typing
import zlib

#: Bytes of output for a step of work (:data:`reader.MAX_STEPS`).
BYTES_PER_STEP = 512
#: Limit on the memory of the clusters that are kept.
_MAX_KEPT = 8 * 1024 * 1024
#: The window of a cluster of 2 MiB, which is the largest.
_ZSTD_WINDOW_LOG = 21

Decompress = Callable[[bytes, int], bytes]
"""Returns at most a number of bytes of output.

Raises :class:`CorruptError`, or :class:`MissingError`.
"""


class CorruptError(Exception):
    """The data are not of the format."""


class MissingError(Exception):
    """Python lacks the module that decompresses the data."""


class _Decompressor(typing.Protocol):
    def decompress(self, data: bytes, max_length: int) -> bytes:
        pass


def inflate(data: bytes, size: int) -> bytes:
    """Decompress a deflate stream without a header.

    :raises CorruptError: the stream is invalid.
    """
    return _decompress(zlib.decompressobj(-12), zlib.error, data, size)


def inflate_zlib(data: bytes, size: int) -> bytes:
    """Decompress a zlib stream.

    :raises CorruptError: the stream is invalid.
    """
    return _decompress(zlib.decompressobj(), zlib.error, data, size)


def decompress_zstd(data: bytes, size: int) -> bytes:
    """Decompress a zstd frame with a window of at most 2 MiB.

    :raises CorruptError: the frame is invalid.
    :raises MissingError: Python has no zstd.
    """
    return _decompress(*zstd_decompressor(_ZSTD_WINDOW_LOG), data, size)


def zstd_decompressor(window_log: int) -> tuple[typing.Any, type[Exception]]:
    """Return a decompressor of a zstd frame, and the class of its errors.

    :param window_log: the binary logarithm of the largest window
    :raises MissingError: Python has no zstd.
    """
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise MissingError(
            'zstd, which Python has from version 3.14 and "pip install '
            'backports.zstd" adds to older versions') from None
    window = int(zstd.DecompressionParameter.window_log_max)
    return zstd.ZstdDecompressor(options={window: window_log}), zstd.ZstdError


def _decompress(decompressor: _Decompressor, error: type[Exception],
                data: bytes, size: int) -> bytes:
    try:
        return decompressor.decompress(data, size)
    except error as exc:
        raise CorruptError(str(exc)) from None


class Cache:
    """The clusters and tables that were used last, by offset or number."""

    def __init__(self) -> None:
        self._kept: collections.OrderedDict[int, bytes] = (
            collections.OrderedDict())
        self._size = 0

    def get(self, key: int, read: Callable[[], bytes]) -> bytes:
        """Return the bytes that are kept for a key, else read them."""
        data = self._kept.get(key)
        if data is not None:
            self._kept.move_to_end(key)
            return data
        data = read()
        self._kept[key] = data
        self._size += len(data)
        while self._size > _MAX_KEPT:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest)
        return data
