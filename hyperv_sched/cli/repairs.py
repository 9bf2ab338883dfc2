# SPDX-License-Identifier: Apache-2.0
"""Repairs of a raw copy of a disk, by sgdisk, gdisk and mtools.

Only what cannot make the disk worse is repaired: no partition is moved and
no content is deleted. A GPT that is left beside partitions of an MBR stays
as it is, since a table that is written there takes these partitions away.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import os
import re
import shutil
from typing import Any

from hyperv_sched import rules
from hyperv_sched.cli import base
from hyperv_sched.cli import inputs
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import signals

_PACKAGES = {'gdisk': 'gdisk', 'sgdisk': 'gdisk', 'mcopy': 'mtools',
             'mmd': 'mtools'}

#: A directory of a vendor below \EFI with its shim.
_SHIM = re.compile(
    r'no [^,]*, but \\EFI\\([A-Za-z0-9._ -]{1,64})\\(shim(?:x64)?\.efi)')
_WINDOWS = re.compile(
    r'no [^,]*, but \\EFI\\(Microsoft\\Boot)\\(bootmgfw\.efi)', re.IGNORECASE)
_PARTITION = re.compile(r'partition ([0-9]{1,6})\b')
#: The boot code of a BIOS in the MBR.
_CODE_SIZE = 440


@dataclasses.dataclass(frozen=True)
class Command:
    """A command, and what it reads from standard input."""

    words: Sequence[str]
    answers: str = ''


Plan = Callable[[str, Mapping[str, Any], str], list[Command]]
"""Returns the commands for a disk: its path, its content, and the details of
the defect. There are none if the disk must be left alone."""


def _rewrite_gpt(path: str, content: Mapping[str, Any],
                 detail: str) -> list[Command]:
    """Write both copies of the GPT, and the protective MBR."""
    return [Command(('sgdisk', '-e', path))] if _has_gpt(content) else []


def _write_protective_mbr(path: str, content: Mapping[str, Any],
                          detail: str) -> list[Command]:
    # "2" selects the GPT if gdisk asks which table is right.
    return [Command(('gdisk', path), '2\nx\nn\nw\ny\n')] if _has_gpt(
        content) else []


def _show_partition(path: str, content: Mapping[str, Any],
                    detail: str) -> list[Command]:
    return _change_partition(path, content, detail, '-A', 'clear:1')


def _set_type(path: str, content: Mapping[str, Any],
              detail: str) -> list[Command]:
    return _change_partition(path, content, detail, '-t', 'ef00')


def _change_partition(path: str, content: Mapping[str, Any], detail: str,
                      option: str, value: str) -> list[Command]:
    partition = _PARTITION.search(detail)
    if partition is None or not _has_gpt(content):
        return []
    return [Command(('sgdisk', option, f'{partition[1]}:{value}', path))]


def _copy_loader(path: str, content: Mapping[str, Any],
                 detail: str) -> list[Command]:
    r"""Copy the directory of a shim to \EFI\BOOT, or Windows Boot Manager.

    A shim starts the programs in its own directory.
    """
    found = _SHIM.fullmatch(detail) or _WINDOWS.fullmatch(detail)
    systems = [partition for partition in content['partitions'] or ()
               if partition['type'] in (
                   'c12a7328-f81f-11d2-ba4b-00a0c93ec93b', '0xef')]
    if found is None or len(systems) != 1:
        return []
    volume = ('-i', f'{path}@@{systems[0]["offset"]}')
    directory = '::/EFI/' + found[1].replace('\\', '/')
    commands = [Command(('mmd', '-D', 's', *volume, '::/EFI/BOOT'))]
    if found.re is _SHIM:
        commands.append(Command((
            'mcopy', '-s', '-D', 'o', *volume, f'{directory}/*',
            '::/EFI/BOOT/')))
    return [*commands, Command((
        'mcopy', '-D', 'o', *volume, f'{directory}/{found[2]}',
        '::/EFI/BOOT/BOOTX64.EFI'))]


def _has_gpt(content: Mapping[str, Any]) -> bool:
    """Return whether the GPT, and no MBR, has the partitions."""
    return bool(content['partition_table'] == 'gpt'
                and not {'gpt-missing', 'gpt-damaged', 'hybrid-mbr',
                         'partition-cut-off'} & {*content['defects']})


#: The repair of each defect, in the order in which firmware finds them.
REPAIRS: Mapping[str, Plan] = {
    'gpt-no-protective-mbr': _write_protective_mbr,
    'gpt-primary-damaged': _rewrite_gpt,
    'gpt-backup-damaged': _rewrite_gpt,
    'gpt-beyond-disk': _rewrite_gpt,
    'gpt-pmbr-active': _rewrite_gpt,
    'gpt-pmbr-signature': _rewrite_gpt,
    'esp-hidden-from-firmware': _show_partition,
    'esp-type-missing': _set_type,
    'loader-missing': _copy_loader,
}


def plan(path: str, content: Mapping[str, Any],
         ) -> Iterator[tuple[str, list[Command]]]:
    """Yield the title and the commands of each repair that is possible.

    :param content: of the disk
    """
    for name, repair in REPAIRS.items():
        if name in content['defects']:
            commands = repair(path, content, content['defects'][name])
            if commands:
                yield _title(name, content), commands


def _title(name: str, content: Mapping[str, Any]) -> str:
    code, = (code for code, rule in rules.CATALOGUE.items()
             if rule.name == name)
    return f'{code} {name} ({content["defects"][name]})'


def repair(path: str, guard: signals.Guard,
           report: Callable[[str], None]) -> None:
    """Repair a raw disk; report each repair before and after it.

    :raises base.UsageError: a program is missing, or a repair fails.
    """
    content = inputs.inspect_path(path)
    for name in REPAIRS:
        if name not in content['defects']:
            continue
        title = _title(name, content)
        commands = REPAIRS[name](path, content, content['defects'][name])
        if not commands or (name == 'gpt-no-protective-mbr'
                            and _has_mbr_partitions(path)):
            report(f'{title}: left alone')
            continue
        report(f'{title}: repairing with '
               + ', '.join(dict.fromkeys(
                   command.words[0] for command in commands)))
        code = _boot_code(path)
        for command in commands:
            run(command, guard)
        before, content = content, inputs.inspect_path(path)
        if name in content['defects'] or code != _boot_code(path) or not (
                _extents(before) <= _extents(content)):
            raise base.UsageError(
                f'{title}: the repair fails, so that no file is written')
        report(f'{title}: repaired')


def move_backup(path: str, content: Mapping[str, Any],
                guard: signals.Guard) -> None:
    """Move the backup of a GPT to the end of a disk that was enlarged.

    :param content: of the disk before
    :raises base.UsageError: the GPT is damaged, or a program is missing.
    """
    if content['partition_table'] != 'gpt':
        return
    commands = _rewrite_gpt(path, content, '')
    if not commands:
        raise base.UsageError(
            'the partition table is damaged or hybrid, so that the disk is '
            'not enlarged. Repair it first')
    for command in commands:
        run(command, guard)


def run(command: Command, guard: signals.Guard) -> None:
    """Run a command for a repair.

    :raises base.UsageError: the program is missing, or fails.
    """
    program = command.words[0]
    if shutil.which(program) is None:
        raise base.UsageError(
            f'{program} is not installed, which the repair requires. '
            f'Install the package {_PACKAGES[program]}')
    qemu_img.run(command.words, guard, answers=command.answers,
                 environment={'MTOOLS_SKIP_CHECK': '1',
                              'MTOOLSRC': os.devnull})


def _extents(content: Mapping[str, Any]) -> set[tuple[int, int]]:
    return {(partition['offset'], partition['size'])
            for partition in content['partitions'] or ()
            if partition['offset']}


def _has_mbr_partitions(path: str) -> bool:
    """Return whether an MBR has partitions, which a new one replaces."""
    from hyperv_sched.disk import mbr
    from hyperv_sched.disk import reader
    from hyperv_sched.disk import virtual_disk

    with inputs.open_disk(path) as file:
        return any(
            entry.used and entry.type != mbr.PROTECTIVE
            for entry in mbr.read(virtual_disk.RawDisk(
                reader.Reader(reader.FileSource(file)))).entries)


def _boot_code(path: str) -> bytes:
    with open(path, 'rb') as file:
        return file.read(_CODE_SIZE)
