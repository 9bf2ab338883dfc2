# SPDX-License-Identifier: Apache-2.0
"""What firmware does with a file system: the way of removable media.

A new VM has no boot entries, so firmware starts \\EFI\\BOOT\\BOOTX64.EFI
(UEFI 2.10, 3.5.1.1) and no other. A shim starts another program: what
fbx64.efi, if it lies beside it, finds in BOOTX64.CSV of another directory,
else grubx64.efi beside it (shim.c and fallback.c of rhboot/shim).
"""

from __future__ import annotations

import contextlib
from typing import Any

from hyperv_sched.disk import fat
from hyperv_sched.disk import pe

_BOOT = ('EFI', 'BOOT')
_LOADER = 'BOOTX64.EFI'
_FALLBACK = 'fbx64.efi'
_SECOND_STAGE = 'grubx64.efi'
_CSV = ('BOOTX64.CSV', 'BOOT.CSV')
#: Of its first line, which alone counts: a name and what else there is.
_MAX_CSV = 4 * 1024
#: Of names in FAT; what is longer names nothing.
_MAX_NAME = 255
#: Windows Boot Manager; BOOTX64.EFI is a copy of it.
_WINDOWS = ('EFI', 'Microsoft', 'Boot', 'bootmgfw.efi')
#: Looked for to tell why there is nothing to start; firmware does not.
_ELSEWHERE = (('EFI', 'BOOT', 'BOOTIA32.EFI'), ('EFI', 'BOOT', 'BOOTAA64.EFI'),
              _WINDOWS)

#: How far a start came, by the defect that ended it.
PROGRESS = ('loader-missing', 'fat-damaged', 'loader-not-efi-app',
            'loader-wrong-arch', 'shim-second-stage-missing')


class DoesNotStart(Exception):
    """What ends the start: the name of the rule, and the place."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail


def look_for_loader(volume: fat.Volume, loaders: list[dict[str, Any]]) -> None:
    """Look for the loader on a file system that firmware does not open.

    :param loaders: to add the loader to
    """
    with contextlib.suppress(DoesNotStart, fat.Damaged):
        _load(volume, (*_BOOT, _LOADER), loaders)


def start(volume: fat.Volume, loaders: list[dict[str, Any]]) -> None:
    """Go the way that firmware goes.

    :param loaders: each program that is met on it is added
    :raises DoesNotStart: the way ends before an operating system's loader.
    """
    try:
        if _start(volume, _BOOT, _LOADER, loaders) is None:
            raise DoesNotStart('loader-missing', _hint(volume, loaders))
    except fat.Damaged as exc:
        raise DoesNotStart('fat-damaged', str(exc)) from None
    # Tells Windows from others, whatever else there is.
    with contextlib.suppress(DoesNotStart, fat.Damaged):
        _load(volume, _WINDOWS, loaders)


def _start(volume: fat.Volume, directory: tuple[str, ...], name: str,
           loaders: list[dict[str, Any]]) -> pe.Program | None:
    """Start a program and what it starts; None where there is none."""
    program = _load(volume, (*directory, name), loaders)
    if program is None:
        return None
    path = _path(*directory, name)
    if program.machine != pe.X64:
        raise DoesNotStart(
            'loader-wrong-arch', f'{path} is for {program.machine}')
    if program.subsystem != pe.APPLICATION:
        raise DoesNotStart(
            'loader-not-efi-app', f'{path} has subsystem {program.subsystem}')
    if program.is_shim:
        _go_on(volume, directory, loaders)
    return program


def _load(volume: fat.Volume, path: tuple[str, ...],
          loaders: list[dict[str, Any]]) -> pe.Program | None:
    entry = volume.find(*path)
    if entry is None or entry.is_directory:
        return None
    try:
        program = pe.read(volume.open(entry))
    except pe.NotAProgram as exc:
        raise DoesNotStart(
            'loader-not-efi-app', f'{_path(*path)}: {exc}') from None
    loaders.append({
        'path': _path(*path), 'machine': program.machine,
        'subsystem': program.subsystem, 'signed': program.signed})
    return program


def _go_on(volume: fat.Volume, directory: tuple[str, ...],
           loaders: list[dict[str, Any]]) -> None:
    """Start what a shim starts."""
    if directory == _BOOT and volume.find(*_BOOT, _FALLBACK):
        _load(volume, (*_BOOT, _FALLBACK), loaders)
        target = _boot_option(volume)
        if target is None:
            raise DoesNotStart(
                'shim-second-stage-missing',
                f'{_path(*_BOOT, _FALLBACK)} finds no {_CSV[0]}')
    else:
        target = *directory, _SECOND_STAGE
    if any(_path(*target).lower() == met['path'].lower() for met in loaders):
        raise DoesNotStart(
            'shim-second-stage-missing',
            f'{_path(*target)} is a shim, which starts itself for ever')
    if _start(volume, target[:-1], target[-1], loaders) is None:
        raise DoesNotStart('shim-second-stage-missing',
                           f'no {_path(*target)}')


def _boot_option(volume: fat.Volume) -> tuple[str, ...] | None:
    """The first boot entry that the fallback program makes."""
    for entry in volume.entries(volume.find(_BOOT[0])):
        if not entry.is_directory or entry.matches(_BOOT[1]) or (
                entry.name in ('.', '..')):
            continue
        for name in _CSV:
            file = volume.find(_BOOT[0], entry.name, name)
            if file is None or file.is_directory:
                continue
            data = volume.open(file).read(0, _MAX_CSV)
            volume.spend(len(data) // 4)
            line = data.decode('utf-16-le', 'replace').lstrip('\ufeff')
            program, comma, _ = line.partition('\n')[0].partition(',')
            if comma and program:
                program = program[:_MAX_NAME + 1]
                return _BOOT[0], entry.name, program
    return None


def _hint(volume: fat.Volume, loaders: list[dict[str, Any]]) -> str:
    missing = f'no {_path(*_BOOT, _LOADER)}'
    for path in _ELSEWHERE:
        try:
            program = _load(volume, path, loaders)
        except DoesNotStart:
            continue
        if program is not None:
            return f'{missing}, but {_path(*path)}'
    return missing


def _path(*names: str) -> str:
    return '\\' + '\\'.join(names)
