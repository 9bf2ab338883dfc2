# SPDX-License-Identifier: Apache-2.0
"""Names and options of this package in the configuration of glance-api.

The import plugin and the API filter read them. ``hyperv-sched status`` checks
them, in an environment that may have no Glance.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from oslo_utils import strutils

#: Name of the import plugin and of the API filter.
NAME = 'hyperv_generation'

#: Import plugins of Glance that do not change the image.
HARMLESS_PLUGINS = ('no_op',)

#: Bytes of the largest body that is validated by default. An image with 128
#: properties of 255 characters has 64 KiB.
MAX_BODY = 2 ** 20


class FilterOption(NamedTuple):
    """An option of the API filter in the paste file, where it is text."""

    default: Any
    parse: Callable[[str], Any]
    """Returns the value, or raises ValueError."""
    valid: str
    """The valid values, for messages."""


def _parse_boolean(value: str) -> bool:
    return bool(strutils.bool_from_string(value, strict=True))


def _parse_size(value: str) -> int:
    size = int(value)
    if size < 1:
        raise ValueError
    return size


def _parse_oversized(value: str) -> str:
    if value not in ('pass', 'refuse'):
        raise ValueError
    return value


#: By the name in the paste file.
FILTER_OPTIONS: Mapping[str, FilterOption] = {
    'report_only': FilterOption(True, _parse_boolean, 'true, false'),
    'max_body': FilterOption(
        MAX_BODY, _parse_size, 'a number of bytes, at least 1'),
    'oversized': FilterOption('pass', _parse_oversized, 'pass, refuse'),
    'read_active': FilterOption(True, _parse_boolean, 'true, false'),
}


def read_filter_option(options: Mapping[str, str], name: str) -> Any:
    """Return the value of an option of the API filter, or its default.

    :param options: the options of the filter in the paste file
    :raises ValueError: the value is invalid.
    """
    option = FILTER_OPTIONS[name]
    if name not in options:
        return option.default
    try:
        return option.parse(options[name])
    except ValueError:
        raise ValueError(f'{name} is {options[name]!r}. Valid values: '
                         f'{option.valid}') from None
