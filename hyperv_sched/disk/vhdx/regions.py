# SPDX-License-Identifier: Apache-2.0
"""The region table of a VHDX (MS-VHDX 2.2.3).

At 192 KiB and at 256 KiB, 64 KiB each, little endian:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 signature ``regi``
     4    4 CRC-32C of the 64 KiB
     8    4 number of entries
    16   32 first entry
====== ==== ==========================================================

Entry:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0   16 GUID: block allocation table (BAT), metadata, or another
    16    8 file offset
    24    4 length
    28    4 flags; bit 0: a reader must know the region
====== ==== ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import struct
import typing
import uuid

from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.vhdx import extents
from hyperv_sched.disk.vhdx import headers
from hyperv_sched.disk.vhdx import redundant

#: The number that the table has room for (2.2.3.1).
_MAX_ENTRIES = 2047
_COUNT_OFFSET = 8
_ENTRY = struct.Struct('<16sQII')
_FIRST_ENTRY = 16
_REQUIRED = 1
#: Steps of work: one entry is named, and compared with the next.
_ENTRY_STEPS = 4

BAT = uuid.UUID('2dc27766-f623-4200-9d64-115e9bfd4a08').bytes_le
METADATA = uuid.UUID('8b7ca206-4790-4b9a-b8fe-575f050f886e').bytes_le
_NAMES = {BAT: 'the BAT', METADATA: 'the metadata region'}


class _RegionEntry(typing.NamedTuple):
    guid: bytes
    offset: int
    length: int
    flags: int

    @property
    def name(self) -> str:
        return _NAMES.get(
            self.guid, f'region {uuid.UUID(bytes_le=self.guid)}')


def read(image: reader.Reader, header: headers.VHDXHeader,
         result: inspection.Inspection) -> Mapping[bytes, extents.Extent]:
    """Return the ranges of the regions by their GUIDs.

    :raises inspection.DefectError: there is no valid table, or the regions
        are invalid.
    """
    table = _STRUCTURE.read(image, result)[0]
    image.spend(_ENTRY_STEPS * _count(table))
    regions: dict[bytes, extents.Extent] = {}
    for entry in _entries(table):
        if entry.guid in regions:
            raise _malformed(f'{entry.name} has two entries')
        if entry.guid not in _NAMES and entry.flags & _REQUIRED:
            raise inspection.DefectError(
                Defect.VHDX_UNKNOWN_REQUIRED, entry.name)
        regions[entry.guid] = extents.Extent(
            entry.name, entry.offset, entry.length)
    for region in regions.values():
        region.check(image.size)
    extents.check_overlaps([*regions.values(), header.log])
    for guid, name in _NAMES.items():
        if guid not in regions:
            raise _malformed(f'{name} is missing')
    return regions


def _malformed(detail: str) -> inspection.DefectError:
    return inspection.DefectError(Defect.VHDX_MALFORMED, detail)


def _entries(table: bytes) -> Iterator[_RegionEntry]:
    for index in range(_count(table)):
        yield _RegionEntry(*_ENTRY.unpack_from(
            table, _FIRST_ENTRY + index * _ENTRY.size))


def _count(table: bytes) -> int:
    count: int = struct.unpack_from('<I', table, _COUNT_OFFSET)[0]
    return count


def _check_count(table: bytes) -> str | None:
    if _count(table) > _MAX_ENTRIES:
        return f'{_count(table)} entries, at most {_MAX_ENTRIES} are allowed'
    return None


_STRUCTURE = redundant.Structure(
    (192 * 1024, 256 * 1024), 64 * 1024, b'regi',
    Defect.VHDX_NO_VALID_REGION_TABLE, Defect.VHDX_REGION_COPY_DAMAGED,
    _check_count)
