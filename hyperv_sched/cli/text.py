# SPDX-License-Identifier: Apache-2.0
"""Findings for people: a few lines each, which a terminal need not break."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import shutil
import textwrap
from typing import Any
from typing import TextIO

from cliff.formatters import base

from hyperv_sched import rules

#: Where the output is no terminal; elsewhere its width, within limits that
#: can be read.
WIDTH = 80
NARROWEST, WIDEST = 40, 100

#: The first line of a finding, in this order; wide enough for any severity.
_HEAD = ('severity', 'code', 'name', 'image')
_SEVERITY_WIDTH = 7

#: What stands before a member that is not part of the first line.
_LABELS = {'message': '', 'fix': 'Fix: '}

#: No finding has one: it is shown escaped (hyperv_sched.escape).
_NO_BREAK = '\N{NO-BREAK SPACE}'


class FindingsFormatter(base.ListFormatter):
    """A paragraph for each finding, wrapped between words.

    Findings of several images that say the same share one.
    """

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """There are no options."""

    def emit_list(self, column_names: Sequence[str],
                  data: Iterable[Sequence[Any]], stdout: TextIO,
                  parsed_args: argparse.Namespace) -> None:
        findings = [dict(zip(column_names, row, strict=True))
                    for row in data]
        head = [column for column in _HEAD if column in column_names]
        body = [column for column in column_names if column not in _HEAD]
        name_width = max((len(f.get('name', '')) for f in findings),
                         default=0)
        width = _width(stdout)
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for finding in findings:
            key = tuple(value for column, value in finding.items()
                        if column != 'image' or not body)
            groups.setdefault(key, []).append(finding)
        for number, alike in enumerate(groups.values()):
            if number and body:
                stdout.write('\n')
            for finding in alike if head else ():
                stdout.write(_first_line(finding, head, name_width) + '\n')
            for line in _lines(alike[0], body, width, '  ' if head else ''):
                stdout.write(line + '\n')


def _width(stdout: TextIO) -> int:
    if not stdout.isatty():
        return WIDTH
    return max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))


def _first_line(finding: Mapping[str, Any], head: Sequence[str],
                name_width: int) -> str:
    widths = {'severity': _SEVERITY_WIDTH, 'name': name_width}
    return '  '.join(
        f'{finding[column]:<{widths.get(column, 0)}}' for column in head
        if (column, finding[column]) != ('image', '-')).rstrip()


def _lines(finding: Mapping[str, Any], body: Sequence[str], width: int,
           indent: str) -> Iterator[str]:
    for column in body:
        label = _LABELS.get(column, f'{column}: ')
        value = finding[column]
        text = rules.COMMAND.sub(
            lambda command: command[0].replace(' ', _NO_BREAK),
            '-' if value is None else str(value))
        for line in textwrap.wrap(
                text, width, initial_indent=indent + label,
                subsequent_indent=indent + ' ' * len(label),
                break_long_words=False, break_on_hyphens=False):
            yield line.replace(_NO_BREAK, ' ')
