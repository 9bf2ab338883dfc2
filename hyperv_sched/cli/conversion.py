# SPDX-License-Identifier: Apache-2.0
"""Conversion of a disk image to a VHDX that Hyper-V runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import dataclasses
import os
import re
import secrets
import shutil
from typing import Any
from typing import BinaryIO
from typing import TextIO

from hyperv_sched import document as image_document
from hyperv_sched import inferred
from hyperv_sched import names
from hyperv_sched import rules
from hyperv_sched.cli import base
from hyperv_sched.cli import disk_files
from hyperv_sched.cli import inputs
from hyperv_sched.cli import options
from hyperv_sched.cli import progress
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import repairs
from hyperv_sched.cli import signals
from hyperv_sched.cli import units
from hyperv_sched.rules import disk as disk_rules

_MIB = 1024 ** 2

#: Microsoft advises blocks of 1 MiB for Linux, whose file systems scatter
#: small writes ("Best practices for running Linux on Hyper-V"); 32 MiB is the
#: default of Hyper-V.
LINUX_BLOCK_SIZE = _MIB
BLOCK_SIZE = 32 * _MIB

#: Where qemu-img begins with the blocks, behind log, metadata and BAT.
_HEAD_SIZE = 8 * _MIB
_BAT_ENTRY_SIZE = 8

_UNITS = {'M': _MIB, 'G': 1024 ** 3, 'T': 1024 ** 4}

_SUFFIX = '.hyperv-sched-unfinished'

#: Suffixes of other formats than VHDX.
_OTHER_SUFFIXES = frozenset((
    '.avhd', '.avhdx', '.gz', '.hdd', '.img', '.iso', '.ova', '.qcow',
    '.qcow2', '.qed', '.raw', '.vdi', '.vhd', '.vmdk', '.xz', '.zip'))

#: The errors of a full disk, in the locale that programs run in.
_FULL = ('No space left on device', 'Disk quota exceeded')


@dataclasses.dataclass(frozen=True)
class Source:
    """A disk image that qemu-img can convert."""

    path: str
    format: str
    """A key of :data:`hyperv_sched.cli.qemu_img.DRIVERS`."""
    content: Mapping[str, Any]
    """Result of :func:`hyperv_sched.disk.inspect`, as a dictionary."""

    @property
    def node(self) -> str:
        """The name of the disk for qemu-img."""
        return qemu_img.node(self.path, self.format)

    @property
    def size(self) -> int:
        """The size of the virtual disk in bytes."""
        if self.format == 'raw':
            return int(self.content['file_size'])
        return int(self.content['virtual_size'] or 0)

    @property
    def description(self) -> str:
        """The format and the size."""
        kind = ' '.join(filter(None, (
            self.content['subformat'], self.format)))
        return f'{kind}, {units.binary(self.size)}'

    @property
    def is_read(self) -> bool:
        """Whether the content is that of the disk.

        No content of a VDI, QED or Parallels file is read, nor of a raw
        disk without a signature. A file of another format that is converted
        as raw is no such disk.
        """
        return (self.content['partition_table'] is not None
                and self.content['format'] == self.format)

    @property
    def block_size(self) -> int:
        """The size of blocks for its operating system."""
        return (LINUX_BLOCK_SIZE
                if self.content['operating_system'] == names.LINUX
                else BLOCK_SIZE)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for a conversion."""
    parser.add_argument(
        '--input-format', metavar='<format>',
        choices=sorted(qemu_img.DRIVERS),
        help='the format of the disk image; raw is needed for a raw disk '
             'without a partition table, other values are only compared '
             'with the detected format')
    parser.add_argument(
        '--block-size', metavar='<MiB>', type=_block_size,
        help='the size of the blocks of the VHDX in MiB, a power of two up '
             'to 256; the default is 1 for Linux and 32 for other systems')
    parser.add_argument(
        '--grow', metavar='<size>', type=_size,
        help='enlarge the disk to this size, for example 20G (units: M, G '
             'and T, powers of 1024), and move the backup of the GPT to its '
             'end; partitions keep their sizes')
    parser.add_argument(
        '--repair', action='store_true',
        help='repair the copy where that cannot make it worse: backup of the '
             'GPT, protective MBR, an EFI system partition that is hidden or '
             'has another type, a boot loader that is only in the directory '
             'of its vendor; requires gdisk and mtools')
    parser.add_argument(
        '--skip-space-check', action='store_true',
        help='convert even if the free space may not be enough; a conversion '
             'that fills the disk fails and leaves no file; has no effect '
             'without a conversion')


