# SPDX-License-Identifier: Apache-2.0
"""ISO 9660 media on a disk, as firmware starts them (El Torito 1.0).

Volume descriptors of 2048 bytes from sector 16 on: type u8 (0: boot record,
1: primary, 255: the last), ``CD001``. Primary: size in sectors u32 at 80.
Boot record: ``EL TORITO SPECIFICATION`` at 7, sector of the catalog u32 at
71. Catalog, entries of 32 bytes: the first has 1 at 0, 55 aa at 30, and words
that add up to 0; others have 88 (bootable) at 0, first sector u32 at 8.

EDK2's PartitionDxe (ElTorito.c) looks at any disk whose sectors fit into
those of a CD, after the GPT and before the MBR, whatever platform an entry
is for.
"""

from __future__ import annotations

import struct

from hyperv_sched.disk import guest

_SECTOR_SIZE = 2048
_FIRST_DESCRIPTOR = 16
#: Real media have three or four.
_MAX_DESCRIPTORS = 16
_MARK = slice(1, 6), b'CD001'
_BOOT_RECORD, _PRIMARY, _LAST = 0, 1, 255
_SYSTEM = slice(7, 30), b'EL TORITO SPECIFICATION'
_ENTRY_SIZE = 32
_BOOTABLE = 0x88


def find(disk: guest.Disk) -> int | None:
    """Return the size in bytes of the ISO on a disk; None without one."""
    for descriptor in _descriptors(disk):
        if descriptor[0] == _PRIMARY:
            sectors: int = struct.unpack_from('<I', descriptor, 80)[0]
            return sectors * _SECTOR_SIZE
    return None


def boot_images(disk: guest.Disk) -> list[int]:
    """Return the offsets of what firmware takes for partitions."""
    if _SECTOR_SIZE % disk.sector_size:
        return []
    found: list[int] = []
    for descriptor in _descriptors(disk):
        if (descriptor[0] == _BOOT_RECORD
                and descriptor[_SYSTEM[0]] == _SYSTEM[1]):
            sector, = struct.unpack_from('<I', descriptor, 71)
            found += _entries(disk, sector)
    return found


def _descriptors(disk: guest.Disk) -> list[bytes]:
    found: list[bytes] = []
    for index in range(_MAX_DESCRIPTORS):
        data = disk.read((_FIRST_DESCRIPTOR + index) * _SECTOR_SIZE,
                         _SECTOR_SIZE)
        if (len(data) < _SECTOR_SIZE or data[_MARK[0]] != _MARK[1]
                or data[0] == _LAST):
            break
        found.append(data)
    return found


def _entries(disk: guest.Disk, sector: int) -> list[int]:
    # Firmware goes through as many as a sector of the disk has.
    catalog = disk.read(sector * _SECTOR_SIZE, disk.sector_size)
    if len(catalog) < disk.sector_size or catalog[0] != 1 or (
            catalog[30:32] != b'\x55\xaa'):
        return []
    if sum(struct.unpack_from('<16H', catalog)) & 0xffff:
        return []
    found = []
    for at in range(_ENTRY_SIZE, len(catalog), _ENTRY_SIZE):
        first, = struct.unpack_from('<I', catalog, at + 8)
        if catalog[at] == _BOOTABLE and first:
            found.append(first * _SECTOR_SIZE)
    return found
