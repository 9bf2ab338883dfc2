# SPDX-License-Identifier: Apache-2.0
"""Whether, and by what firmware, a disk starts."""

from __future__ import annotations

from typing import Any

from hyperv_sched.disk import content
from hyperv_sched.disk import fat
from hyperv_sched.disk import guest
from hyperv_sched.disk import iso
from hyperv_sched.disk import mbr
from hyperv_sched.disk import partitions
from hyperv_sched.disk import uefi

#: Nobody reads longer lists; what is judged does not depend on them.
_MAX_LISTED = 128

#: Of work: what it takes to see that a partition holds no FAT.
_PARTITION_STEPS = 16

#: Defects of a system partition, by how far firmware comes with it.
_PROGRESS = ('partition-cut-off', 'gpt-partition-out-of-range',
             'gpt-overlap', 'esp-hidden-from-firmware', 'esp-not-fat',
             'fat32-too-few-clusters', *uefi.PROGRESS)

#: Defects of a table that are no reason if a partition has one of its own.
_GENERAL = ('esp-missing', 'loader-missing', 'mbr-partitioned',
            'no-partition-table')

#: Boot code that finds its way without an active partition.
_LOADERS_IN_MBR = (b'GRUB', b'LILO')
#: Boot code that starts an active or a boot partition and nothing else:
#: Microsoft's in English, SYSLINUX's, FreeBSD's; then the loop over the four
#: partitions in parted's, in that of Windows XP, and of Vista and newer.
_NEEDS_PARTITION = (
    b'Missing operating system', b'Invalid partition table', b'Missing OS',
    b'Missing boot loader', b'\xbe\xbe\x07\x38\x04',
    b'\xbd\xbe\x07\x38\x6e\x00', b'\xbd\xbe\x07\x80\x7e\x00\x00')
#: Boot code of mkfs.fat, which says no more than this.
_INERT = b'This is not a bootable disk'


def inspect(disk: guest.Disk, found: content.Content) -> None:
    """Add partitions, loaders, firmware and their defects to a content."""
    record = mbr.read(disk)
    layout = partitions.read(disk, record, found)
    _note_iso(disk, layout, found)
    found.partition_table = layout.table
    found.partitions = [
        {'number': p.number, 'type': p.type, 'offset': p.offset,
         'size': p.size} for p in layout.partitions[:_MAX_LISTED]
        if p.number and not p.hidden]
    by_uefi, loaders = _start(disk, layout, found)
    found.loaders = loaders[:_MAX_LISTED]
    by_bios = _starts_by_bios(disk, record, layout)
    if by_uefi:
        found.firmware = 'both' if by_bios else 'uefi'
        found.generation = 'hyperv-gen2' if by_bios is False else None
    elif by_bios is not None:
        found.firmware = 'bios' if by_bios else 'none'
        found.generation = 'hyperv-gen1' if by_bios else None


def _note_iso(disk: guest.Disk, layout: partitions.Layout,
              found: content.Content) -> None:
    """Note that the disk is an ISO, and not one that had an ISO before."""
    size = iso.find(disk)
    if size is not None and (
            layout.table == 'none' or disk.size <= 2 * size):
        found.note('iso-not-a-disk', 'the disk holds an ISO 9660 file system')


def _start(disk: guest.Disk, layout: partitions.Layout,
           found: content.Content) -> tuple[bool, list[dict[str, Any]]]:
    """Try each partition, as firmware does, until one starts.

    Where none does, the one that comes furthest tells why.

    :returns: whether one starts, and the loaders on the way to it, or on
        all ways that lead nowhere
    """
    defects = []
    loaders: list[dict[str, Any]] = []
    seen: set[tuple[int, int]] = set()
    for partition in layout.partitions:
        disk.spend(_PARTITION_STEPS)
        place = partition.offset, partition.size
        if place in seen and not partition.hidden:
            # Logical partitions may all name one place, where nothing starts.
            continue
        seen.add(place)
        met: list[dict[str, Any]] = []
        try:
            volume = _start_partition(disk, partition, met)
        except uefi.DoesNotStart as exc:
            # A file system of another kind is no attempt to start.
            if partition.is_esp or met:
                defects.append(partition.cut_off or (exc.name, exc.detail))
            loaders += _of(partition, met)
        else:
            _note(disk, layout, partition, volume, found)
            return True, _of(partition, met)
    if defects and layout.defect[0] in _GENERAL:
        found.note(*max(defects, key=lambda d: _PROGRESS.index(d[0])))
    else:
        found.note(*layout.defect)
    return False, loaders


def _of(partition: partitions.Partition,
        loaders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{'partition': partition.number, **loader} for loader in loaders]


def _start_partition(
        disk: guest.Disk, partition: partitions.Partition,
        met: list[dict[str, Any]]) -> fat.Volume:
    """Start what is on a partition.

    :param met: to add each program to
    :returns: the file system that it starts from
    :raises uefi.DoesNotStart: firmware starts nothing from it.
    """
    if partition.hidden:
        raise uefi.DoesNotStart(*partition.hidden)
    part = guest.Part(disk, partition.offset, partition.size)
    try:
        volume = fat.Volume(part)
    except fat.NotFat as exc:
        raise uefi.DoesNotStart(
            'esp-not-fat', f'{partition.place}: {exc}') from None
    if volume.too_few_clusters:
        uefi.look_for_loader(volume, met)
        raise uefi.DoesNotStart(
            'fat32-too-few-clusters',
            f'{partition.place}: FAT32 of {volume.clusters} clusters')
    uefi.start(volume, met)
    return volume


def _note(disk: guest.Disk, layout: partitions.Layout,
          partition: partitions.Partition, volume: fat.Volume,
          found: content.Content) -> None:
    """Note what is unusual about a partition that starts."""
    starts = f'firmware starts {partition.place}'
    if layout.defect[0] in ('gpt-damaged', 'gpt-missing'):
        found.note(*layout.defect)
    elif layout.table == 'mbr':
        found.note('mbr-partitioned', starts)
    elif not partition.number and 'iso-not-a-disk' not in found.defects:
        found.note('no-partition-table', starts)
    elif partition.number and not partition.is_esp:
        found.note('esp-type-missing',
                   f'partition {partition.number} is of type '
                   f'{partition.type}')
    if volume.sector_size != disk.sector_size:
        found.note('fat-sector-size',
                   f'{volume.sector_size} bytes, the disk has '
                   f'{disk.sector_size}')
    if volume.size > partition.size and not partition.cut_off:
        found.note('fat-larger-than-partition',
                   f'{volume.size} bytes, the partition has '
                   f'{partition.size}')


def _starts_by_bios(disk: guest.Disk, record: mbr.Record,
                    layout: partitions.Layout) -> bool | None:
    """Return whether a BIOS starts the disk.

    :returns: None for boot code that is not known: nobody can say
    """
    # No code begins with zeros.
    if not record.signed or not any(record.code[:2]) or (
            _INERT in record.code):
        return False
    if any(loader in record.code for loader in _LOADERS_IN_MBR):
        return True
    # An isohybrid has an active entry without a type, from sector 0 on.
    offsets = [p.first * mbr.SIZE for p in record.partitions
               if p.active and p.type != mbr.PROTECTIVE]
    offsets += [p.offset for p in layout.partitions if p.bios]
    if any(_has_boot_code(disk, offset) for offset in offsets):
        return True
    return (False if any(mark in record.code for mark in _NEEDS_PARTITION)
            else None)


def _has_boot_code(disk: guest.Disk, offset: int) -> bool:
    sector = disk.read(offset, mbr.SIZE)
    return any(sector) and _INERT not in sector
