# SPDX-License-Identifier: Apache-2.0
"""Base relocations: what firmware puts right in a program that it moves.

The directory lists blocks (Microsoft PE format, "The .reloc Section"), little
endian: address of a page u32, size of the block u32, and a u16 for each
place: its type in the upper four bits, its offset in the page in the rest.
Firmware goes through them as EDK II does (``BasePeCoff.c``
PeCoffLoaderRelocateImage; ``PeCoffLoaderEx.c`` of x64 knows no other types).
"""

from __future__ import annotations

from collections.abc import Callable
import struct

#: Bytes that are gone through. A program of 64 MiB has less.
MAX_SIZE = 1024 ** 2

_BLOCK = struct.Struct('<II')
HEAD_SIZE = _BLOCK.size
#: Of work: what a block takes, and the places in it, by their bytes.
_BLOCK_STEPS = 2
_PLACES_PER_STEP = 1024
_SLOW_PLACES_PER_STEP = 32
_DIR64 = 10
#: None at all, HIGH, LOW, HIGHLOW.
_TYPES = (0, 1, 2, 3, _DIR64)
#: What the second byte of a place may be.
_HIGH_BYTES = bytes(byte for byte in range(256) if byte >> 4 in _TYPES)
#: Bytes of places that tell enough.
_FEW = 64


class Damaged(Exception):
    """Firmware gives up, and why."""


def check(data: bytes, size: int, memory: int,
          spend: Callable[[int], None]) -> int:
    """Go through all blocks of a directory.

    :param data: what is there, of at most :data:`MAX_SIZE`
    :param size: of the directory
    :param memory: what the program takes of it
    :param spend: charges the work, in steps
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
        spend(_BLOCK_STEPS + len(places) // _PLACES_PER_STEP)
        others = _other_types(places)
        if others:
            raise Damaged(f'one is of type {max(others) >> 4}')
        last = page
        if page + 0xfff >= memory:
            spend(len(places) // _SLOW_PLACES_PER_STEP)
            last += max((place & 0xfff for place, in struct.iter_unpack(
                '<H', places[:len(places) & ~1])), default=0)
        if last >= memory:
            raise Damaged(f'one is for address {last:#x}')
        at += length
    return at


def length(head: bytes) -> int:
    """Return the size of a block, head included; 0 where there is none."""
    if len(head) < _BLOCK.size:
        return 0
    size: int = _BLOCK.unpack_from(head)[1]
    return size


def begin(data: bytes, memory: int) -> list[int]:
    """The first places of a block that hold an address of eight bytes.

    None, where no such block is.
    """
    if len(data) < _BLOCK.size:
        return []
    page, length = _BLOCK.unpack_from(data)
    places = data[_BLOCK.size:length]
    if (page >= memory or not _BLOCK.size < length <= len(data)
            or _other_types(places)):
        return []
    return [page + (place & 0xfff)
            for place, in struct.iter_unpack('<H', places[:_FEW])
            if place >> 12 == _DIR64]


def _other_types(places: bytes) -> bytes:
    """Return the second bytes of places whose type firmware does not know."""
    return places[1::2].translate(None, _HIGH_BYTES)
