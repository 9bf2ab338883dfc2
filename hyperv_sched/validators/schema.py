# SPDX-License-Identifier: Apache-2.0
"""The image schema, the single source of the rules over properties."""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import Any


@functools.cache
def load() -> dict[str, Any]:
    """Read the shipped schema; callers do not change it."""
    source = importlib.resources.files(__package__).joinpath(
        'schemas').joinpath('image-document.json')
    schema: dict[str, Any] = json.loads(source.read_text('utf-8'))
    return schema


def clauses(code: str) -> list[dict[str, Any]]:
    """The clauses of a rule: what it says of properties and the file."""
    return [clause for clause in load()['allOf'] if clause['x-rule'] == code]