def given_options(args: argparse.Namespace) -> list[str]:
    """Return the options of :func:`add_options` that are given."""
    words = []
    if args.input_format:
        words += ['--input-format', args.input_format]
    if args.block_size:
        words += ['--block-size', str(args.block_size // _MIB)]
    if args.grow:
        words += ['--grow', f'{args.grow // _MIB}M']
    if args.repair:
        words.append('--repair')
    if args.skip_space_check:
        words.append('--skip-space-check')
    return words


def _block_size(argument: str) -> int:
    """Parse a size in MiB.

    :raises argparse.ArgumentTypeError: VHDX has no blocks of this size.
    """
    size = options.whole_number(argument)
    # [MS-VHDX] 2.6.2.1.
    if not 1 <= size <= 256 or size & size - 1:
        raise argparse.ArgumentTypeError(
            f'{argument} is not a power of two from 1 to 256')
    return size * 1024 ** 2


def _size(argument: str) -> int:
    """Parse a size with a unit.

    :raises argparse.ArgumentTypeError: it is not such a size.
    """
    match = re.fullmatch('([0-9]{1,8})([MGT])', argument)
    if match is None:
        raise argparse.ArgumentTypeError(
            f'{argument!r} is not a size: a whole number and M, G or T, for '
            'example 20G')
    return int(match[1]) * _UNITS[match[2]]


def read_source(path: str, content: Mapping[str, Any],
                input_format: str | None = None) -> Source:
    """Check that QEMU reads the format of a file.

    :param content: of the file
    :param input_format: the format, where the file has no signature
    :raises base.UsageError: it does not, or cannot be given the name.
    """
    image_format = str(content['format'])
    if input_format == 'raw':
        image_format = 'raw'
    elif input_format not in (None, image_format):
        raise base.UsageError(
            f'{path}: --input-format is {input_format}, but the file is '
            f'{image_format}')
    if image_format not in qemu_img.DRIVERS:
        raise base.UsageError(f'{path}: {_reason(image_format)}')
    # A name that is not UTF-8 is not printable either.
    qemu_img.check_path(path)
    if not os.path.basename(path).isprintable():
        # qemu-img prints the name in its errors.
        raise base.UsageError(
            f'{path}: the name has control characters. Rename the file')
    return Source(path, image_format, content)


def _reason(image_format: str) -> str:
    """Return why a format is not converted."""
    if image_format == 'unknown':
        return ('is of no known disk format. If it is a raw disk, add '
                '--input-format raw')
    if image_format == 'iso':
        return 'is an ISO, which Hyper-V starts as it is'
    if image_format == 'luks':
        return 'is encrypted. Export the disk without encryption'
    if image_format == 'wim':
        return ('has the files of Windows Setup. Apply an edition to a disk '
                'with DISM and bcdboot')
    if image_format in disk_rules.ARCHIVES:
        return (f'is {image_format}, an archive. Unpack it, and convert the '
                'disk image in it')
    return f'is {image_format}, which is not converted'


def check_source(file: BinaryIO, source: Source) -> None:
    """Check that a disk can be converted, and names no other file.

    :raises base.UsageError: a VHDX cannot have its size, or its sectors; or
        there is a name.
    """
    if not _fits_vhdx(source.size):
        raise base.UsageError(
            f'{source.path}: the disk has {source.size} bytes. A VHDX has up '
            'to 64 TiB')
    if source.content['logical_sector_size'] not in (None, 512):
        raise base.UsageError(
            f'{source.path}: the disk has sectors of 4096 bytes, and '
            'qemu-img writes a VHDX with sectors of 512 bytes. Install the '
            'guest on a disk of 512-byte sectors')
    check_references(file, source)


def _fits_vhdx(size: int) -> bool:
    """Return whether a VHDX can have a disk of a size in bytes."""
    from hyperv_sched.disk.vhdx import metadata

    return 0 < size <= metadata.MAX_DISK_SIZE


def check_references(file: BinaryIO, source: Source) -> None:
    """Check that an image names no other file.

    The readers report most of these as findings; QEMU must open none.

    :raises base.UsageError: there is a name.
    """
    from hyperv_sched import disk
    from hyperv_sched.disk import references

    named = references.find(disk.reader.Reader(
        disk.reader.FileSource(file)), source.format)
    if named:
        raise base.UsageError(
            f'{source.path}: names {named}, which is not opened: an image '
            'can name any file. Merge the files where the image was made: '
            'qemu-img convert -O qcow2 IN OUT')


def precondition_findings(path: str, content: Mapping[str, Any],
                          input_format: str | None) -> list[Any]:
    """Return the findings because of which a file is not converted.

    :param content: of the file
    :param input_format: see :func:`read_source`
    """
    # Only an empty file breaks such a rule without a defect of its name. The
    # rules are not evaluated for other files, which takes longer than the
    # start of qemu-img.
    if content['file_size'] and (input_format == 'raw' or not any(
            rule.prevents_conversion and rule.name in content['defects']
            for rule in rules.CATALOGUE.values())):
        return []
    properties = inferred.properties_of_generation(names.GENERATION_2)
    return [finding for finding in inputs.LintTarget(
        image_document.Record(properties), path, path,
        dict(content)).findings()
        if rules.CATALOGUE[finding.code].prevents_conversion
        and finding.severity in ('error', 'unknown')]


def required_space(source: Source, args: argparse.Namespace,
                   guard: signals.Guard) -> int:
    """Return the largest size in bytes that the VHDX of a disk can have.

    qemu-img does not write blocks of zeros; which these are is known only
    when they are read.

    :param args: the options of :func:`add_options`
    """
    block_size = args.block_size or source.block_size
    if source.format == 'vhdx':
        blocks = _count_blocks_of_vhdx(source, block_size)
    else:
        blocks = _count_blocks(source, block_size, guard)
    return _file_size(source, args, blocks)


def _file_size(source: Source, args: argparse.Namespace, blocks: int) -> int:
    """Return the size of a VHDX with this number of blocks."""
    block_size = args.block_size or source.block_size
    table = _BAT_ENTRY_SIZE * -(-(args.grow or source.size) // block_size)
    return _HEAD_SIZE + blocks * block_size + -(-table // _MIB) * _MIB


def _full_size(source: Source, args: argparse.Namespace) -> int:
    """Return the size of the VHDX if all blocks have data."""
    return _file_size(source, args, -(-source.size // (
        args.block_size or source.block_size)))


def _count_blocks(source: Source, block_size: int,
                  guard: signals.Guard) -> int:
    """Return the number of blocks that have data."""
    blocks, last = 0, -1
    for start, length in qemu_img.extents(
            source.node, source.size, guard):
        first = max(start // block_size, last + 1)
        end = (start + length - 1) // block_size
        if end >= first:
            blocks += end - first + 1
            last = end
    return blocks


def _count_blocks_of_vhdx(source: Source, block_size: int) -> int:
    """Return the largest number of blocks that can have data.

    qemu-img reports all of a VHDX as data. Its blocks are in its file.
    """
    size = int(source.content['block_size'] or block_size)
    present = -(-int(source.content['file_size']) // size)
    return min(present * -(-size // block_size),
               -(-source.size // block_size))


def check_space(directory: str, source: Source, args: argparse.Namespace,
                guard: signals.Guard) -> None:
    """Check that a directory has the space for a conversion.

    :param args: the options of :func:`add_options`
    :raises base.UsageError: it has not.
    """
    copies = 2 if _is_changed(args) else 1
    free = shutil.disk_usage(directory).free
    # qemu-img counts the blocks, which is not needed with much space.
    if free >= copies * _full_size(source, args):
        return
    required = copies * required_space(source, args, guard)
    if free < required:
        raise base.UsageError(
            f'{directory}: {units.binary(free)} are free, the conversion '
            f'takes up to {units.binary(required)}. Free some space, choose '
            'another directory (for an upload: TMPDIR), or add '
            '--skip-space-check if the disk is mostly zeros')


def check_directory(path: str) -> None:
    """Check that files can be created in a directory.

    :raises base.UsageError: they cannot.
    """
    if not os.path.isdir(path):
        raise base.UsageError(f'{path}: is not a directory')
    if not os.access(path, os.W_OK | os.X_OK):
        raise base.UsageError(f'{path}: cannot be written: Permission denied')


class Workspace:
    """A hidden directory for unfinished files.

    Its name says what it is, since a process that is killed leaves it. Use
    :meth:`remove` in any case: it may be called at any moment.

    :param parent: the directory to make it in
    :param name: the name of the finished file
    """

    def __init__(self, parent: str, name: str) -> None:
        self.parent = parent
        self.directory = os.path.join(
            parent, f'.{name[:100]}.{secrets.token_hex(4)}{_SUFFIX}')

    def create(self) -> None:
        """Create the directory.

        :raises base.UsageError: it cannot be created.
        """
        try:
            os.mkdir(self.directory)
        except OSError as exc:
            raise base.UsageError(
                f'{self.parent}: cannot be written: '
                f'{exc.strerror or exc}') from None

    def path(self, name: str) -> str:
        """Return the path of a file in the directory."""
        return os.path.join(self.directory, name)

    def remove(self) -> None:
        """Remove the directory and all files in it, if it exists."""
        shutil.rmtree(self.directory, ignore_errors=True)


def check_target(path: str) -> None:
    """Check that a VHDX with this path can be created.

    :raises base.UsageError: it cannot.
    """
    parent, name = os.path.split(path)
    if name in ('', '.', '..'):
        raise base.UsageError(
            f'{path!r}: is no name of a file. Choose a name, for example '
            'disk.vhdx')
    suffix = os.path.splitext(name)[1].lower()
    if suffix in _OTHER_SUFFIXES:
        raise base.UsageError(
            f'{path}: the new file is a VHDX, and {suffix} stands for '
            'another format. Choose a name that ends in .vhdx')
    check_directory(parent or os.curdir)
    check_absent(path)


def check_absent(path: str) -> None:
    """Check that there is no file with this path.

    :raises base.UsageError: there is one, or there can be none.
    """
    try:
        os.lstat(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as exc:
        raise base.UsageError(
            f'{path}: cannot be written: '
            f'{getattr(exc, "strerror", None) or exc}') from None
    raise _exists(path)


def _exists(path: str) -> base.UsageError:
    return base.UsageError(
        f'{path}: the file exists. Remove it, or choose another name')


def publish(path: str, target: str) -> None:
    """Give a finished file its name, and never replace another file.

    A rename replaces a file that another process created in the meantime; a
    link does not. On file systems without links (FAT, some network file
    systems) the name is checked, and the file renamed.

    :param path: of a file in a :class:`Workspace`
    :raises base.UsageError: there is a file with this name.
    """
    try:
        os.link(path, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:
        check_absent(target)
        os.rename(path, target)


@contextlib.contextmanager
def progress_of(stream: TextIO | None, size: int,
                ) -> Iterator[Callable[[float], None]]:
    """Show progress on a terminal, in MiB of the virtual disk."""
    line = progress.Progress(stream, size, 'MiB', _MIB)
    done = 0

    def report(part: float) -> None:
        nonlocal done
        reached = int(size * min(part, 1))
        line.count(max(reached - done, 0))
        done = max(reached, done)

    try:
        yield report
    finally:
        line.clear()


def convert(source: Source, workspace: Workspace, args: argparse.Namespace,
            guard: signals.Guard, report: Callable[[str], None],
            stream: TextIO | None) -> str:
    """Convert a disk to a VHDX in a workspace; return its path.

    :param args: the options of :func:`add_options`
    :param report: prints a line on a repair
    :param stream: receives the progress, if it is a terminal
    :raises base.UsageError: the disk cannot be converted.
    """
    check_changes(source, args)
    if not args.skip_space_check:
        check_space(workspace.parent, source, args, guard)
    try:
        return _convert(source, workspace, args, guard, report, stream)
    except base.UsageError as exc:
        if not any(words in str(exc) for words in _FULL):
            raise
        raise base.UsageError(
            f'{workspace.parent}: {exc}. Free some space, or choose another '
            'directory (for an upload: TMPDIR)') from None
    except OSError as exc:
        raise base.UsageError(
            f'{workspace.parent}: cannot be written: '
            f'{exc.strerror or exc}') from None


def _convert(source: Source, workspace: Workspace, args: argparse.Namespace,
             guard: signals.Guard, report: Callable[[str], None],
             stream: TextIO | None) -> str:
    if _is_changed(args):
        source = _change_copy(source, workspace, args, guard, report, stream)
    target = workspace.path('disk.vhdx')
    _run_qemu_img(source, target, qemu_img.vhdx_options(
        args.block_size or source.block_size), guard, stream, _load_rules)
    return target


def _load_rules() -> None:
    """Load the rules, which judge the new file."""
    from hyperv_sched import validators

    validators.load()


def _is_changed(args: argparse.Namespace) -> bool:
    """Return whether a raw copy is changed before it is converted."""
    return args.grow is not None or bool(args.repair)


def check_changes(source: Source, args: argparse.Namespace) -> None:
    """Check that a disk can be enlarged and repaired as options say.

    What is not read before there is a raw copy is checked then.

    :param args: the options of :func:`add_options`
    :raises base.UsageError: it cannot.
    """
    if args.grow is not None and not (
            source.size < args.grow and _fits_vhdx(args.grow)):
        raise base.UsageError(
            f'--grow: the disk has {units.binary(source.size)}. Set a larger '
            'size, up to 64T')
    if not _is_changed(args):
        return
    if source.format == 'raw':
        repairs.check_raw(source.path, source.content)
    if args.grow is not None and source.is_read:
        repairs.check_table(source.path, source.content, args.repair)


def _change_copy(source: Source, workspace: Workspace,
                 args: argparse.Namespace, guard: signals.Guard,
                 report: Callable[[str], None],
                 stream: TextIO | None) -> Source:
    """Make a raw copy of a disk; enlarge and repair that."""
    path = workspace.path('disk.raw')
    _run_qemu_img(source, path, ('-O', 'raw'), guard, stream)
    before = disk_files.inspect_path(path)
    repairs.check_raw(source.path, before)
    if args.grow is not None:
        repairs.check_table(source.path, before, args.repair)
    if args.repair:
        repairs.repair(path, guard, report)
    if args.grow is not None:
        # A repair may make further defects readable.
        repairs.check_table(source.path, disk_files.inspect_path(path))
        report(f'enlarging the disk to {units.binary(args.grow)}')
        repairs.grow(path, args.grow, guard)
    after = disk_files.inspect_path(path)
    repairs.check_partitions(
        source.content if source.is_read else before, after)
    return Source(path, 'raw', after)


def _run_qemu_img(source: Source, target: str, target_options: Sequence[str],
                  guard: signals.Guard, stream: TextIO | None,
                  meanwhile: Callable[[], None] | None = None) -> None:
    with progress_of(stream, source.size) as report:
        qemu_img.run(
            qemu_img.convert_command(
                source.node, target, '-p', *target_options), guard,
            report, meanwhile=meanwhile)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The commands of a conversion, and what they cannot say."""

    commands: Sequence[repairs.Command]
    notes: Sequence[str]
    intermediate: str | None
    """The path of the raw copy, which is removed in the end."""


def plan(source: Source, target: str, args: argparse.Namespace) -> Plan:
    """Return the commands of a conversion.

    :param args: the options of :func:`add_options`
    :raises base.UsageError: see :func:`convert`.
    """
    check_changes(source, args)
    to_vhdx = qemu_img.vhdx_options(args.block_size or source.block_size)
    if not _is_changed(args):
        return Plan([repairs.Command(qemu_img.convert_command(
            source.node, target, *to_vhdx))], (), None)
    raw = os.path.abspath(target) + '.raw'
    check_absent(raw)
    commands = [repairs.Command(
        qemu_img.convert_command(source.node, raw, '-O', 'raw'))]
    notes = []
    if not source.is_read:
        notes.append('the content of the disk is read after the copy: '
                     'repairs and the move of the backup of the GPT are '
                     'decided then')
    elif args.repair:
        for _, title, step in repairs.plan(raw, source.content):
            notes.append(f'{title}: {"to repair" if step else "left alone"}')
            commands += step
        if len(commands) > 1:
            notes.append('repairs that follow from these are decided after '
                         'them')
    if args.grow is not None:
        commands.append(repairs.Command((
            'qemu-img', 'resize', '-f', 'raw', raw, str(args.grow))))
        if source.is_read and source.content['partition_table'] == 'gpt':
            commands.append(repairs.Command(('sgdisk', '-e', raw)))
    commands.append(repairs.Command(qemu_img.convert_command(
        qemu_img.node(raw, 'raw'), target, *to_vhdx)))
    return Plan(commands, notes, raw)
