# SPDX-License-Identifier: Apache-2.0
"""The partitions of a disk, as firmware finds them.

EDK2's PartitionDxe looks for a GPT if the MBR announces one, then for the
boot images of an ISO, then for partitions in the MBR. Without any of them,
the whole disk may hold a file system.
"""

from __future__ import annotations

import dataclasses
import uuid

from hyperv_sched.disk import content
from hyperv_sched.disk import gpt
from hyperv_sched.disk import guest
from hyperv_sched.disk import iso
from hyperv_sched.disk import mbr

#: A defect: the name of its rule, and the place of it.
Defect = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Partition:
    """A place where a file system may lie, in bytes."""

    number: int
    """0 for the whole disk and for a boot image of an ISO."""
    type: str
    offset: int
    size: int
    is_esp: bool = False
    hidden: Defect | None = None
    """Why firmware does not see it."""
    cut_off: Defect | None = None
    """It ends past the end of the disk."""
    bios: bool = False
    """Its type or an attribute says that a BIOS boots from it."""

    @property
    def place(self) -> str:
        """Its name in a message."""
        return (f'partition {self.number}' if self.number
                else f'the {self.type}')


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
            entries = _from_gpt(disk, table, found)
            _note_end(disk, table, entries, found)
            return Layout('gpt', entries, (
                'esp-missing', 'no partition is an EFI system partition'))
        except gpt.Absurd as exc:
            defect = 'gpt-damaged', str(exc)
        except gpt.Invalid as exc:
            defect = 'gpt-missing', str(exc)
        return Layout('gpt', _from_mbr(disk, record), defect)
    images = [Partition(0, 'boot image', offset, disk.size - offset)
              for offset in iso.boot_images(disk)]
    if images:
        return Layout('none', images, (
            'loader-missing', 'no boot image of the ISO has a FAT with '
            '\\EFI\\BOOT\\BOOTX64.EFI'))
    return _without_gpt(disk, record, found)


def _without_gpt(disk: guest.Disk, record: mbr.Record,
                 found: content.Content) -> Layout:
    """Find the partitions of a disk whose MBR announces no GPT."""
    entries = _from_mbr(disk, record)
    stray = _stray_gpt(disk)
    unannounced = 'gpt-no-protective-mbr', stray or ''
    if entries[0].number:
        for entry in entries:
            if entry.cut_off:
                found.note(*entry.cut_off)
        return Layout('mbr', entries, unannounced if stray else (
            'mbr-partitioned', 'no partition of it starts by UEFI'))
    if stray:
        return Layout('gpt', entries, unannounced)
    cut_off = mbr.cut_off(record, disk)
    if cut_off is not None:
        defect = _cut_off(cut_off.number, cut_off.first + cut_off.count - 1,
                          disk.size // mbr.SIZE - 1)
        found.note(*defect)
        return Layout('mbr', entries, defect)
    if mbr.valid(record, disk):
        return Layout('mbr', entries, (
            'mbr-partitioned', 'no partition of it starts by UEFI'))
    return Layout('none', entries, (
        'no-partition-table', 'neither GPT nor MBR'))


def _cut_off(number: int, last: int, end: int) -> Defect:
    return ('partition-cut-off', f'partition {number} ends with LBA {last}, '
            f'the disk with LBA {end}')


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
    return table


def _note_end(disk: guest.Disk, table: gpt.Table,
              entries: list[Partition], found: content.Content) -> None:
    """Note what is missing at the end of the disk: data, or the backup."""
    for entry in entries:
        if entry.cut_off:
            found.note(*entry.cut_off)
            return
    last = disk.size // disk.sector_size - 1
    primary = table.header
    if primary.own_lba != 1:
        return
    if max(primary.other_lba, primary.last_usable) > last:
        found.note('gpt-beyond-disk',
                   f'it ends with LBA {primary.other_lba}, the disk with '
                   f'{last}')
        return
    try:
        gpt.read(disk, primary.other_lba)
    except gpt.Invalid as exc:
        found.note('gpt-backup-damaged', f'LBA {primary.other_lba}: {exc}')


def _stray_gpt(disk: guest.Disk) -> str | None:
    """Return the place of a table of partitions that nothing announces."""
    for lba in (1, disk.size // disk.sector_size - 1):
        try:
            used = gpt.partitions(gpt.read(disk, lba), disk)
        except gpt.Invalid:
            continue
        if used:
            return (f'a GPT in LBA {lba}, but no partition of type 0xee from '
                    'LBA 1')
    return None


def _from_gpt(disk: guest.Disk, table: gpt.Table,
              found: content.Content) -> list[Partition]:
    entries = gpt.partitions(table, disk)
    if gpt.is_slow(table, entries):
        found.note('gpt-many-entries', f'{len(entries)} partitions in '
                   f'{table.header.entry_count} entries')
    size = disk.sector_size
    end = disk.size // size - 1
    return [
        Partition(
            entry.number, str(uuid.UUID(bytes_le=entry.type)),
            entry.first * size, (entry.last - entry.first + 1) * size,
            entry.type == gpt.ESP, _hidden(entry, disk),
            _cut_off(entry.number, entry.last, end)
            if entry.first <= entry.last and entry.last > end else None,
            entry.type in gpt.BIOS_BOOT or entry.legacy_bootable)
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
    """Return the partitions of the MBR; if it has none, the whole disk."""
    entries = (mbr.partitions(record, disk) if mbr.valid(record, disk)
               else [])
    end = disk.size // mbr.SIZE - 1
    return [
        Partition(entry.number, f'{entry.type:#04x}', entry.first * mbr.SIZE,
                  entry.count * mbr.SIZE, entry.type == mbr.ESP,
                  cut_off=_cut_off(entry.number, last, end)
                  if last > end else None)
        for entry in entries for last in [entry.first + entry.count - 1]] or [
            Partition(0, 'whole disk', 0, disk.size)]
