# SPDX-License-Identifier: Apache-2.0
"""The "rule list" and "rule show" commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
import dataclasses
import json
from typing import Any

from cliff import lister

from hyperv_sched.cli import base


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
        fields: dict[str, Any] = {
            name: getattr(rule, name) for name in (
                'code', 'name', 'severity', 'message', 'required', 'fix',
                'reference')}
        fields['variants'] = {name: dataclasses.asdict(variant)
                              for name, variant in rule.variants.items()}
        wrong, right = rule.examples
        for name, values in (('why', rule.reasons), ('wrong', wrong),
                             ('right', right)):
            fields[name] = _distinct(values)
        if parsed_args.formatter == 'table':
            for name in ('why', 'wrong', 'right'):
                fields[name] = '\n'.join(map(_line, fields[name]))
            fields['variants'] = '\n'.join(
                f'{name}: {variant["message"] or fields["message"]}. '
                f'{variant["fix"]}'
                for name, variant in fields['variants'].items())
        return tuple(fields), tuple(fields.values())


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Return the values without repetitions, in their order."""
    return [*{_line(value): value for value in values}.values()]


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
