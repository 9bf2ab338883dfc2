# SPDX-License-Identifier: Apache-2.0
r"""The default boot behavior of UEFI firmware on one file system.

A new VM has no boot options, so firmware boots \EFI\BOOT\BOOTX64.EFI (UEFI
2.10, 3.5.1.1). A shim starts other programs: :mod:`hyperv_sched.disk.shim`.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import itertools
import typing

from hyperv_sched.disk import fat
from hyperv_sched.disk import inspection
from hyperv_sched.disk import pe
from hyperv_sched.disk import shim
from hyperv_sched.disk.defects import Defect

_Path = tuple[str, ...]

_EFI = 'EFI'
_DEFAULT_DIRECTORY = (_EFI, 'BOOT')
_DEFAULT_LOADER = (*_DEFAULT_DIRECTORY, 'BOOTX64.EFI')
#: The second is read only if the first cannot be.
_CSV_NAMES = ('BOOTX64.CSV', 'BOOT.CSV')
_OPTIONS = 'options.csv'
#: Programs that start one another. Real chains have four.
_MAX_CHAIN = 16
#: Windows Boot Manager, of which Windows puts a copy at the default path.
_WINDOWS = (_EFI, 'Microsoft', 'Boot', 'bootmgfw.efi')
#: Loaders that firmware does not boot, for the message on a missing loader.
_OTHER_LOADERS = ((*_DEFAULT_DIRECTORY, 'BOOTIA32.EFI'),
                  (*_DEFAULT_DIRECTORY, 'BOOTAA64.EFI'), _WINDOWS)
#: Loaders that installers put into a directory of their own. The first that
#: is present is named.
_INSTALLED_LOADERS = ('shimx64.efi', 'shim.efi', 'grubx64.efi', 'grub.efi',
                      'systemd-bootx64.efi')
#: Directories that are searched for them, and loaders that are named.
_MAX_DIRECTORIES = 64
_MAX_NAMED = 4

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
    """A program that was loaded."""

    path: str
    """With backslashes."""
    program: pe.Program
    started_by: str = ''
    """See :attr:`hyperv_sched.disk.inspection.Loader.started_by`."""


def load_unreachable(volume: fat.Volume, loaded: list[LoadedImage]) -> None:
    """Load the default loader of a file system that firmware does not open.

    :param loaded: the list to which the program is added
    """
    with contextlib.suppress(BootError, fat.DamagedFATError):
        _load_image(volume, _DEFAULT_LOADER, loaded)


def boot(volume: fat.Volume, loaded: list[LoadedImage]) -> None:
    """Boot the default loader, and what a shim starts.

    :param loaded: the list to which each loaded program is added
    :raises BootError: booting ends before the loader of an operating system.
    """
    try:
        _boot_default_loader(volume, loaded)
    except fat.DamagedFATError as exc:
        raise BootError(Defect.FAT_DAMAGED, str(exc)) from None
    if _is_loaded(_WINDOWS, loaded):
        return
    # Properties are inferred from it: the system is Windows.
    with contextlib.suppress(BootError, fat.DamagedFATError):
        _load_image(volume, _WINDOWS, loaded)


def _boot_default_loader(volume: fat.Volume,
                         loaded: list[LoadedImage]) -> None:
    path: _Path = _DEFAULT_LOADER
    arguments = ''
    program = start_image(volume, path, inspection.FIRMWARE, loaded)
    if program is None:
        raise BootError(Defect.LOADER_MISSING,
                        _describe_missing_loader(volume, loaded))
    while program.shim:
        path, arguments, program = _run_shim(
            volume, path, program.shim, arguments, loaded)


def start_image(volume: fat.Volume, path: _Path, started_by: str,
                loaded: list[LoadedImage]) -> pe.Program | None:
    """Load and start a program.

    :param started_by: see :attr:`LoadedImage.started_by`
    :param loaded: the list to which it is added
    :returns: None if there is no such file
    :raises BootError: the program does not start.
    """
    if len(loaded) >= _MAX_CHAIN or _is_loaded(path, loaded):
        raise BootError(
            Defect.SHIM_SECOND_STAGE_MISSING,
            f'{_text(path)} is a shim that starts itself without end')
    program = _load_image(volume, path, loaded)
    if program is None:
        return None
    if program.machine != pe.X64:
        raise BootError(Defect.LOADER_WRONG_ARCH,
                        f'{_text(path)} is for {program.machine}')
    if program.subsystem != pe.APPLICATION:
        raise BootError(Defect.LOADER_NOT_EFI_APP,
                        f'{_text(path)} has subsystem {program.subsystem}')
    loaded[-1] = loaded[-1]._replace(started_by=started_by)
    return program


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


class _Started(typing.NamedTuple):
    """A program that runs."""

    path: _Path
    arguments: str
    program: pe.Program


def _run_shim(volume: fat.Volume, path: _Path, names: shim.Shim,
              arguments: str, loaded: list[LoadedImage]) -> _Started:
    """Start what a shim starts: its fallback, or its second stage.

    :param path: of the shim
    :raises BootError: it finds nothing to start.
    """
    fallback = (*_DEFAULT_DIRECTORY, names.fallback)
    if _is_default_path(path) and volume.find(*fallback):
        return _run_fallback(volume, path, fallback, loaded)
    directory, started_by = path[:-1], _text(path)
    targets = [((*directory, names.second_stage), '')]
    if arguments:
        first, rest = shim.split_arguments(arguments)
        if first and _text(shim.resolve(directory, first)).lower().startswith(
                started_by.lower()):
            # The path of the shim itself, as the UEFI shell passes it.
            first, rest = shim.split_arguments(rest)
    else:
        first, rest = '', ''
    if not first and names.reads_options:
        first = _read_options(volume, directory)
    if first:
        targets.insert(0, (shim.resolve(directory, first), rest))
    for target, target_arguments in targets:
        program = start_image(volume, target, started_by, loaded)
        if program:
            return _Started(target, target_arguments, program)
    raise BootError(
        Defect.SHIM_SECOND_STAGE_MISSING,
        'no ' + ', no '.join(_text(target) for target, _ in targets))


def _is_loaded(path: _Path, loaded: list[LoadedImage]) -> bool:
    return any(_text(path).lower() == image.path.lower() for image in loaded)


def _is_default_path(path: _Path) -> bool:
    """Return whether a shim takes its path for that of a removable medium."""
    *directory, name = (component.lower() for component in path)
    return (directory == [component.lower()
                          for component in _DEFAULT_DIRECTORY]
            and name.startswith('boot') and name.endswith('.efi'))


def _read_options(volume: fat.Volume, directory: _Path) -> str:
    """Return the second stage that options.csv of a shim names, or ''."""
    file = volume.find(*directory, _OPTIONS)
    if file is None or file.is_directory:
        return ''
    return shim.optional_second_stage(_read_csv(volume, file))


def _run_fallback(volume: fat.Volume, path: _Path, fallback: _Path,
                  loaded: list[LoadedImage]) -> _Started:
    """Start the fallback of a shim, and its first boot option."""
    if start_image(volume, fallback, _text(path), loaded) is None:
        raise BootError(Defect.SHIM_SECOND_STAGE_MISSING,
                        f'{_text(fallback)} is a directory')
    for directory, option in _boot_options(volume):
        target = *directory, *filter(None, option.program.split('\\'))
        program = start_image(volume, target, _text(fallback), loaded)
        if program is None:
            raise BootError(
                Defect.SHIM_SECOND_STAGE_MISSING, f'no {_text(target)}')
        return _Started(target, option.arguments, program)
    raise BootError(Defect.SHIM_SECOND_STAGE_MISSING,
                    f'{_text(fallback)} finds no {_CSV_NAMES[0]}')


def _boot_options(volume: fat.Volume
                  ) -> Iterator[tuple[_Path, shim.BootOption]]:
    r"""Yield the boot options that directories of \EFI define."""
    for entry in volume.entries(volume.find(_EFI)):
        if not entry.is_directory or entry.name in fat.RELATIVE or (
                entry.matches(_DEFAULT_DIRECTORY[-1])):
            continue
        for name in _CSV_NAMES:
            file = volume.find(_EFI, entry.name, name)
            if file is None or file.is_directory:
                continue
            for option in shim.boot_options(_read_csv(volume, file)):
                yield (_EFI, entry.name), option
            break


def _read_csv(volume: fat.Volume, file: fat.DirectoryEntry) -> bytes:
    data = volume.open(file).read(0, shim.MAX_CSV)
    volume.spend(len(data) // 4)
    return data


def _describe_missing_loader(volume: fat.Volume,
                             loaded: list[LoadedImage]) -> str:
    """Describe the missing loader, and name loaders that are present."""
    for path in itertools.chain(_OTHER_LOADERS, _installed_loaders(volume)):
        if len(loaded) < _MAX_NAMED:
            with contextlib.suppress(BootError):
                _load_image(volume, path, loaded)
    missing = f'no {_text(_DEFAULT_LOADER)}'
    present = ', '.join(image.path for image in loaded)
    return f'{missing}, but {present}' if present else missing


def _installed_loaders(volume: fat.Volume) -> Iterator[_Path]:
    r"""Yield a loader of each directory of \EFI that has one."""
    efi = volume.find(_EFI)
    if efi is None or not efi.is_directory:
        return
    directories = (entry for entry in volume.entries(efi)
                   if entry.is_directory and entry.name not in fat.RELATIVE)
    for directory in itertools.islice(directories, _MAX_DIRECTORIES):
        names = [*volume.entries(directory)]
        for loader in _INSTALLED_LOADERS:
            volume.spend(len(names))
            if any(entry.matches(loader) for entry in names):
                yield _EFI, directory.name, loader
                break


def _text(path: _Path) -> str:
    return '\\' + '\\'.join(path)
