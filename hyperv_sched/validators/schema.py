# SPDX-License-Identifier: Apache-2.0
"""The image schema, the single source of the rules over images."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import functools
import importlib.resources
import json
from typing import Any

from hyperv_sched import rules

#: What an example asks for, by its scope.
_EXAMPLES: dict[str, dict[str, Any]] = {
    'hyperv': {'hypervisor_type': 'hyperv'},
    'generation-1': {'hypervisor_type': 'hyperv'},
    'generation-2': {
        'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
        'hypervisor_version_requires': '>=6.3'}}
#: Keywords of our own name a member, and look at this one as well.
_MEMBERS = {'x-disk-format-is': 'disk_format',
            'x-min-disk-holds': 'min_disk'}
#: What Nova reads as true (oslo.utils, ``strutils.bool_from_string``).
_TRUE = r'^\s*([Tt]([Rr][Uu][Ee])?|[Yy]([Ee][Ss])?|[Oo][Nn]|1)\s*$'
_SUBSCHEMAS = ('if', 'then', 'else', 'not')
_STARTS = {'$ref': '#/$defs/starts-by-uefi'}


@functools.cache
def load() -> dict[str, Any]:
    """Read the shipped schema; callers do not change it."""
    schema = _read('image-document.json')
    for defect in _read('disk-defects.json')['defects']:
        schema['allOf'] += _defect_clauses(**defect)
    for unavailable in _read('unavailable.json')['values']:
        schema['allOf'].append(_unavailable_clause(**unavailable))
    return schema


def clauses(code: str) -> list[dict[str, Any]]:
    """The clauses of a rule: what it says of properties and the file."""
    return [clause for clause in load()['allOf'] if clause['x-rule'] == code]


def members(schema: Any) -> frozenset[str]:
    """The members of a document that a part of the schema speaks of."""
    if not isinstance(schema, dict):
        return frozenset()
    found = {*schema.get('properties', ()), *schema.get('required', ())}
    for keyword, member in _MEMBERS.items():
        paths = schema.get(keyword, ())
        for path in [paths] if isinstance(paths, str) else paths:
            found |= {member, path.partition('.')[0]}
    for keyword in _SUBSCHEMAS:
        found |= members(schema.get(keyword))
    for keyword in ('allOf', 'anyOf', 'oneOf'):
        for part in schema.get(keyword, ()):
            found |= members(part)
    if '$ref' in schema:
        name = schema['$ref'].removeprefix('#/$defs/')
        found |= members(load()['$defs'][name])
    return frozenset(found)


@functools.cache
def content_members() -> frozenset[str]:
    """Return the members of a document that content is judged with."""
    found: frozenset[str] = frozenset()
    for clause in load()['allOf']:
        if 'content' in members(clause):
            found |= members(clause)
    return found - {'content'}


def _read(name: str) -> dict[str, Any]:
    source = importlib.resources.files(__package__).joinpath(
        'schemas').joinpath(name)
    document: dict[str, Any] = json.loads(source.read_text('utf-8'))
    return document


def _unavailable_clause(
        property: str, asks: str, values: Sequence[str] | None = None,
        variant: str | None = None, **other: Any) -> dict[str, Any]:
    """Make the clause that a property asks nothing that hosts do not have.

    :param asks: for what Nova asks a host
    :param values: the values that make Nova ask; None: whatever it reads as
        true
    :param variant: None for the rule's own words
    :param other: ``with``: values of other properties without which Nova
        does not ask
    """
    needed = other.get('with', {})
    scope: dict[str, Any] = {'$ref': '#/$defs/hyperv'}
    if needed:
        scope = {'allOf': [scope, {
            'required': list(needed),
            'properties': {name: {'const': value}
                           for name, value in needed.items()}}]}
    clause = {
        'x-rule': 'HV125',
        'description': f'{property} makes Nova ask for {asks}.',
        'x-actual': property,
        'x-required-text': asks,
        'if': scope,
        'then': {'properties': {property: {
            'not': {'pattern': _TRUE} if values is None
            else {'enum': values}}}},
        'x-wrong': {**_EXAMPLES['generation-2'], **needed,
                    property: values[0] if values else 'true'},
        'x-right': {**_EXAMPLES['generation-2'], **needed}}
    if variant is not None:
        clause['x-variant'] = variant
    return clause


def _defect_clauses(
        rule: str, scope: str, description: str, example: str,
        severity: str | None = None,
        starts: str | None = None) -> Iterator[dict[str, Any]]:
    """Make the clauses that a content is free of a defect.

    :param severity: None for the severity of the rule
    :param starts: an example of a disk that firmware starts all the same,
        which is a warning; None for a defect that keeps it from starting
    """
    scopes: dict[str, Any] = {'$ref': f'#/$defs/{scope}'}
    if starts is None:
        clause = _defect_clause(rule, scope, scopes, description, example)
        yield clause | ({'x-severity': severity} if severity else {})
        return
    yield _defect_clause(
        rule, scope, {'allOf': [scopes, {'not': _STARTS}]}, description,
        example, firmware='none')
    clause = _defect_clause(
        rule, scope, {'allOf': [scopes, _STARTS]}, description, starts,
        firmware='uefi') | {'x-severity': 'warning'}
    if 'starts' in rules.CATALOGUE[rule].variants:
        clause['x-variant'] = 'starts'
    yield clause


def _defect_clause(rule: str, scope: str, condition: dict[str, Any],
                   description: str, example: str,
                   **facts: Any) -> dict[str, Any]:
    name = rules.CATALOGUE[rule].name

    def document(defects: dict[str, str]) -> dict[str, Any]:
        content = {'format': 'vhd' if scope == 'generation-1' else 'vhdx',
                   'file_size': 4194304, **facts, 'defects': defects}
        return {**_EXAMPLES[scope], 'content': content}

    return {
        'x-rule': rule,
        'description': description,
        'x-actual': f'content.defects.{name}',
        'if': condition,
        'then': {'properties': {'content': {'properties': {
            'defects': {'properties': {name: False}}}}}},
        'x-wrong': document({name: example}),
        'x-right': document({})}
