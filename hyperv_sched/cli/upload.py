# SPDX-License-Identifier: Apache-2.0
"""The "image upload" command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import hashlib
import logging
import os
import sys
import tempfile
from typing import Any
from typing import BinaryIO
from typing import TextIO
import uuid

from hyperv_sched import document as image_document
from hyperv_sched import inferred
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.cli import conversion
from hyperv_sched.cli import disk_files
from hyperv_sched.cli import findings as findings_output
from hyperv_sched.cli import image_api
from hyperv_sched.cli import inputs
from hyperv_sched.cli import options
from hyperv_sched.cli import progress
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import rest
from hyperv_sched.cli import signals
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)

_MIB = 1024 ** 2

VISIBILITIES = ('public', 'private', 'shared', 'community')

#: The limit of Glance, in characters.
_MAX_NAME = 255

#: Members of an image that are not properties. An option or Glance sets them.
_MEMBERS = frozenset((
    'checksum', 'container_format', 'created_at', 'direct_url',
    'disk_format', 'file', 'id', 'locations', 'min_disk', 'min_ram', 'name',
    'os_hash_algo', 'os_hash_value', 'os_hidden', 'owner', 'properties',
    'protected', 'schema', 'self', 'size', 'status', 'stores', 'tags',
    'updated_at', 'virtual_size', 'visibility'))

#: Columns of the output.
_COLUMNS = ('id', 'name', 'status', 'visibility', 'disk_format',
            'container_format', 'min_disk', 'size', 'os_hash_algo',
            'os_hash_value', 'properties')

_EXIT_CODES = '\n'.join((
    'exit code:',
    '  0    the image is uploaded and verified',
    '  1    refused: at least one finding of severity error or unknown',
    '  2    wrong usage, the file cannot be read, the cloud refuses, or the '
    'output cannot be written',
    '  130  interrupted',
    '',
    'With any other exit code than 0 the cloud has no new image, unless',
    'standard output or standard error names it: a verified image, or an',
    'image that cannot be deleted.'))


class Upload(base.ShowOne):
    """Upload a disk image with the properties that Hyper-V needs.

    A disk in a format that Hyper-V does not run is converted to a VHDX
    first. Properties that are not given are inferred from the file. The
    image is checked as "image lint" does before it is sent.
    """

    _has_output = True
    _image: dict[str, Any] | None = None
    _document: Mapping[str, Any] = {}

    epilog = _EXIT_CODES

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='<file>', help='the disk image')
        parser.add_argument(
            '--name', metavar='<image-name>', required=True, type=_name,
            help='set the name of the image')
        options.add_image_options(parser)
        parser.add_argument(
            '--min-ram', metavar='<ram-mb>', type=options.whole_number,
            help='set min_ram, the smallest memory of a flavor in MB')
        parser.add_argument(
            '--tag', metavar='<tag>', action='append', dest='tags',
            help='set a tag of the image (repeat for more)')
        parser.add_argument(
            '--visibility', choices=VISIBILITIES,
            help='set who can see the image; the default of Glance is shared')
        parser.add_argument(
            '--dry-run', action='store_true',
            help='print the "openstack image create" command that does the '
                 'same, and send nothing')
        parser.add_argument(
            '--force', action='store_true',
            help='upload in spite of findings')
        parser.add_argument(
            '--convert', action='store_true',
            help='convert the file to a VHDX before it is uploaded, as '
                 '"image convert" does; the default for formats that Hyper-V '
                 'does not run, unless --disk-format names one, and with '
                 '--input-format, --block-size, --grow or --repair')
        conversion.add_options(parser)
        options.add_shell_option(parser)
        options.add_severity_options(parser)
        rest.add_options(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command with handlers for the signals that end it."""
        with signals.Guard() as self._guard:
            return super().run(parsed_args)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Sequence[Any]]:
        """Check and upload the image; return its columns and values."""
        self._check_options(parsed_args)
        path = disk_files.expand_single(parsed_args.file)
        self._overrides = options.severity_overrides(parsed_args)
        # The path may name another file after the check, so that the file
        # stays open.
        with disk_files.open_disk(path) as file:
            before = _file_state(file)
            content = self._inspect(parsed_args, file, path)
            if not _is_converted(parsed_args, content):
                if parsed_args.skip_space_check:
                    _print_line(f'{path} is not converted: '
                                '--skip-space-check has no effect')
                self._send(parsed_args, file, path, content, before)
            else:
                self._convert(parsed_args, file, path, content)
        if self._image is None:
            self._has_output = False
            return (), ()
        with self._uploaded():
            return _COLUMNS, _row(self._image, self._document,
                                  parsed_args.formatter)

    def _check_options(self, parsed_args: argparse.Namespace) -> None:
        """Check what needs no file, before a conversion that takes long.

        :raises base.UsageError: the image cannot be uploaded.
        """
        _given_members(parsed_args)
        if parsed_args.columns and not {*parsed_args.columns} & {*_COLUMNS}:
            raise base.UsageError(
                f'--column: valid values: {", ".join(_COLUMNS)}')
        if not parsed_args.dry_run:
            rest.check_installed()

    def _inspect(self, parsed_args: argparse.Namespace, file: BinaryIO,
                 path: str) -> dict[str, Any]:
        from hyperv_sched.disk import secure_boot

        return disk_files.inspect_file(file, path, secure_boot.Policy.of_years(
            options.certificate_years(parsed_args)))

    def _convert(self, parsed_args: argparse.Namespace, file: BinaryIO,
                 path: str, content: dict[str, Any]) -> None:
        """Convert the disk, then upload the new file."""
        qemu_img.check_installed()
        findings = conversion.precondition_findings(
            path, content, parsed_args.input_format)
        if findings:
            self.raise_exit_code(base.EXIT_FINDINGS)
            with base.stderr() as stream:
                _print_findings(stream, findings)
                print('\nNot uploaded.', file=stream)
            return
        source = conversion.read_source(
            path, content, parsed_args.input_format)
        conversion.check_source(file, source)
        name = _new_name(source.path)
        workspace = conversion.Workspace(_temporary_directory(), name)
        _print_line(f'{source.path} ({source.description}) is converted to '
                    f'a VHDX in {workspace.parent} first')
        self._guard.once()
        # A context manager written in Python would have gaps for a signal.
        try:
            workspace.create()
            path = conversion.convert(
                source, workspace, parsed_args, self._guard, _print_line,
                sys.stderr)
            with disk_files.open_disk(path) as converted:
                # The open file needs no name, except on Windows.
                workspace.remove()
                self._send(parsed_args, converted, name,
                           self._inspect(parsed_args, converted, path),
                           _file_state(converted), source)
        finally:
            self._guard.hold()
            workspace.remove()

    def _send(self, parsed_args: argparse.Namespace, file: BinaryIO,
              path: str, content: dict[str, Any], before: tuple[int, ...],
              source: conversion.Source | None = None) -> None:
        """Check and upload a file.

        :param path: the path of the file in messages
        :param before: state of the file before it was inspected
        :param source: the disk that the file was converted from
        """
        document = self._prepare(parsed_args, path, content, source)
        if document is None:
            return
        api = image_api.connect(self.app, parsed_args.os_cloud)
        self._document = document
        self._image = self._upload(
            api, _Body(file, path, content['file_size'], before,
                       self._guard), document)

    def _prepare(self, parsed_args: argparse.Namespace, path: str,
                 content: dict[str, Any],
                 source: conversion.Source | None) -> dict[str, Any] | None:
        """Return the image to create, or None if none is to be created."""
        document, given = _document(parsed_args, content)
        findings = self._overrides.apply(
            inputs.LintTarget(document, path, path, content).findings())
        refused = not parsed_args.force and any(
            finding.severity in ('error', 'unknown') for finding in findings)
        with base.stderr() as stream:
            if refused or parsed_args.formatter == 'table':
                _print_document(stream, path, content, document, given)
            _print_findings(stream, findings)
        if refused:
            self.raise_exit_code(base.EXIT_FINDINGS)
            with base.stderr() as stream:
                print('\nNot uploaded. Use --force to upload it in spite of '
                      'the findings.', file=stream)
            return None
        if 'disk_format' not in document:
            raise base.UsageError(
                f'{path}: Glance has no disk_format for {content["format"]}. '
                'Set --disk-format')
        if parsed_args.dry_run:
            commands = [_command(path, document)]
            if source is not None:
                commands.insert(0, [
                    'hyperv-sched', 'image', 'convert',
                    *conversion.given_options(parsed_args), '--',
                    source.path, path])
            for command in commands:
                line = _quote(command, parsed_args.shell)
                self.app.stdout.write(f'{line}\n')
            return None
        return document

    def produce_output(self, parsed_args: argparse.Namespace,
                       column_names: Sequence[str],
                       data: Sequence[Any]) -> int:
        """Write the image, if one was uploaded."""
        if not self._has_output:
            return 0
        with self._uploaded():
            result: int = super().produce_output(
                parsed_args, column_names, data)
            self.app.stdout.flush()
        return result

    @contextlib.contextmanager
    def _uploaded(self) -> Iterator[None]:
        """Name the uploaded image in any error of the output."""
        try:
            yield
        except Exception as exc:
            base.flush_or_discard(self.app.stdout)
            LOG.debug('image %s', self._image, exc_info=True)
            reason = exc.strerror if isinstance(exc, OSError) else None
            raise base.UsageError(
                f'image {(self._image or {}).get("id")} is uploaded and '
                f'verified, but the output cannot be written: '
                f'{reason or exc}') from None

    def _upload(self, api: image_api.ImageAPI, body: _Body,
                document: Mapping[str, Any]) -> dict[str, Any]:
        """Create and upload the image; delete it if that fails."""
        guard = self._guard
        # The client chooses the id, to know it before Glance responds.
        image_id = str(uuid.uuid4())
        no_response = False
        guard.once()
        # A context manager written in Python would have gaps for a signal.
        try:
            try:
                # A request to delete an image that Glance is still creating
                # has no effect.
                guard.hold()
                no_response = True
                api.create({'id': image_id, **document})
                no_response = False
                guard.release()
                api.upload(image_id, body)
                body.progress.clear()
                guard.check()
                image = api.get(image_id)
                body.verify(image)
            finally:
                guard.hold()
        except BaseException as exc:
            # The one signal that raises may arrive before the hold() above.
            guard.hold()
            body.progress.clear()
            if (isinstance(exc, rest.CloudError)
                    and exc.status is not None):
                no_response = False
            self._delete(api, image_id, no_response,
                         isinstance(exc, KeyboardInterrupt))
            raise
        guard.finish(
            f'interrupted: image {image_id} is uploaded and verified')
        return image

    def _delete(self, api: image_api.ImageAPI, image_id: str,
                no_response: bool, interrupted: bool) -> None:
        """Delete an incomplete image and report the result."""
        prefix = 'interrupted: ' if interrupted else ''
        command = f'Delete it: openstack image delete {image_id}'
        try:
            deleted = api.delete(image_id)
        except Exception as exc:
            self.print_error(
                f'{prefix}the incomplete image {image_id} cannot be deleted: '
                f'{exc}. {command}')
            return
        if deleted:
            self.print_error(
                f'{prefix}the incomplete image {image_id} is deleted')
        elif no_response:
            self.print_error(
                f'{prefix}the cloud has not responded to the request to '
                f'create image {image_id}, and may create it later. '
                f'{command}')


