# SPDX-License-Identifier: Apache-2.0
"""File systems that GRUB finds by their UUID, from their superblocks.

========== ======= =================================== ======= ============
file       offset  magic                               offset  UUID
system                                                 of UUID
========== ======= =================================== ======= ============
ext2, 3, 4   0x438 ``53 ef``                             0x468 16 bytes
XFS              0 ``XFSB``                                 32 16 bytes
btrfs      0x10040 ``_BHRfS_M``                        0x10020 16 bytes
NTFS             3 ``NTFS``                               0x48 8 bytes,
                                                               little endian
FAT32              boot sector                              67 4 bytes,
                                                               little endian
FAT12, 16          boot sector                              39 4 bytes,
                                                               little endian
========== ======= =================================== ======= ============
"""

from __future__ import annotations

import typing
import uuid

from hyperv_sched.disk import fat
from hyperv_sched.disk import virtual_disk

_FIRST = 4608
_BTRFS_OFFSET = 0x10000
_BTRFS_SIZE = 4096
_BTRFS_MAGIC = slice(0x40, 0x48)
#: FAT32 has zeros there.
_FAT_SECTORS_16 = slice(22, 24)
#: The end of a page of 4096 bytes: a swap partition.
_SWAP = slice(4086, 4096)


class FileSystem(typing.NamedTuple):
    """A file system, or a partition without one."""

    name: str
    """empty or swap for a partition without a file system."""
    uuid: str | None = None
    """As GRUB prints it, in lower case."""


def read(disk: virtual_disk.Disk) -> FileSystem | None:
    """Return the file system of a partition.

    :returns: None for any other content, which may hide a file system: LVM,
        LUKS, RAID, ZFS
    """
    first = disk.read(0, _FIRST)
    btrfs = disk.read(_BTRFS_OFFSET, _BTRFS_SIZE)
    if first[0x438:0x43a] == b'\x53\xef':
        return _with_uuid('ext', first[0x468:0x478])
    if first.startswith(b'XFSB'):
        return _with_uuid('xfs', first[32:48])
    if btrfs[_BTRFS_MAGIC] == b'_BHRfS_M':
        return _with_uuid('btrfs', btrfs[0x20:0x30])
    if first[3:11] == b'NTFS    ':
        return FileSystem('ntfs', f'{_little_endian(first[0x48:0x50]):016x}')
    if _is_fat(disk):
        offset = 39 if any(first[_FAT_SECTORS_16]) else 67
        serial = f'{_little_endian(first[offset:offset + 4]):08x}'
        return FileSystem('fat', f'{serial[:4]}-{serial[4:]}')
    if first[_SWAP] in (b'SWAPSPACE2', b'SWAP-SPACE'):
        return FileSystem('swap')
    if not any(first) and not any(btrfs):
        return FileSystem('empty')
    return None


def _is_fat(disk: virtual_disk.Disk) -> bool:
    try:
        fat.Volume(disk)
    except fat.NotFATError:
        return False
    return True


def _with_uuid(name: str, data: bytes) -> FileSystem | None:
    if len(data) < 16:
        return None
    return FileSystem(name, str(uuid.UUID(bytes=data)))


def _little_endian(data: bytes) -> int:
    return int.from_bytes(data, 'little')
