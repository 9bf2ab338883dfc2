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
import logging
import os
import re
import shutil
from typing import Any

from hyperv_sched import rules
from hyperv_sched.cli import base
from hyperv_sched.cli import disk_files
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import signals

LOG = logging.getLogger(__name__)

_PACKAGES = {'gdisk': 'gdisk', 'sgdisk': 'gdisk', 'mcopy': 'mtools',
             'mmd': 'mtools'}
#: Directories of gdisk that are not in the PATH of Debian's users.
_SBIN = os.pathsep.join(('/usr/sbin', '/sbin'))

#: A directory of a vendor below \EFI with its shim.
_SHIM = re.compile(
    r'no [^,]*, but \\EFI\\([A-Za-z0-9._ -]{1,64})\\(shim(?:x64)?\.efi)')
_WINDOWS = re.compile(
    r'no [^,]*, but \\EFI\\(Microsoft\\Boot)\\(bootmgfw\.efi)', re.IGNORECASE)
_PARTITION = re.compile(r'partition ([0-9]{1,6})\b')
#: The boot code of a BIOS in the MBR.
_CODE_SIZE = 440


#: Formats that the content of a raw disk may have for the reader.
_RAW = ('raw', 'unknown')

#: Defects with which a partition table is not rewritten for a larger disk:
#: all that sgdisk would change, or lose partitions by.
_DAMAGED_TABLE = frozenset(
    rule.name for rule in rules.CATALOGUE.values()
    if rule.name.startswith('gpt-') and rule.name != 'gpt-many-entries'
) | {'hybrid-mbr', 'partition-cut-off'}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command, and what it reads from standard input."""

    words: Sequence[str]
    answers: str = ''
    directory: str | None = None
    """The working directory."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it needs."""
        if _PACKAGES.get(self.words[0]) != 'mtools':
            return {}
        return {'MTOOLS_SKIP_CHECK': '1', 'MTOOLSRC': os.devnull}


Plan = Callable[[str, Mapping[str, Any], str], list[Command]]
"""Returns the commands for a disk: its path, its content, and the details of
the defect. There are none if the disk must be left alone."""


def _rewrite_gpt(path: str, content: Mapping[str, Any],
                 detail: str) -> list[Command]:
    """Write both copies of the GPT, and the protective MBR.

    With a damaged copy, sgdisk does not write a protective MBR of the largest
    size, which Windows makes, and fails. gdisk makes a new one.
    """
    from hyperv_sched.disk import partitions

    if not _has_gpt(content) or partitions.BESIDE_MBR in detail:
        return []
    # "2" selects the GPT if gdisk asks which table is right.
    return [Command(('gdisk', path), '2\nx\ne\nn\nw\ny\n')]


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
    parent, name = os.path.split(path)
    found = _SHIM.fullmatch(detail) or _WINDOWS.fullmatch(detail)
    systems = [partition for partition in content['partitions'] or ()
               if partition['type'] in (
                   'c12a7328-f81f-11d2-ba4b-00a0c93ec93b', '0xef')]
    if found is None or len(systems) != 1 or '@@' in name:
        return []
    # mtools takes the first "@@" of an argument for the begin of the offset.
    volume = ('-i', f'{name}@@{systems[0]["offset"]}')
    directory = '::/EFI/' + found[1].replace('\\', '/')
    commands: list[Sequence[str]] = [
        ('mmd', '-D', 's', *volume, '::/EFI/BOOT')]
    if found.re is _SHIM:
        commands.append(('mcopy', '-s', '-D', 'o', *volume,
                         f'{directory}/*', '::/EFI/BOOT/'))
    commands.append(('mcopy', '-D', 'o', *volume, f'{directory}/{found[2]}',
                     '::/EFI/BOOT/BOOTX64.EFI'))
    return [Command(words, directory=parent) for words in commands]


#: Defects with which gdisk and sgdisk write no GPT, or the wrong one.
_UNSAFE = frozenset((
    'gpt-missing', 'gpt-damaged', 'gpt-overlap', 'gpt-partition-out-of-range',
    'hybrid-mbr', 'partition-cut-off'))


def _has_gpt(content: Mapping[str, Any]) -> bool:
    """Return whether the GPT, and no MBR, has the partitions."""
    return bool(content['partition_table'] == 'gpt'
                and not _UNSAFE & {*content['defects']})


#: The repair of each defect, in the order in which firmware finds them.
REPAIRS: Mapping[str, Plan] = {
    'gpt-no-protective-mbr': _rewrite_gpt,
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
         ) -> Iterator[tuple[str, str, list[Command]]]:
    """Yield name, title and commands of the repair of each defect.

    There are no commands if the disk must be left alone.

    :param content: of the disk
    """
    for name, repair in REPAIRS.items():
        if name in content['defects']:
            yield name, _title(name, content), repair(
                path, content, content['defects'][name])


def _title(name: str, content: Mapping[str, Any]) -> str:
    code, = (code for code, rule in rules.CATALOGUE.items()
             if rule.name == name)
    return f'{code} {name} ({content["defects"][name]})'


