# SPDX-License-Identifier: Apache-2.0
"""Base relocations, which firmware applies to a program that it moves.

The directory has blocks (Microsoft PE format, "The .reloc Section"), little
endian:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 address of a page
     4    4 size of the block
     8    2 first relocation: type in the upper 4 bits, offset in the
            page in the lower 12 bits
====== ==== ==========================================================

The checks are those of EDK II (``BasePeCoff.c`` PeCoffLoaderRelocateImage;
``PeCoffLoaderEx.c``, which has no more types for x64).
"""

from __future__ import annotations

from collections.abc import Callable
import struct

#: Limit on bytes that are checked. A program of 64 MiB has fewer.
MAX_SIZE = 1024 ** 2

_BLOCK = struct.Struct('<II')
HEADER_SIZE = _BLOCK.size
#: Steps of work for a block, and bytes of its relocations for one more step;
#: fewer, if their offsets are decoded.
_BLOCK_STEPS = 2
_BYTES_PER_STEP = 1024
_DECODED_BYTES_PER_STEP = 32
_PAGE_SIZE = 0x1000
_DIR64 = 10
#: ABSOLUTE, HIGH, LOW, HIGHLOW, DIR64.
_TYPES = (0, 1, 2, 3, _DIR64)
#: Valid values of the second byte of a relocation.
_HIGH_BYTES = bytes(byte for byte in range(256) if byte >> 4 in _TYPES)
#: Bytes of the relocations that are a sufficient sample of a block.
_SAMPLE_SIZE = 64


class RelocationError(Exception):
    """Firmware refuses the relocations."""


def check(data: bytes, size: int, memory: int,
          spend: Callable[[int], None]) -> int:
    """Check all blocks of a directory.

    :param data: the directory, of at most :data:`MAX_SIZE` bytes
    :param size: the size that the header of the program states
    :param memory: the size of the program in memory
    :param spend: charges the work, in steps
    :returns: the end of the last block
    :raises RelocationError: firmware refuses a block.
    """
    offset = 0
    # Firmware ignores a single byte at the end.
    while offset < min(size - 1, MAX_SIZE):
        page, length = _BLOCK.unpack(
            data[offset:offset + _BLOCK.size].ljust(_BLOCK.size, b'\0'))
        if not _BLOCK.size <= length <= size - offset:
            raise RelocationError(f'a block of {length} bytes, where '
                                  f'{size - offset} bytes are left')
        entries = data[offset + _BLOCK.size:offset + length]
        spend(_BLOCK_STEPS + len(entries) // _BYTES_PER_STEP)
        _check_entries(entries, page, memory, spend)
        offset += length
    return offset


def _check_entries(entries: bytes, page: int, memory: int,
                   spend: Callable[[int], None]) -> None:
    """Check the types of relocations, and that their address is in memory."""
    unknown = _unknown_types(entries)
    if unknown:
        raise RelocationError(f'a relocation has type {max(unknown) >> 4}')
    last = page
    if page + _PAGE_SIZE > memory:
        spend(len(entries) // _DECODED_BYTES_PER_STEP)
        last += max((entry & 0xfff for entry, in struct.iter_unpack(
            '<H', entries[:len(entries) & ~1])), default=0)
    if last >= memory:
        raise RelocationError(f'a relocation is for address {last:#x}')


def block_size(header: bytes) -> int:
    """Return the size of a block with its header; 0 without a header."""
    if len(header) < _BLOCK.size:
        return 0
    size: int = _BLOCK.unpack_from(header)[1]
    return size


def first_pointers(block: bytes, memory: int) -> list[int]:
    """Return the addresses of the first 64-bit pointers of a block.

    :returns: an empty list also if the block is invalid
    """
    if len(block) < _BLOCK.size:
        return []
    page, length = _BLOCK.unpack_from(block)
    entries = block[_BLOCK.size:length]
    if (page >= memory or not _BLOCK.size < length <= len(block)
            or _unknown_types(entries)):
        return []
    return [page + (entry & 0xfff)
            for entry, in struct.iter_unpack('<H', entries[:_SAMPLE_SIZE])
            if entry >> 12 == _DIR64]


def _unknown_types(entries: bytes) -> bytes:
    """Return the second bytes of relocations of unknown types."""
    return entries[1::2].translate(None, _HIGH_BYTES)
