# SPDX-License-Identifier: Apache-2.0
"""From an image document to findings."""

from __future__ import annotations

from collections.abc import Mapping
import functools
from typing import Any

from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched.validators import keywords
from hyperv_sched.validators import schema as image_schema


@functools.cache
def _validator() -> Any:
    return keywords.Validator(
        image_schema.load(), format_checker=keywords.FORMATS)


def validate(document: Mapping[str, Any],
             image: str | None = None) -> list[rules.Finding]:
    """Judge an image document, every rule at once.

    :param document: as :func:`hyperv_sched.document.normalise` returns it.
    :param image: what to call the image; by default its id or name.
    :returns: findings in the order of the catalogue, one a rule and
        property.
    """
    name = image_document.label(document) if image is None else image
    findings: dict[tuple[str, str], rules.Finding] = {}
    for error in _validator().iter_errors(document):
        # Only the entries of allOf can fail: ('allOf', index, ...).
        clause = image_schema.load()['allOf'][error.absolute_schema_path[1]]
        code, actual = clause['x-rule'], clause['x-actual']
        required = clause.get('x-required')
        findings.setdefault((code, actual), rules.CATALOGUE[code].finding(
            image=name,
            actual=keywords.lookup(document, actual),
            required=required and keywords.lookup(document, required),
            prop=actual.removeprefix('overridden.'),
            severity=clause.get('x-severity')))
    return [findings[key] for key in sorted(findings)]
