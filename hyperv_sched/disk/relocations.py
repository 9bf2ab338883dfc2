# SPDX-License-Identifier: Apache-2.0
"""Base relocations: what firmware puts right in a program that it moves.

The directory lists blocks (Microsoft PE format, "The .reloc Section"), little
endian: address of a page u32, size of the block u32, and a u16 for each
place: its type in the upper four bits, its offset in the page in the rest.
Firmware goes through them as EDK II does (``BasePeCoff.c``
PeCoffLoaderRelocateImage; ``PeCoffLoaderEx.c`` of x64 knows no other types).
"""

from __future__ import annotations

import struct

#: Bytes that are gone through. A program of 64 MiB has less.
MAX_SIZE = 1024 ** 2

_BLOCK = struct.Struct('<II')
_DIR64 = 10
#: None at all, HIGH, LOW, HIGHLOW.
_TYPES = frozenset((0, 1, 2, 3, _DIR64))
#: Bytes of places that tell enough.
_FEW = 64


class Damaged(Exception):
    """Firmware gives up, and why."""


def check(data: bytes, size: int, memory: int) -> int:
    """Go through all blocks of a directory.

    :param data: what is there, of at most :data:`MAX_SIZE`
    :param size: of the directory
    :param memory: what the program takes of it
    :returns: where the last block ends
    :raises Damaged: a block that cannot be
    """
    at = 0
    # The directory's last byte alone is not looked at.
    while at < min(size - 1, MAX_SIZE):
        page, length = _BLOCK.unpack(data[at:at + _BLOCK.size].ljust(
            _BLOCK.size, b'\0'))
        if not _BLOCK.size <= length <= size - at:
            raise Damaged(f'a block of {length} bytes where {size - at} are '
                          'left')
        places = data[at + _BLOCK.size:at + length]
        types = _types(places)
        if not types <= _TYPES:
            raise Damaged(f'one is of type {max(types - _TYPES)}')
        last = page
        if page + 0xfff >= memory:
            last += max((place & 0xfff for place, in struct.iter_unpack(
                '<H', places[:len(places) & ~1])), default=0)
        if last >= memory:
            raise Damaged(f'one is for address {last:#x}')
        at += length
    return at


def begin(data: bytes, memory: int) -> list[int]:
    """The first places of a block that hold an address of eight bytes.

    None, where no such block is.
    """
    if len(data) < _BLOCK.size:
        return []
    page, length = _BLOCK.unpack_from(data)
    places = data[_BLOCK.size:length]
    if (page >= memory or not _BLOCK.size < length <= len(data)
            or not _types(places) <= _TYPES):
        return []
    return [page + (place & 0xfff)
            for place, in struct.iter_unpack('<H', places[:_FEW])
            if place >> 12 == _DIR64]


def _types(places: bytes) -> set[int]:
    return {high >> 4 for high in set(places[1::2])}
