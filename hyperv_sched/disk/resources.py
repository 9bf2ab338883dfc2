# SPDX-License-Identifier: Apache-2.0
"""The resources of a program, in which firmware looks for HII.

EDK II (``BasePeCoff.c`` PeCoffLoaderLoadImage) looks for a resource of the
type HII and refuses a program whose directories on the path to it are outside
of the size that the header of the program states.

Directory (Microsoft PE format, "The .rsrc Section"), little endian; all
offsets count from the first directory:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
    12    2 number of named entries
    14    2 number of entries with IDs
    16    8 first entry
====== ==== ==========================================================

Entry:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 ID; if bit 31 is set, the offset of a name
     4    4 offset of the data; if bit 31 is set, of a directory
====== ==== ==========================================================

Name: length in characters u16, then the characters in UTF-16.
"""

from __future__ import annotations

from collections.abc import Callable
import struct

_DIRECTORY = struct.Struct('<12xHH')
_ENTRY = struct.Struct('<II')
_FLAG = 1 << 31
_HII_NAME = b'\3\0H\0I\0I\0'
#: Below a type there are directories of names and of languages.
_LEVELS_BELOW_TYPE = 2


class ResourceError(Exception):
    """Firmware refuses the resources."""


def check(data: bytes, size: int, spend: Callable[[int], None]) -> None:
    """Check the path to the HII resource.

    :param data: the resources, possibly fewer bytes than the size
    :param size: the size that the header of the program states
    :param spend: charges the work, in steps
    :raises ResourceError: firmware refuses the resources.
    """
    named = _check_directory(data, 0, size)
    spend(named)
    for name, offset in _ENTRY.iter_unpack(
            _read(data, _DIRECTORY.size, named * _ENTRY.size)):
        if name & _FLAG and data.startswith(
                _HII_NAME, _check_offset(name & ~_FLAG, size)):
            _check_first_resource(data, offset, size)
            return


def _check_first_resource(data: bytes, offset: int, size: int) -> None:
    """Check the path from a type to the first of its resources."""
    for _ in range(_LEVELS_BELOW_TYPE):
        if offset & _FLAG:
            directory = _check_offset(offset & ~_FLAG, size)
            _check_directory(data, directory, size)
            _, offset = _ENTRY.unpack(_read(
                data, directory + _DIRECTORY.size, _ENTRY.size))
    if not offset & _FLAG:
        _check_offset(offset, size)


def _check_directory(data: bytes, offset: int, size: int) -> int:
    """Check the size of a directory; return the number of named entries."""
    named: int
    named, ids = _DIRECTORY.unpack(_read(data, offset, _DIRECTORY.size))
    if offset + _DIRECTORY.size + (named + ids) * _ENTRY.size > size:
        raise ResourceError(f'{named + ids} entries in {size - offset} bytes')
    return named


def _check_offset(offset: int, size: int) -> int:
    if offset >= size:
        raise ResourceError(f'offset {offset} of {size} bytes')
    return offset


def _read(data: bytes, offset: int, length: int) -> bytes:
    return data[offset:offset + length].ljust(length, b'\0')
