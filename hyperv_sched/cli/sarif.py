# SPDX-License-Identifier: Apache-2.0
"""Findings in SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
import importlib.metadata
import json
import os
import pathlib
from typing import Any
from typing import TextIO
import urllib.parse

from cliff.formatters import base as formatters

from hyperv_sched.cli import base
from hyperv_sched.text import escape

_LEVELS = {'error': 'error', 'unknown': 'error', 'warning': 'warning',
           'info': 'note'}


class SarifFormatter(formatters.ListFormatter):
    """Formatter of a SARIF log with one run."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """Add no options."""

    def emit_list(self, column_names: Sequence[str],
                  data: Iterable[Sequence[Any]], stdout: TextIO,
                  parsed_args: argparse.Namespace) -> None:
        """Write the findings as JSON.

        :raises base.UsageError: the user selects columns.
        """
        from hyperv_sched import rules

        if parsed_args.columns:
            raise base.UsageError(
                '-f sarif has no columns. Remove -c')
        findings = [dict(zip(column_names, row, strict=True))
                    for row in data]
        codes = sorted({finding['code'] for finding in findings})
        log = {
            '$schema': 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/'
                       'schemas/sarif-schema-2.1.0.json',
            'version': '2.1.0',
            'runs': [{
                'tool': {'driver': {
                    'name': 'hyperv-sched',
                    'version': importlib.metadata.version('hyperv-sched'),
                    'rules': [_rule(rules.CATALOGUE[c]) for c in codes]}},
                'results': [
                    _result(f, codes.index(f['code'])) for f in findings]}]}
        json.dump(log, stdout, indent=2)
        stdout.write('\n')


def _rule(rule: Any) -> dict[str, Any]:
    return {
        'id': rule.code,
        'name': rule.name,
        'shortDescription': {'text': rule.name.replace('-', ' ')},
        'help': {'text': rule.fix},
        'helpUri': rule.reference,
        'defaultConfiguration': {'level': _LEVELS[rule.severity]}}


def _result(finding: dict[str, Any], rule_index: int) -> dict[str, Any]:
    return {
        'ruleId': finding['code'],
        'ruleIndex': rule_index,
        'level': _LEVELS[finding['severity']],
        'message': {'text': f"{finding['message']}\n{finding['fix']}"},
        'locations': _locations(finding['image'], finding['file'])}


def _locations(image: str, file: str | None) -> list[dict[str, Any]]:
    """Return the file of an image, and its id or name if it differs."""
    location: dict[str, Any] = {} if file is None else _file(file)
    if image not in ('-', file):
        location['logicalLocations'] = [
            {'fullyQualifiedName': escape(image, limit=None)}]
    return [location] if location else []


def _file(name: str) -> dict[str, Any]:
    path = pathlib.Path(name)
    uri = (path.as_uri() if path.is_absolute()
           else urllib.parse.quote(os.fsencode(path.as_posix())))
    return {'physicalLocation': {'artifactLocation': {'uri': uri}}}
