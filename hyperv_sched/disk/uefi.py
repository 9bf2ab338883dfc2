# SPDX-License-Identifier: Apache-2.0
r"""The default boot behavior of UEFI firmware on one file system.

A new VM has no boot options, so firmware boots \EFI\BOOT\BOOTX64.EFI (UEFI
2.10, 3.5.1.1). A shim boots a second stage: grubx64.efi in its directory, or,
if fbx64.efi is in its directory, the first boot option that a BOOTX64.CSV in
another directory of \EFI defines (shim.c and fallback.c of rhboot/shim).
"""

from __future__ import annotations

import contextlib
import typing

from hyperv_sched.disk import fat
from hyperv_sched.disk import inspection
from hyperv_sched.disk import pe
from hyperv_sched.disk.defects import Defect

_Path = tuple[str, ...]

_EFI = 'EFI'
_DEFAULT_DIRECTORY = (_EFI, 'BOOT')
_DEFAULT_LOADER = (*_DEFAULT_DIRECTORY, 'BOOTX64.EFI')
_FALLBACK = (*_DEFAULT_DIRECTORY, 'fbx64.efi')
_SECOND_STAGE = 'grubx64.efi'
_CSV_NAMES = ('BOOTX64.CSV', 'BOOT.CSV')
#: Bytes of the first line of a CSV; other lines are not needed.
_MAX_CSV = 4 * 1024
#: Characters of a name on FAT.
_MAX_NAME = 255
#: Windows Boot Manager, of which Windows puts a copy at the default path.
_WINDOWS = (_EFI, 'Microsoft', 'Boot', 'bootmgfw.efi')
#: Loaders that firmware does not boot, for the message on a missing loader.
_OTHER_LOADERS = ((*_DEFAULT_DIRECTORY, 'BOOTIA32.EFI'),
                  (*_DEFAULT_DIRECTORY, 'BOOTAA64.EFI'), _WINDOWS)

#: Defects that end a boot, in the order in which booting reaches them.
BOOT_STAGES = (
    Defect.LOADER_MISSING, Defect.FAT_DAMAGED, Defect.LOADER_NOT_EFI_APP,
    Defect.LOADER_WRONG_ARCH, Defect.SHIM_SECOND_STAGE_MISSING)


class BootError(Exception):
    """Firmware does not boot from a file system, because of a defect."""

    def __init__(self, defect: Defect, detail: str) -> None:
        super().__init__(defect, detail)
        self.report = inspection.DefectReport(defect, detail)


class LoadedImage(typing.NamedTuple):
    """A program that was loaded, by its path with backslashes."""

    path: str
    program: pe.Program


def load_unreachable(volume: fat.Volume, loaded: list[LoadedImage]) -> None:
    """Load the default loader of a file system that firmware does not open.

    :param loaded: the list to which the program is added
    """
    with contextlib.suppress(BootError, fat.DamagedFATError):
        _load_image(volume, _DEFAULT_LOADER, loaded)


def boot(volume: fat.Volume, loaded: list[LoadedImage]) -> None:
    """Boot the default loader, and the second stage of a shim.

    :param loaded: the list to which each loaded program is added
    :raises BootError: booting ends before the loader of an operating system.
    """
    try:
        if not _start_image(volume, _DEFAULT_LOADER, loaded):
            raise BootError(Defect.LOADER_MISSING,
                            _describe_missing_loader(volume, loaded))
    except fat.DamagedFATError as exc:
        raise BootError(Defect.FAT_DAMAGED, str(exc)) from None
    # Properties are inferred from it: the system is Windows.
    with contextlib.suppress(BootError, fat.DamagedFATError):
        _load_image(volume, _WINDOWS, loaded)


def _start_image(volume: fat.Volume, path: _Path,
                 loaded: list[LoadedImage]) -> bool:
    """Load and start a program, and its second stage if it is a shim.

    :returns: whether the file exists
    :raises BootError: the program, or its second stage, does not start.
    """
    program = _load_image(volume, path, loaded)
    if program is None:
        return False
    if program.machine != pe.X64:
        raise BootError(Defect.LOADER_WRONG_ARCH,
                        f'{_text(path)} is for {program.machine}')
    if program.subsystem != pe.APPLICATION:
        raise BootError(Defect.LOADER_NOT_EFI_APP,
                        f'{_text(path)} has subsystem {program.subsystem}')
    if program.is_shim:
        _boot_second_stage(volume, path[:-1], loaded)
    return True


def _load_image(volume: fat.Volume, path: _Path,
                loaded: list[LoadedImage]) -> pe.Program | None:
    """Load a program; return None if there is no such file."""
    entry = volume.find(*path)
    if entry is None or entry.is_directory:
        return None
    try:
        program = pe.read(volume.open(entry))
    except pe.LoadError as exc:
        raise BootError(
            Defect.LOADER_NOT_EFI_APP, f'{_text(path)}: {exc}') from None
    loaded.append(LoadedImage(_text(path), program))
    return program


def _boot_second_stage(volume: fat.Volume, directory: _Path,
                       loaded: list[LoadedImage]) -> None:
    """Boot the second stage of a shim in a directory."""
    target: _Path = *directory, _SECOND_STAGE
    if directory == _DEFAULT_DIRECTORY and volume.find(*_FALLBACK):
        _load_image(volume, _FALLBACK, loaded)
        option = _first_boot_option(volume)
        if option is None:
            raise BootError(Defect.SHIM_SECOND_STAGE_MISSING,
                            f'{_text(_FALLBACK)} finds no {_CSV_NAMES[0]}')
        target = option
    if any(_text(target).lower() == image.path.lower() for image in loaded):
        raise BootError(
            Defect.SHIM_SECOND_STAGE_MISSING,
            f'{_text(target)} is a shim that starts itself without end')
    if not _start_image(volume, target, loaded):
        raise BootError(
            Defect.SHIM_SECOND_STAGE_MISSING, f'no {_text(target)}')


def _first_boot_option(volume: fat.Volume) -> _Path | None:
    """Return the program of the first boot option of the fallback."""
    for entry in volume.entries(volume.find(_EFI)):
        if not entry.is_directory or entry.name in ('.', '..') or (
                entry.matches(_DEFAULT_DIRECTORY[-1])):
            continue
        for name in _CSV_NAMES:
            file = volume.find(_EFI, entry.name, name)
            if file is None or file.is_directory:
                continue
            program = _first_program(volume, file)
            if program:
                return _EFI, entry.name, program
    return None


def _first_program(volume: fat.Volume, file: fat.DirectoryEntry
                   ) -> str | None:
    """Return the program in the first line of a CSV; None without one."""
    data = volume.open(file).read(0, _MAX_CSV)
    volume.spend(len(data) // 4)
    line = data.decode('utf-16-le', 'replace').lstrip('\ufeff')
    program, comma, _ = line.partition('\n')[0].partition(',')
    # A longer name names no file; the rest of it is not shown either.
    return program[:_MAX_NAME + 1] if comma else None


def _describe_missing_loader(volume: fat.Volume,
                             loaded: list[LoadedImage]) -> str:
    """Describe the missing loader, and name a loader that is present."""
    missing = f'no {_text(_DEFAULT_LOADER)}'
    for path in _OTHER_LOADERS:
        try:
            program = _load_image(volume, path, loaded)
        except BootError:
            continue
        if program is not None:
            return f'{missing}, but {_text(path)}'
    return missing


def _text(path: _Path) -> str:
    return '\\' + '\\'.join(path)
