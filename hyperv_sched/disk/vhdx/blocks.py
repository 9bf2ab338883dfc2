# SPDX-License-Identifier: Apache-2.0
"""The BAT of a VHDX: where each block of the disk lies (MS-VHDX 2.5).

Entries of 8 bytes, little endian: state in bits 0 to 2, zeros up to bit 19,
file offset in MiB from bit 20. After each chunk of payload entries comes
one for a sector bitmap, which only a differencing disk has a use for. The
chunk ratio is 2^23 sectors in blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import struct

from hyperv_sched.disk import content
from hyperv_sched.disk import reader
from hyperv_sched.disk.vhdx import metadata
from hyperv_sched.disk.vhdx import regions

_MIB = 1024 ** 2
_ENTRY = struct.Struct('<Q')
_CHUNK_SECTORS = 2 ** 23
#: How much of the table is gone through in one piece, at least.
_PIECE = 512 * 1024

_FULLY_PRESENT = 6
#: Not present, undefined, zero, unmapped (2.5.1.1); partially present (7)
#: is for differencing disks.
_STATES = frozenset((0, 1, 2, 3, _FULLY_PRESENT))

#: No file of a disk of 64 TiB is larger: blocks, BAT, metadata, log.
_MAX_FILE_SIZE = metadata.MAX_DISK_SIZE + 1024 ** 4


class BlockTable:
    """The disk behind the table."""

    def __init__(self, image: reader.Reader, region: regions.Region,
                 disk: metadata.Disk) -> None:
        self.size = disk.size
        self.sector_size = disk.sector_size
        self._image = image
        self._offset = region.offset
        self._block_size = disk.block_size
        self._ratio = _CHUNK_SECTORS * disk.sector_size // disk.block_size
        self._blocks = -(-disk.size // disk.block_size)
        if self._index(self._blocks - 1) >= region.length // _ENTRY.size:
            raise content.Damaged(
                'vhdx-malformed',
                f'the BAT has no room for {self._blocks} blocks')

    def _index(self, block: int) -> int:
        """The entry of a payload block, behind sector bitmap entries."""
        return block + block // self._ratio

    def read(self, offset: int, length: int) -> bytes:
        """Read a range of the disk; what no block holds is zeros."""
        length = min(length, reader.MAX_READ, self.size - offset)
        if offset < 0:
            return b''
        pieces = []
        while length > 0:
            block, start = divmod(offset, self._block_size)
            size = min(length, self._block_size - start)
            entry, = _ENTRY.unpack(self._image.read(
                self._offset + _ENTRY.size * self._index(block),
                _ENTRY.size))
            pieces.append(
                self._image.read((entry >> 20) * _MIB + start, size)
                if entry & 7 == _FULLY_PRESENT else bytes(size))
            offset += size
            length -= size
        return b''.join(pieces)

    def check(self, structures: Iterable[regions.Region]) -> None:
        """Go through the whole table.

        :param structures: what else has a place in the file
        :raises content.Damaged: an entry is none, a block ends behind the
            file, or shares its place.
        """
        if self._image.size > _MAX_FILE_SIZE:
            raise content.Damaged(
                'vhdx-malformed', f'a file of {self._image.size} bytes')
        # One byte a MiB: of the larger ones only the pages in use count.
        taken = bytearray(self._image.size // _MIB + 1)
        taken[0] = 1
        for region in structures:
            first, last = region.offset // _MIB, region.end // _MIB
            taken[first:last] = b'\1' * (last - first)
        step = self._block_size // _MIB
        free, used = bytes(step), b'\2' * step
        for block, entry in self._entries():
            start = entry >> 20
            end = (start + step) * _MIB
            if end > self._image.size:
                raise content.Damaged(
                    'vhdx-truncated', f'block {block} ends at {end}, the '
                    f'file at {self._image.size}')
            place = taken[start:start + step]
            if place != free:
                other = ('another block' if 2 in place
                         else 'a structure of the file')
                raise content.Damaged(
                    'vhdx-bat-overlap', f'block {block} and {other} share '
                    f'file space from {start * _MIB}')
            taken[start:start + step] = used

    def _entries(self) -> Iterator[tuple[int, int]]:
        """Number and entry of each block that is present.

        Entries come by whole chunks, so that the sector bitmap entries can
        be cut out. Writers leave junk in those: they are not looked at.
        """
        width = self._ratio + 1
        chunks = max(1, _PIECE // (_ENTRY.size * width))
        for first in range(0, self._blocks, chunks * self._ratio):
            count = min(chunks * self._ratio, self._blocks - first)
            table = self._table(self._index(first),
                                self._index(first + count - 1) + 1)
            if table == bytes(len(table)):
                continue
            for start in range(0, count, self._ratio):
                at = _ENTRY.size * (start + start // self._ratio)
                size = _ENTRY.size * min(self._ratio, count - start)
                yield from _present(first + start, table[at:at + size])

    def _table(self, first: int, end: int) -> bytes:
        size = _ENTRY.size * (end - first)
        table = self._image.read(self._offset + _ENTRY.size * first, size)
        if len(table) != size:
            raise content.Damaged('vhdx-truncated', 'the BAT cannot be read')
        return table


def _present(first: int, table: bytes) -> Iterator[tuple[int, int]]:
    """Entries of present blocks; each byte of all entries is one slice."""
    low = table[::8]
    reserved = table[1::8]
    if (not _STATES.issuperset(low) or any(reserved)
            or any(byte & 15 for byte in set(table[2::8]))):
        _report(first, table)
    at = low.find(_FULLY_PRESENT)
    while at >= 0:
        yield first + at, _ENTRY.unpack_from(table, 8 * at)[0]
        at = low.find(_FULLY_PRESENT, at + 1)


def _report(first: int, table: bytes) -> None:
    for number, (entry,) in enumerate(_ENTRY.iter_unpack(table), first):
        if entry & 7 not in _STATES:
            raise content.Damaged(
                'vhdx-malformed', f'block {number} has state {entry & 7}')
        if entry & 0xffff8:
            raise content.Damaged(
                'vhdx-malformed',
                f'reserved bits are set in the BAT entry of block {number}')
