# SPDX-License-Identifier: Apache-2.0
"""Units of sizes and names of partition types, for tables."""

from __future__ import annotations

from typing import Any

_SIZES = frozenset((
    'block_size', 'bytes_read', 'file_size', 'offset', 'size',
    'virtual_size'))

#: Types of partitions (UEFI 2.10, 5.3.3; the Discoverable Partitions
#: Specification; MBR types), with the names that fdisk prints.
_PARTITION_TYPES = {
    'c12a7328-f81f-11d2-ba4b-00a0c93ec93b': 'EFI System',
    '21686148-6449-6e6f-744e-656564454649': 'BIOS boot',
    'e3c9e316-0b5c-4db8-817d-f92df00215ae': 'Microsoft reserved',
    'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7': 'Microsoft basic data',
    'de94bba4-06d1-4d40-a16a-bfd50179d6ac': 'Windows recovery environment',
    '0fc63daf-8483-4772-8e79-3d69d8477de4': 'Linux filesystem',
    '4f68bce3-e8cd-4db1-96e7-fbcaf984b709': 'Linux root (x86-64)',
    'bc13c2ff-59e6-4262-a352-b275fd6f7172': 'Linux extended boot',
    '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f': 'Linux swap',
    'e6d6d379-f507-44c2-a23c-238f2a3df928': 'Linux LVM',
    '516e7cb4-6ecf-11d6-8ff8-00022d09712b': 'FreeBSD data',
    '516e7cb6-6ecf-11d6-8ff8-00022d09712b': 'FreeBSD UFS',
    '83bd6b9d-7f41-11dc-be0b-001560b84f0f': 'FreeBSD boot',
    '0x07': 'HPFS/NTFS/exFAT',
    '0x0b': 'W95 FAT32',
    '0x0c': 'W95 FAT32 (LBA)',
    '0x0e': 'W95 FAT16 (LBA)',
    '0x82': 'Linux swap',
    '0x83': 'Linux',
    '0x8e': 'Linux LVM',
    '0xa5': 'FreeBSD',
    '0xee': 'GPT',
    '0xef': 'EFI System',
}


def annotate(name: str, value: Any) -> Any:
    """Return a value with its unit or name added.

    :param name: name of a member of :class:`hyperv_sched.disk.Inspection`, or
        of one of its partitions
    """
    if value is None:
        return '-'
    if name in _SIZES and isinstance(value, int):
        return f'{value}{_size(value)}'
    if name == 'type':
        type_name = _PARTITION_TYPES.get(str(value).lower())
        return f'{value} ({type_name})' if type_name else value
    return value


def _size(size: int) -> str:
    """Return a size in a binary unit, in parentheses; '' below 1 KiB."""
    return f' ({binary(size)})' if size >= 1024 else ''


def binary(size: int) -> str:
    """Return a size in the largest binary unit that it reaches."""
    for exponent, unit in ((4, 'TiB'), (3, 'GiB'), (2, 'MiB'), (1, 'KiB')):
        if size >= 1024 ** exponent:
            return f'{size / 1024 ** exponent:.1f} {unit}'
    return f'{size} bytes'
