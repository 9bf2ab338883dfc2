# SPDX-License-Identifier: Apache-2.0
"""JSON Schema (Draft 2020-12) over image documents, built from functions.

A path is a name of a member, or several with dots between them for a member
of a member: ``content.format``.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

#: Keywords of our own: each is a list of paths, and reads this member, too.
KEYWORDS = {'x-min-disk-holds': 'min_disk'}

_SUBSCHEMAS = ('if', 'then', 'else', 'not')
_LISTS = ('allOf', 'anyOf', 'oneOf')


def ref(name: str) -> Schema:
    """Refer to a definition by its name."""
    return {'$ref': f'#/$defs/{name}'}


def all_of(*schemas: Schema) -> Schema:
    """Require all schemas."""
    return {'allOf': list(schemas)}


def any_of(*schemas: Schema) -> Schema:
    """Require at least one of the schemas."""
    return {'anyOf': list(schemas)}


def not_(schema: Schema) -> Schema:
    """Require that a schema does not hold."""
    return {'not': schema}


def has(*paths: str) -> Schema:
    """Require members, whatever their values are."""
    if len(paths) == 1 and '.' in paths[0]:
        outer, _, inner = paths[0].partition('.')
        return {'required': [outer], 'properties': {outer: has(inner)}}
    return {'required': list(paths)}


def optional(path: str, schema: Schema | bool) -> Schema:
    """Apply a schema to the value of a member, where it is present."""
    for name in reversed(path.split('.')):
        schema = {'properties': {name: schema}}
    assert isinstance(schema, dict)  # noqa: S101
    return schema


def required(path: str, schema: Schema) -> Schema:
    """Require a member, and apply a schema to its value."""
    for name in reversed(path.split('.')):
        schema = {'required': [name], 'properties': {name: schema}}
    return schema


def equal(value: object) -> Schema:
    """Require a value."""
    return {'const': value}


def one_of(*values: object) -> Schema:
    """Require one of the values."""
    return {'enum': list(values)}


def none_of(*values: object) -> Schema:
    """Forbid the values."""
    return {'not': equal(*values) if len(values) == 1 else one_of(*values)}


def matches(pattern: str) -> Schema:
    """Require text that a regular expression finds."""
    return {'pattern': pattern}


def valid(name: str) -> Schema:
    """Require a format of :mod:`hyperv_sched.validators.keywords`."""
    return {'format': name}


#: A text that is not empty.
NOT_EMPTY: Schema = {'type': 'string', 'minLength': 1}


def members(schema: object, definitions: Mapping[str, Any]) -> frozenset[str]:
    """Return the members of a document that a schema reads.

    :param definitions: the schemas that ``$ref`` can refer to, by name
    """
    return frozenset(_members(schema, definitions))


def _members(schema: object, definitions: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    yield from schema.get('properties', ())
    yield from schema.get('required', ())
    for keyword, name in KEYWORDS.items():
        if keyword in schema:
            yield name
            yield from (path.partition('.')[0] for path in schema[keyword])
    parts = [schema[keyword] for keyword in _SUBSCHEMAS if keyword in schema]
    for keyword in _LISTS:
        parts += schema.get(keyword, ())
    if '$ref' in schema:
        parts.append(definitions[schema['$ref'].removeprefix('#/$defs/')])
    for part in parts:
        yield from _members(part, definitions)


def extensions(schema: object) -> frozenset[str]:
    """Return the formats and keywords in a schema that the draft lacks.

    A validator that does not know them takes what they forbid.
    """
    return frozenset(_extensions(schema))


def _extensions(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from _extensions(part)
    elif isinstance(schema, dict):
        for keyword, value in schema.items():
            if keyword in KEYWORDS:
                yield keyword
            elif keyword == 'format' and isinstance(value, str):
                yield f'format {value}'
            else:
                yield from _extensions(value)
