# SPDX-License-Identifier: Apache-2.0
"""Files that commands read as a whole, in JSON or YAML."""

from __future__ import annotations

import re
import sys
from typing import Any

from hyperv_sched import text
from hyperv_sched.cli import base

#: Events of a YAML file, which are scalars and the ends of collections, and
#: collections in one another.
MAX_EVENTS = 5_000_000
MAX_DEPTH = 20


def read(path: str, limit: int) -> bytes:
    """Read a file, or standard input for -.

    :param limit: the largest number of bytes
    :raises base.UsageError: it cannot be read, or is larger.
    """
    try:
        if path != '-':
            with open(path, 'rb') as source:
                data = source.read(limit + 1)
        elif sys.stdin is None:
            raise base.UsageError('-: standard input is closed')
        else:
            data = sys.stdin.buffer.read(limit + 1)
    except OSError as exc:
        raise read_error(exc, path) from None
    if len(data) > limit:
        raise base.UsageError(f'{path}: is larger than {limit} bytes')
    return data


def check_yaml(data: bytes, loader: Any) -> None:
    """Check that YAML has no aliases, and a bounded depth and size.

    A few lines of aliases can stand for any number of values.

    :param loader: a class of PyYAML
    :raises ValueError: it has.
    :raises yaml.YAMLError: the text is not YAML.
    """
    import yaml

    depth = 0
    for count, event in enumerate(yaml.parse(data, Loader=loader)):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError('aliases (*name) are not supported')
        depth += (isinstance(event, yaml.CollectionStartEvent)
                  - isinstance(event, yaml.CollectionEndEvent))
        if depth > MAX_DEPTH or count > MAX_EVENTS:
            raise ValueError('it is too deep or too large')


def read_error(exc: Exception, path: str) -> base.UsageError:
    """Return the error for a file that cannot be opened or read."""
    if re.match('[A-Za-z][A-Za-z0-9+.-]+://', path):
        return base.UsageError(
            f'{path}: URLs are not opened. Download it to a file')
    reason = (text.file_error(exc, path) if isinstance(exc, OSError)
              else exc)
    return base.UsageError(f'{path}: cannot be read: {reason}')
