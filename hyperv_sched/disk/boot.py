# SPDX-License-Identifier: Apache-2.0
"""Whether a disk boots, and by which firmware."""

from __future__ import annotations

import contextlib
import typing

from hyperv_sched import names
from hyperv_sched.disk import boot_configuration
from hyperv_sched.disk import fat
from hyperv_sched.disk import inspection
from hyperv_sched.disk import iso
from hyperv_sched.disk import mbr
from hyperv_sched.disk import partitions
from hyperv_sched.disk import systemd_boot
from hyperv_sched.disk import systems
from hyperv_sched.disk import uefi
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk.defects import Defect

#: Limit on partitions and on loaders in the result, which users read. The
#: defects do not depend on it.
_MAX_LISTED = 128

#: Steps of work to find out that a partition has no FAT file system.
_PARTITION_STEPS = 16

#: Defects of a partition, in the order in which booting reaches them.
_BOOT_STAGES = (
    Defect.PARTITION_CUT_OFF, Defect.GPT_PARTITION_OUT_OF_RANGE,
    Defect.GPT_OVERLAP, Defect.ESP_HIDDEN_FROM_FIRMWARE, Defect.ESP_NOT_FAT,
    Defect.FAT32_TOO_FEW_CLUSTERS, *uefi.BOOT_STAGES)

#: Defects of a layout that give way to the defect of a partition.
_GENERAL = (Defect.ESP_MISSING, Defect.LOADER_MISSING, Defect.MBR_PARTITIONED,
            Defect.NO_PARTITION_TABLE)

#: Firmware reads the MBR of such a disk instead.
_DAMAGED = (Defect.GPT_DAMAGED, Defect.GPT_MISSING)

#: Boot code that needs no active partition.
_LOADERS_IN_MBR = (b'GRUB', b'LILO')
#: Boot code that needs an active or a boot partition: Microsoft's in English,
#: SYSLINUX's, FreeBSD's; then the loop over the four partition entries in the
#: boot code of parted, Windows XP, and Windows Vista and newer.
_NEEDS_PARTITION = (
    b'Missing operating system', b'Invalid partition table', b'Missing OS',
    b'Missing boot loader', b'\xbe\xbe\x07\x38\x04',
    b'\xbd\xbe\x07\x38\x6e\x00', b'\xbd\xbe\x07\x80\x7e\x00\x00')
#: Boot code of mkfs.fat, which prints this and stops.
_INERT = b'This is not a bootable disk'


class _UEFIBoot(typing.NamedTuple):
    """The result of booting a disk by UEFI."""

    boots: bool
    loaders: list[inspection.Loader]
    """Those that lead to the operating system, or all if none does."""
    images: list[uefi.LoadedImage]
    """The programs of these loaders, if the disk boots."""


def inspect(disk: virtual_disk.Disk, result: inspection.Inspection,
            ) -> list[uefi.LoadedImage]:
    """Add the partitions, loaders, firmware and defects of a disk.

    :returns: the programs by which UEFI boots the disk
    """
    record = mbr.read(disk)
    layout = partitions.read(disk, record, result)
    _check_iso(disk, layout, result)
    result.partition_table = layout.table
    result.partitions = [
        inspection.Partition(c.number, c.type, c.offset, c.size)
        for c in layout.candidates[:_MAX_LISTED]
        if c.number and not c.hidden]
    by_uefi = _boot_by_uefi(disk, layout, result)
    result.loaders = by_uefi.loaders[:_MAX_LISTED]
    by_bios = _boots_by_bios(disk, record, layout)
    if by_uefi.boots:
        result.firmware = 'both' if by_bios else 'uefi'
        result.generation = names.GENERATION_2 if by_bios is False else None
    elif by_bios is not None:
        result.firmware = 'bios' if by_bios else 'none'
        result.generation = names.GENERATION_1 if by_bios else None
    return by_uefi.images


def _check_iso(disk: virtual_disk.Disk, layout: partitions.Layout,
               result: inspection.Inspection) -> None:
    """Check whether the disk is an ISO.

    A disk that was partitioned anew may still have descriptors of one.
    """
    size = iso.medium_size(disk)
    if size is not None and (
            layout.table == 'none' or disk.size <= 2 * size):
        result.add_defect(Defect.ISO_NOT_A_DISK,
                          'the disk holds an ISO 9660 file system')


def _boot_by_uefi(disk: virtual_disk.Disk, layout: partitions.Layout,
                  result: inspection.Inspection) -> _UEFIBoot:
    """Try to boot each candidate, as firmware does, and add the defects.

    If none boots, the defect that the latest boot stage reached is the
    reason.
    """
    reports: list[inspection.DefectReport] = []
    loaders: list[inspection.Loader] = []
    tried: set[tuple[int, int]] = set()
    for candidate in layout.candidates:
        disk.spend(_PARTITION_STEPS)
        extent = candidate.offset, candidate.size
        if extent in tried and not candidate.hidden:
            # All logical partitions may name one range that does not boot.
            continue
        tried.add(extent)
        loaded: list[uefi.LoadedImage] = []
        try:
            volume = _boot_candidate(disk, candidate, loaded)
        except uefi.BootError as exc:
            # A partition for data is no reason.
            if candidate.is_esp or loaded:
                reports.append(candidate.cut_off or exc.report)
            loaders += _loaders(candidate, loaded)
        else:
            _check_booted(disk, layout, candidate, volume, result)
            _start_only_image(layout, volume, loaded)
            systems.inspect(disk, layout, candidate, loaded, result)
            if candidate.number and layout.defect.defect not in _DAMAGED:
                boot_configuration.check(
                    disk, layout.candidates, volume, loaded, result)
            return _UEFIBoot(True, _loaders(candidate, loaded), loaded)
    reason = layout.defect
    if reports and reason.defect in _GENERAL:
        reason = max(
            reports, key=lambda report: _BOOT_STAGES.index(report.defect))
    result.add_defect(*reason)
    return _UEFIBoot(False, loaders, [])


