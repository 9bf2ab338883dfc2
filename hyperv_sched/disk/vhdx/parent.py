# SPDX-License-Identifier: Apache-2.0
"""The parent locator of a differencing disk (MS-VHDX 2.6.2.6).

Type GUID, reserved u16, number of entries u16 at 18; from 20 entries of 12
bytes: offsets of key and value in the item, u32 each, their lengths in
bytes, u16 each. Keys and values are UTF-16. What they name is told and never
opened.
"""

from __future__ import annotations

import struct

_ENTRIES_OFFSET = 20
_ENTRY = struct.Struct('<IIHH')
_COUNT_OFFSET = 18
#: There are five keys.
_MAX_ENTRIES = 32
#: The most telling one first.
_KEYS = ('relative_path', 'absolute_win32_path', 'volume_path')
_MAX_SHOWN = 255


def path(locator: bytes) -> str | None:
    """What the locator calls the parent; None where it tells nothing."""
    if len(locator) < _ENTRIES_OFFSET:
        return None
    count, = struct.unpack_from('<H', locator, _COUNT_OFFSET)
    values = {}
    for index in range(min(count, _MAX_ENTRIES)):
        at = _ENTRIES_OFFSET + index * _ENTRY.size
        if at + _ENTRY.size > len(locator):
            break
        key, value, key_length, value_length = _ENTRY.unpack_from(locator, at)
        values[_text(locator, key, key_length)] = _text(
            locator, value, value_length)
    return next((values[key] for key in _KEYS if values.get(key)), None)


def _text(locator: bytes, offset: int, length: int) -> str:
    data = locator[offset:offset + min(length, 2 * _MAX_SHOWN)]
    return data.decode('utf-16-le', 'replace')
