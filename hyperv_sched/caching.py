# SPDX-License-Identifier: Apache-2.0
"""Caches that are bounded in bytes, not only in the number of entries.

The arguments of most functions of this package come from an image, and
nothing bounds the length of a property on its way to a service: 128 entries
of 30 MB each would stay in memory for as long as the service runs.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
import functools
import sys
from typing import Any
from typing import TypeVar
from typing import cast

#: The largest arguments that are kept, in bytes of memory. Those of real
#: images take less than half of that.
MAX_KEY = 2048

#: Entries of one cache: the images of a cloud have few different properties.
MAX_ENTRIES = 128

_Function = TypeVar('_Function', bound=Callable[..., Any])


def cache_small(function: _Function) -> _Function:
    """Decorate a function: keep its results by arguments, if these are small.

    Results must not be much larger than their arguments. The arguments are
    positional, and distinguished by type, too: in Python, but not in JSON,
    True equals 1. A call with large or unhashable arguments is not cached.
    """
    cached = functools.lru_cache(MAX_ENTRIES, typed=True)(function)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if not is_small(args):
            return function(*args)
        try:
            return cached(*args)
        except TypeError:
            return function(*args)

    # As functools.lru_cache has them.
    call.cache_info = cached.cache_info  # type: ignore[attr-defined]
    call.cache_clear = cached.cache_clear  # type: ignore[attr-defined]
    return cast(_Function, call)


def is_small(key: Any) -> bool:
    """Return whether the key of a cache is small enough to be kept."""
    return _size(key) <= MAX_KEY


def _size(value: Any) -> int:
    """Return the bytes of an argument, or of the elements of a collection.

    Of a dictionary, which is no key of a cache, the keys alone count.
    """
    if isinstance(value, str | bytes):
        return sys.getsizeof(value)
    if isinstance(value, Collection):
        return sum(map(_size, value))
    return sys.getsizeof(value)
