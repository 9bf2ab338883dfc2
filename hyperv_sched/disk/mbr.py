# SPDX-License-Identifier: Apache-2.0
"""The master boot record (UEFI 2.10, 5.2), little endian.

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0  440 boot code, which only a BIOS runs
   446   64 four partition entries of 16 bytes
   510    2 signature 55 aa
====== ==== ==========================================================

Partition entry:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    1 boot indicator, 0x80: active
     4    1 type
     8    4 first sector
    12    4 number of sectors
====== ==== ==========================================================
"""

from __future__ import annotations

import dataclasses
import itertools
import struct

from hyperv_sched.disk import virtual_disk

#: The unit of sectors in an MBR, whatever the sector size of the disk: so
#: EDK II reads it.
SECTOR_SIZE = 512
#: The type of the partition that covers a GPT.
PROTECTIVE = 0xee
#: The type of an EFI system partition.
ESP = 0xef

_SIGNATURE = b'\x55\xaa'
_FIRST_ENTRY = 446
_ENTRY = struct.Struct('<B3xB3xII')
_EXTENDED = (0x05, 0x0f, 0x85)
_ACTIVE = 0x80
_CODE = slice(0, 440)
_FIRST_LOGICAL_NUMBER = 5
#: Limit on extended boot records.
_MAX_LOGICAL = 128


@dataclasses.dataclass(frozen=True)
class MBREntry:
    """A partition entry; sectors have 512 bytes."""

    number: int
    """As sfdisk counts: 1 to 4 in the MBR, from 5 for logical partitions."""
    indicator: int
    type: int
    first: int
    count: int

    @property
    def active(self) -> bool:
        """Whether a BIOS boots the partition."""
        return bool(self.indicator & _ACTIVE)

    @property
    def used(self) -> bool:
        """Whether the entry has a partition."""
        return bool(self.type and self.count)

    @property
    def end(self) -> int:
        """The first sector behind the partition."""
        return self.first + self.count

    @property
    def last_as_firmware(self) -> int:
        """The last sector as firmware computes it, in 32 bits.

        A protective entry of the largest size wraps around.
        """
        return (self.end - 1) & 0xffffffff


@dataclasses.dataclass(frozen=True)
class BootRecord:
    """An MBR, or an extended boot record."""

    code: bytes
    entries: tuple[MBREntry, ...]
    signed: bool

    @property
    def protective(self) -> MBREntry | None:
        """The entry that makes firmware read the GPT.

        EDK II does not check the signature of the MBR before.
        """
        return next((entry for entry in self.entries
                     if entry.type == PROTECTIVE and entry.first == 1), None)


def read(disk: virtual_disk.Disk, offset: int = 0) -> BootRecord:
    """Read a boot record; bytes past the end of the disk are zeros."""
    data = disk.read(offset, SECTOR_SIZE).ljust(SECTOR_SIZE, b'\0')
    entries = []
    for index in range(4):
        indicator, type_, first, count = _ENTRY.unpack_from(
            data, _FIRST_ENTRY + index * _ENTRY.size)
        entries.append(MBREntry(index + 1, indicator, type_, first, count))
    return BootRecord(
        data[_CODE], tuple(entries), data.endswith(_SIGNATURE))


def is_valid(record: BootRecord, disk: virtual_disk.Disk) -> bool:
    """Return whether firmware reads the record as a partition table.

    A FAT boot sector has the same signature. EDK II (PartitionValidMbr)
    wants partitions that are on the disk and do not overlap.
    """
    used = sorted((entry for entry in record.entries if entry.used),
                  key=lambda entry: entry.first)
    sectors = disk.size // SECTOR_SIZE
    return (
        record.signed and bool(used)
        and all(entry.last_as_firmware < sectors for entry in used)
        and all(a.last_as_firmware < b.first
                for a, b in zip(used, used[1:], strict=False)))


def find_cut_off(record: BootRecord,
                 disk: virtual_disk.Disk) -> MBREntry | None:
    """Return a partition that ends past the end of the disk.

    All else must be valid, since a file system without a partition table has
    code or text where an MBR has partition entries.
    """
    used = sorted((entry for entry in record.entries
                   if entry.used and entry.type != PROTECTIVE),
                  key=lambda entry: entry.first)
    sectors = disk.size // SECTOR_SIZE
    if not (record.signed and used and 0 < used[0].first < sectors
            and all(entry.indicator in (0, _ACTIVE)
                    for entry in record.entries)
            and all(a.end <= b.first
                    for a, b in zip(used, used[1:], strict=False))):
        return None
    return next((entry for entry in (*partitions(record, disk), *used)
                 if entry.end > sectors), None)


def partitions(record: BootRecord,
               disk: virtual_disk.Disk) -> list[MBREntry]:
    """Return the primary and logical partitions."""
    entries = []
    visited: set[int] = set()
    for entry in record.entries:
        if not entry.used or entry.type == PROTECTIVE:
            continue
        if entry.type in _EXTENDED:
            entries += _logical(entry, disk, visited)
        else:
            entries.append(entry)
    numbers = itertools.count(_FIRST_LOGICAL_NUMBER)
    return [entry if entry.number
            else dataclasses.replace(entry, number=next(numbers))
            for entry in entries]


def _logical(extended: MBREntry, disk: virtual_disk.Disk,
             visited: set[int]) -> list[MBREntry]:
    """Follow a chain of extended boot records.

    Each has one partition, relative to the record, and the next record,
    relative to the extended partition.

    :param visited: sectors of the records of all chains of the disk
    :returns: partitions with the number 0
    """
    entries: list[MBREntry] = []
    sector = extended.first
    while sector not in visited and len(visited) < _MAX_LOGICAL:
        visited.add(sector)
        record = read(disk, sector * SECTOR_SIZE)
        partition, following = record.entries[:2]
        if not record.signed or not partition.used:
            break
        entries.append(dataclasses.replace(
            partition, number=0, first=sector + partition.first))
        if following.type not in _EXTENDED or not following.first:
            break
        sector = extended.first + following.first
    return entries
