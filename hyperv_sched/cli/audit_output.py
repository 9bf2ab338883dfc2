# SPDX-License-Identifier: Apache-2.0
"""Outputs of an audit: text, JSON, CSV and a page of HTML."""

from __future__ import annotations

import base64
import csv
import dataclasses
import datetime
import hashlib
import json
import pathlib
import re
import textwrap
from typing import Any
from typing import TextIO

from hyperv_sched import audit
from hyperv_sched import explanation
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.text import escape

#: Version of the JSON output: the second number for new members, the first
#: for any other change.
VERSION = '1.0'

#: Subjects of a finding that the text names.
MAX_NAMED = 10

COLUMNS = ('subject', 'id', 'name', 'severity', 'code', 'rule', 'message',
           'actual', 'required', 'fix')

_RANK = {'error': 0, 'unknown': 1, 'warning': 2, 'info': 3}

#: The numbers of the first lines, by their names. The plural is in braces.
_TOTALS = (
    ('images_for_hyperv', 'image{s} for Hyper-V'),
    ('images_without_host', 'that no host can run'),
    ('images_with_few_hosts', 'that only some hosts can run'),
    ('images_without_trait', 'without the trait of generation 2'),
    ('hosts', 'host{s}'),
    ('hyperv_hosts', 'of Hyper-V'),
    ('hosts_without_version', 'without a version'),
    ('hosts_without_trait', 'without the trait of generation 2'),
    ('servers', 'server{s}'),
    ('servers_without_destination', 'with no other host to go to'),
    ('servers_on_unsuitable_host', 'on a host that cannot run the image'),
)
_FIRST_OF_LINE = ('images_for_hyperv', 'hosts', 'servers')


@dataclasses.dataclass
class _Group:
    """Equal findings and their subjects."""

    entry: audit.Entry
    titles: list[str]


def _groups(result: audit.Audit) -> list[_Group]:
    """Join equal findings on subjects of one kind, the worst first.

    Commands may differ in the image that they name.
    """
    groups: dict[tuple[str, ...], _Group] = {}
    for entry in result.entries:
        finding = entry.finding
        fix = (finding.fix.replace(f' -- {entry.id}',
                                   f' -- {audit.ANY_IMAGE}')
               if entry.subject == 'image' else finding.fix)
        key = (entry.subject, finding.code, finding.severity,
               finding.message, fix)
        group = groups.setdefault(key, _Group(entry, []))
        group.titles.append(audit.title(entry))
        if len(group.titles) == 2:
            group.entry = dataclasses.replace(
                entry, finding=dataclasses.replace(finding, fix=fix))
    return sorted(groups.values(), key=lambda group: (
        _RANK[group.entry.finding.severity], -len(group.titles),
        group.entry.finding.code))


def write_text(result: audit.Audit, stream: TextIO) -> None:
    """Write totals and findings for people."""
    totals = result.totals
    line = ''
    for name, label in _TOTALS:
        if name in _FIRST_OF_LINE and line:
            stream.write(f'{line}\n')
            line = ''
        if line and not totals[name]:
            continue
        words = label.format(s='' if totals[name] == 1 else 's')
        line += f'{", " if line else ""}{totals[name]} {words}'
    stream.write(f'{line}\n')
    if totals['servers_of_unknown_image']:
        servers = text.count(totals['servers_of_unknown_image'], 'server')
        stream.write(f'({servers} with a root volume or a deleted image)\n')
    for group in _groups(result):
        finding = group.entry.finding
        stream.write(f'\n{finding.severity:<7}  {finding.code}  '
                     f'{finding.name}\n')
        subject = group.entry.subject
        more = len(group.titles) - MAX_NAMED
        names = ', '.join(group.titles[:MAX_NAMED])
        count = len(group.titles)
        for words in (
                f'{text.count(count, subject)}: {names}'
                + (f' and {more} more' if more > 0 else ''),
                finding.message, f'Fix: {finding.fix}'):
            for part in textwrap.wrap(
                    words, 79, initial_indent='  ', subsequent_indent='  ',
                    break_long_words=False, break_on_hyphens=False):
                stream.write(f'{part}\n')


def write_csv(result: audit.Audit, stream: TextIO) -> None:
    """Write a row for each finding, which no spreadsheet evaluates."""
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(COLUMNS)
    for entry in result.entries:
        finding = entry.finding
        writer.writerow(
            text.csv_cell(None if value is None else escape(value, None))
            for value in (
                entry.subject, entry.id, entry.name, finding.severity,
                finding.code, finding.name, finding.message, finding.actual,
                finding.required, finding.fix))