class _Body:
    """Body of an upload, in the form that requests reads.

    :param size: size of the file when it was checked
    :param before: state of the file before it was checked
    :param guard: stops the upload after a signal whose exception was lost
    """

    def __init__(self, file: BinaryIO, path: str, size: int,
                 before: tuple[int, ...], guard: signals.Guard) -> None:
        self.progress = progress.Progress(sys.stderr, size, 'MiB', _MIB)
        self._file = file
        self._path = path
        self._before = before
        self._guard = guard
        self._size = self._left = size
        self._hash = hashlib.sha512()
        self._file.seek(0)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(_MIB):
            yield data

    def read(self, length: int = -1) -> bytes:
        """Read the next bytes, up to the size that was checked."""
        self._guard.check()
        wanted = self._left if length < 0 else min(length, self._left)
        data = self._read(wanted)
        if wanted and not data:
            raise base.UsageError('the file became shorter during the upload')
        self._left -= len(data)
        self._hash.update(data)
        self.progress.count(len(data))
        return data

    def verify(self, image: Mapping[str, Any]) -> None:
        """Compare the uploaded image with the file that was checked.

        :raises base.UsageError: they differ.
        """
        if _file_state(self._file) != self._before:
            raise base.UsageError('the file changed during the upload')
        if image.get('status') != 'active' or image.get(
                'size') != self._size:
            raise base.UsageError(
                f'the image is {image.get("status")} with '
                f'{image.get("size")} bytes, not active with {self._size}')
        algorithm = str(image.get('os_hash_algo'))
        if algorithm not in hashlib.algorithms_guaranteed or (
                algorithm.startswith('shake_')):
            # An operator can turn the hash off.
            return
        if image.get('os_hash_value') != self._digest(algorithm):
            raise base.UsageError(
                f'the {algorithm} hash of the image is not that of the file')

    def _digest(self, algorithm: str) -> str:
        if algorithm == self._hash.name:
            return self._hash.hexdigest()
        digest = hashlib.new(algorithm)
        self._file.seek(0)
        while data := self._read(_MIB):
            digest.update(data)
        return digest.hexdigest()

    def _read(self, length: int) -> bytes:
        # requests would report an OSError as an error of the connection.
        try:
            return self._file.read(length)
        except OSError as exc:
            raise disk_files.read_error(exc, self._path) from None


