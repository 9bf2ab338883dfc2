# SPDX-License-Identifier: Apache-2.0
"""The rule catalogue: one record a rule, the same words on every surface.

A code never changes its meaning and is never used again. HV1xx judge the
image's properties, HV2xx the file, HV4xx an image against a host, HV5xx the
compute host's own last word.
"""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses

from hyperv_sched.rules import disk
from hyperv_sched.rules import hosts
from hyperv_sched.rules import properties
from hyperv_sched.rules.model import COMMAND
from hyperv_sched.rules.model import Finding
from hyperv_sched.rules.model import Rule
from hyperv_sched.rules.model import Severity
from hyperv_sched.text import escape

__all__ = ['CATALOGUE', 'COMMAND', 'Finding', 'Rule', 'Severity',
           'UnknownRuleError', 'apply_overrides']


class UnknownRuleError(ValueError):
    """A code that no rule has."""


#: Every rule by its code, in the order in which they are explained.
CATALOGUE = {rule.code: rule for rule in (
    *properties.RULES, *disk.RULES, *hosts.RULES)}


def apply_overrides(
        findings: Iterable[Finding], ignored: Iterable[str] = (),
        errors: Iterable[str] = ()) -> list[Finding]:
    """Apply an operator's overrides of rules to findings.

    :param ignored: codes whose findings are dropped, except for those of
        severity unknown: what could not be decided is never a pass
    :param errors: codes whose findings count as errors
    :raises UnknownRuleError: a code is misspelt: silence would be no answer.
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
