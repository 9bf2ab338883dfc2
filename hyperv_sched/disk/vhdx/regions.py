# SPDX-License-Identifier: Apache-2.0
"""The region table of a VHDX: where BAT and metadata lie (MS-VHDX 2.2.3).

At 192 KiB and at 256 KiB, 64 KiB each: ``regi``, CRC-32C, number of entries
u32, reserved u32, then entries of 32 bytes: GUID, file offset u64, length
u32, flags u32 (bit 0: a reader that does not know the region must refuse).
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import struct
import uuid

from hyperv_sched.disk import content
from hyperv_sched.disk import reader
from hyperv_sched.disk.vhdx import copies
from hyperv_sched.disk.vhdx import headers

_OFFSETS = (192 * 1024, 256 * 1024)
_SIZE = 64 * 1024
_SIGNATURE = b'regi'
#: What fits (2.2.3.1).
_MAX_ENTRIES = 2047
_ENTRY = struct.Struct('<16sQII')
_FIRST_ENTRY = 16
_REQUIRED = 1
#: Of work: a name is made of each, and it is compared with the next.
_ENTRY_STEPS = 4

BAT = uuid.UUID('2dc27766-f623-4200-9d64-115e9bfd4a08').bytes_le
METADATA = uuid.UUID('8b7ca206-4790-4b9a-b8fe-575f050f886e').bytes_le
_NAMES = {BAT: 'the BAT', METADATA: 'the metadata region'}


@dataclasses.dataclass(frozen=True)
class Region:
    name: str
    offset: int
    length: int

    @property
    def end(self) -> int:
        return self.offset + self.length


def read(image: reader.Reader, header: headers.Header,
         found: content.Content) -> Mapping[bytes, Region]:
    """Read where the regions lie, by their GUID.

    :raises content.Damaged: there is no valid table, or it says what
        cannot be.
    """
    table = _table(image, found)
    regions: dict[bytes, Region] = {}
    image.spend(_ENTRY_STEPS * _count(table))
    for index in range(_count(table)):
        guid, offset, length, flags = _ENTRY.unpack_from(
            table, _FIRST_ENTRY + index * _ENTRY.size)
        name = _NAMES.get(guid, f'region {uuid.UUID(bytes_le=guid)}')
        if guid in regions:
            raise content.Damaged('vhdx-malformed', f'{name} comes twice')
        if guid not in _NAMES and flags & _REQUIRED:
            raise content.Damaged('vhdx-unknown-required', name)
        regions[guid] = Region(name, offset, length)
    _check(list(regions.values()), header, image.size)
    for guid, name in _NAMES.items():
        if guid not in regions:
            raise content.Damaged('vhdx-malformed', f'{name} is missing')
    return regions


def _table(image: reader.Reader, found: content.Content) -> bytes:
    return copies.read(
        image, _OFFSETS, _SIZE, _SIGNATURE,
        ('vhdx-no-valid-region-table', 'vhdx-region-copy-damaged'), found,
        _fault)[0]


def _fault(table: bytes) -> str | None:
    if _count(table) > _MAX_ENTRIES:
        return f'{_count(table)} entries'
    return None


def _count(table: bytes) -> int:
    count: int = struct.unpack_from('<I', table, 8)[0]
    return count


def _check(regions: list[Region], header: headers.Header,
           file_size: int) -> None:
    """No two share file space, and all of them lie in the file."""
    for region in regions:
        if (region.offset % headers.MIB or region.length % headers.MIB
                or region.offset < headers.MIB or not region.length):
            raise content.Damaged(
                'vhdx-malformed', f'{region.name} lies at {region.offset}, '
                f'{region.length} bytes, which is not in steps of 1 MiB '
                'behind the first')
        if region.end > file_size:
            raise content.Damaged(
                'vhdx-truncated', f'{region.name} ends at {region.end}, the '
                f'file at {file_size}')
    regions.append(Region('the log', header.log_offset, header.log_length))
    regions.sort(key=lambda region: region.offset)
    for first, second in zip(regions, regions[1:], strict=False):
        if first.length and second.length and first.end > second.offset:
            raise content.Damaged(
                'vhdx-malformed', f'{first.name} and {second.name} share '
                'file space')
