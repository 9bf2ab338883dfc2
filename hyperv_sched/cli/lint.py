# SPDX-License-Identifier: Apache-2.0
"""The "image lint" command."""

from __future__ import annotations

import argparse
import collections
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import logging
import sys
from typing import Any

from cliff import lister

from hyperv_sched import document as image_document
from hyperv_sched import inferred
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.cli import cloud_images
from hyperv_sched.cli import findings as findings_output
from hyperv_sched.cli import image_api
from hyperv_sched.cli import inputs
from hyperv_sched.cli import options
from hyperv_sched.cli import progress
from hyperv_sched.cli import rest
from hyperv_sched.text import escape
from hyperv_sched.text import internal_error

LOG = logging.getLogger(__name__)

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
    '  0  no finding of severity error or unknown',
    '  1  at least one finding of severity error or unknown',
    '  2  wrong usage, a file that cannot be read, or output that cannot be '
    'written'))


@dataclasses.dataclass
class _Summary:
    """Numbers of images and of findings, for the line below the findings."""

    images: int = 0
    assumed_generation_1: int = 0
    skipped: int = 0
    severities: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter)

    def add(self, target: inputs.LintTarget,
            findings: Sequence[rules.Finding]) -> None:
        self.images += 1
        self.assumed_generation_1 += target.assumes_generation_1
        self.severities.update(finding.severity for finding in findings)

    def __str__(self) -> str:
        line = (f'{text.count(self.images, "image")}: '
                f'{_format_counts(self.severities)}')
        if self.skipped:
            line += (f'\n({text.count(self.skipped, "other file")} in '
                     'directories)')
        if not self.assumed_generation_1:
            return line
        which = ('' if self.images == 1
                 else f'{self.assumed_generation_1} of them ')
        return (f'{line}\n({which}linted as generation 1, since '
                'hw_machine_type is not set)')


