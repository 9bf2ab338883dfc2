# SPDX-License-Identifier: Apache-2.0
"""Files in an initrd, the first file system of Linux.

It consists of archives and of zeros between them (Linux,
``driver-api/early-userspace/buffer-format.rst``). An archive may be
compressed, by itself or together with those that follow. The size of an
archive is not stated: it ends with the file ``TRAILER!!!``.

Each file begins with a header of ASCII, numbers in hexadecimal digits:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    6 ``070701``, or ``070702`` with checksums
    54    8 size of the content
    94    8 size of the name, with the zero at its end
   110      name, then content, each up to a multiple of 4 from the header on
====== ==== ==========================================================
"""

from __future__ import annotations

import bz2
from collections.abc import Callable
from collections.abc import Iterator
import lzma
import typing
from typing import cast
import zlib

from hyperv_sched.disk import compression

#: Bytes of all archives after decompression. The initrd of a distribution
#: with all drivers has some 200 MiB.
MAX_EXPANDED = 512 * 1024 * 1024
#: Files of all archives: that of a distribution has some 5000.
MAX_FILES = 100_000
#: Bytes of the content of all files that are wanted. A list of the parts of
#: a kernel has some 40 KB.
MAX_CONTENT = 1024 * 1024
#: Archives, compressed or not. Distributions make up to four.
MAX_ARCHIVES = 1000
_MAX_NAME = 4096
_CHUNK = 256 * 1024
#: Memory of the decompressor of xz, which is as large as its dictionary.
_MAX_MEMORY = 256 * 1024 * 1024
#: The window of zstd --ultra: 128 MiB.
_ZSTD_WINDOW_LOG = 27

_HEADER_SIZE = 110
_MAGICS = (b'070701', b'070702')
_SIZE, _NAME_SIZE = slice(54, 62), slice(94, 102)
_LAST = b'TRAILER!!!'
_ALIGNMENT = 4


class UnreadableError(Exception):
    """The initrd is damaged, too large, or of an unknown compression."""


class _Decompressor(typing.Protocol):
    """The interface that bz2 and lzma share."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed data was reached."""

    @property
    def unused_data(self) -> bytes:
        """What followed the compressed data."""

    @property
    def needs_input(self) -> bool:
        """Whether it can return no more without more input."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Decompress, and return no more than so many bytes."""


class _Gzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(
            self._zlib.unconsumed_tail + data, max_length)


def _xz() -> _Decompressor:
    return lzma.LZMADecompressor(memlimit=_MAX_MEMORY)


def _zstd() -> _Decompressor:
    try:
        decompressor, _ = compression.zstd_decompressor(_ZSTD_WINDOW_LOG)
    except compression.MissingError as exc:
        raise UnreadableError(str(exc)) from None
    return cast(_Decompressor, decompressor)


#: By the first bytes. Python has no LZ4.
_DECOMPRESSORS: dict[bytes, Callable[[], _Decompressor]] = {
    b'\x1f\x8b': _Gzip, b'\xfd7zXZ\0': _xz, b'\x5d\0\0': _xz,
    b'BZh': bz2.BZ2Decompressor, b'\x28\xb5\x2f\xfd': _zstd}
_LONGEST_MAGIC = 6


