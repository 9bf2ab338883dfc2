# SPDX-License-Identifier: Apache-2.0
"""The image schema, made from the catalogue of rules."""

from __future__ import annotations

from collections.abc import Iterator
import functools
from typing import Any

from hyperv_sched import rules
from hyperv_sched.rules import conditions
from hyperv_sched.rules import definitions


@functools.cache
def load() -> dict[str, Any]:
    """Return the schema; callers do not change it."""
    return {
        '$schema': 'https://json-schema.org/draft/2020-12/schema',
        '$id': 'urn:hyperv-sched:schema:image-document:1',
        '$comment': 'Made from the catalogue of rules: tox -e genconfig',
        'title': 'An image document for Hyper-V',
        'description':
            "An image of Glance's API, each property under the name and with "
            'the value that Nova reads, and "content": what "hyperv-sched '
            'image inspect" prints of its file. Each entry of allOf is a '
            'clause of the rule x-rule. A document that breaks it has a '
            'finding of x-severity, which shows the value at x-actual. '
            'x-required holds paths of members, of which a finding shows the '
            'largest as required, and x-required-text a text. x-each names a '
            'member whose own members have a finding each; x-variant names '
            'other texts of the rule. x-wrong and x-right are examples. A '
            'clause with x-needs depends on formats or keywords of '
            'hyperv_sched.validators.keywords: a validator without these '
            'accepts what they forbid.',
        'type': 'object',
        'properties': definitions.PROPERTIES,
        '$defs': definitions.DEFINITIONS,
        'allOf': [_clause(rule.code, clause)
                  for rule in rules.CATALOGUE.values()
                  for clause in rule.expanded],
    }


def members(schema: Any) -> frozenset[str]:
    """Return the members of a document that a part of the schema reads."""
    return conditions.members(schema, definitions.DEFINITIONS)


@functools.cache
def content_members() -> frozenset[str]:
    """Return the members that rules read together with content."""
    found: frozenset[str] = frozenset()
    for clause in load()['allOf']:
        if 'content' in members(clause):
            found |= members(clause)
    return found - {'content'}


def _clause(code: str, clause: rules.Clause) -> dict[str, Any]:
    return dict(_members(code, clause))


def _members(code: str, clause: rules.Clause) -> Iterator[tuple[str, Any]]:
    yield 'x-rule', code
    yield 'x-severity', clause.severity
    yield 'description', clause.why
    for keyword, value in (
            ('x-actual', clause.path), ('x-each', clause.each),
            ('x-variant', clause.variant),
            ('x-required', list(clause.required_paths)),
            ('x-required-text', clause.required),
            ('x-needs', sorted(conditions.extensions(clause.condition)))):
        if value:
            yield keyword, value
    if clause.applies is not None:
        yield 'if', clause.applies
        yield 'then', clause.condition
    else:
        yield 'allOf', [clause.condition]
    yield 'x-wrong', [clause.example(changes) for changes in clause.wrong]
    yield 'x-right', [clause.example(changes) for changes in clause.right]
