# SPDX-License-Identifier: Apache-2.0
"""The catalogue of rules: one record a rule.

A code never changes its meaning and is never used again. HV1xx are about the
properties of an image, HV2xx about its file, HV3xx about the disk in it, HV4xx
about an image and a host, HV5xx about a server on a compute host.
"""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
import functools

from hyperv_sched.rules import conditions
from hyperv_sched.rules import definitions
from hyperv_sched.rules import disk
from hyperv_sched.rules import hosts
from hyperv_sched.rules import properties
from hyperv_sched.rules import secure_boot
from hyperv_sched.rules import windows
from hyperv_sched.rules.model import Clause
from hyperv_sched.rules.model import Finding
from hyperv_sched.rules.model import Rule
from hyperv_sched.rules.model import Severity
from hyperv_sched.rules.model import Stage
from hyperv_sched.text import escape

__all__ = ['CATALOGUE', 'Clause', 'Finding', 'Rule', 'Severity', 'Stage',
           'UnknownRuleError', 'apply_overrides', 'members', 'preventing',
           'text_members']


class UnknownRuleError(ValueError):
    """A code that no rule has."""


#: Every rule by its code, in the order of the codes.
CATALOGUE = {rule.code: rule for rule in sorted(
    (*properties.RULES, *disk.RULES, *secure_boot.RULES, *windows.RULES,
     *hosts.RULES),
    key=lambda rule: rule.code)}


#: Members that are no properties, but made from properties or from the file.
DERIVED = frozenset(('content', 'misspelled', 'overridden', 'refused'))


def preventing(*stages: Stage) -> frozenset[str]:
    """Return the codes of rules over images that prevent one of the stages."""
    return frozenset(
        rule.code for rule in CATALOGUE.values()
        if rule.clauses and rule.prevents in stages)


def members(codes: Iterable[str]) -> frozenset[str]:
    """Return the members of an image that rules read, without its content."""
    return _members(clause for code in codes
                    for clause in CATALOGUE[code].expanded)


@functools.cache
def text_members() -> frozenset[str]:
    """Return the members of an image that rules read as text."""
    return _members(clause for rule in CATALOGUE.values()
                    for clause in rule.expanded if clause.text)


def _members(clauses: Iterable[Clause]) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for clause in clauses:
        for schema in (clause.applies, clause.condition):
            found |= conditions.members(schema, definitions.DEFINITIONS)
    return found - DERIVED


def apply_overrides(
        findings: Iterable[Finding], ignored: Iterable[str] = (),
        errors: Iterable[str] = ()) -> list[Finding]:
    """Apply an operator's overrides of severities to findings.

    :param ignored: codes whose findings are dropped, except for those of
        severity unknown: what could not be decided is never a pass
    :param errors: codes whose findings count as errors
    :raises UnknownRuleError: no rule has one of the codes
    """
    ignored, errors = frozenset(ignored), frozenset(errors)
    for code in sorted(ignored | errors):
        if code not in CATALOGUE:
            raise UnknownRuleError(f'{escape(code)}: no such rule')
    return [
        dataclasses.replace(finding, severity='error')
        if finding.code in errors else finding
        for finding in findings
        if finding.code not in ignored or finding.severity == 'unknown']
