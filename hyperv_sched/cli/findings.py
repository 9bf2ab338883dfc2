# SPDX-License-Identifier: Apache-2.0
"""Output of findings: columns of each format, and paragraphs for people."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import os
import re
import shutil
import textwrap
from typing import Any
from typing import TextIO

from cliff.formatters import base as formatters

from hyperv_sched import rules
from hyperv_sched.cli import base
from hyperv_sched.cli import reports
from hyperv_sched.text import escape

COLUMNS = ('image', 'code', 'name', 'severity', 'message', 'actual',
           'required', 'fix', 'reference', 'cause')
TABLE_COLUMNS = ('image', 'code', 'name', 'severity', 'message', 'fix')
#: Reports have separate locations for a file and for an image in the file.
REPORT_COLUMNS = (*COLUMNS, 'file')

#: Width if the output is not a terminal; otherwise the width of the terminal
#: within these limits.
WIDTH = 80
NARROWEST, WIDEST = 40, 100

#: Columns of the first line of a finding, in this order.
_HEAD = ('severity', 'code', 'name', 'image')
#: Of the longest severities, "warning" and "unknown".
_SEVERITY_WIDTH = 7

#: Colors of severities: parameters of the control sequence SGR of ECMA-48.
_COLORS = {'error': '31', 'warning': '33', 'unknown': '35', 'info': '36'}

#: Text before columns that are not in the first line.
_LABELS = {'message': '', 'fix': 'Fix: '}

#: A command in a sentence, up to the sign that ends it: to be pasted whole.
#: A comma ends it in front of a space only: options of qemu-img have some.
COMMAND = re.compile(
    r'\b(?:cp|grub-install|hyperv-sched|mbr2gpt|mkfs\.fat|nova-manage|'
    r'openstack|printf|qemu-img|s?gdisk|sfdisk|tail) (?:[^():;,]|[:,](?! ))*')
#: Replaces blanks in commands, so that they are not wrapped. Findings are
#: escaped, and a no-break space is not printable.
_NO_BREAK = '\N{NO-BREAK SPACE}'


def to_row(finding: rules.Finding) -> dict[str, Any]:
    """Return the values of a finding by column."""
    return finding.as_dict()


def to_table(rows: Sequence[Mapping[str, Any]], formatter: str,
             ) -> tuple[Sequence[str], Iterator[tuple[Any, ...]]]:
    """Return the columns and rows for an output format.

    :param rows: from :func:`to_row`, with ``file`` and ``title`` added. The
        title replaces the image in paragraphs
    :param formatter: name of the format
    """
    columns: Sequence[str] = COLUMNS
    image = 'image'
    if formatter == 'table':
        columns, image = TABLE_COLUMNS, 'title'
    elif formatter in ('gitlab', 'junit', 'sarif'):
        columns = REPORT_COLUMNS

    def value(row: Mapping[str, Any], column: str) -> Any:
        if column != 'image':
            return row[column]
        if formatter in base.STRUCTURED_FORMATS:
            return row[image]
        return escape(row[image], limit=None)

    return columns, (tuple(value(row, column) for column in columns)
                     for row in rows)


def check_output(formatter: str, selected: Sequence[str]) -> None:
    """Check format and columns before the work of a command.

    :param formatter: name of the format
    :param selected: the columns that options select
    :raises base.UsageError: the findings cannot be written so.
    """
    if formatter == 'junit':
        reports.import_junitparser()
    if not selected:
        return
    columns, _ = to_table((), formatter)
    if formatter in ('gitlab', 'junit', 'sarif'):
        raise base.UsageError(f'-f {formatter} has no columns. Remove -c')
    if not {*selected} & {*columns}:
        raise base.UsageError(
            f'--column: valid values: {", ".join(columns)}')


class FindingsFormatter(formatters.ListFormatter):
    """Formatter of cliff that writes paragraphs."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Add no options."""

    def emit_list(self, column_names: Sequence[str],
                  data: Iterable[Sequence[Any]], stdout: TextIO,
                  parsed_args: argparse.Namespace) -> None:
        """Write a paragraph for each row."""
        write_paragraphs(
            column_names,
            [dict(zip(column_names, row, strict=True)) for row in data],
            stdout)


