# SPDX-License-Identifier: Apache-2.0
"""hyperv-sched rule show."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import dataclasses
import json
from typing import Any

from hyperv_sched.cli import base


class Show(base.ShowOne):
    """Show what a rule code means, and the way out."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument('code', metavar='CODE', type=str.upper,
                            help='the code of a rule, as HV105')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Sequence[Any]]:
        from hyperv_sched import rules
        from hyperv_sched.validators import schema

        if parsed_args.code not in rules.CATALOGUE:
            raise base.UsageError(
                f'{parsed_args.code}: no such rule; the codes are '
                f'{", ".join(rules.CATALOGUE)}')
        shown = dataclasses.asdict(rules.CATALOGUE[parsed_args.code])
        clauses = schema.clauses(parsed_args.code)
        shown['why'] = [clause['description'] for clause in clauses]
        shown['wrong'] = [clause['x-wrong'] for clause in clauses]
        shown['right'] = [clause['x-right'] for clause in clauses]
        if parsed_args.formatter == 'table':
            for name in ('why', 'wrong', 'right'):
                shown[name] = '\n'.join(map(_line, shown[name]))
        return tuple(shown), tuple(shown.values())


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
