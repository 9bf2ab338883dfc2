# SPDX-License-Identifier: Apache-2.0
"""The ranges of a disk where firmware looks for a file system.

EDK II's PartitionDxe reads a GPT if the MBR announces it, then the boot
images of an ISO, then the partitions of the MBR. A disk without any of them
may hold a file system as a whole.
"""

from __future__ import annotations

import typing
import uuid

from hyperv_sched.disk import gpt
from hyperv_sched.disk import iso
from hyperv_sched.disk import mbr
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.inspection import DefectReport
from hyperv_sched.disk.inspection import Inspection

#: The end of the detail on a GPT without a protective MBR, where a new MBR
#: would take away partitions.
BESIDE_MBR = 'the MBR has partitions of its own'


class BootCandidate(typing.NamedTuple):
    """A range in bytes that may hold a file system to boot from."""

    number: int
    """Of the partition; 0 for the whole disk and a boot image of an ISO."""
    type: str
    offset: int
    size: int
    is_esp: bool = False
    hidden: DefectReport | None = None
    """The reason why firmware skips it."""
    cut_off: DefectReport | None = None
    """It ends past the end of the disk."""
    bios: bool = False
    """Whether its type or an attribute is for booting by a BIOS."""

    @property
    def description(self) -> str:
        """Its name in a message."""
        return (f'partition {self.number}' if self.number
                else f'the {self.type}')


class Layout(typing.NamedTuple):
    """The partition table of a disk, and its boot candidates."""

    table: str
    """gpt, mbr or none; gpt and mbr also for a damaged table."""
    candidates: list[BootCandidate]
    defect: DefectReport
    """The reason if no candidate boots, and none has a reason of its own."""


def read(disk: virtual_disk.Disk, record: mbr.BootRecord,
         result: Inspection) -> Layout:
    """Return the layout, and add the defects that firmware tolerates."""
    if record.protective:
        return _read_announced_gpt(disk, record, record.protective, result)
    return _read_iso(disk) or _read_without_gpt(disk, record, result)


def _read_announced_gpt(disk: virtual_disk.Disk, record: mbr.BootRecord,
                        protective: mbr.MBREntry,
                        result: Inspection) -> Layout:
    """Return the layout of a disk with a protective MBR."""
    _check_protective_mbr(record, protective, result)
    try:
        table = _read_gpt(disk, result)
        candidates = _gpt_candidates(disk, table, result)
    except gpt.InvalidHeaderError as exc:
        defect = DefectReport(Defect.GPT_DAMAGED, str(exc))
    except gpt.GPTError as exc:
        defect = DefectReport(Defect.GPT_MISSING, str(exc))
    else:
        _check_end(disk, table, candidates, result)
        return Layout('gpt', candidates, DefectReport(
            Defect.ESP_MISSING, 'no partition is an EFI system partition'))
    # Firmware reads the boot images of an ISO instead, or the MBR.
    layout = _read_iso(disk)
    if layout is None:
        return Layout('gpt', _mbr_candidates(disk, record), defect)
    if disk.sector_size == iso.SECTOR_SIZE:
        # The GPT is for a copy of the DVD on a disk of 512-byte sectors.
        return layout
    return Layout('gpt', layout.candidates, defect)