def write_paragraphs(columns: Sequence[str],
                     rows: Sequence[Mapping[str, Any]],
                     stream: TextIO) -> None:
    """Write a paragraph for each finding, wrapped between words.

    Findings that differ in the image alone share a paragraph.

    :param rows: values by column, without control characters
    """
    head = [column for column in _HEAD if column in columns]
    body = [column for column in columns if column not in _HEAD]
    name_width = max((len(row.get('name', '')) for row in rows), default=0)
    width = paragraph_width(stream)
    colored = is_colored(stream)
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = tuple(row[column] for column in columns
                    if column != 'image' or not body)
        groups.setdefault(key, []).append(row)
    for number, group in enumerate(_by_rule([*groups.values()])):
        if number and body:
            stream.write('\n')
        for row in group if head else ():
            line = _first_line(row, head, name_width)
            if colored and 'severity' in head:
                line = _color(line, row['severity'])
            stream.write(line + '\n')
        for line in _body_lines(group[0], body, width, '  ' if head else ''):
            stream.write(line + '\n')


def _by_rule(groups: list[list[Mapping[str, Any]]],
             ) -> list[list[Mapping[str, Any]]]:
    """Put the groups of a rule after its first one."""
    order: dict[Any, int] = {}
    for group in groups:
        order.setdefault(group[0].get('code'), len(order))
    return sorted(groups, key=lambda group: order[group[0].get('code')])


def paragraph_width(stream: TextIO) -> int:
    """Return the width of paragraphs in a stream, in columns."""
    if not stream.isatty():
        return WIDTH
    return max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))


def is_colored(stream: TextIO, environ: Mapping[str, str] = os.environ,
               system: str = os.name) -> bool:
    """Return whether a stream is a terminal on which colors are welcome.

    NO_COLOR is described at no-color.org. The console of Windows prints
    control sequences as they are, Windows Terminal does not.

    :param system: value of :data:`os.name`
    """
    return (stream.isatty() and not environ.get('NO_COLOR')
            and environ.get('TERM') != 'dumb'
            and (system != 'nt' or 'WT_SESSION' in environ))


def _color(line: str, severity: str) -> str:
    """Color the severity, which starts the line."""
    return (f'\x1b[{_COLORS[severity]}m{severity}\x1b[0m'
            f'{line[len(severity):]}')


def _first_line(row: Mapping[str, Any], head: Sequence[str],
                name_width: int) -> str:
    widths = {'severity': _SEVERITY_WIDTH, 'name': name_width}
    return '  '.join(
        f'{row[column]:<{widths.get(column, 0)}}' for column in head
        if (column, row[column]) != ('image', '-')).rstrip()


def _body_lines(row: Mapping[str, Any], body: Sequence[str], width: int,
                indent: str) -> Iterator[str]:
    for column in body:
        value = row[column]
        yield from wrap('-' if value is None else str(value), width, indent,
                        _LABELS.get(column, f'{column}: '))


def wrap(text: str, width: int, indent: str = '', label: str = '',
         hanging: int | None = None) -> Iterator[str]:
    """Yield the lines of a text; commands in it are not wrapped.

    :param indent: what each line begins with
    :param label: before the text
    :param hanging: columns that further lines are indented by besides; by
        default, they are below the text
    """
    if hanging is None:
        hanging = len(label)
    text = COMMAND.sub(
        lambda command: command[0].replace(' ', _NO_BREAK), text)
    for line in textwrap.wrap(
            text, width, initial_indent=indent + label,
            subsequent_indent=indent + ' ' * hanging,
            break_long_words=False, break_on_hyphens=False):
        yield line.replace(_NO_BREAK, ' ')
