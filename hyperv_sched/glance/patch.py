# SPDX-License-Identifier: Apache-2.0
"""Apply a PATCH of the Image API to a record.

Version 2.1 of the media type has ``{"op": "add", "path": "/name", "value":
...}``, version 2.0 ``{"add": "/name", "value": ...}`` (Glance's own
documentation, "HTTP PATCH media types").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEDIA_TYPES = {
    'application/openstack-images-v2.1-json-patch': 1,
    'application/openstack-images-v2.0-json-patch': 0}
_OPERATIONS = ('add', 'replace', 'remove')


class InvalidPatchError(ValueError):
    """The request is not a valid patch; Glance refuses it itself."""


def apply(record: Mapping[str, Any], changes: Any,
          media_type: str) -> dict[str, Any]:
    """Return the record after the changes that set or remove a member.

    Changes of a part of a member, such as a tag or a location, are ignored.

    :param media_type: Content-Type of the request
    :raises InvalidPatchError: the patch is invalid.
    """
    if media_type not in _MEDIA_TYPES or not isinstance(changes, list):
        raise InvalidPatchError(
            f'{media_type} is not a media type of a patch, or the body is not '
            'a list')
    changed = dict(record)
    for change in changes:
        if not isinstance(change, Mapping):
            raise InvalidPatchError('a change must be an object')
        operation, path = _operation(change, _MEDIA_TYPES[media_type])
        name = _name(path)
        if name is None:
            continue
        if operation == 'remove':
            changed.pop(name, None)
        elif 'value' in change:
            changed[name] = change['value']
        else:
            raise InvalidPatchError('a change must have a value')
    return changed


def _operation(change: Mapping[str, Any], version: int) -> tuple[str, Any]:
    if version:
        operation, path = change.get('op'), change.get('path')
    else:
        operation = next((o for o in _OPERATIONS if o in change), None)
        path = change.get(operation or '')
    if operation not in _OPERATIONS or not isinstance(path, str):
        raise InvalidPatchError('a change must have an operation and a path')
    return operation, path


def _name(path: str) -> str | None:
    """Return the member that a JSON pointer (RFC 6901) refers to.

    A pointer to a part of a member returns None.
    """
    if not path.startswith('/'):
        return None
    # Glance strips leading slashes and blanks, unlike the RFC.
    name = path.lstrip('/')
    if '/' in name:
        return None
    return name.replace('~1', '/').replace('~0', '~').strip()