class _Verdicts:
    """Verdicts by number: equal ones have one number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], int] = {}
        self.verdicts: list[explanation.Verdict] = []

    def number(self, verdict: explanation.Verdict) -> int:
        """Return the number of a verdict."""
        key = (verdict.passes_stock, *(
            (finding.code, finding.message, finding.fix)
            for finding in (*verdict.errors, *verdict.warnings)))
        number = self._numbers.setdefault(key, len(self.verdicts))
        if number == len(self.verdicts):
            self.verdicts.append(verdict)
        return number


def write_json(result: audit.Audit, stream: TextIO) -> None:
    """Write the whole result."""
    verdicts = _Verdicts()
    image_groups = [{
        'images': [{'id': image.id, 'name': image.name}
                   for image in group.images],
        'generation': group.requirement.generation,
        'accepted': group.accepted,
        'verdicts': [verdicts.number(verdict) for verdict in group.verdicts],
    } for group in result.image_groups]
    document = {
        'version': VERSION,
        'totals': result.totals,
        'host_groups': [{
            'hosts': [host.name for host in group.hosts],
            'hypervisor_type': group.example.hypervisor_type,
            'hypervisor_version': group.example.hypervisor_version,
            'state': group.example.state,
            'status': group.example.status,
            'traits': None if group.example.traits is None
            else sorted(group.example.traits),
        } for group in result.host_groups],
        'image_groups': image_groups,
        'verdicts': [{
            'accepted': verdict.accepted,
            'stock_nova': verdict.passes_stock,
            'errors': [f.as_dict() for f in verdict.errors],
            'warnings': [f.as_dict() for f in verdict.warnings],
        } for verdict in verdicts.verdicts],
        'findings': [{'subject': entry.subject, 'id': entry.id,
                      'subject_name': entry.name,
                      **_as_dict(entry)} for entry in result.entries],
    }
    json.dump(document, stream, indent=1)
    stream.write('\n')


def _as_dict(entry: audit.Entry) -> dict[str, Any]:
    return {**entry.finding.as_dict(), 'image':
            entry.id if entry.subject == 'image' else '-'}


def write_html(result: audit.Audit, stream: TextIO,
               now: datetime.datetime) -> None:
    """Write one page that loads nothing.

    The script makes text of all values, never markup. Its hash and that of
    the style are all that the page's policy allows.
    """
    template = pathlib.Path(__file__).with_name('audit.html').read_text(
        encoding='utf-8')
    policy = '; '.join((
        "default-src 'none'", "base-uri 'none'", "form-action 'none'",
        f"script-src '{_hash(template, 'script')}'",
        f"style-src '{_hash(template, 'style')}'"))
    data = json.dumps(_page(result, now), separators=(',', ':'))
    for character in '<>&':
        data = data.replace(character, f'\\u{ord(character):04x}')
    stream.write(template.replace('@CSP@', policy, 1).replace(
        '@DATA@', data, 1))


def _hash(template: str, tag: str) -> str:
    match = re.search(f'<{tag}>(.*?)</{tag}>', template, re.DOTALL)
    assert match is not None  # noqa: S101
    digest = hashlib.sha256(match[1].encode()).digest()
    return f'sha256-{base64.b64encode(digest).decode()}'


def _page(result: audit.Audit, now: datetime.datetime) -> dict[str, Any]:
    """Return what the script of the page shows, escaped for people."""
    verdicts = _Verdicts()
    images = [{
        'names': [audit.title(image) for image in group.images],
        'accepted': group.accepted,
        'cells': [verdicts.number(verdict) for verdict in group.verdicts],
    } for group in sorted(result.image_groups,
                          key=lambda group: group.accepted)]
    totals = result.totals
    return {
        'made': f'{now:%Y-%m-%d %H:%M} UTC, by hyperv-sched cloud audit',
        'cards': [(_card(label, name), totals[name])
                  for name, label in _TOTALS],
        'totals': {'hosts': totals['hosts']},
        'hosts': [{'title': escape(group.title, 300),
                   'names': [escape(host.name, None) for host in group.hosts]}
                  for group in result.host_groups],
        'images': images,
        'verdicts': [{
            'accepted': verdict.accepted, 'stock': verdict.passes_stock,
            'codes': ' '.join(dict.fromkeys(
                finding.code for finding in verdict.errors
                or verdict.warnings)),
            'findings': [_shown(finding) for finding in (
                *verdict.errors, *verdict.warnings)],
        } for verdict in verdicts.verdicts],
        'findings': [{
            'subject': group.entry.subject, 'names': group.titles,
            **_shown(group.entry.finding)} for group in _groups(result)],
    }


def _card(label: str, name: str) -> str:
    """Return a label that stands alone."""
    if name in _FIRST_OF_LINE:
        return label.format(s='s')
    subject = next(word for word in ('images', 'hosts', 'servers')
                   if word in name)
    return f'{subject} {label}'


def _shown(finding: rules.Finding) -> dict[str, str]:
    return {'severity': finding.severity, 'code': finding.code,
            'name': finding.name, 'message': finding.message,
            'fix': finding.fix}