class _Stream:
    """Bytes of chunks, of which some can be returned."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b''
        self._position = 0
        #: Bytes that were read.
        self.offset = 0

    def peek(self, length: int) -> bytes:
        """Return the next bytes without reading them."""
        while len(self._buffer) - self._position < length:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._buffer = self._buffer[self._position:] + chunk
            self._position = 0
        return self._buffer[self._position:self._position + length]

    def read(self, length: int) -> bytes:
        """Read so many bytes.

        :raises UnreadableError: there are fewer.
        """
        data = self.peek(length)
        if len(data) < length:
            raise UnreadableError('it is cut off')
        self._position += length
        self.offset += length
        return data

    def skip(self, length: int) -> None:
        """Pass over so many bytes."""
        while length > 0:
            length -= len(self.read(min(length, _CHUNK)))

    def skip_zeros(self) -> None:
        """Pass over zeros, of which there may be millions."""
        while self.peek(1) == b'\0':
            rest = self._buffer[self._position:].lstrip(b'\0')
            self.offset += len(self._buffer) - self._position - len(rest)
            self._buffer, self._position = rest, 0

    def read_chunk(self) -> bytes:
        """Read what is at hand; empty at the end."""
        self.peek(1)
        return self.read(len(self._buffer) - self._position)

    def put_back(self, data: bytes) -> None:
        """Return bytes that were read last."""
        self._buffer = data + self._buffer[self._position:]
        self._position = 0
        self.offset -= len(data)


class Limits:
    """What is left of the limits of one initrd."""

    def __init__(self) -> None:
        self._archives = MAX_ARCHIVES
        self._content = MAX_CONTENT
        self._expanded = MAX_EXPANDED
        self._files = MAX_FILES

    def spend(self, *, archives: int = 0, content: int = 0,
              expanded: int = 0, files: int = 0) -> None:
        """Count archives, files, and bytes of both.

        :raises UnreadableError: a limit is reached.
        """
        self._archives -= archives
        self._content -= content
        self._expanded -= expanded
        self._files -= files
        if min(self._archives, self._content, self._expanded,
               self._files) < 0:
            raise UnreadableError('it is too large')


def files(chunks: Iterator[bytes], wanted: Callable[[str], bool],
          ) -> Iterator[tuple[str, bytes]]:
    """Yield the name of each file, and its content if it is wanted.

    :param chunks: the initrd
    :param wanted: whether to read the content of the file with a name;
        otherwise the content is empty
    :raises UnreadableError: not all of it can be read.
    """
    yield from _archives(_Stream(chunks), wanted, Limits(), True)


def _archives(stream: _Stream, wanted: Callable[[str], bool], limits: Limits,
              is_outer: bool) -> Iterator[tuple[str, bytes]]:
    while head := stream.peek(_LONGEST_MAGIC):
        if not head[0]:
            stream.skip_zeros()
            continue
        limits.spend(archives=1)
        if head.startswith(_MAGICS):
            yield from _archive(stream, wanted, limits)
        elif is_outer:
            yield from _archives(
                _Stream(_expand(stream, _find(head), limits)), wanted,
                limits, False)
        else:
            raise UnreadableError('it is damaged')


def _find(head: bytes) -> Callable[[], _Decompressor]:
    for magic, make in _DECOMPRESSORS.items():
        if head.startswith(magic):
            return make
    raise UnreadableError(f'its compression is unknown: {head.hex()}')


def _expand(stream: _Stream, make: Callable[[], _Decompressor],
            limits: Limits) -> Iterator[bytes]:
    """Yield decompressed data, up to the end of the compressed data."""
    decompressor = make()
    try:
        while not decompressor.eof:
            data = b''
            if decompressor.needs_input:
                data = stream.read_chunk()
                if not data:
                    raise UnreadableError('it is cut off')
            expanded = decompressor.decompress(data, _CHUNK)
            limits.spend(expanded=len(expanded))
            if expanded:
                yield expanded
    except UnreadableError:
        raise
    except Exception as exc:
        # Each compression has errors of its own.
        raise UnreadableError(f'it is damaged: {exc}') from None
    stream.put_back(decompressor.unused_data)


def _archive(stream: _Stream, wanted: Callable[[str], bool],
             limits: Limits) -> Iterator[tuple[str, bytes]]:
    start = stream.offset
    while True:
        header = stream.read(_HEADER_SIZE)
        try:
            # int() would accept signs.
            size, name_size = (
                int.from_bytes(bytes.fromhex(header[part].decode()), 'big')
                for part in (_SIZE, _NAME_SIZE))
        except ValueError:
            raise UnreadableError('it is damaged') from None
        if not header.startswith(_MAGICS) or name_size > _MAX_NAME:
            raise UnreadableError('it is damaged')
        limits.spend(files=1)
        name = stream.read(name_size).partition(b'\0')[0]
        stream.skip((start - stream.offset) % _ALIGNMENT)
        if name == _LAST:
            return
        text = name.decode('utf-8', 'replace')
        content = b''
        if wanted(text):
            limits.spend(content=size)
            content = stream.read(size)
        stream.skip(size - len(content))
        stream.skip((start - stream.offset) % _ALIGNMENT)
        yield text, content
