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
import re
import struct

from hyperv_sched.disk import content
from hyperv_sched.disk import guest
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
_STATES = bytes((0, 1, 2, 3, _FULLY_PRESENT))
#: What bits 16 to 23 may be: 16 to 19 are reserved.
_NO_RESERVED_BITS = bytes(range(0, 256, 16))

#: Blocks in the file, of 1 MiB at least, that are gone through in about a
#: second: 4 TiB in the smallest blocks, 64 TiB in those of 16 MiB.
_MAX_PRESENT = 4 * 1024 ** 2

#: No file of a disk of 64 TiB is larger: blocks, BAT, metadata, log.
_MAX_FILE_SIZE = metadata.MAX_DISK_SIZE + 1024 ** 4


class BlockTable(guest.BlockDisk):
    """The disk behind the table."""

    def __init__(self, image: reader.Reader, region: regions.Region,
                 disk: metadata.Disk) -> None:
        super().__init__(
            image, disk.size, disk.sector_size, disk.block_size)
        self._offset = region.offset
        self._present = 0
        self._ratio = _CHUNK_SECTORS * disk.sector_size // disk.block_size
        if self._index(self._blocks - 1) >= region.length // _ENTRY.size:
            raise content.Damaged(
                'vhdx-malformed',
                f'the BAT has no room for {self._blocks} blocks')

    def _index(self, block: int) -> int:
        """The entry of a payload block, behind sector bitmap entries."""
        return block + block // self._ratio

    def _place(self, block: int) -> int | None:
        entry, = _ENTRY.unpack(self._image.read(
            self._offset + _ENTRY.size * self._index(block), _ENTRY.size))
        if entry & 7 != _FULLY_PRESENT:
            return None
        return int(entry >> 20) * _MIB

    def check(self, structures: Iterable[regions.Region]) -> None:
        """Go through the whole table.

        :param structures: what else has a place in the file
        :raises content.Damaged: an entry is none, a block ends behind the
            file, or shares its place.
        """
        if self._image.size > _MAX_FILE_SIZE:
            raise content.Damaged(
                'vhdx-malformed', f'a file of {self._image.size} bytes')
        # One byte a MiB, set where a block starts. What nobody sets of a
        # large one takes up no memory.
        starts = bytearray(self._image.size // _MIB + 1)
        self._image.allow(_ENTRY.size * (self._index(self._blocks - 1) + 1))
        for first, table in self._chunks():
            # Writers fill what they do not use with one and the same.
            entry = table[:_ENTRY.size]
            if (entry[0] & 7 != _FULLY_PRESENT
                    and table == entry * (len(table) // _ENTRY.size)):
                table = entry
            _check_entries(first, table)
            if _FULLY_PRESENT in table[::_ENTRY.size]:
                self._mark(first, table, starts)
        self._check_places(starts, structures)

    def _mark(self, first: int, table: bytes, starts: bytearray) -> None:
        """Mark where the present blocks of a chunk start."""
        last = (self._image.size - self.block_size) // _MIB
        entries = _present(table)
        self._present += len(entries)
        if self._present > _MAX_PRESENT:
            raise reader.ExhaustedError(
                f'the BAT has more than {_MAX_PRESENT} blocks in the file')
        places = [entry >> 20 for entry in entries]
        if max(places, default=0) > last:
            raise content.Damaged(
                'vhdx-truncated',
                f'block {first + _position(table, max(places))} ends at '
                f'{max(places) * _MIB + self.block_size}, the file at '
                f'{self._image.size}')
        for place in places:
            if starts[place]:
                raise content.Damaged(
                    'vhdx-bat-overlap',
                    f'block {first + _position(table, place)} and another '
                    f'lie at {place * _MIB}')
            starts[place] = 1

    def _check_places(self, starts: bytearray,
                      structures: Iterable[regions.Region]) -> None:
        """Blocks lie apart from each other and from all else."""
        step = self.block_size // _MIB
        head = regions.Region('the head of the file', 0, _MIB)
        for region in (head, *structures):
            at = starts.find(1, max(0, region.offset // _MIB - step + 1),
                             region.end // _MIB)
            if at >= 0:
                raise content.Damaged(
                    'vhdx-bat-overlap',
                    f'a block at {at * _MIB} and {region.name}')
        at = starts.find(1) if step > 1 else -1
        while at >= 0:
            following = starts.find(1, at + 1)
            if 0 <= following < at + step:
                raise content.Damaged(
                    'vhdx-bat-overlap', f'blocks of {self.block_size} bytes '
                    f'at {at * _MIB} and {following * _MIB}')
            at = following

    def _chunks(self) -> Iterator[tuple[int, bytes]]:
        """The payload entries, behind the number of the first of them.

        The sector bitmap entries are left out: writers leave junk there.
        """
        width = _ENTRY.size * self._ratio
        chunks = max(1, _PIECE // width)
        for first in range(0, self._blocks, chunks * self._ratio):
            count = min(chunks * self._ratio, self._blocks - first)
            table = self._table(self._index(first),
                                self._index(first + count - 1) + 1)
            if table == bytes(len(table)):
                continue
            for chunk in range(-(-count // self._ratio)):
                at = chunk * (width + _ENTRY.size)
                yield first + chunk * self._ratio, table[at:at + width]

    def _table(self, first: int, end: int) -> bytes:
        return self._image.read(
            self._offset + _ENTRY.size * first, _ENTRY.size * (end - first))


def _present(table: bytes) -> list[int]:
    """Return the entries of blocks that are in the file."""
    states = table[::_ENTRY.size]
    if states.count(_FULLY_PRESENT) > len(states) // 4:
        return [entry for entry in struct.unpack(f'<{len(states)}Q', table)
                if entry & 7 == _FULLY_PRESENT]
    # Of a large and nearly empty disk they are spread over the whole table.
    return [_ENTRY.unpack_from(table, found.start() * _ENTRY.size)[0]
            for found in re.finditer(b'%c' % _FULLY_PRESENT, states)]


def _position(table: bytes, start: int) -> int:
    """The last entry of a present block that lies at a MiB of the file."""
    return max(number for number, (entry,) in enumerate(
        _ENTRY.iter_unpack(table))
        if entry & 7 == _FULLY_PRESENT and entry >> 20 == start)


def _check_entries(first: int, table: bytes) -> None:
    """States that there are, and reserved bits that are zero.

    The same byte of all entries is one slice.
    """
    if not (table[::8].translate(None, _STATES)
            or table[1::8].translate(None, b'\0')
            or table[2::8].translate(None, _NO_RESERVED_BITS)):
        return
    for number, (entry,) in enumerate(_ENTRY.iter_unpack(table), first):
        if entry & 7 not in _STATES:
            raise content.Damaged(
                'vhdx-malformed', f'block {number} has state {entry & 7}')
        if entry & 0xffff8:
            raise content.Damaged(
                'vhdx-malformed',
                f'reserved bits are set in the BAT entry of block {number}')
