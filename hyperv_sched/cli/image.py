# SPDX-License-Identifier: Apache-2.0
"""hyperv-sched image inspect and image lint."""

from __future__ import annotations

import argparse
import collections
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import logging
import sys
from typing import Any

from cliff import lister

from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.cli import cloud
from hyperv_sched.cli import inputs
from hyperv_sched.cli import options
from hyperv_sched.cli import progress
from hyperv_sched.cli import remote
from hyperv_sched.cli import units
from hyperv_sched.text import escape
from hyperv_sched.text import internal_error

LOG = logging.getLogger(__name__)

COLUMNS = ('image', 'code', 'name', 'severity', 'message', 'actual',
           'required', 'fix', 'reference', 'cause')
#: What people need.
TABLE_COLUMNS = ('image', 'code', 'name', 'severity', 'message', 'fix')
#: SARIF tells the file from the image in it.
SARIF_COLUMNS = (*COLUMNS, 'file')

#: Formats that write down any character safely.
STRUCTURED = ('json', 'sarif', 'yaml')

_EPILOG = '\n'.join((
    # Two colons: the documentation has it as a literal block.
    'examples::',
    '',
    '  hyperv-sched image lint disk.vhdx',
    '  hyperv-sched image lint --property hw_machine_type=hyperv-gen2 '
    'disk.vhdx',
    '  openstack image show -f json NAME | hyperv-sched image lint '
    '--image-json -',
    '  hyperv-sched image lint --documents images/*.json',
    '  hyperv-sched image lint --os-cloud NAME --all-images',
    '',
    'exit code:',
    '  0  no error, and nothing that could not be decided',
    '  1  at least one error, or something undecided',
    '  2  wrong usage, a file that cannot be judged, or output that cannot '
    'be written'))