def _read_without_gpt(disk: virtual_disk.Disk, record: mbr.BootRecord,
                      result: Inspection) -> Layout:
    """Return the layout of a disk whose MBR announces no GPT."""
    candidates = _mbr_candidates(disk, record)
    no_loader = DefectReport(
        Defect.MBR_PARTITIONED, 'no partition of the MBR boots by UEFI')
    gpt_lba = _find_unannounced_gpt(disk)
    unannounced = None if gpt_lba is None else DefectReport(
        Defect.GPT_NO_PROTECTIVE_MBR, f'a GPT in LBA {gpt_lba}, but no '
        'partition of type 0xee from LBA 1'
        + (f'; {BESIDE_MBR}' if _has_partitions(record) else ''))
    if candidates[0].number:
        for candidate in candidates:
            if candidate.cut_off:
                result.add_defect(*candidate.cut_off)
        return Layout('mbr', candidates, unannounced or no_loader)
    if unannounced:
        return Layout('gpt', candidates, unannounced)
    entry = mbr.find_cut_off(record, disk)
    if entry is not None:
        cut_off = _cut_off(entry.number, entry.end - 1,
                           disk.size // mbr.SECTOR_SIZE - 1)
        result.add_defect(*cut_off)
        return Layout('mbr', candidates, cut_off)
    if mbr.is_valid(record, disk):
        return Layout('mbr', candidates, no_loader)
    return Layout('none', candidates, DefectReport(
        Defect.NO_PARTITION_TABLE, 'neither GPT nor MBR'))


def _cut_off(number: int, last_lba: int, last_lba_of_disk: int
             ) -> DefectReport:
    return DefectReport(
        Defect.PARTITION_CUT_OFF, f'partition {number} ends with LBA '
        f'{last_lba}, the disk with LBA {last_lba_of_disk}')


def _check_protective_mbr(record: mbr.BootRecord, protective: mbr.MBREntry,
                          result: Inspection) -> None:
    if _has_partitions(record):
        result.add_defect(Defect.HYBRID_MBR, BESIDE_MBR)
    if protective.active:
        result.add_defect(
            Defect.GPT_PMBR_ACTIVE, 'the protective partition is active')
    if not record.signed:
        result.add_defect(
            Defect.GPT_PMBR_SIGNATURE, 'the MBR lacks its signature')


def _has_partitions(record: mbr.BootRecord) -> bool:
    return any(entry.used and entry.type != mbr.PROTECTIVE
               for entry in record.entries)


def _read_gpt(disk: virtual_disk.Disk, result: Inspection) -> gpt.Table:
    """Return the table that firmware uses: the primary, else the backup.

    :raises gpt.GPTError: neither is valid.
    """
    last = disk.size // disk.sector_size - 1
    try:
        return gpt.read(disk, 1)
    except gpt.GPTError as exc:
        primary_error = exc
    try:
        backup = gpt.read(disk, last)
    except gpt.GPTError as exc:
        # The error of the primary GPT decides which defect it is.
        raise type(primary_error)(
            f'LBA 1: {primary_error}; LBA {last}: {exc}') from None
    if backup.header.other_lba > last:
        # Firmware restores the primary table there, and reads it back.
        raise gpt.InvalidHeaderError(
            f'LBA 1: {primary_error}; the backup in LBA {last} is for a '
            f'primary table in LBA {backup.header.other_lba}')
    result.add_defect(Defect.GPT_PRIMARY_DAMAGED, str(primary_error))
    return backup


def _check_end(disk: virtual_disk.Disk, table: gpt.Table,
               candidates: list[BootCandidate], result: Inspection) -> None:
    """Check for data or a backup table missing at the end of the disk."""
    for candidate in candidates:
        if candidate.cut_off:
            result.add_defect(*candidate.cut_off)
            return
    last = disk.size // disk.sector_size - 1
    header = table.header
    if header.own_lba != 1:
        return
    if max(header.other_lba, header.last_usable) > last:
        result.add_defect(
            Defect.GPT_BEYOND_DISK, f'the GPT ends with LBA '
            f'{header.other_lba}, the disk with LBA {last}')
        return
    try:
        gpt.read(disk, header.other_lba)
    except gpt.GPTError as exc:
        result.add_defect(Defect.GPT_BACKUP_DAMAGED,
                          f'LBA {header.other_lba}: {exc}')


def _find_unannounced_gpt(disk: virtual_disk.Disk) -> int | None:
    """Return the LBA of a GPT that has partitions; None without one."""
    for lba in (1, disk.size // disk.sector_size - 1):
        try:
            used = gpt.used_entries(gpt.read(disk, lba), disk)
        except gpt.GPTError:
            continue
        if used:
            return lba
    return None


def _gpt_candidates(disk: virtual_disk.Disk, table: gpt.Table,
                    result: Inspection) -> list[BootCandidate]:
    entries = gpt.used_entries(table, disk)
    if gpt.is_slow(table, entries):
        result.add_defect(
            Defect.GPT_MANY_ENTRIES, f'{len(entries)} partitions in '
            f'{table.header.entry_count} entries')
    size = disk.sector_size
    last = disk.size // size - 1
    return [
        BootCandidate(
            entry.number, str(uuid.UUID(bytes_le=entry.type)),
            entry.first * size, (entry.last - entry.first + 1) * size,
            is_esp=entry.type == gpt.ESP, hidden=_hidden(entry, last),
            cut_off=_cut_off(entry.number, entry.last, last)
            if entry.first <= entry.last and entry.last > last else None,
            bios=entry.type in gpt.BIOS_BOOT or entry.legacy_bootable)
        for entry in entries]


def _hidden(entry: gpt.GPTEntry, last_lba: int) -> DefectReport | None:
    """Return the reason why firmware skips an entry."""
    if not entry.in_range or entry.first > last_lba:
        return DefectReport(
            Defect.GPT_PARTITION_OUT_OF_RANGE, f'partition {entry.number}: '
            f'LBA {entry.first} to {entry.last}')
    if entry.overlaps:
        return DefectReport(
            Defect.GPT_OVERLAP,
            f'partitions {entry.number} and {entry.overlaps}')
    if entry.hidden:
        return DefectReport(
            Defect.ESP_HIDDEN_FROM_FIRMWARE, f'partition {entry.number}: '
            f'attributes {entry.attributes:#x}')
    return None


def _read_iso(disk: virtual_disk.Disk) -> Layout | None:
    """Return the layout of an ISO; None if it has no boot images."""
    images = [BootCandidate(0, 'boot image', image.offset, image.size,
                            is_esp=image.is_uefi)
              for image in iso.boot_images(disk)]
    return Layout('none', images, DefectReport(
        Defect.LOADER_MISSING, 'no boot image of the ISO has a FAT with '
        '\\EFI\\BOOT\\BOOTX64.EFI')) if images else None


def _mbr_candidates(disk: virtual_disk.Disk,
                    record: mbr.BootRecord) -> list[BootCandidate]:
    """Return the partitions of the MBR; the whole disk if it has none.

    Firmware does not read the MBR of a DVD.
    """
    entries = (mbr.partitions(record, disk) if mbr.is_valid(record, disk)
               and disk.sector_size != iso.SECTOR_SIZE else [])
    last = disk.size // mbr.SECTOR_SIZE - 1
    return [
        BootCandidate(
            entry.number, f'{entry.type:#04x}',
            entry.first * mbr.SECTOR_SIZE, entry.count * mbr.SECTOR_SIZE,
            is_esp=entry.type == mbr.ESP,
            cut_off=_cut_off(entry.number, entry.end - 1, last)
            if entry.end - 1 > last else None)
        for entry in entries] or [
            BootCandidate(0, 'whole disk', 0, disk.size)]
