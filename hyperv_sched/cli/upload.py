# SPDX-License-Identifier: Apache-2.0
"""hyperv-sched image upload."""

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
from typing import Any
from typing import BinaryIO
from typing import TextIO
import uuid

from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.cli import cloud
from hyperv_sched.cli import derived
from hyperv_sched.cli import image
from hyperv_sched.cli import inputs
from hyperv_sched.cli import options
from hyperv_sched.cli import progress
from hyperv_sched.cli import signals
from hyperv_sched.cli import text as findings_text
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)

_MIB = 1024 ** 2

VISIBILITIES = ('public', 'private', 'shared', 'community')

#: Members of an image that are no properties of it: an option sets them, or
#: Glance does.
_OWN = frozenset((
    'checksum', 'container_format', 'created_at', 'direct_url',
    'disk_format', 'file', 'id', 'locations', 'min_disk', 'min_ram', 'name',
    'os_hash_algo', 'os_hash_value', 'os_hidden', 'owner', 'properties',
    'protected', 'schema', 'self', 'size', 'status', 'stores', 'tags',
    'updated_at', 'virtual_size', 'visibility'))

#: What is shown of the image that was made.
_COLUMNS = ('id', 'name', 'status', 'visibility', 'disk_format',
            'container_format', 'min_disk', 'size', 'os_hash_algo',
            'os_hash_value', 'properties')

_EXIT_CODES = '\n'.join((
    'exit code:',
    '  0    the image is in the cloud, whole',
    '  1    refused: the findings have an error, or something undecided',
    '  2    wrong usage, the file cannot be read, the cloud refuses, or the '
    'output cannot be written',
    '  130  interrupted',
    '',
    'With anything but 0 there is no image, unless standard output or',
    'standard error names it: one that is whole, or one that cannot be',
    'deleted.'))


