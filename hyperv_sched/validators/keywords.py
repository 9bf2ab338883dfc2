# SPDX-License-Identifier: Apache-2.0
"""Formats and keywords of the image schema that JSON Schema lacks."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import jsonschema

from hyperv_sched import versions

GIB = 1024 ** 3

#: Formats of their own, asserted by every validator that this module makes.
FORMATS = jsonschema.FormatChecker(formats=())


def lookup(document: object, path: str) -> Any:
    """Follow a dotted path of member names; None where it leads nowhere."""
    for name in path.split('.'):
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
    return document


def largest(document: object, paths: Iterable[str]) -> int | None:
    """Return the largest of the numbers at some paths; None without any."""
    return max((number for number in (lookup(document, p) for p in paths)
                if isinstance(number, int)), default=None)


def _version_format(
        name: str) -> Callable[[Callable[[versions.Specifiers], bool]], None]:
    """Register a check of a requirement that Nova accepts.

    What Nova does not accept is nova-version-predicate's to report, so it
    passes every other check.
    """
    def register(check: Callable[[versions.Specifiers], bool]) -> None:
        def conforms(value: object) -> bool:
            try:
                requirement = versions.parse_requirement(str(value))
            except versions.InvalidRequirementError:
                return True
            return check(requirement)
        FORMATS.checks(name)(conforms)
    return register


def _admitted(requirement: versions.Specifiers) -> list[versions.Version]:
    return [v for v in versions.REPORTED
            if versions.satisfies(v, requirement)]


# Without "raises": FormatChecker.check keeps the exception in a variable of
# a frame that its traceback refers to, and with it the value.
@FORMATS.checks('nova-version-predicate')
def _nova_version_predicate(value: object) -> bool:
    try:
        versions.parse_requirement(str(value))
    except versions.InvalidRequirementError:
        return False
    return True


@_version_format('hyperv-version')
def _hyperv_version(requirement: versions.Specifiers) -> bool:
    return bool(_admitted(requirement))


@_version_format('hyperv-version-generation-2')
def _generation_2_version(requirement: versions.Specifiers) -> bool:
    return any(v >= versions.GENERATION_2_MINIMUM
               for v in _admitted(requirement))


@_version_format('hyperv-version-only-generation-2')
def _only_generation_2_version(requirement: versions.Specifiers) -> bool:
    admitted = _admitted(requirement)
    # One that admits nothing newer either is reported as unsatisfiable.
    return (all(v >= versions.GENERATION_2_MINIMUM for v in admitted)
            or all(v < versions.GENERATION_2_MINIMUM for v in admitted))


@_version_format('hyperv-version-only-10')
def _only_10_version(requirement: versions.Specifiers) -> bool:
    return all(v >= versions.WINDOWS_SERVER_2016
               for v in _admitted(requirement))


@FORMATS.checks('nova-version-portable')
def _portable_version(value: object) -> bool:
    try:
        versions.parse_requirement(str(value))
    except versions.InvalidRequirementError:
        return True
    return versions.is_portable(str(value))


def _min_disk_holds(_validator: Any, paths: list[str], document: Any,
                    _schema: Any) -> Iterator[jsonschema.ValidationError]:
    """x-min-disk-holds: min_disk (GB) is no smaller than sizes in bytes."""
    min_disk = lookup(document, 'min_disk')
    size = largest(document, paths)
    if (isinstance(min_disk, int) and size is not None
            and 0 < min_disk * GIB < size):
        yield jsonschema.ValidationError('min_disk is too small')


def _any_of(validator: Any, schemas: list[Any], document: Any,
            _schema: Any) -> Iterator[jsonschema.ValidationError]:
    """anyOf, with an error that has no context.

    The error of jsonschema and those in its context refer to each other and
    to the document. A large document would stay in memory until the garbage
    collector runs, which counts objects and not their size.
    """
    if not any(validator.evolve(schema=schema).is_valid(document)
               for schema in schemas):
        yield jsonschema.ValidationError('no schema is valid')


def _not(validator: Any, schema: Any, document: Any,
         _schema: Any) -> Iterator[jsonschema.ValidationError]:
    """Not, with an error that does not quote the document, however large."""
    if validator.evolve(schema=schema).is_valid(document):
        yield jsonschema.ValidationError('the schema is valid')


#: JSON Schema 2020-12 with the keywords of this module.
Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {
    'anyOf': _any_of, 'not': _not, 'x-min-disk-holds': _min_disk_holds})
