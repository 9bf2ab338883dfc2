# SPDX-License-Identifier: Apache-2.0
"""The block allocation table (BAT) of a VHDX (MS-VHDX 2.5).

Entries of 8 bytes, little endian:

====== ===========================================================
bits   value
====== ===========================================================
 0-2   state
 3-19  zero
20-63  file offset in MiB
====== ===========================================================

After each chunk of payload entries comes an entry for a sector bitmap, which
only differencing disks use. A chunk is 2^23 sectors.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import itertools
import struct

from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.vhdx import extents
from hyperv_sched.disk.vhdx import metadata

_MIB = extents.MIB
_ENTRY = struct.Struct('<Q')
_STATE = 7
_RESERVED = 0xffff8
_OFFSET_SHIFT = 20
_CHUNK_SECTORS = 2 ** 23
#: The least size of the table that is read at once.
_READ_SIZE = 512 * 1024

_FULLY_PRESENT = 6
#: By the first byte of an entry, 1 where it is fully present.
_IS_PRESENT = bytes(state == _FULLY_PRESENT for state in range(256))
#: Not present, undefined, zero, unmapped (2.5.1.1). Partially present (7) is
#: for differencing disks.
_STATES = bytes((0, 1, 2, 3, _FULLY_PRESENT))
#: Valid values of bits 16 to 23, of which 16 to 19 are reserved.
_NO_RESERVED_BITS = bytes(range(0, 256, 16))

#: Limit on blocks in the file, of 1 MiB at least, that are checked in about a
#: second: 4 TiB in the smallest blocks, 64 TiB in blocks of 16 MiB.
_MAX_PRESENT = 4 * 1024 ** 2

#: The largest file of a disk of 64 TiB: blocks, BAT, metadata, log.
_MAX_FILE_SIZE = metadata.MAX_DISK_SIZE + 1024 ** 4


class BlockTable(virtual_disk.BlockDisk):
    """The disk whose blocks the BAT lists.

    :raises inspection.DefectError: the BAT is too small for the disk.
    """

    def __init__(self, image: reader.Reader, region: extents.Extent,
                 disk: metadata.DiskParameters) -> None:
        super().__init__(
            image, disk.size, disk.sector_size, disk.block_size)
        self._table_offset = region.offset
        self._present = 0
        self._ratio = _CHUNK_SECTORS * disk.sector_size // disk.block_size
        if self._index(self._blocks - 1) >= region.length // _ENTRY.size:
            raise inspection.DefectError(
                Defect.VHDX_MALFORMED,
                f'the BAT has no room for {self._blocks} blocks')

    def _index(self, block: int) -> int:
        """Return the index of the entry of a payload block."""
        return block + block // self._ratio

    def _block_offset(self, block: int) -> int | None:
        entry, = _ENTRY.unpack(self._image.read(
            self._table_offset + _ENTRY.size * self._index(block),
            _ENTRY.size))
        if entry & _STATE != _FULLY_PRESENT:
            return None
        return int(entry >> _OFFSET_SHIFT) * _MIB

    def check(self, structures: Iterable[extents.Extent]) -> None:
        """Check all payload entries of the BAT.

        :param structures: ranges of the file that are not for blocks
        :raises inspection.DefectError: an entry is invalid, a block ends
            past the end of the file, or overlaps another range.
        """
        if self._image.size > _MAX_FILE_SIZE:
            raise inspection.DefectError(
                Defect.VHDX_MALFORMED, f'a file of {self._image.size} bytes')
        # One byte for each MiB of the file, 1 where a block begins. Pages of
        # a large one that stay zero take no memory.
        starts = bytearray(self._image.size // _MIB + 1)
        self._image.allow(_ENTRY.size * (self._index(self._blocks - 1) + 1))
        for first, table in self._chunks():
            # A chunk without blocks mostly has equal entries: check one.
            entry = table[:_ENTRY.size]
            if (entry[0] & _STATE != _FULLY_PRESENT
                    and table == entry * (len(table) // _ENTRY.size)):
                table = entry
            _check_entries(first, table)
            if _FULLY_PRESENT in table[::_ENTRY.size]:
                self._mark_starts(first, table, starts)
        self._check_overlaps(starts, structures)

    def _mark_starts(self, first: int, table: bytes,
                     starts: bytearray) -> None:
        """Mark where the blocks of a chunk begin in the file."""
        max_offset = (self._image.size - self.block_size) // _MIB
        entries = _present_entries(table)
        self._present += len(entries)
        if self._present > _MAX_PRESENT:
            raise reader.ExhaustedError(
                f'the BAT has more than {_MAX_PRESENT} blocks in the file')
        offsets = [entry >> _OFFSET_SHIFT for entry in entries]
        if max(offsets, default=0) > max_offset:
            raise inspection.DefectError(
                Defect.VHDX_TRUNCATED,
                f'block {first + _last_index(table, max(offsets))} ends at '
                f'{max(offsets) * _MIB + self.block_size}, the file at '
                f'{self._image.size}')
        for offset in offsets:
            if starts[offset]:
                raise inspection.DefectError(
                    Defect.VHDX_BAT_OVERLAP,
                    f'block {first + _last_index(table, offset)} and another '
                    f'block are at {offset * _MIB}')
            starts[offset] = 1

    def _check_overlaps(self, starts: bytearray,
                        structures: Iterable[extents.Extent]) -> None:
        """Check that blocks overlap neither structures nor other blocks."""
        block_length = self.block_size // _MIB
        head = extents.Extent('the head of the file', 0, _MIB)
        for extent in (head, *structures):
            start = starts.find(
                1, max(0, extent.offset // _MIB - block_length + 1),
                extent.end // _MIB)
            if start >= 0:
                raise inspection.DefectError(
                    Defect.VHDX_BAT_OVERLAP,
                    f'a block at {start * _MIB} and {extent.name}')
        start = starts.find(1) if block_length > 1 else -1
        while start >= 0:
            following = starts.find(1, start + 1)
            if 0 <= following < start + block_length:
                raise inspection.DefectError(
                    Defect.VHDX_BAT_OVERLAP,
                    f'blocks of {self.block_size} bytes at {start * _MIB} '
                    f'and {following * _MIB}')
            start = following

    def _chunks(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number of a first block, and the entries of its chunk.

        Sector bitmap entries are left out, as writers do not clear them.
        Chunks may be left out whose entries are all zero.
        """
        chunk_size = _ENTRY.size * self._ratio
        chunks = max(1, _READ_SIZE // chunk_size)
        for first in range(0, self._blocks, chunks * self._ratio):
            count = min(chunks * self._ratio, self._blocks - first)
            table = self._read_table(self._index(first),
                                     self._index(first + count - 1) + 1)
            if table == bytes(len(table)):
                continue
            for chunk in range(-(-count // self._ratio)):
                start = chunk * (chunk_size + _ENTRY.size)
                yield (first + chunk * self._ratio,
                       table[start:start + chunk_size])

    def _read_table(self, first: int, end: int) -> bytes:
        return self._image.read(self._table_offset + _ENTRY.size * first,
                                _ENTRY.size * (end - first))


def _present_entries(table: bytes) -> list[int]:
    """Return the entries of blocks that are in the file."""
    states = table[::_ENTRY.size]
    return list(itertools.compress(
        struct.unpack(f'<{len(states)}Q', table),
        states.translate(_IS_PRESENT)))


def _last_index(table: bytes, offset: int) -> int:
    """Return the index of the last block that is at an offset in MiB."""
    return max(index for index, (entry,) in enumerate(
        _ENTRY.iter_unpack(table))
        if entry & _STATE == _FULLY_PRESENT
        and entry >> _OFFSET_SHIFT == offset)


def _check_entries(first: int, table: bytes) -> None:
    """Check that states are known and reserved bits zero.

    A slice has the same byte of all entries.
    """
    if not (table[::8].translate(None, _STATES)
            or table[1::8].translate(None, b'\0')
            or table[2::8].translate(None, _NO_RESERVED_BITS)):
        return
    for block, (entry,) in enumerate(_ENTRY.iter_unpack(table), first):
        if entry & _STATE not in _STATES:
            raise inspection.DefectError(
                Defect.VHDX_MALFORMED,
                f'block {block} has state {entry & _STATE}')
        if entry & _RESERVED:
            raise inspection.DefectError(
                Defect.VHDX_MALFORMED,
                f'reserved bits are set in the BAT entry of block {block}')
