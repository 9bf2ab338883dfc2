# SPDX-License-Identifier: Apache-2.0
"""Correct properties of an image, where the right values are no guesses."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from hyperv_sched import document as image_document
from hyperv_sched import names
from hyperv_sched import rules
from hyperv_sched import text

Validate = Callable[[image_document.Document], Iterable[rules.Finding]]

#: Members of an image that have options of their own.
_MEMBERS = ('container_format', 'disk_format', 'min_disk')

#: Each round corrects properties that hid other findings: few rounds do.
_MAX_ROUNDS = 5


def properties(
        raw: Mapping[str, Any], validate: Validate,
        content: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the properties to set so that a document has fewer findings.

    A corrected property can cause further findings, for example those of its
    generation. These are corrected as well.

    :param raw: the document under the names that the image itself has
    :param validate: returns the findings of a document
    :param content: as :func:`hyperv_sched.disk.inspect` returns it; None if
        it was not read
    :returns: values by name; min_disk is no property but part of the image
    """
    current = image_document.flatten(raw)
    fixed: dict[str, str] = {}
    for _ in range(_MAX_ROUNDS):
        document = image_document.normalize(current)
        if content is not None:
            document['content'] = content
        values: dict[str, str] = {}
        codes = dict.fromkeys(finding.code for finding in validate(document))
        for code in codes:
            remedy = rules.CATALOGUE[code].remedy
            if remedy is not None:
                values.update((_name_in(current, name), value)
                              for name, value in remedy(document).items())
        values = {name: value for name, value in values.items()
                  if _fits_in_argv(value)}
        if not values:
            break
        fixed.update(values)
        current.update(values)
    return fixed


def _name_in(raw: Mapping[str, Any], name: str) -> str:
    """Return the name by which this image has a property."""
    if name.startswith('overridden.'):
        return name.removeprefix('overridden.')
    for modern, used in names.USED.items():
        if used == name and modern in raw:
            return modern
    return name


def command(document: Mapping[str, Any], values: Mapping[str, str],
            shell: str) -> str:
    """Return the openstack command that sets properties, to be pasted.

    An image whose name cannot be written for the shell is left for the reader
    to name.

    :param shell: one of :data:`hyperv_sched.text.SHELLS`
    :raises text.UnquotableError: a value cannot be written for the shell.
    """
    words = ['openstack', 'image', 'set']
    for name, value in values.items():
        words += ([f'--{name.replace("_", "-")}', value] if name in _MEMBERS
                  else ['--property', f'{name}={value}'])
    image = image_document.label(document)
    try:
        if image == '-':
            image = 'IMAGE'
        quoted = text.quote(image, shell)
    except text.UnquotableError:
        quoted = 'IMAGE'
    return f'{text.command_line((*words, "--"), shell)} {quoted}'


def _fits_in_argv(value: str) -> bool:
    """Return whether a value fits in argv: no NUL, no half of a character."""
    try:
        return b'\0' not in value.encode(errors='surrogateescape')
    except UnicodeEncodeError:
        return False