class Upload(base.ShowOne):
    """Upload a disk image with the properties that Hyper-V needs.

    What is not given is worked out from the file. The image is judged as
    "image lint" does, before anything is sent.
    """

    _silent = False
    _made: dict[str, Any] | None = None

    def get_epilog(self) -> str:
        return _EXIT_CODES

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument(
            'file', metavar='<file>', help='the disk image')
        parser.add_argument(
            '--name', metavar='<image-name>', required=True,
            help='set the name of the image')
        options.add(parser)
        parser.add_argument(
            '--min-ram', metavar='<ram-mb>', type=options.whole_number,
            help='set min_ram, the smallest memory of a flavor in MB')
        parser.add_argument(
            '--tag', metavar='<tag>', action='append', dest='tags',
            help='set a tag of the image (repeat for more)')
        parser.add_argument(
            '--visibility', choices=VISIBILITIES,
            help='set who may see the image; the default is that of Glance, '
                 'shared')
        parser.add_argument(
            '--dry-run', action='store_true',
            help='print the "openstack image create" command that does the '
                 'same, and send nothing')
        parser.add_argument(
            '--force', action='store_true',
            help='upload whatever the findings are')
        options.add_shell(parser)
        options.add_weights(parser)
        cloud.add_options(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        with signals.Guard() as self._guard:
            return super().run(parsed_args)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Sequence[Any]]:
        path = inputs.one_file(parsed_args.file)
        weights = options.weights(parsed_args)
        # The file that is judged is the one that is sent, whatever the path
        # names later.
        with inputs.open_disk(path) as file:
            before = _state(file)
            content = inputs.inspect_file(file, path)
            document = self._judge(parsed_args, path, content, weights)
            if document is None:
                self._silent = True
                return (), ()
            connection = cloud.connect(self.app, parsed_args.os_cloud)
            self._made = self._upload(
                connection, _Body(file, path, content['file_size'], before,
                                  self._guard), document)
        with self._naming():
            return _COLUMNS, _row(self._made, document, parsed_args.formatter)

    def _judge(self, parsed_args: argparse.Namespace, path: str,
               content: dict[str, Any], weights: Any,
               ) -> dict[str, Any] | None:
        """Return the document of the image to make, or None for none."""
        document, known = _document(parsed_args, content)
        findings = rules.apply_overrides(
            inputs.Subject(document, path, path, content).findings(),
            *weights)
        refused = not parsed_args.force and any(
            finding.severity in ('error', 'unknown') for finding in findings)
        with base.aside() as stream:
            if refused or parsed_args.formatter == 'table':
                _tell(stream, path, content, document, known)
            _warn(stream, findings)
        if refused:
            self.worsen(base.EXIT_FINDINGS)
            with base.aside() as stream:
                print('\nNot uploaded; --force does it all the same.',
                      file=stream)
            return None
        if 'disk_format' not in document:
            raise base.UsageError(
                f'{path}: give --disk-format: Glance has none for '
                f'{content["format"]}')
        if parsed_args.dry_run:
            command = _command(path, document, parsed_args.shell)
            self.app.stdout.write(f'{command}\n')
            return None
        if parsed_args.columns and not {*parsed_args.columns} & {*_COLUMNS}:
            raise base.UsageError(
                f'--column: there are {", ".join(_COLUMNS)}')
        return document

    def produce_output(self, parsed_args: argparse.Namespace,
                       column_names: Sequence[str],
                       data: Sequence[Any]) -> int:
        if self._silent:
            return 0
        with self._naming():
            result: int = super().produce_output(
                parsed_args, column_names, data)
            self.app.stdout.flush()
        return result

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Name the image on standard error where it cannot be shown."""
        try:
            yield
        except Exception as exc:
            base.settle(self.app.stdout)
            LOG.debug('image %s', self._made, exc_info=True)
            reason = exc.strerror if isinstance(exc, OSError) else None
            raise base.UsageError(
                f'image {(self._made or {}).get("id")} is in the cloud, '
                f'whole, but it cannot be shown: {reason or exc}') from None

    def _upload(self, connection: cloud.Images, body: _Body,
                document: Mapping[str, Any]) -> dict[str, Any]:
        """Make the image, or leave nothing behind."""
        guard = self._guard
        # Of our own making: known before Glance has answered.
        image_id = str(uuid.uuid4())
        unanswered = False
        guard.once()
        # A context manager of Python's own would leave gaps for a signal.
        try:
            try:
                # To delete an image that Glance is still making deletes
                # nothing.
                guard.hold()
                unanswered = True
                connection.create({'id': image_id, **document})
                unanswered = False
                guard.release()
                connection.upload(image_id, body)
                body.shown.clear()
                guard.check()
                made = connection.get(image_id)
                body.verify(made)
            finally:
                guard.hold()
        except BaseException as exc:
            # Again: the one signal that raises may have come just before.
            guard.hold()
            body.shown.clear()
            if isinstance(exc, cloud.CloudError) and exc.status is not None:
                unanswered = False
            self._undo(connection, image_id, unanswered,
                       isinstance(exc, KeyboardInterrupt))
            raise
        guard.finish(
            f'interrupted: image {image_id} is in the cloud, whole')
        return made

    def _undo(self, connection: cloud.Images, image_id: str,
              unanswered: bool, interrupted: bool) -> None:
        why = 'interrupted: ' if interrupted else ''
        delete = f'Delete it: openstack image delete {image_id}'
        try:
            deleted = connection.delete(image_id)
        except Exception as exc:
            self.complain(
                f'{why}the unfinished image {image_id} is left behind: '
                f'{exc}. {delete}')
            return
        if deleted:
            self.complain(f'{why}the unfinished image {image_id} is deleted')
        elif unanswered:
            self.complain(
                f'{why}the cloud has not answered the request to make image '
                f'{image_id}, and may make it later. {delete}')


class _Body:
    """A file on its way into the cloud; requests asks for just this.

    :param size: of the file, when it was judged
    :param before: its identity, before it was judged
    :param guard: stops the upload where a signal has come to nothing
    """

    def __init__(self, file: BinaryIO, path: str, size: int,
                 before: tuple[int, ...], guard: signals.Guard) -> None:
        self.shown = progress.Progress(sys.stderr, size, 'MiB', _MIB)
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
        """The next bytes, as many as the file had when it was judged."""
        self._guard.check()
        wanted = self._left if length < 0 else min(length, self._left)
        data = self._read(wanted)
        if wanted and not data:
            raise base.UsageError('the file became shorter meanwhile')
        self._left -= len(data)
        self._hash.update(data)
        self.shown.count(len(data))
        return data

    def verify(self, made: Mapping[str, Any]) -> None:
        """Compare what the cloud has with what was sent, and judged.

        :raises base.UsageError: it is not the same.
        """
        if _state(self._file) != self._before:
            raise base.UsageError('the file changed while it was uploaded')
        if made.get('status') != 'active' or made.get('size') != self._size:
            raise base.UsageError(
                f'the image is {made.get("status")} with '
                f'{made.get("size")} bytes, not active with {self._size}')
        algorithm = str(made.get('os_hash_algo'))
        if algorithm not in hashlib.algorithms_guaranteed or (
                algorithm.startswith('shake_')):
            # An operator may have turned it off; the size is right.
            return
        if made.get('os_hash_value') != self._digest(algorithm):
            raise base.UsageError(
                f'the {algorithm} of the image is not that of the file')

    def _digest(self, algorithm: str) -> str:
        if algorithm == self._hash.name:
            return self._hash.hexdigest()
        found = hashlib.new(algorithm)
        self._file.seek(0)
        while data := self._read(_MIB):
            found.update(data)
        return found.hexdigest()

    def _read(self, length: int) -> bytes:
        # requests would take an OSError for one of the connection.
        try:
            return self._file.read(length)
        except OSError as exc:
            raise inputs.unreadable(exc, self._path) from None


def _state(file: BinaryIO) -> tuple[int, ...]:
    """Return what differs once another file or another content is there.

    The change time tells of a content whose modification time was put back.
    """
    status = os.fstat(file.fileno())
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns,
            status.st_ctime_ns)


def _document(args: argparse.Namespace, content: Mapping[str, Any],
              ) -> tuple[dict[str, Any], frozenset[str]]:
    """The document to make, and what of it was given."""
    for name, _ in args.image_properties:
        if name in _OWN:
            raise base.UsageError(
                f'--property {name}: is no property but part of every image')
    given = options.given(args)
    for name in ('min_ram', 'tags', 'visibility'):
        if getattr(args, name):
            given[name] = getattr(args, name)
    try:
        document = {'name': args.name, **derived.members(content, given),
                    **given}
    except image_document.InvalidDocumentError as exc:
        raise base.UsageError(str(exc)) from None
    return document, frozenset(('name', *given))


def _tell(stream: TextIO, path: str, content: Mapping[str, Any],
          document: Mapping[str, Any], known: frozenset[str]) -> None:
    """Show people what is to be made."""
    kind = ' '.join(filter(None, (content['subformat'], content['format'])))
    lines = {'file': f'{path} ({kind})', **document}
    if 'tags' in lines:
        lines['tags'] = ', '.join(lines['tags'])
    width = max(map(len, lines))
    for name, value in lines.items():
        source = '' if name in known or name == 'file' else '  (worked out)'
        print(f'{escape(name):<{width}}  '
              f'{escape(value, None)}{source}', file=stream)
    print(file=stream)


def _warn(stream: TextIO, findings: Sequence[rules.Finding]) -> None:
    """Show what speaks against the image."""
    findings_text.FindingsFormatter().emit_list(
        image.TABLE_COLUMNS,
        [[escape(getattr(finding, column), None)
          for column in image.TABLE_COLUMNS] for finding in findings],
        stream, argparse.Namespace())


def _command(path: str, document: Mapping[str, Any], shell: str) -> str:
    """Return the openstack command that makes the same image.

    :raises base.UsageError: it cannot be written for the shell.
    """
    words = ['openstack', 'image', 'create', '--file', path]
    for name in ('disk_format', 'container_format', 'min_disk', 'min_ram'):
        if name in document:
            words += [f'--{name.replace("_", "-")}', str(document[name])]
    for tag in document.get('tags', ()):
        words += ['--tag', tag]
    if 'visibility' in document:
        words.append(f'--{document["visibility"]}')
    for name, value in document.items():
        if name not in _OWN:
            words += ['--property', f'{name}={value}']
    try:
        return text.command_line((*words, '--', document['name']), shell)
    except text.UnquotableError as exc:
        raise base.UsageError(f'no command can be printed: {exc}') from None


def _row(made: Mapping[str, Any], document: Mapping[str, Any],
         formatter: str) -> list[Any]:
    row = {name: made.get(name) for name in _COLUMNS}
    properties = {name: made.get(name) for name in document
                  if name not in _OWN}
    row['properties'] = properties
    if formatter == 'table':
        row['properties'] = '\n'.join(
            f'{name}={escape(value, None)}'
            for name, value in properties.items())
    if formatter not in image.STRUCTURED:
        row = {name: value if name == 'properties' else base.plain(value)
               for name, value in row.items()}
    return [row[name] for name in _COLUMNS]
