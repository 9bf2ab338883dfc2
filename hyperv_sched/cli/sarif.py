# SPDX-License-Identifier: Apache-2.0
"""Findings as SARIF 2.1.0, for code scanning and the like."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
import importlib.metadata
import json
import os
from typing import Any
from typing import TextIO
import urllib.parse

from cliff.formatters import base

_LEVELS = {'error': 'error', 'unknown': 'error', 'warning': 'warning',
           'info': 'note'}


class SarifFormatter(base.ListFormatter):
    """A SARIF log with one run."""

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        """SARIF has no options."""

    def emit_list(self, column_names: Sequence[str],
                  data: Iterable[Sequence[Any]], stdout: TextIO,
                  parsed_args: argparse.Namespace) -> None:
        from hyperv_sched import rules

        findings = [dict(zip(column_names, row, strict=True))
                    for row in data]
        broken = sorted({f['code'] for f in findings})
        log = {
            '$schema': 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/'
                       'schemas/sarif-schema-2.1.0.json',
            'version': '2.1.0',
            'runs': [{
                'tool': {'driver': {
                    'name': 'hyperv-sched',
                    'version': importlib.metadata.version('hyperv-sched'),
                    'rules': [_rule(rules.CATALOGUE[c]) for c in broken]}},
                'results': [_result(f, broken.index(f['code']))
                            for f in findings]}]}
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
    result = {
        'ruleId': finding['code'],
        'ruleIndex': rule_index,
        'level': _LEVELS[finding['severity']],
        'message': {'text': f"{finding['message']}\n{finding['fix']}"}}
    location: dict[str, Any] = {}
    if finding['file'] is not None:
        location['physicalLocation'] = {'artifactLocation': {
            'uri': urllib.parse.quote(os.fsencode(finding['file']))}}
    if finding['image'] not in ('-', finding['file']):
        location['logicalLocations'] = [
            {'fullyQualifiedName': finding['image']}]
    if location:
        result['locations'] = [location]
    return result
