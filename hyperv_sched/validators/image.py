# SPDX-License-Identifier: Apache-2.0
"""Validate image documents."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import functools
import itertools
from typing import Any

from hyperv_sched import caching
from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched.validators import keywords
from hyperv_sched.validators import schema as image_schema

Clause = Mapping[str, Any]


class _ClauseGroup:
    """The clauses of the schema that read the same members."""

    def __init__(self, members: frozenset[str], clauses: Iterable[Clause],
                 validator: Any) -> None:
        self._members = tuple(members)
        self._clauses = [
            (clause, validator.evolve(schema=clause)) for clause in clauses]
        # The images of a cloud have the same few values, and jsonschema is
        # slow.
        self._cached = caching.cache_small(self._find_broken)

    def broken(self, document: Mapping[str, Any]) -> list[Clause]:
        """Return the clauses that the document breaks."""
        return self._cached(*map(document.get, self._members))

    def _find_broken(self, *values: Any) -> list[Clause]:
        seen = {member: value for member, value
                in zip(self._members, values, strict=True)
                if value is not None}
        return [clause for clause, validator in self._clauses
                if not validator.is_valid(seen)]


@functools.cache
def _groups() -> list[_ClauseGroup]:
    schema = image_schema.load()
    validator = keywords.Validator(schema, format_checker=keywords.FORMATS)
    by_members: dict[frozenset[str], list[Clause]] = {}
    for clause in schema['allOf']:
        by_members.setdefault(
            image_schema.members(clause), []).append(clause)
    return [_ClauseGroup(members, clauses, validator)
            for members, clauses in by_members.items()]


def load() -> None:
    """Load the rules, which the first validation does otherwise."""
    _groups()


@functools.cache
def _concerns() -> Any:
    schema = image_schema.load()
    return keywords.Validator(schema).evolve(
        schema=schema['$defs']['concerns-hyperv'])


def concerns_hyperv(document: image_document.Document) -> bool:
    """Return whether an image of a cloud with any hypervisors is for Hyper-V.

    :func:`validate` applies to a file without a hypervisor_type, since the
    user has named it. In a cloud, only VHD and VHDX files without one count.
    """
    return bool(_concerns().is_valid(image_document.without_file(document)))


def validate(document: image_document.Document,
             image: str | None = None) -> list[rules.Finding]:
    """Return the findings of all rules for an image document.

    :param image: the name of the image in findings; None: its id or name
    :returns: findings in the order of the catalogue, one a rule and
        property.
    """
    document = image_document.without_file(document)
    name = image_document.label(document) if image is None else image
    findings: dict[tuple[str, str], rules.Finding] = {}
    for clause in itertools.chain.from_iterable(
            group.broken(document) for group in _groups()):
        code = clause['x-rule']
        for prop, actual, required in _broken_by(document, clause):
            findings.setdefault((code, prop), rules.CATALOGUE[code].finding(
                image=name, actual=actual, required=required,
                prop=prop.removeprefix('overridden.'),
                severity=clause['x-severity'],
                variant=clause.get('x-variant')))
    return [findings[key] for key in sorted(findings)]


def _broken_by(document: Mapping[str, Any],
               clause: Clause) -> Iterator[tuple[str, Any, Any]]:
    """Yield each member that breaks a clause, its value and a right one.

    A right one that is None is the rule's own.
    """
    if 'x-each' in clause:
        for prop, member in document[clause['x-each']].items():
            yield prop, member['actual'], member['required']
        return
    required = clause.get('x-required-text')
    if 'x-required' in clause:
        required = _required(document, clause['x-required'])
    yield clause['x-actual'], keywords.lookup(
        document, clause['x-actual']), required


def _required(document: Mapping[str, Any], paths: list[str]) -> Any:
    """Look up the value that a finding shows as required."""
    if len(paths) > 1:
        return keywords.largest(document, paths)
    return keywords.lookup(document, paths[0])