class Inspect(base.ShowOne):
    """Show what a disk image is, by its content alone.

    Nothing is changed, and nothing that the image names is opened.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='<file>', help='the disk image to read')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Sequence[Any]]:
        found = inputs.inspect(inputs.one_file(parsed_args.file))
        if parsed_args.formatter == 'table':
            found = {name: _lines(name, value, units.annotate)
                     for name, value in found.items()}
        elif parsed_args.formatter not in STRUCTURED:
            found = {name: _lines(name, value, _plain)
                     for name, value in found.items()}
        return tuple(found), tuple(found.values())


def _plain(_name: str, value: Any) -> Any:
    return value


def _lines(name: str, value: Any,
           show: Callable[[str, Any], Any]) -> Any:
    """Return a line for each member of a list or an object.

    :param show: makes the text of a value, by its name
    """
    if isinstance(value, dict):
        lines = [f'{key}: {text}' for key, text in value.items()]
    elif isinstance(value, list):
        lines = [' '.join(f'{key}={show(key, text)}'
                          for key, text in one.items()) for one in value]
    else:
        return base.plain(show(name, value))
    return '\n'.join(escape(line) for line in lines)


class Lint(base.ExitCodes, lister.Lister):
    """Check an image for Hyper-V before it is uploaded, or in a cloud.

    Judges the properties that the image shall have and, where a file is
    given, what the file really is. Without a file the properties alone are
    judged. Images of a cloud are judged by both, and little of them is
    downloaded for that. Nothing is changed.
    """

    _progress: progress.Progress | None = None
    _tally = ''

    def get_epilog(self) -> str:
        return _EPILOG

    @property
    def formatter_namespace(self) -> str:
        return 'hyperv_sched.formatter.findings'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument(
            'files', metavar='<file>', nargs='*', help='a disk image')
        parser.add_argument(
            '--documents', action='store_true',
            help='each file is what --image-json takes, not a disk image; '
                 'findings name the file')
        options.add(parser)
        parser.add_argument(
            '--image-json', metavar='<file>',
            help='a document of the Image API, or of "openstack image show '
                 '-f json", or a list of them; - reads standard input')
        parser.add_argument(
            '--image', metavar='<image>', action='append',
            dest='images', default=[],
            help='an image that is in a cloud, by id or name (repeat for '
                 'more)')
        parser.add_argument(
            '--all-images', action='store_true',
            help='all images of a cloud that may be seen')
        parser.add_argument(
            '--download', action='store_true',
            help='download an image of a cloud whose store does not hand out '
                 'parts; else its content is unknown')
        cloud.add_options(parser)
        options.add_weights(parser)
        parser.add_argument(
            '--fix', action='store_true',
            help='print, instead of findings, the "openstack image set" '
                 'command for each image whose properties can be put right '
                 'without guessing; nothing is changed')
        options.add_shell(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Iterator[tuple[Any, ...]]]:
        ignored, errors = options.weights(parsed_args)
        total, subjects = self._subjects(parsed_args)
        quiet = getattr(self.app.options, 'verbose_level', 1) == 0
        self._progress = progress.Progress(
            None if quiet else sys.stderr, total)
        self._fixes = []
        judged = assumed = 0
        rows = []
        counts: collections.Counter[str] = collections.Counter()
        for subject in subjects:
            try:
                findings = rules.apply_overrides(
                    subject.findings(), ignored, errors)
                if parsed_args.fix:
                    self._fixes += _fix(subject, ignored,
                                        parsed_args.shell)
            except text.UnquotableError as exc:
                self.complain(f'{subject.label}: no command can be printed: '
                              f'{exc}')
                continue
            except ImportError as exc:
                raise base.UsageError(
                    'a package that hyperv-sched needs cannot be loaded: '
                    f'{exc}') from None
            except Exception as exc:
                # One image keeps no other from its verdict.
                LOG.debug('%s', subject.label, exc_info=True)
                self.complain(f'{subject.label}: {internal_error(exc)}')
                continue
            judged += 1
            assumed += subject.assumes_generation_1
            # At the level of --verbose.
            LOG.debug('%s: %s', escape(subject.title, None),
                      _told(collections.Counter(
                          finding.severity for finding in findings)))
            for finding in findings:
                counts[finding.severity] += 1
                rows.append({**finding.as_dict(), 'file': subject.file,
                             'title': subject.title})
            self._progress.count()
        self._progress.clear()
        if counts['error'] or counts['unknown']:
            self.worsen(base.EXIT_FINDINGS)
        columns: Sequence[str] = COLUMNS
        if parsed_args.formatter == 'table':
            columns = TABLE_COLUMNS
            for row in rows:
                row['image'] = row['title']
            if not quiet and (judged or self._worst < base.EXIT_USAGE):
                self._tally = _tally(judged, counts, assumed)
        elif parsed_args.formatter == 'sarif':
            columns = SARIF_COLUMNS
        if parsed_args.formatter not in STRUCTURED:
            for row in rows:
                row['image'] = escape(row['image'], limit=None)
        return columns, (tuple(row[c] for c in columns) for row in rows)

    def _subjects(self, args: argparse.Namespace) -> tuple[
            int | None, Iterator[inputs.Subject]]:
        given = options.given(args)
        if args.images or args.all_images:
            return self._in_cloud(args, given)
        if not args.documents:
            return inputs.subjects(args.files, args.image_json, given,
                                   self.complain)
        if args.image_json or not args.files:
            raise base.UsageError(
                '--documents goes with FILE, and not with --image-json')
        return None, inputs.in_documents(args.files, given, self.complain)

    def _in_cloud(self, args: argparse.Namespace, given: dict[str, Any],
                  ) -> tuple[int | None, Iterator[inputs.Subject]]:
        if args.files or args.image_json or args.documents or (
                args.images and args.all_images):
            raise base.UsageError(
                '--image and --all-images go with no FILE, no --image-json, '
                'and not with each other')
        connection = cloud.connect(self.app, args.os_cloud)
        found = (connection.all() if args.all_images else
                 remote.images(connection, args.images, self.complain))
        return len(args.images) or None, remote.subjects(
            connection, found, given, self.complain,
            self._show_bytes if args.download else None)

    def _show_bytes(self, total: int) -> progress.Progress:
        if self._progress is not None:
            self._progress.clear()
        return progress.Progress(sys.stderr, total, 'MiB', 1024 ** 2)

    def complain(self, reason: object) -> None:
        if self._progress is not None:
            self._progress.clear()
        super().complain(reason)

    def produce_output(self, parsed_args: argparse.Namespace,
                       column_names: Sequence[str],
                       data: Iterable[Sequence[Any]]) -> int:
        if not parsed_args.fix:
            result: int = super().produce_output(
                parsed_args, column_names, data)
            self._print_tally()
            return result
        for command in self._fixes:
            self.app.stdout.write(f'{command}\n')
        if not self._fixes and self._worst:
            with base.aside() as stream:
                print('There is nothing that properties can put right '
                      'without guessing; without --fix the findings are '
                      'shown.', file=stream)
        self._print_tally()
        return 0

    def _print_tally(self) -> None:
        # After the findings, of which there may be many.
        self.app.stdout.flush()
        if self._tally:
            with base.aside() as stream:
                print(self._tally, file=stream)


def _fix(subject: inputs.Subject, ignored: Sequence[str],
         shell: str) -> list[str]:
    from hyperv_sched import validators
    from hyperv_sched.validators import fixes

    def judge(document: Mapping[str, Any]) -> list[rules.Finding]:
        return rules.apply_overrides(validators.validate(document), ignored)

    values = fixes.properties(subject.raw, judge, subject.content)
    return [fixes.command(subject.raw, values, shell)] if values else []


def _tally(judged: int, counts: Mapping[str, int], assumed: int) -> str:
    """Return a line for people: how much was judged, with what result.

    :param assumed: how many no property assigns to a generation
    """
    line = f'{judged} image{"" if judged == 1 else "s"}: {_told(counts)}'
    if not assumed:
        return line
    which = '' if judged == 1 else f'{assumed} of them '
    return (f'{line}\n({which}judged as generation 1, since hw_machine_type '
            'is not set)')


def _told(counts: Mapping[str, int]) -> str:
    """Return the numbers of findings, in words."""
    return ', '.join(
        f'{counts[s]} {s}{"s" if counts[s] > 1 and s != "info" else ""}'
        for s in ('error', 'unknown', 'warning', 'info') if counts[s]
    ) or 'no findings'
