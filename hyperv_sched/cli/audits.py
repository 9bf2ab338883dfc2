# SPDX-License-Identifier: Apache-2.0
"""What "cloud audit" does: read, compare and write."""

from __future__ import annotations

import argparse
import collections
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
import io
from typing import Any
from typing import TextIO

from hyperv_sched import audit
from hyperv_sched import document as image_document
from hyperv_sched import explanation
from hyperv_sched import files
from hyperv_sched import metrics
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import audit_output
from hyperv_sched.cli import base
from hyperv_sched.cli import cloud
from hyperv_sched.cli import cloud_images
from hyperv_sched.cli import inputs
from hyperv_sched.cli import options
from hyperv_sched.cli import rest

Target = tuple[image_document.Record, Mapping[str, Any] | None,
               Sequence[rules.Finding]]


def run(app: Any, args: argparse.Namespace, stream: TextIO,
        print_error: inputs.PrintError) -> bool:
    """Audit the cloud and write the result.

    :returns: whether there is no finding of the severity of --fail-on
    """
    if args.hosts == '-' and args.images == '-':
        raise base.UsageError('- can be read once only')
    if args.content and args.images:
        raise base.UsageError('--content excludes --images')
    source = cloud.Source(
        app, args, print_error, quiet=getattr(
            app.options, 'verbose_level', 1) == 0)
    policy = cloud.policy(args)
    overrides = options.severity_overrides(args)
    hosts = source.hosts()
    images = [*_read_images(args, source, print_error)]
    if not args.hosts:
        hosts = source.with_traits(hosts, explanation.relevant_traits(
            explanation.read_image(record, policy, content, findings)
            for record, content, findings in images))
    result = audit.audit(
        images, hosts, _read_servers(args, source, print_error), policy)
    result = dataclasses.replace(result, entries=tuple(
        dataclasses.replace(entry, finding=finding)
        for entry in result.entries
        for finding in overrides.apply([entry.finding])))
    if args.output:
        _write_page(args.output, result, print_error)
    if args.prometheus:
        _write_metrics(args.prometheus, result, print_error)
    {'json': audit_output.write_json, 'csv': audit_output.write_csv,
     'table': audit_output.write_text}[args.formatter](result, stream)
    fatal = ['error', 'unknown'] + (
        ['warning'] if args.fail_on == 'warning' else [])
    return not any(result.totals[severity] for severity in fatal)


def _read_images(args: argparse.Namespace, source: cloud.Source,
                 print_error: inputs.PrintError) -> Iterator[Target]:
    line = source.progress('images')

    def print_instead(error: object) -> None:
        line.clear()
        print_error(error)

    try:
        for target in _targets(args, source, print_instead):
            yield target.record, target.content, target.findings()
            line.count()
    finally:
        line.clear()


def _read_servers(args: argparse.Namespace, source: cloud.Source,
                  print_error: inputs.PrintError) -> list[audit.Server]:
    """Read the servers, if the hosts are those of the cloud."""
    if args.hosts or args.images or args.skip_servers:
        return []
    line = source.progress('servers')
    try:
        return [*source.compute.servers(line.count)]
    except rest.CloudError as exc:
        line.clear()
        print_error(f'servers are not audited: {exc}. '
                    '--skip-servers does without them')
        return []
    finally:
        line.clear()


def _write_page(path: str, result: audit.Audit,
                print_error: inputs.PrintError) -> None:
    page = io.StringIO()
    audit_output.write_html(
        result, page, datetime.datetime.now(datetime.timezone.utc))
    try:
        files.replace(path, page.getvalue().encode())
    except OSError as exc:
        print_error(f'{path}: cannot be written: '
                    f'{text.file_error(exc, path)}')


def _write_metrics(path: str, result: audit.Audit,
                   print_error: inputs.PrintError) -> None:
    counts = collections.Counter(
        entry.finding.code for entry in result.entries)
    try:
        metrics.write_audit(path, counts)
    except OSError as exc:
        print_error(f'{path}: cannot be written: '
                    f'{text.file_error(exc, path)}')
    except ValueError as exc:
        print_error(str(exc))


def _targets(args: argparse.Namespace, source: cloud.Source,
             print_error: inputs.PrintError
             ) -> Iterator[inputs.LintTarget]:
    years = options.certificate_years(args)
    if args.images:
        return inputs.read_targets(
            [], args.images, {}, print_error, [], years)[1]
    images = source.images.list_all()
    if args.content:
        return cloud_images.read_targets(
            source.images, images, {}, print_error, years, None)
    return (inputs.LintTarget(record) for image in images
            for record in inputs.flatten_records(
                [image], 'the cloud', {}, print_error))
