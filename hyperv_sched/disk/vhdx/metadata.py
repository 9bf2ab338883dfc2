# SPDX-License-Identifier: Apache-2.0
"""The metadata of a VHDX, which describe the virtual disk (MS-VHDX 2.6).

The region begins with a table of 64 KiB, little endian:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    8 signature ``metadata``
    10    2 number of entries
    32   32 first entry
====== ==== ==========================================================

Entry:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0   16 GUID of the item
    16    4 offset of the item in the region
    20    4 length of the item
    24    4 flags; bit 0: user item, bit 1: of the virtual disk, bit 2: a
            reader must know the item
====== ==== ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterable
import struct
import typing
import uuid

from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.vhdx import extents
from hyperv_sched.disk.vhdx import parent

_TABLE_SIZE = 64 * 1024
_SIGNATURE = b'metadata'
_COUNT_OFFSET = 10
#: The number that the table has room for (2.6.1.1).
_MAX_ENTRIES = 2047
_ENTRY = struct.Struct('<16sIII4x')
_FIRST_ENTRY = 32
#: Steps of work: one entry is named, and compared with the next.
_ENTRY_STEPS = 4
_IS_USER = 1
_IS_REQUIRED = 4
_MIB = extents.MIB
#: Limit on the length of an item (2.6.1.2).
_MAX_ITEM = _MIB
#: Limit on the length of the region, as Microsoft's reader has it (openvmm).
_MAX_REGION = 128 * _MIB

_FILE_PARAMETERS = uuid.UUID('caa16737-fa36-4d43-b3b6-33f0aa44e76b').bytes_le
_DISK_SIZE = uuid.UUID('2fa54224-cd1b-4876-b211-5dbed83bf4b8').bytes_le
_LOGICAL_SECTOR = uuid.UUID('8141bf1d-a96f-4709-ba47-f233a8faab5f').bytes_le
_PHYSICAL_SECTOR = uuid.UUID('cda348c7-445d-4471-9cc9-e9885251c556').bytes_le
_PAGE_83 = uuid.UUID('beca12ab-b2e6-4523-93ef-c309e000c746').bytes_le
_PARENT_LOCATOR = uuid.UUID('a8d35f2d-b30b-454d-abf7-d3d84834ab0c').bytes_le
#: Microsoft's reader writes it until the file is complete (openvmm).
_INCOMPLETE = uuid.UUID('71cc85f0-1b69-4e28-9558-c3bf83ae75d3').bytes_le

#: Items that every VHDX has, and the layouts of their values.
_MANDATORY = {
    _FILE_PARAMETERS: ('file parameters', struct.Struct('<II')),
    _DISK_SIZE: ('virtual disk size', struct.Struct('<Q')),
    _LOGICAL_SECTOR: ('logical sector size', struct.Struct('<I')),
    _PHYSICAL_SECTOR: ('physical sector size', struct.Struct('<I')),
    _PAGE_83: ('SCSI identifier', struct.Struct('<16x'))}
_KNOWN = frozenset((*_MANDATORY, _PARENT_LOCATOR, _INCOMPLETE))

_LEAVE_BLOCKS_ALLOCATED = 1
_HAS_PARENT = 2
_BLOCK_SIZES = tuple(_MIB << power for power in range(9))
_SECTOR_SIZES = (512, 4096)
MAX_DISK_SIZE = 64 * 1024 ** 4


class _ItemEntry(typing.NamedTuple):
    """An entry of the table."""

    guid: bytes
    offset: int
    length: int
    flags: int

    @property
    def name(self) -> str:
        return f'metadata item {uuid.UUID(bytes_le=self.guid)}'

    @property
    def is_user(self) -> bool:
        return bool(self.flags & _IS_USER)

    @property
    def is_required(self) -> bool:
        return bool(self.flags & _IS_REQUIRED)

    def check(self, region: extents.Extent) -> None:
        """Check that the item is known, or need not be, and in its region."""
        if not any(self.guid):
            raise _malformed(f'{self.name} has no GUID')
        if self.is_required and (self.is_user or self.guid not in _KNOWN):
            raise inspection.DefectError(
                Defect.VHDX_UNKNOWN_REQUIRED, self.name)
        if self.length > _MAX_ITEM or self.length and (
                self.offset < _TABLE_SIZE
                or self.offset + self.length > region.length):
            raise _malformed(f'{self.name} is at {self.offset}, '
                             f'{self.length} bytes, outside of its region')


class DiskParameters(typing.NamedTuple):
    """The virtual disk, as the metadata describe it."""

    size: int
    block_size: int
    sector_size: int
    physical_sector_size: int
    flags: int

    @property
    def has_parent(self) -> bool:
        """Whether this is a differencing disk."""
        return bool(self.flags & _HAS_PARENT)

    @property
    def subformat(self) -> str:
        """fixed, dynamic or differencing."""
        if self.has_parent:
            return 'differencing'
        return ('fixed' if self.flags & _LEAVE_BLOCKS_ALLOCATED
                else 'dynamic')

    def check(self) -> None:
        """Check the limits of MS-VHDX 2.6.2.1, 2.6.2.2, 2.6.2.4, 2.6.2.5."""
        if self.block_size not in _BLOCK_SIZES:
            raise _malformed(f'blocks of {self.block_size} bytes')
        for size in (self.sector_size, self.physical_sector_size):
            if size not in _SECTOR_SIZES:
                raise _malformed(f'sectors of {size} bytes')
        if not 0 < self.size <= MAX_DISK_SIZE or self.size % self.sector_size:
            raise _malformed(f'a virtual size of {self.size} bytes')


def read(image: reader.Reader, region: extents.Extent,
         result: inspection.Inspection) -> DiskParameters:
    """Return the parameters of the virtual disk.

    :raises inspection.DefectError: an item is invalid, the file is
        incomplete, or it is a differencing disk.
    """
    items = _items(_read_entries(image, region), region)
    disk = _parameters(_read_values(image, region, items))
    result.virtual_size = disk.size
    result.block_size = disk.block_size
    result.logical_sector_size = disk.sector_size
    result.physical_sector_size = disk.physical_sector_size
    result.has_parent = disk.has_parent
    result.subformat = disk.subformat
    if _INCOMPLETE in items:
        raise inspection.DefectError(
            Defect.VHDX_INCOMPLETE, 'the file is marked as incomplete')
    disk.check()
    locator = items.get(_PARENT_LOCATOR)
    if disk.has_parent:
        data = (image.read(region.offset + locator.offset, locator.length)
                if locator else b'')
        raise inspection.DefectError(
            Defect.VHDX_HAS_PARENT,
            f'the parent is {parent.path(data) or "not named"}')
    if locator:
        raise _malformed('there is a parent locator, but the file parameters '
                         'state that the disk has no parent')
    return disk


def _malformed(detail: str) -> inspection.DefectError:
    return inspection.DefectError(Defect.VHDX_MALFORMED, detail)


def _read_entries(image: reader.Reader,
                  region: extents.Extent) -> list[_ItemEntry]:
    if region.length > _MAX_REGION:
        raise _malformed(f'metadata region of {region.length} bytes')
    head = image.read(region.offset, _FIRST_ENTRY)
    if not head.startswith(_SIGNATURE):
        raise _malformed('no metadata table')
    count, = struct.unpack_from('<H', head, _COUNT_OFFSET)
    if count > _MAX_ENTRIES:
        raise _malformed(f'{count} metadata entries, at most {_MAX_ENTRIES} '
                         'are allowed')
    table = image.read(region.offset + _FIRST_ENTRY, count * _ENTRY.size)
    image.spend(_ENTRY_STEPS * count)
    return [_ItemEntry(*fields) for fields in _ENTRY.iter_unpack(table)]


def _items(entries: Iterable[_ItemEntry],
           region: extents.Extent) -> dict[bytes, _ItemEntry]:
    """Check all entries; return those of the system by their GUIDs."""
    items: dict[bytes, _ItemEntry] = {}
    user_items: dict[bytes, _ItemEntry] = {}
    for entry in entries:
        # A user item may have the GUID of a system item.
        namespace = user_items if entry.is_user else items
        if entry.guid in namespace:
            raise _malformed(f'{entry.name} has two entries')
        entry.check(region)
        namespace[entry.guid] = entry
    _check_overlaps([*items.values(), *user_items.values()])
    return items


def _check_overlaps(entries: list[_ItemEntry]) -> None:
    ordered = sorted((entry.offset, entry.length)
                     for entry in entries if entry.length)
    for (first, length), (second, _) in zip(
            ordered, ordered[1:], strict=False):
        if first + length > second:
            raise _malformed(
                f'metadata items at {first} and {second} overlap')


def _read_values(image: reader.Reader, region: extents.Extent,
                 items: dict[bytes, _ItemEntry]
                 ) -> dict[bytes, tuple[int, ...]]:
    """Read the values of the mandatory items."""
    values = {}
    for guid, (name, layout) in _MANDATORY.items():
        if guid not in items:
            raise _malformed(f'no {name}')
        item = items[guid]
        data = image.read(region.offset + item.offset, layout.size)
        if item.length != layout.size or len(data) != layout.size:
            raise _malformed(f'{name} of {item.length} bytes')
        values[guid] = layout.unpack(data)
    return values


def _parameters(values: dict[bytes, tuple[int, ...]]) -> DiskParameters:
    block_size, flags = values[_FILE_PARAMETERS]
    size, = values[_DISK_SIZE]
    sector_size, = values[_LOGICAL_SECTOR]
    physical_sector_size, = values[_PHYSICAL_SECTOR]
    return DiskParameters(
        size, block_size, sector_size, physical_sector_size, flags)
