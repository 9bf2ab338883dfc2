# SPDX-License-Identifier: Apache-2.0
"""What "host explain" does: read, compare and write."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import csv
import dataclasses
import functools
import json
import textwrap
from typing import Any
from typing import TextIO

from hyperv_sched import compatibility
from hyperv_sched import document as image_document
from hyperv_sched import explanation
from hyperv_sched import inferred
from hyperv_sched import inventory
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.cli import cloud
from hyperv_sched.cli import compute_api
from hyperv_sched.cli import disk_files
from hyperv_sched.cli import inputs
from hyperv_sched.cli import options
from hyperv_sched.text import escape

#: Version of the JSON output: the second number for new members, the first
#: for any other change.
VERSION = '1.0'

#: Hosts of a group that the text names.
MAX_NAMED = 10

COLUMNS = ('image', 'server', 'host', 'accepted', 'stock_nova', 'severity',
           'code', 'name', 'message', 'actual', 'required', 'fix')


_hosts = functools.partial(text.count, noun='host')


@dataclasses.dataclass(frozen=True)
class _Server:
    """A server whose failure is explained."""

    id: str
    name: str
    status: str
    fault: str | None
    host: str | None
    image: str
    extra_specs: Mapping[str, Any]
    """Of its flavor; none where the API does not show them."""

    @classmethod
    def from_document(cls, raw: Mapping[str, Any]) -> _Server:
        fault = raw.get('fault')
        message = fault.get('message') if isinstance(fault, dict) else None
        host = raw.get('OS-EXT-SRV-ATTR:host')
        flavor = raw.get('flavor')
        extra_specs = (flavor.get('extra_specs')
                       if isinstance(flavor, dict) else None)
        return cls(str(raw.get('id'))[:64], str(raw.get('name') or '')[:255],
                   str(raw.get('status'))[:64],
                   None if message is None else str(message)[:1000],
                   None if host is None else str(host)[:255],
                   compute_api.image_of(dict(raw)),
                   extra_specs if isinstance(extra_specs, dict) else {})

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value
                in dataclasses.asdict(self).items()
                if name not in ('image', 'extra_specs')}


def run(app: Any, args: argparse.Namespace, stream: TextIO,
        print_error: inputs.PrintError) -> bool:
    """Compare one image with all hosts and write the result.

    :returns: whether a host that is up and enabled can run the image
    """
    given = [value for value in (args.file, args.image, args.server,
                                 args.image_json) if value is not None]
    if len(given) > 1 or not (given or args.image_properties):
        raise base.UsageError(
            'Give one of FILE, --image, --server and --image-json, or '
            '--property')
    if args.hosts == '-' and args.image_json == '-':
        raise base.UsageError('- can be read once only')
    source = cloud.Source(
        app, args, print_error, quiet=getattr(
            app.options, 'verbose_level', 1) == 0)
    server = None
    if args.server is not None:
        server = _Server.from_document(
            source.compute.find_server(args.server))
        if not server.image:
            if args.formatter == 'table':
                _write_lines(_server_lines(server), stream)
            raise base.UsageError(
                'The server boots from a volume and has no image. '
                'Explain the image that the volume was made of, with '
                '--image')
    image = _read_image(args, source, server, print_error)
    groups = inventory.group(
        source.with_traits(source.hosts(),
                           explanation.relevant_traits([image])),
        image.traits)
    result = explanation.explain(image, groups)
    write = {'json': _write_json, 'csv': _write_csv,
             'table': _write_text}[args.formatter]
    write(result, server, stream)
    return result.available > 0


def _read_image(args: argparse.Namespace, source: cloud.Source,
                server: _Server | None, print_error: inputs.PrintError
                ) -> explanation.Image:
    overrides = options.image_overrides(args)
    content = None
    if args.file is not None:
        file = disk_files.expand_single(args.file)
        content = disk_files.inspect_path(
            file, inputs.secure_boot_policy(overrides, ()))
        raw: object = {
            'name': file, **inferred.infer_members(
                content, image_document.normalize(overrides))}
    elif args.image_json is not None:
        targets = [*inputs.read_targets(
            [], args.image_json, {}, print_error, [], ())[1]]
        if len(targets) != 1:
            raise base.UsageError(
                f'{args.image_json}: holds {len(targets)} images. Give '
                'one')
        raw = targets[0].record
    elif args.image or server:
        raw = (source.images.find(args.image) if server is None
               else source.images.get(server.image))
    else:
        raw = {'name': '-'}
    for record in inputs.flatten_records(
            [raw], args.image_json or 'the image', overrides,
            print_error):
        return explanation.read_image(
            record, cloud.policy(args), content,
            extra_specs=server.extra_specs if server is not None else None)
    raise base.UsageError('The image cannot be read')


def _write_csv(result: explanation.Explanation, server: _Server | None,
               stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(COLUMNS)
    for row in _rows(result, server):
        findings = [*row.pop('errors'), *row.pop('warnings')] or [{}]
        for finding in findings:
            merged = {**finding, **row}
            writer.writerow(
                text.csv_cell(base.escape_if_text(merged.get(column)))
                for column in COLUMNS)


def _rows(result: explanation.Explanation,
          server: _Server | None) -> Iterator[dict[str, Any]]:
    """Yield the verdict on each host."""
    label = image_document.label(result.image.record)
    for group, verdict in zip(result.groups, result.verdicts, strict=True):
        for host in group.hosts:
            yield {
                'image': label,
                'server': None if server is None else server.id,
                'host': host.name,
                'accepted': verdict.accepted,
                'stock_nova': verdict.passes_stock,
                'errors': [_finding(f, label) for f in verdict.errors],
                'warnings': [_finding(f, label) for f in verdict.warnings],
            }


def _finding(finding: rules.Finding, label: str) -> dict[str, Any]:
    return {**finding.as_dict(), 'image': label}


def _write_json(result: explanation.Explanation, server: _Server | None,
                stream: TextIO) -> None:
    document = {
        'version': VERSION,
        'server': None if server is None else server.as_dict(),
        'totals': {
            'hosts': result.hosts, 'accepted': result.accepted,
            'available': result.available,
            'stock_nova': {
                'accepted': result.stock(True),
                'accepted_wrongly': result.stock(True, False),
                'unknown': result.stock(None)}},
        'image_findings': [finding.as_dict()
                           for finding in result.image.findings],
        'results': [*_rows(result, server)],
        'changes': [{**dataclasses.asdict(change), 'text': str(change)}
                    for change in result.changes],
        'not_considered': [*explanation.UNKNOWN],
    }
    json.dump(document, stream, indent=2)
    stream.write('\n')


def _write_text(result: explanation.Explanation, server: _Server | None,
                stream: TextIO) -> None:
    _write_lines(_text(result, server), stream)


def _write_lines(lines: Iterable[str], stream: TextIO) -> None:
    for line in lines:
        stream.write(f'{line}\n')


def _wrap(words: str, indent: str = '', more: str = '') -> list[str]:
    return textwrap.wrap(
        words, 79, initial_indent=indent, subsequent_indent=indent + more,
        break_long_words=False, break_on_hyphens=False)


def _server_lines(server: _Server) -> Iterator[str]:
    where = f', on host {escape(server.host)}' if server.host else ''
    yield from _wrap(
        f'Server {escape(server.id)} ({escape(server.name)}): '
        f'{escape(server.status)}{where}')
    if server.fault:
        yield from _wrap(f'Its fault: {escape(server.fault, 1000)}', '  ')


def _text(result: explanation.Explanation,
          server: _Server | None) -> Iterator[str]:
    if server is not None:
        yield from _server_lines(server)
    record = result.image.record
    name = record.get('name')
    label = escape(image_document.label(record), None)
    title = label if not name or str(name) == label else (
        f'{label} ({escape(name)})')
    yield from _wrap(f'Image {title}: {result.accepted} of '
                     f'{_hosts(result.hosts)} can run it')
    if result.accepted and any(finding.severity == 'error'
                               for finding in result.image.findings):
        yield from _wrap('Hosts are selected by a few properties. By the '
                         'errors of the image a server may still fail, or '
                         'not boot', '  ')
    if not result.image.requirement.is_for_hyperv:
        yield from _wrap('It does not require Hyper-V: no rule of '
                         'hyperv-sched applies to its hosts', '  ')
    yield from _stock_lines(result)
    if server is not None:
        yield from _retry_lines(result, server)
    for finding in result.image.findings:
        if finding.severity in ('error', 'warning', 'unknown'):
            yield from _finding_lines(finding, '  ')
    for group, verdict in sorted(
            zip(result.groups, result.verdicts, strict=True),
            key=lambda pair: pair[1].accepted):
        yield ''
        yield from _group_lines(group, verdict)
    if result.changes:
        yield ''
        yield 'One change that would admit hosts:'
        for change in result.changes:
            yield from _wrap(f'{change}: {change.admitted} of '
                             f'{_hosts(result.hosts)} more', '  ', '  ')
    yield ''
    yield from _wrap('Not considered: ' + '; '.join(explanation.UNKNOWN))


def _stock_lines(result: explanation.Explanation) -> Iterator[str]:
    passed, unknown = result.stock(True), result.stock(None)
    wrong = result.stock(True, False)
    words = f'Nova alone would let {_hosts(passed)} pass'
    if wrong == passed == 1:
        words += ', which cannot run the image'
    elif wrong:
        words += (f', {wrong if wrong < passed else "all"} of which cannot '
                  'run the image')
    if unknown:
        words += (f'; that of {_hosts(unknown)} depends on what the API does '
                  'not show')
    yield from _wrap(words, '  ')


def _retry_lines(result: explanation.Explanation,
                 server: _Server) -> Iterator[str]:
    """Say what a new attempt would come to, with image and hosts of now."""
    if result.available:
        yield from _wrap(
            f'A retry would find {_hosts(result.available)} that can run '
            'the image as it is now; placement and the other filters choose '
            'among them', '  ')
    elif result.rejected:
        yield from _wrap(
            'A retry would fail again: '
            f'{compatibility.summarize(result.rejected)}', '  ')
    elif result.stock(False):
        yield from _wrap("A retry would fail again: Nova's own filter, or its "
                         'API, refuses the image', '  ')
    else:
        yield from _wrap('A retry would fail again: no host is up and '
                         'enabled', '  ')
    for group, verdict in zip(result.groups, result.verdicts, strict=True):
        if server.host in [host.service_host for host in group.hosts]:
            yield from _wrap(
                'Its host ' + ('can run the image' if verdict.accepted else
                               'cannot run the image: '
                               f'{verdict.errors[0]}'), '  ')
            break


def _group_lines(group: inventory.HostGroup,
                 verdict: explanation.Verdict) -> Iterator[str]:
    head = 'can run it' if verdict.accepted else 'cannot run it'
    yield from _wrap(f'{_hosts(len(group.hosts))} {head}: '
                     f'{escape(group.title, 300)}')
    yield from _wrap(explanation.name_hosts(group.hosts, MAX_NAMED), '  ')
    for finding in (*verdict.errors, *verdict.warnings):
        yield from _finding_lines(finding, '  ')
    if not verdict.accepted and verdict.passes_stock:
        yield '  Nova alone would let them pass'


def _finding_lines(finding: rules.Finding, indent: str) -> Iterable[str]:
    yield (f'{indent}{finding.severity:<7}  {finding.code}  {finding.name}')
    yield from _wrap(finding.message, indent + '  ')
    yield from _wrap(f'Fix: {finding.fix}', indent + '  ', '     ')
