# SPDX-License-Identifier: Apache-2.0
"""The metadata of a VHDX: what disk it describes (MS-VHDX 2.6).

The region begins with a table of 64 KiB: ``metadata``, reserved u16, number
of entries u16, then from 32 entries of 32 bytes: GUID, offset u32 in the
region, length u32, flags u32 (bit 0: a user's, bit 1: of the virtual disk,
bit 2: a reader that does not know it must refuse), reserved u32.
"""

from __future__ import annotations

import dataclasses
import struct
import uuid

from hyperv_sched.disk import content
from hyperv_sched.disk import reader
from hyperv_sched.disk.vhdx import parent
from hyperv_sched.disk.vhdx import regions

_TABLE_SIZE = 64 * 1024
_SIGNATURE = b'metadata'
#: What fits (2.6.1.1).
_MAX_ENTRIES = 2047
_ENTRY = struct.Struct('<16sIII4x')
_FIRST_ENTRY = 32
#: Of work: a name is made of each, and it is compared with the next.
_ENTRY_STEPS = 4
_IS_USER = 1
_IS_REQUIRED = 4
#: Of one item and of the region (2.6.1.2; the region by Microsoft's reader).
_MAX_ITEM = 1024 ** 2
_MAX_REGION = 128 * 1024 ** 2

_FILE_PARAMETERS = uuid.UUID('caa16737-fa36-4d43-b3b6-33f0aa44e76b').bytes_le
_DISK_SIZE = uuid.UUID('2fa54224-cd1b-4876-b211-5dbed83bf4b8').bytes_le
_LOGICAL_SECTOR = uuid.UUID('8141bf1d-a96f-4709-ba47-f233a8faab5f').bytes_le
_PHYSICAL_SECTOR = uuid.UUID('cda348c7-445d-4471-9cc9-e9885251c556').bytes_le
_PAGE_83 = uuid.UUID('beca12ab-b2e6-4523-93ef-c309e000c746').bytes_le
_PARENT_LOCATOR = uuid.UUID('a8d35f2d-b30b-454d-abf7-d3d84834ab0c').bytes_le
#: Of Microsoft's own reader: the file is still being made.
_INCOMPLETE = uuid.UUID('71cc85f0-1b69-4e28-9558-c3bf83ae75d3').bytes_le

#: Items that every VHDX has, and the layout of what is read of them.
_NEEDED = {
    _FILE_PARAMETERS: ('file parameters', struct.Struct('<II')),
    _DISK_SIZE: ('virtual disk size', struct.Struct('<Q')),
    _LOGICAL_SECTOR: ('logical sector size', struct.Struct('<I')),
    _PHYSICAL_SECTOR: ('physical sector size', struct.Struct('<I')),
    _PAGE_83: ('SCSI identifier', struct.Struct('<16x'))}
_KNOWN = frozenset((*_NEEDED, _PARENT_LOCATOR, _INCOMPLETE))

_LEAVE_BLOCKS_ALLOCATED = 1
_HAS_PARENT = 2
_MIB = 1024 ** 2
_BLOCK_SIZES = tuple(_MIB << power for power in range(9))
_SECTOR_SIZES = (512, 4096)
MAX_DISK_SIZE = 64 * 1024 ** 4


@dataclasses.dataclass(frozen=True)
class Disk:
    """The virtual disk, as the metadata describes it."""

    size: int
    block_size: int
    sector_size: int


