# SPDX-License-Identifier: Apache-2.0
r"""The operating system that boot loaders belong to, and whether it starts.

GRUB, systemd-boot and kernels have sections of their own. Windows Boot
Manager names its file of symbols (CodeView) in its debug data, bootmgfw.pdb.
It is \EFI\Microsoft\Boot\bootmgfw.efi, and its copy \EFI\BOOT\BOOTX64.EFI.
Both read the registry hive \EFI\Microsoft\Boot\BCD of their partition.

Volume that BitLocker encrypts (Windows 7 and newer), little endian:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     3    8 ``-FVE-FS-``
   176   24 offsets of three copies of the metadata
====== ==== ==========================================================

Metadata; entries follow:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    8 ``-FVE-FS-``
    64    4 size, from here on
    72    4 size of the header, from 64 on
====== ==== ==========================================================

Entry:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    2 size
     2    2 type, 2: a copy of the volume's master key
    34    2 what protects this copy, 0: nothing
====== ==== ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator
import struct

from hyperv_sched import names
from hyperv_sched.disk import fat
from hyperv_sched.disk import inspection
from hyperv_sched.disk import partitions
from hyperv_sched.disk import pe
from hyperv_sched.disk import uefi
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk.defects import Defect

_BOOT_MANAGER = '\\EFI\\Microsoft\\Boot\\bootmgfw.efi'
_BCD = '\\EFI\\Microsoft\\Boot\\BCD'
_HIVE = b'regf'

#: Of GRUB, of systemd-boot and of a unified kernel image.
_LINUX_SECTIONS = (b'mods', b'.sdmagic', b'.linux')
#: Of the boot protocol of Linux on x86.
_KERNEL = b'HdrS'
_KERNEL_OFFSET = 0x202
_HEADERS_SIZE = 4096
_WINDOWS_SYMBOLS = b'bootmgfw.pdb'

_BASIC_DATA = 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7'
#: Windows has a handful of partitions.
_MAX_VOLUMES = 128
_ENCRYPTED = b'-FVE-FS-'
_ENCRYPTED_OFFSET = 3
_METADATA_OFFSETS = struct.Struct('<176x3Q')
_MAX_METADATA = 64 * 1024
_METADATA = struct.Struct('<64xI4xI')
_METADATA_HEADER_OFFSET = 64
_ENTRY = struct.Struct('<HH')
_MASTER_KEY = 2
_PROTECTION = struct.Struct('<34xH')
_CLEAR_KEY = 0


def inspect(disk: virtual_disk.Disk, layout: partitions.Layout,
            candidate: partitions.BootCandidate,
            loaded: list[uefi.LoadedImage],
            result: inspection.Inspection) -> None:
    """Add the operating system of a disk that boots, and its defects.

    :param candidate: the partition that firmware boots
    :param loaded: the programs that are loaded from it, the first one by
        firmware
    """
    volume = fat.Volume(virtual_disk.Slice(
        disk, candidate.offset, candidate.size))
    systems = [_identify(image.program) for image in loaded]
    is_manager = [image.path.lower() == _BOOT_MANAGER.lower()
                  for image in loaded]
    found = {*systems, *(names.WINDOWS for _ in filter(None, is_manager)),
             } - {None}
    if len(found) == 1:
        result.operating_system, = found
    # Media have the configuration in their own file system.
    if candidate.number and (systems[0] == names.WINDOWS or (
            systems[0] is None and any(is_manager)
            and _is_copy(volume, loaded[0].path, _BOOT_MANAGER))):
        _check_bcd(volume, result)
    if names.WINDOWS in found:
        encrypted = [
            f'partition {partition.number}'
            for partition in layout.candidates[:_MAX_VOLUMES]
            if partition.type == _BASIC_DATA and not partition.hidden
            and _is_locked(virtual_disk.Slice(
                disk, partition.offset, partition.size))]
        if encrypted:
            result.add_defect(
                Defect.OS_VOLUME_ENCRYPTED, ', '.join(encrypted))


def _open(volume: fat.Volume, path: str) -> fat.FATFile | None:
    """Open a file; return None if it is missing.

    :raises fat.DamagedFATError: the file cannot be read.
    """
    entry = volume.find(*path.strip('\\').split('\\'))
    return (None if entry is None or entry.is_directory
            else volume.open(entry))


def _identify(program: pe.Program) -> str | None:
    """Return the system that a program belongs to; None if unknown."""
    contents = program.contents
    if program.shim:
        return names.LINUX
    if contents is None:
        return None
    if contents.file.read(_KERNEL_OFFSET, len(_KERNEL)) == _KERNEL or any(
            contents.section(name, 0) is not None
            for name in _LINUX_SECTIONS):
        return names.LINUX
    _, _, name = contents.symbols_path().lower().rpartition(b'\\')
    return names.WINDOWS if name == _WINDOWS_SYMBOLS else None


def _is_copy(volume: fat.Volume, path: str, other: str) -> bool:
    """Return whether two programs are the same.

    The headers have a checksum and the time of the build.
    """
    files = [_open(volume, path), _open(volume, other)]
    heads = [(file.size, file.read(0, _HEADERS_SIZE))
             for file in files if file is not None]
    return len(heads) == len(files) and heads[0] == heads[1]


def _check_bcd(volume: fat.Volume, result: inspection.Inspection) -> None:
    """Check that there is a boot configuration, a registry hive."""
    try:
        file = _open(volume, _BCD)
        if file is None:
            result.add_defect(Defect.BCD_MISSING, f'no {_BCD}')
        elif file.read(0, len(_HIVE)) != _HIVE:
            result.add_defect(
                Defect.BCD_MISSING, f'{_BCD} is no registry hive')
    except fat.DamagedFATError as exc:
        result.add_defect(Defect.BCD_MISSING, f'{_BCD}: {exc}')


def _is_locked(volume: virtual_disk.Disk) -> bool:
    """Return whether BitLocker encrypts a volume and a key is needed.

    Where protection is suspended, or not yet turned on, the key is stored in
    the clear, and Windows starts.
    """
    header = volume.read(0, _METADATA_OFFSETS.size)
    if len(header) < _METADATA_OFFSETS.size or (
            not header.startswith(_ENCRYPTED, _ENCRYPTED_OFFSET)):
        return False
    for offset in _METADATA_OFFSETS.unpack(header):
        metadata = volume.read(offset, _MAX_METADATA)
        if metadata.startswith(_ENCRYPTED) and (
                len(metadata) >= _METADATA.size):
            return _CLEAR_KEY not in _protections(volume, metadata)
    return True


def _protections(volume: virtual_disk.Disk,
                 metadata: bytes) -> Iterator[int]:
    """Yield what protects each copy of the master key."""
    size, header_size = _METADATA.unpack_from(metadata)
    offset = _METADATA_HEADER_OFFSET + header_size
    end = min(_METADATA_HEADER_OFFSET + size, len(metadata))
    while offset + _ENTRY.size <= end:
        volume.spend(1)
        entry_size, kind = _ENTRY.unpack_from(metadata, offset)
        if entry_size < _ENTRY.size:
            return
        if kind == _MASTER_KEY and offset + _PROTECTION.size <= end:
            yield _PROTECTION.unpack_from(metadata, offset)[0]
        offset += entry_size
