# SPDX-License-Identifier: Apache-2.0
"""ISO 9660 media on a disk, as firmware boots them (El Torito 1.0).

Volume descriptors of 2048 bytes, from sector 16 on, little endian:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    1 type: 0 boot record, 1 primary, 255 terminator
     1    5 ``CD001``
     7   23 boot record: ``EL TORITO SPECIFICATION``
    71    4 boot record: sector of the boot catalog
    80    4 primary: size of the medium in sectors
====== ==== ==========================================================

Entries of 32 bytes of the boot catalog:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    1 1 in the first entry, 0x88 in bootable ones
     8    4 first sector of the boot image
    30    2 55 aa in the first entry, whose words have the sum 0
====== ==== ==========================================================

EDK II's PartitionDxe (ElTorito.c) reads any disk whose sector size divides
2048, after the GPT and before the MBR, and entries for any platform.
"""

from __future__ import annotations

import struct

from hyperv_sched.disk import virtual_disk

_SECTOR_SIZE = 2048
_FIRST_DESCRIPTOR = 16
#: Real media have three or four.
_MAX_DESCRIPTORS = 16
_BOOT_RECORD, _PRIMARY, _TERMINATOR = 0, 1, 255
_IDENTIFIER = b'CD001'
_IDENTIFIER_OFFSET = 1
_SYSTEM = b'EL TORITO SPECIFICATION'
_SYSTEM_OFFSET = 7
_CATALOG_OFFSET = 71
_SIZE_OFFSET = 80
_ENTRY_SIZE = 32
_VALIDATION = 1
_KEY = b'\x55\xaa'
_KEY_OFFSET = 30
_BOOTABLE = 0x88
_IMAGE_OFFSET = 8


def medium_size(disk: virtual_disk.Disk) -> int | None:
    """Return the size in bytes of the ISO on a disk; None without an ISO."""
    for descriptor in _descriptors(disk):
        if descriptor[0] == _PRIMARY:
            return _u32(descriptor, _SIZE_OFFSET) * _SECTOR_SIZE
    return None


def boot_images(disk: virtual_disk.Disk) -> list[int]:
    """Return the offsets of the boot images that firmware reads."""
    if _SECTOR_SIZE % disk.sector_size:
        return []
    offsets: list[int] = []
    for descriptor in _descriptors(disk):
        if (descriptor[0] == _BOOT_RECORD
                and descriptor.startswith(_SYSTEM, _SYSTEM_OFFSET)):
            offsets += _catalog_images(
                disk, _u32(descriptor, _CATALOG_OFFSET))
    return offsets


def _descriptors(disk: virtual_disk.Disk) -> list[bytes]:
    descriptors: list[bytes] = []
    for index in range(_MAX_DESCRIPTORS):
        data = disk.read((_FIRST_DESCRIPTOR + index) * _SECTOR_SIZE,
                         _SECTOR_SIZE)
        if (len(data) < _SECTOR_SIZE
                or not data.startswith(_IDENTIFIER, _IDENTIFIER_OFFSET)
                or data[0] == _TERMINATOR):
            break
        descriptors.append(data)
    return descriptors


def _catalog_images(disk: virtual_disk.Disk, sector: int) -> list[int]:
    """Return the offsets of the boot images in a boot catalog."""
    # Firmware reads one sector of the disk.
    catalog = disk.read(sector * _SECTOR_SIZE, disk.sector_size)
    if (len(catalog) < disk.sector_size or catalog[0] != _VALIDATION
            or not catalog.startswith(_KEY, _KEY_OFFSET)
            or sum(struct.unpack_from('<16H', catalog)) & 0xffff):
        return []
    offsets = []
    for entry in range(_ENTRY_SIZE, len(catalog), _ENTRY_SIZE):
        first = _u32(catalog, entry + _IMAGE_OFFSET)
        if catalog[entry] == _BOOTABLE and first:
            offsets.append(first * _SECTOR_SIZE)
    return offsets


def _u32(data: bytes, offset: int) -> int:
    number: int = struct.unpack_from('<I', data, offset)[0]
    return number
