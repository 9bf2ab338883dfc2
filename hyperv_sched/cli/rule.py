# SPDX-License-Identifier: Apache-2.0
"""The "rule list" and "rule show" commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import json
from typing import Any
from typing import TextIO

from cliff import lister
from cliff.formatters import base as formatters

from hyperv_sched.cli import base
from hyperv_sched.cli import findings

#: Examples of each kind that people are shown; ``-f json`` has all.
MAX_EXAMPLES = 4

#: Columns before which a paragraph ends.
_NEW_PARAGRAPH = ('why', 'message', 'variants', 'failure', 'wrong',
                  'reference')
#: Columns by which the further lines of a text are indented.
_HANGING = 2

#: For the texts of :class:`hyperv_sched.rules.model.Failure`.
FAILURE_LABELS = ('What happened', 'What you can do',
                  'What only the operator can do')


class List(base.ExitCodes, lister.Lister):
    """List the rules."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], list[tuple[str, ...]]]:
        """Return the columns and a row for each rule."""
        from hyperv_sched import rules

        return ('code', 'severity', 'name'), [
            (rule.code, rule.severity, rule.name)
            for rule in rules.CATALOGUE.values()]


class Show(base.ShowOne):
    """Show the meaning of a rule code, and how to correct the image."""

    formatter_namespace = 'hyperv_sched.formatter.rule'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'code', metavar='<code>',
            help='the code of a rule, for example HV105, or its name')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Sequence[Any]]:
        """Return the names and values of the fields of the rule."""
        from hyperv_sched import rules

        wanted = parsed_args.code
        rule = next((rule for rule in rules.CATALOGUE.values()
                     if wanted.upper() == rule.code
                     or wanted.lower() == rule.name), None)
        if rule is None:
            raise base.UsageError(
                f'{wanted}: no such rule. Run "hyperv-sched rule list"')
        wrong, right = rule.examples
        fields = {
            'code': rule.code, 'name': rule.name, 'severity': rule.severity,
            'why': _distinct(rule.reasons), 'message': rule.message,
            'required': rule.required, 'fix': rule.fix,
            'variants': {name: dataclasses.asdict(variant)
                         for name, variant in rule.variants.items()},
            'failure': rule.failure and dataclasses.asdict(rule.failure),
            'wrong': _distinct(wrong), 'right': _distinct(right),
            'reference': rule.reference}
        return tuple(fields), tuple(fields.values())


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Return the values without repetitions, in their order."""
    return [*{json.dumps(value): value for value in values}.values()]


class RuleFormatter(formatters.SingleFormatter):
    """Formatter of cliff that writes a rule in paragraphs."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Add no options."""

    def emit_one(self, column_names: Sequence[str], data: Sequence[Any],
                 stdout: TextIO, parsed_args: argparse.Namespace) -> None:
        """Write a line for each text, and long ones in several."""
        width = findings.paragraph_width(stdout)
        fields = dict(zip(column_names, data, strict=True))
        head = [fields.pop(name) for name in ('severity', 'code', 'name')
                if name in fields]
        lines = ['  '.join(head)] if head else []
        for name, value in fields.items():
            if lines and name in _NEW_PARAGRAPH and value:
                lines.append('')
            for label, text in _texts(name, value):
                lines += findings.wrap(
                    text, width, label=label and f'{label}: ',
                    hanging=_HANGING)
        stdout.writelines(f'{line}\n' for line in lines)


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the texts of a field of a rule, each with its label."""
    if name == 'why':
        for reason in value:
            yield 'Why', reason
    elif name == 'variants':
        for variant, texts in value.items():
            if texts['message']:
                yield f'Message ({variant})', texts['message']
            yield f'Fix ({variant})', texts['fix']
    elif name == 'failure':
        for label, text in zip(FAILURE_LABELS, (value or {}).values(),
                               strict=False):
            yield label, text or 'nothing'
    elif name in ('wrong', 'right'):
        for example in value[:MAX_EXAMPLES]:
            yield name.capitalize(), json.dumps(example)
    else:
        yield name.capitalize(), value