class Lint(base.ExitCodes, lister.Lister):
    """Check an image for Hyper-V before it is uploaded, or in a cloud.

    Validates the properties of the image and, if a file is given, its
    content. Without a file only the properties are validated. Of images in a
    cloud, properties and content are validated, and only the parts of the
    content that are needed are downloaded. Nothing is changed.
    """

    _progress: progress.Progress | None = None
    _fixes: Sequence[str] = ()
    _summary: _Summary | None = None

    epilog = _EPILOG

    @property
    def formatter_namespace(self) -> str:
        """Return the entry point group of the output formats."""
        return 'hyperv_sched.formatter.findings'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'files', metavar='<file>', nargs='*',
            help='a disk image, or a directory with disk images')
        parser.add_argument(
            '--documents', action='store_true',
            help='read each file as --image-json does, not as a disk image; '
                 'findings name the file')
        options.add_image_options(parser)
        parser.add_argument(
            '--image-json', metavar='<file>',
            help='lint a document of the Image API, or of "openstack image '
                 'show -f json", or a list of them; - reads standard input')
        parser.add_argument(
            '--image', metavar='<image>', action='append',
            dest='images', default=[],
            help='lint an image in a cloud, by id or name (repeat for more)')
        parser.add_argument(
            '--all-images', action='store_true',
            help='lint all images of a cloud that you can see')
        parser.add_argument(
            '--download', action='store_true',
            help='download an image of a cloud whose store does not return '
                 'parts of it; without this option its content is unknown')
        rest.add_options(parser)
        options.add_severity_options(parser)
        parser.add_argument(
            '--fix', action='store_true',
            help='instead of findings, print the "openstack image set" '
                 'command for each image whose properties have one possible '
                 'correction; nothing is changed')
        options.add_shell_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Iterator[tuple[Any, ...]]]:
        """Lint every target; return the columns and rows of its findings."""
        if parsed_args.fix and parsed_args.formatter != 'table':
            raise base.UsageError(
                '--fix prints commands, which have no other format. Leave '
                'out -f')
        overrides = options.severity_overrides(parsed_args)
        total, targets = self._read_targets(parsed_args)
        self._progress = progress.Progress(
            None if self._is_quiet() else sys.stderr, total)
        summary = _Summary()
        fixes: list[str] = []
        rows: list[dict[str, Any]] = []
        for target in targets:
            try:
                findings = overrides.apply(target.findings())
                if parsed_args.fix:
                    fixes += _fix(target, overrides, parsed_args.shell)
            except Exception as exc:
                # The other images are still linted.
                self.print_error(f'{target.label}: {_reason(exc)}')
                LOG.debug('%s', target.label, exc_info=True)
                continue
            summary.add(target, findings)
            # Printed with --verbose.
            LOG.debug('%s: %s', escape(target.title, None), _format_counts(
                collections.Counter(f.severity for f in findings)))
            rows += [{**findings_output.to_row(finding), 'file': target.file,
                      'title': target.title} for finding in findings]
            self._progress.count()
        self._progress.clear()
        summary.skipped = len(self._skipped)
        if summary.severities['error'] or summary.severities['unknown']:
            self.raise_exit_code(base.EXIT_FINDINGS)
        self._fixes = fixes
        if parsed_args.formatter == 'table' and not self._is_quiet() and (
                summary.images or self._exit_code < base.EXIT_USAGE):
            self._summary = summary
        return findings_output.to_table(rows, parsed_args.formatter)

    def _is_quiet(self) -> bool:
        return getattr(self.app.options, 'verbose_level', 1) == 0

    def _read_targets(self, args: argparse.Namespace) -> tuple[
            int | None, Iterator[inputs.LintTarget]]:
        """Return the number of targets, if known, and an iterator of them."""
        overrides = options.image_overrides(args)
        self._skipped: list[str] = []
        if args.images or args.all_images:
            return self._read_cloud_images(args, overrides)
        if not args.documents:
            return inputs.read_targets(
                args.files, args.image_json, overrides, self.print_error,
                self._skipped, options.certificate_years(args))
        if args.image_json or not args.files:
            raise base.UsageError(
                '--documents requires FILE, and excludes --image-json')
        return None, inputs.read_document_files(
            args.files, overrides, self.print_error, self._skipped)

    def _read_cloud_images(
            self, args: argparse.Namespace, overrides: dict[str, Any],
    ) -> tuple[int | None, Iterator[inputs.LintTarget]]:
        if args.files or args.image_json or args.documents or (
                args.images and args.all_images):
            raise base.UsageError(
                '--image and --all-images exclude FILE, --image-json and '
                'each other')
        api = image_api.connect(self.app, args.os_cloud)
        images = (api.list_all() if args.all_images else
                  cloud_images.find_images(
                      api, args.images, self.print_error))
        return len(args.images) or None, cloud_images.read_targets(
            api, images, overrides, self.print_error,
            options.certificate_years(args),
            self._start_download if args.download else None)

    def _start_download(self, size: int) -> progress.Progress:
        if self._progress is not None:
            self._progress.clear()
        return progress.Progress(sys.stderr, size, 'MiB', 1024 ** 2)

    def print_error(self, error: object) -> None:
        """Print an error instead of the progress line."""
        if self._progress is not None:
            self._progress.clear()
        super().print_error(error)

    def produce_output(self, parsed_args: argparse.Namespace,
                       column_names: Sequence[str],
                       data: Iterable[Sequence[Any]]) -> int:
        """Write the findings, or the commands of --fix, and the summary."""
        result = 0
        if parsed_args.fix:
            self._write_fixes()
        else:
            result = super().produce_output(parsed_args, column_names, data)
        self.app.stdout.flush()
        if self._summary is not None:
            with base.stderr() as stream:
                print(self._summary, file=stream)
        return result

    def _write_fixes(self) -> None:
        for command in self._fixes:
            self.app.stdout.write(f'{command}\n')
        if not self._fixes and self._exit_code:
            with base.stderr() as stream:
                print('No property has one possible correction. Run the '
                      'command without --fix to see the findings.',
                      file=stream)


def _reason(exc: Exception) -> str:
    """Describe why a target cannot be linted.

    :raises base.UsageError: no target can be linted.
    """
    if isinstance(exc, text.UnquotableError):
        return f'no command can be printed: {exc}'
    if isinstance(exc, ImportError):
        raise base.UsageError('a package that hyperv-sched needs cannot be '
                              f'loaded: {exc}') from None
    return internal_error(exc)


def _fix(target: inputs.LintTarget, overrides: options.SeverityOverrides,
         shell: str) -> list[str]:
    """Return the command that corrects the properties, if there is one."""
    from hyperv_sched import validators
    from hyperv_sched.validators import fixes

    def validate(document: image_document.Document) -> list[rules.Finding]:
        return rules.apply_overrides(
            validators.validate(document), overrides.ignored)

    missing = _missing_members(target)
    values = {**missing, **fixes.properties(
        {**target.record, **missing}, validate, target.content)}
    return [fixes.command(target.record, values, shell)] if values else []


def _missing_members(target: inputs.LintTarget) -> dict[str, str]:
    """Return what "image upload" sets for a disk without a generation."""
    content = target.content
    if (content is None or not target.assumes_generation_1
            or not inferred.infer_properties(content)):
        return {}
    members = inferred.infer_members(content, target.document())
    return {name: str(value) for name, value in members.items()}


def _format_counts(severities: Mapping[str, int]) -> str:
    """Format numbers of findings, for example "1 error, 2 warnings"."""
    return ', '.join(
        f'{severities[s]} {s}'
        f'{"s" if severities[s] > 1 and s != "info" else ""}'
        for s in ('error', 'unknown', 'warning', 'info') if severities[s]
    ) or 'no findings'
