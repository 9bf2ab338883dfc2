# SPDX-License-Identifier: Apache-2.0
"""hyperv-sched rule list and rule show."""

from __future__ import annotations

import argparse
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
        from hyperv_sched import rules

        return ('code', 'severity', 'name'), [
            (rule.code, rule.severity, rule.name)
            for rule in rules.CATALOGUE.values()]


class Show(base.ShowOne):
    """Show what a rule code means, and the way out."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('code', metavar='<code>', type=str.upper,
                            help='the code of a rule, for example HV105')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Sequence[Any]]:
        from hyperv_sched import rules

        if parsed_args.code not in rules.CATALOGUE:
            raise base.UsageError(
                f'{parsed_args.code}: no such rule; "hyperv-sched rule list" '
                'lists them')
        rule = rules.CATALOGUE[parsed_args.code]
        shown: dict[str, Any] = {
            name: getattr(rule, name) for name in (
                'code', 'name', 'severity', 'message', 'required', 'fix',
                'reference')}
        shown['variants'] = {name: dataclasses.asdict(variant)
                             for name, variant in rule.variants.items()}
        shown['why'] = rule.reasons
        shown['wrong'], shown['right'] = rule.examples
        if parsed_args.formatter == 'table':
            for name in ('why', 'wrong', 'right'):
                shown[name] = '\n'.join(map(_line, shown[name]))
            shown['variants'] = '\n'.join(
                f'{name}: {variant["message"] or shown["message"]}. '
                f'{variant["fix"]}'
                for name, variant in shown['variants'].items())
        return tuple(shown), tuple(shown.values())


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
