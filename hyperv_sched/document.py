# SPDX-License-Identifier: Apache-2.0
"""The image document: what Glance says of an image, and what its file shows.

A flat mapping as ``GET /v2/images/{id}`` returns it, with one key more:
``content``, the answer of :func:`hyperv_sched.disk.inspect`.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import itertools
from typing import Any

from hyperv_sched import names
from hyperv_sched import nova_values

#: Old names by Nova's own (``_legacy_property_map`` in
#: ``nova/objects/image_meta.py``). Where both are set, Nova takes its own.
LEGACY_NAMES = {
    'hw_architecture': 'architecture',
    'img_hv_type': 'hypervisor_type',
    'img_hv_requested_version': 'hypervisor_version_requires',
    'hw_vm_mode': 'vm_mode',
}

#: The names that the rules use: those that people use.
NAMES = {
    'hw_architecture': 'architecture',
    'img_hv_type': 'hypervisor_type',
    'img_hv_requested_version': 'hypervisor_version_requires',
}

#: What Nova reads as something else (``canonicalize`` in
#: ``nova/objects/fields.py``, after folding the case).
_CANONICAL = {
    'architecture': {'x86_64': 'x86_64', 'amd64': 'x86_64'},
    'hypervisor_type': {'hyperv': 'hyperv'},
    'hw_vm_mode': {'hvm': 'hvm', 'hv': 'hvm', 'baremetal': 'hvm'},
}

#: Members that the rules read as text.
_TEXT = frozenset((
    *LEGACY_NAMES, *LEGACY_NAMES.values(), 'container_format', 'disk_format',
    'hw_cdrom_bus', 'hw_disk_bus', 'hw_firmware_type', 'hw_machine_type',
    'hw_scsi_model', 'hw_vif_model', 'id', 'img_pdk_reference',
    'interactive_serial_port', 'logging_serial_port', 'name',
    'os_secure_boot', 'os_secure_boot_signature', 'os_shielded_vm',
    'os_type', 'os_vtpm'))


#: What is made here or by those who read the file; an image's property of
#: such a name is none of it.
_OURS = frozenset((
    'content', 'misspelt', 'overridden', 'properties', 'refused'))

#: Misspelt names are listed up to this number: who mends these sees the rest.
MAX_MISSPELT = 20


#: The longest name that Glance takes; an id is shorter.
MAX_LABEL = 255


class InvalidDocumentError(ValueError):
    """Not what the Image API or the openstack client prints."""


def flatten(raw: object) -> dict[str, Any]:
    """Make one level of the document as the openstack client prints it.

    Takes the flat document of the Image API, too; unset (null) members are
    dropped.

    :raises InvalidDocumentError: a member that must be text is not, or the
        whole is not an object.
    """
    if not isinstance(raw, Mapping):
        raise InvalidDocumentError('an image document must be an object')
    nested = raw.get('properties') or {}
    if not isinstance(nested, Mapping):
        raise InvalidDocumentError('properties must be an object')
    # No property can take the place of a member of the image itself.
    document = {
        name: value for name, value in {**nested, **raw}.items()
        if value is not None and name not in _OURS}
    for name in _TEXT.intersection(document):
        if not isinstance(document[name], str):
            raise InvalidDocumentError(f'{name} must be a string')
    min_disk = document.get('min_disk', 0)
    if isinstance(min_disk, str) and min_disk.isascii() and (
            min_disk.isdecimal() and len(min_disk) < 10):
        document['min_disk'] = int(min_disk)
    elif isinstance(min_disk, float) and min_disk.is_integer():
        # JSON Schema takes 1.0 for an integer, and so does Glance.
        document['min_disk'] = int(min_disk)
    elif isinstance(min_disk, bool) or not isinstance(min_disk, int):
        raise InvalidDocumentError('min_disk must be a whole number')
    return document


def normalize(raw: object) -> dict[str, Any]:
    """Bring a document into the one shape that the rules judge.

    Each property comes under one name, with the value that Nova reads; what
    an old name says and a new one contradicts comes under ``overridden``.
    A property whose value Nova refuses is not in its place but under
    ``refused``. Properties whose names resemble one that is read are under
    ``misspelt``, too. Both map a name to its value, ``actual``, and to what
    it should be, ``required``.

    :raises InvalidDocumentError: see :func:`flatten`.
    """
    document = flatten(raw)
    read = {name: value for name, value in document.items()
            if name not in LEGACY_NAMES.values()}
    overridden = {}
    for name, legacy in LEGACY_NAMES.items():
        if legacy not in document:
            continue
        used = NAMES.get(name, name)
        if _canonical(used, document[legacy]) != _canonical(
                used, read.setdefault(name, document[legacy])):
            overridden[legacy] = document[legacy]
    document = {
        NAMES.get(name, name): _canonical(NAMES.get(name, name), value)
        for name, value in read.items()}
    refused = {
        name: {'actual': value,
               'required': nova_values.accepted(name, value)}
        for name, value in document.items()
        if nova_values.refuses(name, value)}
    document = {name: value for name, value in document.items()
                if name not in refused}
    misspelt = dict(itertools.islice(_misspelt(document), MAX_MISSPELT))
    for name, members in (('overridden', overridden), ('refused', refused),
                          ('misspelt', misspelt)):
        if members:
            document[name] = members
    return document


def _misspelt(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        required = names.resembled(name)
        if required is not None:
            yield name, {'actual': value, 'required': required}


def _canonical(name: str, value: Any) -> Any:
    """What Nova reads where this is written."""
    return (_CANONICAL[name].get(value.lower(), value)
            if name in _CANONICAL else value)


def is_image(document: Mapping[str, Any]) -> bool:
    """Whether a flat document can be one of an image.

    What a list prints (``openstack image list``) has other names, and would
    pass for an image that asks nothing.
    """
    return not _TEXT.isdisjoint(document) and 'Name' not in document


def label(document: Mapping[str, Any]) -> str:
    """What to call the image in a finding, as far as Glance has room."""
    name = document.get('id') or document.get('name') or '-'
    return str(name)[:MAX_LABEL]


def from_image_meta(image_meta: Any) -> dict[str, Any]:
    """Turn Nova's ImageMeta into an image document.

    Only what the rules read is taken. Nova has dropped unknown properties
    before; reading an unset field of such an object raises.

    :raises InvalidDocumentError: see :func:`normalize`.
    """
    raw = {
        name: getattr(image_meta, name)
        for name in ('id', 'name', 'disk_format', 'container_format')
        if image_meta.obj_attr_is_set(name)}
    if image_meta.obj_attr_is_set('properties'):
        properties = image_meta.properties
        raw.update(
            (name, getattr(properties, name))
            for name in ('hw_machine_type', 'os_secure_boot', 'os_type',
                         *LEGACY_NAMES)
            if properties.obj_attr_is_set(name))
    return normalize(raw)