def _loaders(candidate: partitions.BootCandidate,
             loaded: list[uefi.LoadedImage]) -> list[inspection.Loader]:
    return [inspection.Loader(
        candidate.number, image.path, image.program.machine,
        image.program.subsystem, image.program.signed, image.started_by)
        for image in loaded]


def _boot_candidate(disk: virtual_disk.Disk,
                    candidate: partitions.BootCandidate,
                    loaded: list[uefi.LoadedImage]) -> fat.Volume:
    """Boot from a candidate.

    :param loaded: the list to which each loaded program is added
    :returns: its file system
    :raises uefi.BootError: the candidate does not boot.
    """
    if candidate.hidden:
        raise uefi.BootError(*candidate.hidden)
    try:
        volume = fat.Volume(virtual_disk.Slice(
            disk, candidate.offset, candidate.size))
    except fat.NotFATError as exc:
        raise uefi.BootError(
            Defect.ESP_NOT_FAT, f'{candidate.description}: {exc}') from None
    if volume.too_few_clusters:
        uefi.load_unreachable(volume, loaded)
        raise uefi.BootError(
            Defect.FAT32_TOO_FEW_CLUSTERS, f'{candidate.description}: FAT32 '
            f'of {volume.clusters} clusters')
    uefi.boot(volume, loaded)
    return volume


def _start_only_image(layout: partitions.Layout, volume: fat.Volume,
                      loaded: list[uefi.LoadedImage]) -> None:
    """Start what systemd-boot starts, if that is certain."""
    last = [image for image in loaded if image.started_by][-1]
    if not systemd_boot.recognize(last.program) or any(
            candidate.type == systemd_boot.EXTENDED_BOOT_LOADER
            for candidate in layout.candidates):
        return
    with contextlib.suppress(fat.DamagedFATError, uefi.BootError):
        path = systemd_boot.only_image(volume)
        if path:
            uefi.start_image(volume, path, last.path, loaded)


def _check_booted(disk: virtual_disk.Disk, layout: partitions.Layout,
                  candidate: partitions.BootCandidate, volume: fat.Volume,
                  result: inspection.Inspection) -> None:
    """Add the defects of a candidate that boots."""
    boots = f'firmware boots {candidate.description}'
    if layout.defect.defect in _DAMAGED:
        result.add_defect(*layout.defect)
    elif layout.table == 'mbr':
        result.add_defect(Defect.MBR_PARTITIONED, boots)
    elif (not candidate.number
            and Defect.ISO_NOT_A_DISK not in result.defects):
        result.add_defect(Defect.NO_PARTITION_TABLE, boots)
    elif candidate.number and not candidate.is_esp:
        result.add_defect(
            Defect.ESP_TYPE_MISSING,
            f'partition {candidate.number} is of type {candidate.type}')
    if volume.sector_size != disk.sector_size:
        result.add_defect(
            Defect.FAT_SECTOR_SIZE, f'{volume.sector_size} bytes, the disk '
            f'has {disk.sector_size}')
    if volume.size > candidate.size and not candidate.cut_off:
        result.add_defect(
            Defect.FAT_LARGER_THAN_PARTITION, f'{volume.size} bytes, the '
            f'partition has {candidate.size}')


def _boots_by_bios(disk: virtual_disk.Disk, record: mbr.BootRecord,
                   layout: partitions.Layout) -> bool | None:
    """Return whether a BIOS boots the disk; None for unknown boot code."""
    # Boot code does not begin with zeros.
    if not record.signed or not any(record.code[:2]) or (
            _INERT in record.code):
        return False
    if any(loader in record.code for loader in _LOADERS_IN_MBR):
        return True
    # An isohybrid has an active entry of type 0 from sector 0 on.
    offsets = [entry.first * mbr.SECTOR_SIZE for entry in record.entries
               if entry.active and entry.type != mbr.PROTECTIVE]
    offsets += [candidate.offset for candidate in layout.candidates
                if candidate.bios]
    if any(has_boot_code(disk, offset) for offset in offsets):
        return True
    return (False if any(code in record.code for code in _NEEDS_PARTITION)
            else None)


def has_boot_code(disk: virtual_disk.Disk, offset: int) -> bool:
    """Return whether a boot sector has code that may boot a system."""
    sector = disk.read(offset, mbr.SECTOR_SIZE)
    return any(sector) and _INERT not in sector
