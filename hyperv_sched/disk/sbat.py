# SPDX-License-Identifier: Apache-2.0
"""SBAT, by which shim refuses old generations of what it starts.

A program lists its components in the section ``.sbat``: lines of a component,
its generation and more, with commas between them (SBAT.md of rhboot/shim).
A level has the same form; shim writes it to the variable SbatLevel, and has
levels in the section ``.sbatlevel``, little endian:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 version, 0
     4    4 offset of the automatic level, from 4 on
     8    4 offset of the latest level, from 4 on
====== ==== ==========================================================

A level ends with a zero. A new VM has no variable SbatLevel, so that the
automatic level of the first shim applies.
"""

from __future__ import annotations

from collections.abc import Mapping
import re
import struct
import typing

#: Bytes of either section. Real ones have some hundred.
MAX_SIZE = 16 * 1024
_MAX_LINES = 256
_LEVELS = struct.Struct('<III')
_LEVELS_OFFSET = 4
#: The component of a level itself, whose third value is its date.
_SBAT = 'sbat'
_SBAT_FIELDS = 3
#: shim converts a generation as C does, and takes 16 bits of it.
_NUMBER = re.compile(r'\s*[0-9]{1,9}', re.ASCII)


class Level(typing.NamedTuple):
    """The least generation of each component."""

    date: str
    """Levels of a later date replace others."""
    generations: Mapping[str, int]


def _lines(data: bytes) -> list[list[str]]:
    text = data.partition(b'\0')[0].decode('latin-1')
    return [line.split(',', 3)
            for line in text.split('\n', _MAX_LINES)[:_MAX_LINES]]


def _number(text: str) -> int:
    match = _NUMBER.match(text)
    return int(match[0]) & 0xffff if match else 0


def automatic_level(section: bytes) -> Level | None:
    """Return the automatic level of a shim; None if the section has none."""
    if len(section) < _LEVELS.size:
        return None
    version, automatic, _ = _LEVELS.unpack_from(section)
    lines = _lines(section[_LEVELS_OFFSET + automatic:])
    if version or lines[0][0] != _SBAT or len(lines[0]) < _SBAT_FIELDS:
        return None
    return Level(lines[0][2].strip(), {
        fields[0]: _number(fields[1]) for fields in lines if len(fields) > 1})


def revoked(section: bytes, level: Level) -> str:
    """Return why a level revokes a program; '' if it does not.

    :param section: the content of ``.sbat``
    """
    for fields in _lines(section):
        if len(fields) > 1:
            generation = _number(fields[1])
            least = level.generations.get(fields[0], 0)
            if generation < least:
                return (f'{fields[0]} of generation {generation}, and '
                        f'{least} is the oldest that shim starts')
    return ''