def _file_state(file: BinaryIO) -> tuple[int, ...]:
    """Return values that change when the file or its content changes.

    The modification time can be set back, the change time cannot.
    """
    status = os.fstat(file.fileno())
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns,
            status.st_ctime_ns)


def _document(args: argparse.Namespace, content: Mapping[str, Any],
              ) -> tuple[image_document.Record, frozenset[str]]:
    """Return the image to create, and the names that options set."""
    given, known = _given_members(args)
    record = image_document.Record({
        'name': args.name, **inferred.infer_members(content, known), **given})
    return record, frozenset(('name', *given))


def _given_members(args: argparse.Namespace,
                   ) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the members that options set, as given and normalized.

    :raises base.UsageError: an option sets what it must not.
    """
    for name, _ in args.image_properties:
        if name in _MEMBERS:
            raise base.UsageError(
                f'--property {name}: {name} is not a property but a member '
                'of every image. Use its own option')
    given = options.image_overrides(args)
    for name in ('min_ram', 'tags', 'visibility'):
        if getattr(args, name):
            given[name] = getattr(args, name)
    try:
        return given, image_document.normalize(given)
    except image_document.InvalidDocumentError as exc:
        raise base.UsageError(str(exc)) from None


def _print_document(stream: TextIO, path: str, content: Mapping[str, Any],
                    document: Mapping[str, Any],
                    given: frozenset[str]) -> None:
    """Print the image to create, one line for each member."""
    kind = ' '.join(filter(None, (content['subformat'], content['format'])))
    lines = {'file': f'{path} ({kind})', **document}
    if 'tags' in lines:
        lines['tags'] = ', '.join(lines['tags'])
    width = max(map(len, lines))
    for name, value in lines.items():
        note = '' if name in given or name == 'file' else '  (inferred)'
        print(f'{escape(name):<{width}}  {escape(value, None)}{note}',
              file=stream)
    print(file=stream)


def _print_findings(stream: TextIO,
                    findings: Sequence[rules.Finding]) -> None:
    columns, rows = findings_output.to_table(
        [{**findings_output.to_row(finding), 'title': finding.image}
         for finding in findings], 'table')
    findings_output.write_paragraphs(
        columns, [dict(zip(columns, row, strict=True)) for row in rows],
        stream)


def _print_line(line: str) -> None:
    """Print a line to standard error."""
    with base.stderr() as stream:
        print(escape(line, None), file=stream)


def _is_converted(args: argparse.Namespace,
                  content: Mapping[str, Any]) -> bool:
    """Return whether the file is converted before it is uploaded.

    Hyper-V runs VHD, VHDX and ISO files. A given disk_format of another
    format means that the file is not for Hyper-V. An option of the
    conversion requires one.
    """
    return bool(args.convert or args.input_format or args.repair
                or args.grow or args.block_size) or (
        content['format'] in qemu_img.DRIVERS
        and content['format'] not in ('vhd', 'vhdx')
        and args.disk_format in (None, 'vhdx'))


def _name(argument: str) -> str:
    """Return a name of an image.

    :raises argparse.ArgumentTypeError: Glance refuses it.
    """
    if not 1 <= len(argument) <= _MAX_NAME:
        raise argparse.ArgumentTypeError(
            f'a name has 1 to {_MAX_NAME} characters, not {len(argument)}')
    return argument


def _new_name(path: str) -> str:
    """Return a name for the VHDX of a disk that no file has.

    A printed command writes the file to the current directory.
    """
    stem = os.path.splitext(os.path.basename(path))[0]
    names = (f'{stem}{ending}.vhdx'
             for ending in ('', *(f'-{number}' for number in range(1, 100))))
    for name in names:
        if not os.path.lexists(name) and not os.path.lexists(
                os.path.join(os.path.dirname(path), name)):
            return name
    raise base.UsageError(
        f'{stem}.vhdx and 99 more files exist. Remove some of them')


def _temporary_directory() -> str:
    """Return the directory for a conversion.

    Python ignores a variable that names no directory.

    :raises base.UsageError: the directory cannot be written.
    """
    for name in ('TMPDIR', 'TEMP', 'TMP'):
        if path := os.environ.get(name):
            try:
                conversion.check_directory(path)
            except base.UsageError as exc:
                raise base.UsageError(f'{name}: {exc}') from None
            break
    return tempfile.gettempdir()


def _command(path: str, document: Mapping[str, Any]) -> list[str]:
    """Return the openstack command that creates the same image."""
    words = ['openstack', 'image', 'create', '--file', path]
    for name in ('disk_format', 'container_format', 'min_disk', 'min_ram'):
        if name in document:
            words += [f'--{name.replace("_", "-")}', str(document[name])]
    for tag in document.get('tags', ()):
        words += ['--tag', tag]
    if 'visibility' in document:
        words.append(f'--{document["visibility"]}')
    for name, value in document.items():
        if name not in _MEMBERS:
            words += ['--property', f'{name}={value}']
    return [*words, '--', document['name']]


def _quote(command: Sequence[str], shell: str) -> str:
    """Quote a command for a shell.

    :raises base.UsageError: it cannot be quoted for the shell.
    """
    try:
        return text.command_line(command, shell)
    except text.UnquotableError as exc:
        raise base.UsageError(f'no command can be printed: {exc}') from None


def _row(image: Mapping[str, Any], document: Mapping[str, Any],
         formatter: str) -> list[Any]:
    """Return the values of the columns for an output format."""
    row = {name: image.get(name) for name in _COLUMNS}
    properties = {name: image.get(name) for name in document
                  if name not in _MEMBERS}
    row['properties'] = properties
    if formatter == 'table':
        row['properties'] = '\n'.join(
            f'{name}={escape(value, None)}'
            for name, value in properties.items())
    if formatter not in base.STRUCTURED_FORMATS:
        row = {name: value if name == 'properties'
               else base.escape_if_text(value)
               for name, value in row.items()}
    return [row[name] for name in _COLUMNS]
