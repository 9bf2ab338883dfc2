# SPDX-License-Identifier: Apache-2.0
"""The image document: what Glance says of an image, and what its file shows.

A flat mapping as ``GET /v2/images/{id}`` returns it, with one key more:
``content``, the answer of :func:`hyperv_sched.disk.inspect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Nova's own names, by the name that images carry (``ImageMetaProps`` in
#: ``nova/objects/image_meta.py``). Where both are set, Nova takes its own.
ALIASES = {
    'architecture': 'hw_architecture',
    'hypervisor_type': 'img_hv_type',
    'hypervisor_version_requires': 'img_hv_requested_version',
}

#: Members that the rules read as text.
_TEXT = frozenset((
    *ALIASES, *ALIASES.values(), 'disk_format', 'container_format',
    'hw_machine_type', 'id', 'name'))


class InvalidDocument(ValueError):
    """Not what the Image API or the openstack client prints."""


def normalise(raw: object) -> dict[str, Any]:
    """Bring a document into the one shape that the rules judge.

    Takes the flat document of the Image API and the nested one of
    ``openstack image show -f json``; unset (null) members are dropped.

    :raises InvalidDocument: a member that must be text is not, or the whole
        is not an object.
    """
    if not isinstance(raw, Mapping):
        raise InvalidDocument('an image document must be an object')
    document = dict(raw)
    nested = document.pop('properties', None)
    if isinstance(nested, Mapping):
        document.update(nested)
    document = {k: v for k, v in document.items() if v is not None}
    for name in _TEXT.intersection(document):
        if not isinstance(document[name], str):
            raise InvalidDocument(f'{name} must be a string')
    for name, novas_name in ALIASES.items():
        if novas_name in document:
            document[name] = document.pop(novas_name)
    # Nova folds the case of this one and of no other.
    if document.get('hypervisor_type', '').lower() == 'hyperv':
        document['hypervisor_type'] = 'hyperv'
    return document


def label(document: Mapping[str, Any]) -> str:
    """What to call the image in a finding."""
    return str(document.get('id') or document.get('name') or '-')


def from_image_meta(image_meta: Any) -> dict[str, Any]:
    """Turn Nova's ImageMeta into an image document.

    Only what the rules read is taken. Nova has dropped unknown properties
    before; reading an unset field of such an object raises.

    :raises InvalidDocument: see :func:`normalise`.
    """
    raw = {
        name: getattr(image_meta, name)
        for name in ('id', 'name', 'disk_format', 'container_format')
        if image_meta.obj_attr_is_set(name)}
    if image_meta.obj_attr_is_set('properties'):
        properties = image_meta.properties
        raw.update(
            (name, getattr(properties, name))
            for name in ('hw_machine_type', *ALIASES.values())
            if properties.obj_attr_is_set(name))
    return normalise(raw)
