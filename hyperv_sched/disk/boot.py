# SPDX-License-Identifier: Apache-2.0
"""Whether, and by what firmware, a disk starts."""

from __future__ import annotations

from typing import Any

from hyperv_sched.disk import content
from hyperv_sched.disk import fat
from hyperv_sched.disk import guest
from hyperv_sched.disk import mbr
from hyperv_sched.disk import partitions
from hyperv_sched.disk import uefi

#: Nobody reads longer lists; what is judged does not depend on them.
_MAX_LISTED = 128

#: Of work: what it takes to see that a partition holds no FAT.
_PARTITION_STEPS = 16

#: Defects of a system partition, by how far firmware comes with it.
_PROGRESS = ('gpt-partition-out-of-range', 'gpt-overlap',
             'esp-hidden-from-firmware', 'esp-not-fat',
             'fat32-too-few-clusters', *uefi.PROGRESS)

#: Boot code that finds its way without an active partition.
_LOADERS_IN_MBR = (b'GRUB', b'LILO')

_GENERATIONS = {'uefi': 'hyperv-gen2', 'bios': 'hyperv-gen1'}


def inspect(disk: guest.Disk, found: content.Content) -> None:
    """Add partitions, loaders, firmware and their defects to a content."""
    record = mbr.read(disk)
    layout = partitions.read(disk, record, found)
    found.partition_table = layout.table
    found.partitions = [
        {'number': p.number, 'type': p.type, 'offset': p.offset,
         'size': p.size} for p in layout.partitions[:_MAX_LISTED]
        if p.number and not p.hidden]
    by_uefi, loaders = _start(disk, layout, found)
    found.loaders = loaders[:_MAX_LISTED]
    by_bios = _starts_by_bios(disk, record, layout)
    found.firmware = (
        'both' if by_uefi and by_bios else 'uefi' if by_uefi
        else 'bios' if by_bios else 'none')
    found.generation = _GENERATIONS.get(found.firmware)


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
            volume = _open(disk, partition)
            uefi.start(volume, met)
        except uefi.DoesNotStart as exc:
            # A file system of another kind is no attempt to start.
            if partition.is_esp or met:
                defects.append((exc.name, exc.detail))
            loaders += _of(partition, met)
        else:
            _note(disk, layout, partition, volume, found)
            return True, _of(partition, met)
    if defects and layout.defect[0] == 'esp-missing':
        found.note(*max(defects, key=lambda d: _PROGRESS.index(d[0])))
    else:
        found.note(*layout.defect)
    return False, loaders


def _of(partition: partitions.Partition,
        loaders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{'partition': partition.number, **loader} for loader in loaders]


def _open(disk: guest.Disk, partition: partitions.Partition) -> fat.Volume:
    if partition.hidden:
        raise uefi.DoesNotStart(*partition.hidden)
    part = guest.Part(disk, partition.offset, partition.size)
    try:
        return fat.Volume(part)
    except fat.TooFewClusters as exc:
        raise uefi.DoesNotStart(
            'fat32-too-few-clusters',
            f'partition {partition.number}: {exc}') from None
    except fat.NotFat as exc:
        raise uefi.DoesNotStart(
            'esp-not-fat', f'partition {partition.number}: {exc}') from None


def _note(disk: guest.Disk, layout: partitions.Layout,
          partition: partitions.Partition, volume: fat.Volume,
          found: content.Content) -> None:
    """What is odd about a partition that starts nevertheless."""
    if layout.defect[0] != 'esp-missing':
        found.note(*layout.defect)
    elif not partition.is_esp:
        found.note('esp-type-missing',
                   f'partition {partition.number} is of type '
                   f'{partition.type}')
    if volume.sector_size != disk.sector_size:
        found.note('fat-sector-size',
                   f'{volume.sector_size} bytes, the disk has '
                   f'{disk.sector_size}')
    if volume.size > partition.size:
        found.note('fat-larger-than-partition',
                   f'{volume.size} bytes, the partition has '
                   f'{partition.size}')


def _starts_by_bios(disk: guest.Disk, record: mbr.Record,
                    layout: partitions.Layout) -> bool:
    """Whether there is boot code, and something for it to start."""
    if not record.signed or not any(record.code):
        return False
    if any(loader in record.code for loader in _LOADERS_IN_MBR):
        return True
    return any(
        any(disk.read(partition.offset, mbr.SIZE))
        for partition in layout.partitions if partition.bios)
