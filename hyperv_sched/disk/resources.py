# SPDX-License-Identifier: Apache-2.0
"""Resources of a program: firmware looks for forms among them.

A directory (Microsoft PE format, "The .rsrc Section"), little endian: number
of its named and of its other entries u16 at 12; behind 16 bytes each entry,
name u32 and data u32, places from the beginning of all. The highest bit says
that the name is text, length u16 first, and that the data are a directory.
EDK II looks for one named HII and wants each step to lie within the size
that the program's header gives (``BasePeCoff.c`` PeCoffLoaderLoadImage).
"""

from __future__ import annotations

from collections.abc import Callable
import struct

_HEADER = struct.Struct('<12xHH')
_ENTRY = struct.Struct('<II')
_FLAG = 1 << 31
_FORMS = b'\3\0H\0I\0I\0'


class Damaged(Exception):
    """Firmware gives up, and why."""


def check(data: bytes, size: int, spend: Callable[[int], None]) -> None:
    """Look for forms.

    :param data: what is there
    :param size: of all, which may be more
    :param spend: charges the work, in steps
    :raises Damaged: some step leads out of it
    """
    named = _directory(data, 0, size)
    spend(named)
    for name, content in _ENTRY.iter_unpack(
            _slice(data, _HEADER.size, named * _ENTRY.size)):
        if name & _FLAG and data.startswith(
                _FORMS, _inside(name & ~_FLAG, size)):
            # Languages lie below the names of resources.
            for _ in range(2):
                if content & _FLAG:
                    at = _inside(content & ~_FLAG, size)
                    _directory(data, at, size)
                    _, content = _ENTRY.unpack(
                        _slice(data, at + _HEADER.size, _ENTRY.size))
            if not content & _FLAG:
                _inside(content, size)
            return


def _directory(data: bytes, at: int, size: int) -> int:
    """The number of its named entries."""
    named: int
    named, others = _HEADER.unpack(_slice(data, at, _HEADER.size))
    if at + _HEADER.size + (named + others) * _ENTRY.size > size:
        raise Damaged(f'{named + others} entries in {size - at} bytes')
    return named


def _inside(place: int, size: int) -> int:
    if place >= size:
        raise Damaged(f'one lies at {place} of {size} bytes')
    return place


def _slice(data: bytes, at: int, length: int) -> bytes:
    return data[at:at + length].ljust(length, b'\0')
