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
     0    1 1 in the first entry, 0x88 in bootable ones, 0x90 or 0x91 in
            the header of a section
     1    1 first entry and header: platform, 0: BIOS, 0xef: UEFI;
            bootable: media type, 0: no emulation
     6    2 number of sectors that a BIOS loads, of 512 bytes
     8    4 first sector of the boot image
    30    2 55 aa in the first entry, whose words have the sum 0
====== ==== ==========================================================

EDK II's PartitionDxe (ElTorito.c) reads any disk whose sector size divides
2048, after the GPT and before the MBR, and entries for any platform. A BIOS
boots the second entry, if the first one is for it.
"""

from __future__ import annotations

import struct
import typing

from hyperv_sched.disk import virtual_disk

SECTOR_SIZE = 2048
_FIRST_DESCRIPTOR = 16
#: The descriptor in which a BIOS looks for the boot record.
_BOOT_RECORD_NUMBER = 1
#: Real media have three or four.
_MAX_DESCRIPTORS = 16
_BOOT_RECORD, _PRIMARY, _TERMINATOR = 0, 1, 255
IDENTIFIER = b'CD001'
_IDENTIFIER_OFFSET = 1
_SYSTEM = b'EL TORITO SPECIFICATION'
_SYSTEM_OFFSET = 7
_CATALOG_OFFSET = 71
_SIZE_OFFSET = 80
_ENTRY_SIZE = 32
_VALIDATION = 1
_PLATFORM_OFFSET = 1
_BIOS, _UEFI = 0, 0xef
_SECTION_HEADERS = (0x90, 0x91)
_KEY = b'\x55\xaa'
_KEY_OFFSET = 30
_BOOTABLE = 0x88
_ENTRY = struct.Struct('<BB4xHI20x')
_NO_EMULATION, _HARD_DISK = 0, 4
#: Sectors of floppy disks, by media type.
_FLOPPY_SECTORS = {1: 2400, 2: 2880, 3: 5760}


def medium_size(disk: virtual_disk.Disk) -> int | None:
    """Return the size in bytes of the ISO on a disk; None without an ISO."""
    for descriptor in _descriptors(disk):
        if descriptor[0] == _PRIMARY:
            return _u32(descriptor, _SIZE_OFFSET) * SECTOR_SIZE
    return None


class BootImage(typing.NamedTuple):
    """A range in bytes that firmware reads a file system from."""

    offset: int
    size: int
    is_uefi: bool
    """Whether the catalog says that it is for UEFI."""


def boot_images(disk: virtual_disk.Disk) -> list[BootImage]:
    """Return the boot images that UEFI firmware reads."""
    if SECTOR_SIZE % disk.sector_size:
        return []
    images: list[BootImage] = []
    volume_size = 0
    for descriptor in _descriptors(disk):
        if descriptor[0] == _PRIMARY:
            volume_size = _u32(descriptor, _SIZE_OFFSET) * SECTOR_SIZE
        # Firmware does not check the type.
        if descriptor.startswith(_SYSTEM, _SYSTEM_OFFSET):
            images += _catalog_images(
                disk, _u32(descriptor, _CATALOG_OFFSET),
                min(volume_size, disk.size))
    return images


def bios_boot_image(disk: virtual_disk.Disk) -> int | None:
    """Return the offset of the boot image that a BIOS starts from a DVD."""
    descriptor = _descriptor(disk, _BOOT_RECORD_NUMBER)
    if not (descriptor.startswith(bytes((_BOOT_RECORD,)) + IDENTIFIER)
            and descriptor.startswith(_SYSTEM, _SYSTEM_OFFSET)):
        return None
    catalog = disk.read(
        _u32(descriptor, _CATALOG_OFFSET) * SECTOR_SIZE, SECTOR_SIZE)
    if (len(catalog) < SECTOR_SIZE or catalog[0] != _VALIDATION
            or catalog[_PLATFORM_OFFSET] != _BIOS
            or not catalog.startswith(_KEY, _KEY_OFFSET)):
        return None
    indicator, _, _, first = _ENTRY.unpack_from(catalog, _ENTRY_SIZE)
    return first * SECTOR_SIZE if indicator == _BOOTABLE and first else None


def _descriptor(disk: virtual_disk.Disk, number: int) -> bytes:
    """Return a descriptor; b'' if it is past the end of the disk."""
    data = disk.read((_FIRST_DESCRIPTOR + number) * SECTOR_SIZE, SECTOR_SIZE)
    return data if len(data) == SECTOR_SIZE else b''


def _descriptors(disk: virtual_disk.Disk) -> list[bytes]:
    descriptors: list[bytes] = []
    for index in range(_MAX_DESCRIPTORS):
        data = _descriptor(disk, index)
        if (not data.startswith(IDENTIFIER, _IDENTIFIER_OFFSET)
                or data[0] == _TERMINATOR):
            break
        descriptors.append(data)
    return descriptors


def _catalog_images(disk: virtual_disk.Disk, sector: int,
                    volume_size: int) -> list[BootImage]:
    """Return the boot images in a boot catalog."""
    # Firmware reads one sector of the disk.
    catalog = disk.read(sector * SECTOR_SIZE, disk.sector_size)
    if (len(catalog) < disk.sector_size or catalog[0] != _VALIDATION
            or not catalog.startswith(_KEY, _KEY_OFFSET)
            or sum(struct.unpack_from('<16H', catalog)) & 0xffff):
        return []
    images = []
    platform = catalog[_PLATFORM_OFFSET]
    for indicator, kind, sectors, first in _ENTRY.iter_unpack(
            catalog[_ENTRY_SIZE:]):
        if indicator in _SECTION_HEADERS:
            platform = kind
        elif indicator == _BOOTABLE and first:
            offset = first * SECTOR_SIZE
            size = _image_size(kind, sectors, disk.sector_size)
            if size is None:
                end = volume_size if offset <= volume_size else disk.size
                size = end - offset
            images.append(BootImage(offset, size, platform == _UEFI))
    return images


def _image_size(media_type: int, sectors: int,
                block_size: int) -> int | None:
    """Return the size of a boot image; None for the rest of the medium.

    Firmware does not compute in units of 512 bytes throughout.
    """
    sectors = _FLOPPY_SECTORS.get(media_type, sectors)
    if sectors < 2 or media_type > _HARD_DISK:
        return None
    unit = block_size if media_type == _NO_EMULATION else 512
    sectors *= SECTOR_SIZE // block_size
    return -(-sectors * unit // block_size) * block_size


def _u32(data: bytes, offset: int) -> int:
    number: int = struct.unpack_from('<I', data, offset)[0]
    return number
