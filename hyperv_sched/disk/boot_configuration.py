# SPDX-License-Identifier: Apache-2.0
r"""Whether the last loader that starts finds an operating system.

What is not certain is no defect: another GRUB than those of
:mod:`hyperv_sched.disk.grub`, a configuration with other commands than a stub
has, a partition whose content is not understood.
"""

from __future__ import annotations

from collections.abc import Iterable
import contextlib

from hyperv_sched.disk import fat
from hyperv_sched.disk import filesystems
from hyperv_sched.disk import gpt
from hyperv_sched.disk import grub
from hyperv_sched.disk import inspection
from hyperv_sched.disk import partitions
from hyperv_sched.disk import systemd_boot
from hyperv_sched.disk import uefi
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk.defects import Defect

_Path = tuple[str, ...]

_CONFIGURATION = 'grub.cfg'
_PLATFORM = 'x86_64-efi'
_INSTALLATION = ('boot', 'grub')
#: Configurations that a stub may read from the same file system.
_OTHER_CONFIGURATIONS = tuple((*path, _CONFIGURATION) for path in (
    _INSTALLATION, ('boot', 'grub2'), ('grub',), ('grub2',)))
#: Characters of a UUID, which are shown.
_MAX_UUID = 36
#: Limit on partitions whose file systems are read.
_MAX_PARTITIONS = 128
#: Types of partitions without a file system: BIOS boot, Microsoft reserved.
_WITHOUT_FILE_SYSTEM = (gpt.GRUB_BIOS_BOOT,
                        'e3c9e316-0b5c-4db8-817d-f92df00215ae')


def check(disk: virtual_disk.Disk, candidates: list[partitions.BootCandidate],
          volume: fat.Volume, loaded: Iterable[uefi.LoadedImage],
          result: inspection.Inspection) -> None:
    """Add the defects of the configuration of the last loader.

    :param candidates: the partitions of the disk
    :param volume: the file system that firmware boots
    :param loaded: the programs on it, in the order in which they start
    """
    started = [image for image in loaded if image.started_by]
    with contextlib.suppress(fat.DamagedFATError):
        if systemd_boot.recognize(started[-1].program):
            _check_systemd_boot(candidates, volume, started[-1], result)
            return
        prefix = grub.prefix_of(started[-1].program)
        if prefix:
            _check_grub(disk, candidates, volume, prefix, started[-1], result)


def _check_systemd_boot(candidates: list[partitions.BootCandidate],
                        volume: fat.Volume, image: uefi.LoadedImage,
                        result: inspection.Inspection) -> None:
    if any(candidate.type == systemd_boot.EXTENDED_BOOT_LOADER
           for candidate in candidates) or (
               image.started_by != inspection.FIRMWARE):
        return
    if not systemd_boot.has_entries(volume):
        result.add_defect(
            Defect.BOOT_CONFIGURATION_MISSING, f'{image.path} (systemd-boot) '
            'finds neither \\loader\\entries\\*.conf nor \\EFI\\Linux\\*.efi')


def _check_grub(disk: virtual_disk.Disk,
                candidates: list[partitions.BootCandidate],
                volume: fat.Volume, prefix: _Path, image: uefi.LoadedImage,
                result: inspection.Inspection) -> None:
    directory = tuple(image.path.split('\\')[1:-1])
    bases = dict.fromkeys((prefix, directory, _INSTALLATION))
    found = [*filter(None, (
        _find_file(volume, (*base, *platform, _CONFIGURATION))
        for base in bases for platform in ((), (_PLATFORM,))))]
    if not found:
        result.add_defect(
            Defect.BOOT_CONFIGURATION_MISSING,
            f'{image.path} (GRUB) finds no {_CONFIGURATION} in '
            + ', '.join(map(_text, bases)))
    if len(found) != 1 or any(
            _find_file(volume, path) for path in _OTHER_CONFIGURATIONS):
        return
    data = volume.open(found[0]).read(0, grub.MAX_CONFIGURATION)
    volume.spend(len(data) // 4)
    stub = grub.read_stub(data)
    if stub is None:
        return
    present = _uuids(disk, candidates)
    if present is not None and present.isdisjoint(stub.uuids):
        result.add_defect(
            Defect.BOOT_TARGET_MISSING,
            f'{_CONFIGURATION} for {image.path} (GRUB) names the file system '
            f'{stub.uuids[-1][:_MAX_UUID]}')


def _find_file(volume: fat.Volume,
               path: _Path) -> fat.DirectoryEntry | None:
    entry = volume.find(*path)
    return None if entry is None or entry.is_directory else entry


def _uuids(disk: virtual_disk.Disk,
           candidates: list[partitions.BootCandidate]
           ) -> frozenset[str] | None:
    """Return the UUIDs of all file systems; None if one may be hidden."""
    if len(candidates) > _MAX_PARTITIONS:
        return None
    uuids = set()
    for candidate in candidates:
        if candidate.type in _WITHOUT_FILE_SYSTEM:
            continue
        file_system = filesystems.read(virtual_disk.Slice(
            disk, candidate.offset, candidate.size))
        if file_system is None:
            return None
        if file_system.uuid:
            uuids.add(file_system.uuid)
    return frozenset(uuids)


def _text(path: _Path) -> str:
    return '\\' + '\\'.join(path)
