# SPDX-License-Identifier: Apache-2.0
"""The partitions of a disk, as firmware finds them.

EDK2's PartitionDxe looks for a GPT where the MBR announces one, then for
partitions in the MBR. Where there is neither, the whole disk may hold a
file system.
"""

from __future__ import annotations

import dataclasses
import uuid

from hyperv_sched.disk import content
from hyperv_sched.disk import gpt
from hyperv_sched.disk import guest
from hyperv_sched.disk import mbr

#: A defect: the name of its rule, and the place of it.
Defect = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Partition:
    """A place where a file system may lie, in bytes."""

    number: int
    """0 is the whole disk."""
    type: str
    offset: int
    size: int
    is_esp: bool = False
    hidden: Defect | None = None
    """Why firmware does not see it."""
    bios: bool = False
    """It says that a BIOS boots from it."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a disk is divided."""

    table: str
    """gpt, mbr or none: what is meant, be it in order or not."""
    partitions: list[Partition]
    defect: Defect
    """Why nothing starts where no partition has a reason of its own."""


def read(disk: guest.Disk, record: mbr.Record,
         found: content.Content) -> Layout:
    """Find the partitions, and note what firmware puts up with."""
    if record.protective:
        _note_protective(record, found)
        try:
            table = _table(disk, found)
            return Layout('gpt', _from_gpt(disk, table, found), (
                'esp-missing', 'no partition is an EFI system partition'))
        except gpt.Absurd as exc:
            defect = 'gpt-damaged', str(exc)
        except gpt.Invalid as exc:
            defect = 'gpt-missing', str(exc)
        return Layout('gpt', _from_mbr(disk, record), defect)
    stray = _stray_gpt(disk)
    if stray:
        return Layout('gpt', _from_mbr(disk, record),
                      ('gpt-no-protective-mbr', stray))
    if mbr.valid(record, disk):
        return Layout('mbr', _from_mbr(disk, record), (
            'mbr-partitioned', 'no partition of it starts by UEFI'))
    return Layout('none', _from_mbr(disk, record), (
        'no-partition-table', 'neither GPT nor MBR'))


def _note_protective(record: mbr.Record, found: content.Content) -> None:
    if any(p.used and p.type != mbr.PROTECTIVE for p in record.partitions):
        found.note('hybrid-mbr', 'the MBR has partitions of its own')
    if record.protective and record.protective.active:
        found.note('gpt-pmbr-active', 'the protective partition is active')
    if not record.signed:
        found.note('gpt-pmbr-signature', 'the MBR lacks its signature')


def _table(disk: guest.Disk, found: content.Content) -> gpt.Table:
    """The table that firmware goes by.

    :raises gpt.Invalid: neither copy holds.
    """
    last = disk.size // disk.sector_size - 1
    try:
        table = gpt.read(disk, 1)
    except gpt.Invalid as exc:
        try:
            backup = gpt.read(disk, last)
        except gpt.Invalid as other:
            kind = (gpt.Absurd if isinstance(exc, gpt.Absurd)
                    else gpt.Invalid)
            raise kind(f'LBA 1: {exc}; LBA {last}: {other}') from None
        if backup.header.other_lba > last:
            # Firmware writes the table there first, and reads it back.
            raise gpt.Absurd(
                f'LBA 1: {exc}; the copy in LBA {last} belongs to LBA '
                f'{backup.header.other_lba}') from None
        found.note('gpt-primary-damaged', str(exc))
        return backup
    primary = table.header
    if max(primary.other_lba, primary.last_usable) > last:
        found.note('gpt-beyond-disk',
                   f'it ends with LBA {primary.other_lba}, the disk with '
                   f'{last}')
    else:
        try:
            gpt.read(disk, primary.other_lba)
        except gpt.Invalid as exc:
            found.note('gpt-backup-damaged',
                       f'LBA {primary.other_lba}: {exc}')
    return table


def _stray_gpt(disk: guest.Disk) -> str | None:
    """Where a table lies that nothing announces."""
    for lba in (1, disk.size // disk.sector_size - 1):
        try:
            gpt.read(disk, lba)
        except gpt.Invalid:
            continue
        return f'a GPT in LBA {lba}, but no partition of type 0xee from LBA 1'
    return None


def _from_gpt(disk: guest.Disk, table: gpt.Table,
              found: content.Content) -> list[Partition]:
    entries = gpt.partitions(table, disk)
    if gpt.is_slow(table, entries):
        found.note('gpt-many-entries', f'{len(entries)} partitions in '
                   f'{table.header.entry_count} entries')
    size = disk.sector_size
    return [
        Partition(
            entry.number, str(uuid.UUID(bytes_le=entry.type)),
            entry.first * size, (entry.last - entry.first + 1) * size,
            entry.type == gpt.ESP, _hidden(entry, disk),
            entry.type == gpt.BIOS_BOOT or entry.legacy_bootable)
        for entry in entries]


def _hidden(entry: gpt.Partition, disk: guest.Disk) -> Defect | None:
    if not entry.in_range or (
            entry.first >= disk.size // disk.sector_size):
        return ('gpt-partition-out-of-range',
                f'partition {entry.number}: LBA {entry.first} to '
                f'{entry.last}')
    if entry.overlaps:
        return ('gpt-overlap',
                f'partitions {entry.number} and {entry.overlaps}')
    if entry.hidden:
        return ('esp-hidden-from-firmware',
                f'partition {entry.number}: attributes '
                f'{entry.attributes:#x}')
    return None


def _from_mbr(disk: guest.Disk, record: mbr.Record) -> list[Partition]:
    """The partitions of the MBR; where it has none, the whole disk."""
    entries = (mbr.partitions(record, disk) if mbr.valid(record, disk)
               else [])
    return [
        Partition(number, f'{entry.type:#04x}', entry.first * mbr.SIZE,
                  entry.count * mbr.SIZE, entry.type == mbr.ESP,
                  bios=entry.active)
        for number, entry in enumerate(entries, 1)] or [
            Partition(0, 'disk', 0, disk.size)]