def repair(path: str, guard: signals.Guard,
           report: Callable[[str], None]) -> None:
    """Repair a raw disk; report each repair before and after it.

    :raises base.UsageError: a program is missing, or a repair fails.
    """
    content = disk_files.inspect_path(path)
    done: set[str] = set()
    # A repair may make further defects readable.
    while step := next((step for step in plan(path, content)
                        if step[0] not in done), None):
        name, title, commands = step
        done.add(name)
        if not commands:
            report(f'{title}: left alone')
            continue
        report(f'{title}: repairing with '
               + ', '.join(dict.fromkeys(
                   command.words[0] for command in commands)))
        code = _boot_code(path)
        for command in commands:
            run(command, guard)
        before, content = content, disk_files.inspect_path(path)
        if name in content['defects'] or code != _boot_code(path) or not (
                _extents(before) <= _extents(content)):
            raise base.UsageError(
                f'{title}: the repair fails, so that no file is written')
        report(f'{title}: repaired')


def check_raw(path: str, content: Mapping[str, Any]) -> None:
    """Check that a raw disk is read as one, before it is changed.

    :param path: of the disk in messages
    :param content: of the raw disk
    :raises base.UsageError: it has the signature of another format.
    """
    if content['format'] not in _RAW:
        raise base.UsageError(
            f'{path}: the disk has the content of a {content["format"]} '
            'file, so that it is neither repaired nor enlarged. Omit '
            '--repair and --grow')


def check_table(path: str, content: Mapping[str, Any],
                repaired: bool = False) -> None:
    """Check that the partition table of a disk can grow with the disk.

    :param path: of the disk in messages
    :param content: of the disk
    :param repaired: whether the disk is repaired before
    :raises base.UsageError: the table is damaged or hybrid.
    """
    repairable = {name for name, _, commands in plan(path, content)
                  if commands}
    for name in content['defects']:
        if name not in _DAMAGED_TABLE or repaired and name in repairable:
            continue
        raise base.UsageError(
            f'{path}: {_title(name, content)}: the partition table is '
            'damaged or hybrid, so that the disk is not enlarged. '
            + ('Add --repair' if name in repairable else
               'Repair it first, or omit --grow'))


def move_backup_command(path: str, content: Mapping[str, Any],
                        ) -> list[Command]:
    """Return the command that moves the backup of a GPT to the end."""
    return [Command(('sgdisk', '-e', path))] if _has_gpt(content) else []


def grow(path: str, size: int, guard: signals.Guard) -> None:
    """Enlarge a raw disk, and move the backup of its GPT to the end.

    :raises base.UsageError: the GPT is damaged, a partition would change, or
        a program is missing.
    """
    before = disk_files.inspect_path(path)
    commands = move_backup_command(path, before)
    if commands and not _is_whole(path):
        raise base.UsageError(
            'the partition table is damaged, so that the disk is not '
            'enlarged. Omit --grow')
    code = _boot_code(path)
    os.truncate(path, size)
    for command in commands:
        run(command, guard)
    after = disk_files.inspect_path(path)
    if code != _boot_code(path) or {*before['defects']} != {
            *after['defects']} or any(
            before[name] != after[name]
            for name in ('partition_table', 'partitions')):
        raise base.UsageError(
            'sgdisk changes partitions of the larger disk, so that no file '
            'is written. Omit --grow')


def check_partitions(before: Mapping[str, Any],
                     after: Mapping[str, Any]) -> None:
    """Check that a disk has all partitions that it had.

    :raises base.UsageError: it has not.
    """
    if not _extents(before) <= _extents(after):
        raise base.UsageError(
            'a partition changes, so that no file is written. Omit --repair '
            'and --grow')


def run(command: Command, guard: signals.Guard) -> None:
    """Run a command for a repair.

    :raises base.UsageError: the program is missing, or fails.
    """
    program = command.words[0]
    path = shutil.which(program) or shutil.which(program, path=_SBIN)
    if path is None:
        raise base.UsageError(
            f'{program} is not installed, which the repair requires. '
            f'Install the package {_PACKAGES[program]}')
    try:
        qemu_img.run([path, *command.words[1:]], guard,
                     answers=command.answers,
                     environment=command.environment,
                     directory=command.directory)
    except base.UsageError as exc:
        if not command.answers:
            raise
        # gdisk prints its menus.
        LOG.debug('%s', exc)
        raise base.UsageError(
            f'{program} does not write the partition table, for example '
            'since partitions overlap or reach into its backup, so that no '
            'file is written. Omit --repair, or repair the table first'
        ) from None


def _extents(content: Mapping[str, Any]) -> set[tuple[int, int]]:
    return {(partition['offset'], partition['size'])
            for partition in content['partitions'] or ()
            if partition['offset']}


def _is_whole(path: str) -> bool:
    """Return whether both copies of the GPT of a disk are valid.

    The reader reports no defect of a table if the disk boots without it.
    """
    from hyperv_sched.disk import gpt
    from hyperv_sched.disk import reader
    from hyperv_sched.disk import virtual_disk

    with disk_files.open_disk(path) as file:
        disk = virtual_disk.RawDisk(reader.Reader(reader.FileSource(file)))
        try:
            for lba in (1, disk.size // disk.sector_size - 1):
                gpt.read(disk, lba)
        except gpt.GPTError:
            return False
    return True


def _boot_code(path: str) -> bytes:
    with open(path, 'rb') as file:
        return file.read(_CODE_SIZE)