def read(image: reader.Reader, region: regions.Region,
         found: content.Content) -> Disk:
    """Read what disk this is.

    :raises content.Damaged: the items contradict MS-VHDX or each other, the
        file is not finished, or the disk is a part of another.
    """
    items = _items(image, region)
    values = {}
    for guid, (name, layout) in _NEEDED.items():
        if guid not in items:
            raise content.Damaged('vhdx-malformed', f'no {name}')
        offset, length = items[guid]
        data = image.read(region.offset + offset, layout.size)
        if length != layout.size or len(data) != layout.size:
            raise content.Damaged('vhdx-malformed', f'{name}: {length} bytes')
        values[guid] = layout.unpack(data)
    found.block_size, flags = values[_FILE_PARAMETERS]
    found.virtual_size, = values[_DISK_SIZE]
    found.logical_sector_size, = values[_LOGICAL_SECTOR]
    found.physical_sector_size, = values[_PHYSICAL_SECTOR]
    found.has_parent = bool(flags & _HAS_PARENT)
    found.subformat = (
        'differencing' if found.has_parent
        else 'fixed' if flags & _LEAVE_BLOCKS_ALLOCATED else 'dynamic')
    if _INCOMPLETE in items:
        raise content.Damaged(
            'vhdx-incomplete', 'the file is marked as not finished')
    disk = Disk(values[_DISK_SIZE][0], values[_FILE_PARAMETERS][0],
                values[_LOGICAL_SECTOR][0])
    _check(disk, values[_PHYSICAL_SECTOR][0])
    if found.has_parent:
        offset, length = items.get(_PARENT_LOCATOR, (0, 0))
        named = parent.path(image.read(region.offset + offset, length))
        raise content.Damaged(
            'vhdx-has-parent', f'the parent is {named or "not named"}')
    if _PARENT_LOCATOR in items:
        raise content.Damaged(
            'vhdx-malformed', 'a parent locator, but the file parameters '
            'say that the disk has no parent')
    return disk


def _items(image: reader.Reader,
           region: regions.Region) -> dict[bytes, tuple[int, int]]:
    """Offset and length of each item, by its GUID."""
    if region.length > _MAX_REGION:
        raise content.Damaged(
            'vhdx-malformed', f'metadata region of {region.length} bytes')
    head = image.read(region.offset, _FIRST_ENTRY)
    if not head.startswith(_SIGNATURE):
        raise content.Damaged('vhdx-malformed', 'no metadata table')
    count = struct.unpack_from('<H', head, 10)[0]
    if count > _MAX_ENTRIES:
        raise content.Damaged('vhdx-malformed', f'{count} metadata entries')
    table = image.read(region.offset + _FIRST_ENTRY, count * _ENTRY.size)
    image.spend(_ENTRY_STEPS * count)
    items: dict[bytes, tuple[int, int]] = {}
    users: set[bytes] = set()
    places = []
    for guid, offset, length, flags in _ENTRY.iter_unpack(table):
        item = f'metadata item {uuid.UUID(bytes_le=guid)}'
        # A user's item may have the GUID of one of the system.
        namespace = users if flags & _IS_USER else items
        if not any(guid) or guid in namespace:
            raise content.Damaged(
                'vhdx-malformed', f'{item} is no name or comes twice')
        if flags & _IS_REQUIRED and (flags & _IS_USER or guid not in _KNOWN):
            raise content.Damaged('vhdx-unknown-required', item)
        if length > _MAX_ITEM or length and (
                offset < _TABLE_SIZE or offset + length > region.length):
            raise content.Damaged(
                'vhdx-malformed', f'{item} lies at {offset}, {length} bytes, '
                'which is outside of its region')
        if length:
            places.append((offset, length))
        if flags & _IS_USER:
            users.add(guid)
        else:
            items[guid] = offset, length
    places.sort()
    for (first, length), (second, _) in zip(
            places, places[1:], strict=False):
        if first + length > second:
            raise content.Damaged(
                'vhdx-malformed', f'metadata items at {first} and {second} '
                'share a place')
    return items


def _check(disk: Disk, physical_sector_size: int) -> None:
    """The limits of MS-VHDX 2.6.2.1, 2.6.2.2, 2.6.2.4 and 2.6.2.5."""
    if disk.block_size not in _BLOCK_SIZES:
        raise content.Damaged(
            'vhdx-malformed', f'blocks of {disk.block_size} bytes')
    for size in (disk.sector_size, physical_sector_size):
        if size not in _SECTOR_SIZES:
            raise content.Damaged('vhdx-malformed', f'sectors of {size} bytes')
    if not 0 < disk.size <= MAX_DISK_SIZE or disk.size % disk.sector_size:
        raise content.Damaged(
            'vhdx-malformed', f'a virtual size of {disk.size} bytes')
