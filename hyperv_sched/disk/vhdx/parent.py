# SPDX-License-Identifier: Apache-2.0
"""The parent locator of a differencing disk (MS-VHDX 2.6.2.6).

Little endian; keys and values are UTF-16. The files that they name are shown
in messages and never opened.

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0   16 GUID of the type
    18    2 number of entries
    20   12 first entry
====== ==== ==========================================================

Entry; offsets count from the beginning of the locator:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 offset of the key
     4    4 offset of the value
     8    2 length of the key in bytes
    10    2 length of the value in bytes
====== ==== ==========================================================
"""

from __future__ import annotations

import struct

_COUNT_OFFSET = 18
_FIRST_ENTRY = 20
_ENTRY = struct.Struct('<IIHH')
#: The specification defines five keys.
_MAX_ENTRIES = 32
#: In the order of preference.
_PATH_KEYS = ('relative_path', 'absolute_win32_path', 'volume_path')
_MAX_CHARACTERS = 255


def path(locator: bytes) -> str | None:
    """Return the path of the parent; None if the locator has none."""
    if len(locator) < _FIRST_ENTRY:
        return None
    count, = struct.unpack_from('<H', locator, _COUNT_OFFSET)
    values = {}
    for index in range(min(count, _MAX_ENTRIES)):
        offset = _FIRST_ENTRY + index * _ENTRY.size
        if offset + _ENTRY.size > len(locator):
            break
        key, value, key_length, value_length = _ENTRY.unpack_from(
            locator, offset)
        values[_text(locator, key, key_length)] = _text(
            locator, value, value_length)
    return next(
        (values[key] for key in _PATH_KEYS if values.get(key)), None)


def _text(locator: bytes, offset: int, length: int) -> str:
    data = locator[offset:offset + min(length, 2 * _MAX_CHARACTERS)]
    return data.decode('utf-16-le', 'replace')
