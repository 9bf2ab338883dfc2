# SPDX-License-Identifier: Apache-2.0
"""The master boot record (UEFI 2.10, 5.2).

===== ==== ==========================================================
 at   size
===== ==== ==========================================================
   0   440  boot code, which only a BIOS runs
 446    64  four partitions: boot indicator u8 (0x80: active), type u8
            at 4, first sector u32 at 8, sectors u32 at 12
 510     2  signature 55 aa
===== ==== ==========================================================
"""

from __future__ import annotations

import dataclasses
import itertools
import struct

from hyperv_sched.disk import guest

SIZE = 512
#: The partition that covers a GPT.
PROTECTIVE = 0xee
#: An EFI system partition.
ESP = 0xef

_SIGNATURE = b'\x55\xaa'
_FIRST = 446
_PARTITION = struct.Struct('<B3xB3xII')
_EXTENDED = (0x05, 0x0f, 0x85)
_ACTIVE = 0x80
_CODE = slice(0, 440)
_FIRST_LOGICAL = 5
#: Of logical partitions, which are a chain.
_MAX_LOGICAL = 128


@dataclasses.dataclass(frozen=True)
class Partition:
    number: int
    """As sfdisk counts: 1 to 4 are places in the MBR, logical partitions
    have 5 and more."""
    indicator: int
    type: int
    first: int
    count: int
    """Both in units of 512 bytes: so firmware counts on any disk."""

    @property
    def active(self) -> bool:
        return bool(self.indicator & _ACTIVE)

    @property
    def used(self) -> bool:
        return bool(self.type and self.count)

    @property
    def last(self) -> int:
        # Firmware counts in 32 bits: a protective entry of the largest size
        # ends where no disk does.
        return (self.first + self.count - 1) & 0xffffffff


@dataclasses.dataclass(frozen=True)
class Record:
    code: bytes
    partitions: tuple[Partition, ...]
    signed: bool

    @property
    def protective(self) -> Partition | None:
        """What tells firmware to look for a GPT (EDK2: signature unseen)."""
        return next((p for p in self.partitions
                     if p.type == PROTECTIVE and p.first == 1), None)


def read(disk: guest.Disk, offset: int = 0) -> Record:
    """Read a record; where there is none, it says nothing."""
    data = disk.read(offset, SIZE).ljust(SIZE, b'\0')
    partitions = []
    for index in range(4):
        indicator, kind, first, count = _PARTITION.unpack_from(
            data, _FIRST + index * _PARTITION.size)
        partitions.append(Partition(
            index + 1, indicator, kind, first, count))
    return Record(data[_CODE], tuple(partitions),
                  data.endswith(_SIGNATURE))


def valid(record: Record, disk: guest.Disk) -> bool:
    """Whether firmware takes this for a partition table.

    A FAT boot sector has the signature, too: the partitions must lie on the
    disk and apart from each other (EDK2, PartitionValidMbr).
    """
    used = sorted((p for p in record.partitions if p.used),
                  key=lambda p: p.first)
    return (
        record.signed and bool(used)
        and all(p.last < disk.size // SIZE for p in used)
        and all(a.last < b.first
                for a, b in zip(used, used[1:], strict=False)))


def cut_off(record: Record, disk: guest.Disk) -> Partition | None:
    """Return a partition that ends past the end of the disk.

    A file system without partitions has code or text where a record has
    partitions. So all else must be as in a partition table.
    """
    used = sorted((p for p in record.partitions
                   if p.used and p.type != PROTECTIVE), key=lambda p: p.first)
    sectors = disk.size // SIZE
    if not (record.signed and used and 0 < used[0].first < sectors
            and all(p.indicator in (0, _ACTIVE) for p in record.partitions)
            and all(a.first + a.count <= b.first
                    for a, b in zip(used, used[1:], strict=False))):
        return None
    found = [p for p in (*partitions(record, disk), *used)
             if p.first + p.count > sectors]
    return found[0] if found else None


def partitions(record: Record, disk: guest.Disk) -> list[Partition]:
    """Primary partitions, and the logical ones within an extended one."""
    found = []
    seen: set[int] = set()
    for partition in record.partitions:
        if not partition.used or partition.type == PROTECTIVE:
            continue
        if partition.type in _EXTENDED:
            found += _logical(partition, disk, seen)
        else:
            found.append(partition)
    logical = itertools.count(_FIRST_LOGICAL)
    return [p if p.number else dataclasses.replace(p, number=next(logical))
            for p in found]


def _logical(extended: Partition, disk: guest.Disk,
             seen: set[int]) -> list[Partition]:
    """Follow the chain of extended boot records.

    Each names one partition, relative to itself, and the next record,
    relative to the extended partition.

    :param seen: sectors of the records so far, over all chains of a disk
    """
    found: list[Partition] = []
    at = extended.first
    while at not in seen and len(seen) < _MAX_LOGICAL:
        seen.add(at)
        record = read(disk, at * SIZE)
        partition, following = record.partitions[:2]
        if not record.signed or not partition.used:
            break
        found.append(dataclasses.replace(
            partition, number=0, first=at + partition.first))
        if following.type not in _EXTENDED or not following.first:
            break
        at = extended.first + following.first
    return found
