# SPDX-License-Identifier: Apache-2.0
"""What an image is after a PATCH of the Image API.

Version 2.1 of the media type says ``{"op": "add", "path": "/name", "value":
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


class NotUnderstood(ValueError):
    """Glance will say what is wrong with it."""


def apply(document: Mapping[str, Any], changes: Any,
          media_type: str) -> dict[str, Any]:
    """Apply the changes that set or remove a member of the image.

    Those of parts of a member (tags, locations) are passed over.

    :raises NotUnderstood: this is no such patch.
    """
    if media_type not in _MEDIA_TYPES or not isinstance(changes, list):
        raise NotUnderstood(media_type)
    changed = dict(document)
    for change in changes:
        if not isinstance(change, Mapping):
            raise NotUnderstood('a change must be an object')
        operation, path = _operation(change, _MEDIA_TYPES[media_type])
        name = _name(path)
        if name is None:
            continue
        if operation == 'remove':
            changed.pop(name, None)
        elif 'value' in change:
            changed[name] = change['value']
        else:
            raise NotUnderstood('a value is missing')
    return changed


def _operation(change: Mapping[str, Any], version: int) -> tuple[str, Any]:
    if version:
        operation, path = change.get('op'), change.get('path')
    else:
        operation = next((o for o in _OPERATIONS if o in change), None)
        path = change.get(operation or '')
    if operation not in _OPERATIONS or not isinstance(path, str):
        raise NotUnderstood('no operation')
    return operation, path


def _name(path: str) -> str | None:
    """The member that a JSON pointer (RFC 6901) names."""
    if not path.startswith('/'):
        return None
    # Glance is not as strict as the RFC.
    name = path.lstrip('/')
    if '/' in name:
        return None
    return name.replace('~1', '/').replace('~0', '~').strip()
