# SPDX-License-Identifier: Apache-2.0
"""The image document: the properties of an image, and its content.

A flat mapping as ``GET /v2/images/{id}`` returns it, with one key more:
``content``, the answer of :func:`hyperv_sched.disk.inspect`.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import functools
import itertools
import json
from typing import Any
from typing import NewType

from hyperv_sched import inferred
from hyperv_sched import names
from hyperv_sched import nova_values
from hyperv_sched import rules

#: Properties that Nova reads in any case or by other words, and the values
#: that rules know.
_KNOWN = {
    'architecture': ('x86_64', 'i686'),
    'hypervisor_type': (names.HYPERV,),
    'hw_vm_mode': ('hvm',),
}

#: Members of every image that are text.
_OWN_TEXT = frozenset(('container_format', 'disk_format', 'id', 'name'))

#: Members that this package makes; a property of such a name is dropped.
_OURS = frozenset((
    'content', 'misspelled', 'os:resolution', 'os:secure_boot', 'overridden',
    'properties', 'refused', 'root_volume'))

#: The extra specs of a flavor that a Hyper-V driver reads for a generation
#: (compute-hyperv ``vmops.py`` ``_requires_secure_boot``,
#: ``_configure_remotefx``).
EXTRA_SPECS = ('os:secure_boot', 'os:resolution')

#: Characters of a block device mapping that are read.
_MAX_MAPPING = 65536

#: Misspelled names are listed up to this number.
MAX_MISSPELLED = 20

#: The longest name that Glance takes; an id is shorter.
MAX_LABEL = 255


#: An image in one level, under the names that it has itself.
Record = NewType('Record', dict[str, Any])

#: An image under the names, and with the values, that Nova reads.
Document = NewType('Document', dict[str, Any])


class InvalidDocumentError(ValueError):
    """Not what the Image API or the openstack client prints."""


@functools.cache
def _text() -> frozenset[str]:
    """Return the members that must be text: rules or Nova read them so."""
    return rules.text_members() | _OWN_TEXT | frozenset(
        (*names.LEGACY, *names.LEGACY.values()))


def flatten(raw: object) -> Record:
    """Return the nested document of the openstack client in one level.

    The document of the Image API is flat already. Unset (null) members are
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
    for name in _text().intersection(document):
        if not isinstance(document[name], str):
            raise InvalidDocumentError(f'{name} must be a string')
    min_disk = document.get('min_disk', 0)
    if isinstance(min_disk, str) and min_disk.isascii() and (
            min_disk.isdecimal() and len(min_disk) <= 10
            and int(min_disk) <= inferred.MAX_MIN_DISK):
        document['min_disk'] = int(min_disk)
    elif isinstance(min_disk, float) and min_disk.is_integer():
        # JSON Schema takes 1.0 for an integer, and so does Glance.
        document['min_disk'] = int(min_disk)
    elif isinstance(min_disk, bool) or not isinstance(min_disk, int):
        raise InvalidDocumentError('min_disk must be a whole number')
    return Record(document)


def normalize(raw: object) -> Document:
    """Return a document in the form that the rules apply to.

    Each property has one name, and the value that Nova reads. The value of an
    old name is in ``overridden`` if the new name has another one. A property
    whose value Nova refuses is in ``refused`` only. Properties whose names
    resemble one that is read are in ``misspelled``, too. The latter two map a
    name to its value, ``actual``, and to the right value or name,
    ``required``. ``root_volume`` is set where servers boot from a volume.

    :raises InvalidDocumentError: see :func:`flatten`.
    """
    record = flatten(raw)
    read = {name: value for name, value in record.items()
            if name not in names.LEGACY.values()}
    overridden = {}
    for name, legacy in names.LEGACY.items():
        if legacy not in record:
            continue
        used = names.USED.get(name, name)
        if _canonical(used, record[legacy]) != _canonical(
                used, read.setdefault(name, record[legacy])):
            overridden[legacy] = record[legacy]
    document = {
        names.USED.get(name, name): _canonical(
            names.USED.get(name, name), value)
        for name, value in read.items()}
    refused = {
        name: {'actual': value,
               'required': nova_values.accepted(name, value)}
        for name, value in document.items()
        if nova_values.refuses(name, value)}
    document = {name: value for name, value in document.items()
                if name not in refused}
    misspelled = dict(itertools.islice(_misspelled(document), MAX_MISSPELLED))
    for name, members in (('overridden', overridden), ('refused', refused),
                          ('misspelled', misspelled)):
        if members:
            document[name] = members
    if _has_root_volume(record):
        document['root_volume'] = True
    return Document(document)


def _has_root_volume(record: Mapping[str, Any]) -> bool:
    """Return whether servers of an image boot from a volume.

    Nova's snapshot of such a server has no data, and a disk_format that means
    nothing (``nova/image/glance.py`` ``_create_v2``). Of a server that has
    other volumes alone, the snapshot is a disk.
    """
    mapping = record.get('block_device_mapping')
    try:
        # The Image API has text of JSON.
        devices = (json.loads(mapping[:_MAX_MAPPING])
                   if isinstance(mapping, str) else mapping)
    except (ValueError, RecursionError):
        return False
    return isinstance(devices, list) and any(
        isinstance(device, dict) and device.get('boot_index') == 0
        for device in devices)


def without_file(document: Document) -> Document:
    """Return a document without the file that no server boots from."""
    if 'root_volume' not in document:
        return document
    return Document({name: value for name, value in document.items()
                     if name not in ('content', 'disk_format')})


def extend(document: Document, **members: Any) -> Document:
    """Return a copy of a document with some members replaced."""
    return Document({**document, **members})


def _misspelled(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        required = names.resembled(name)
        if required is not None:
            yield name, {'actual': value, 'required': required}


def _canonical(name: str, value: Any) -> Any:
    """Return the value that Nova reads.

    Findings show a value that no rule knows as it is written.
    """
    if name not in _KNOWN:
        return value
    read = nova_values.canonical(name, value)
    return read if read in _KNOWN[name] else value


def is_image(document: Mapping[str, Any]) -> bool:
    """Return whether a flat document can be that of an image.

    The members of ``openstack image list`` have other names.
    """
    return not _text().isdisjoint(document) and 'Name' not in document


def requires_secure_boot(record: Mapping[str, Any]) -> bool:
    """Return whether a property requires Secure Boot."""
    return record.get('os_secure_boot') == 'required'


def label(document: Mapping[str, Any]) -> str:
    """Return the name of the image for findings, of bounded length."""
    name = document.get('id') or document.get('name') or '-'
    return str(name)[:MAX_LABEL]


def add_flavor(document: Document,
               extra_specs: Mapping[str, Any]) -> Document:
    """Return a document with the requirements of a flavor."""
    members = {}
    if extra_specs.get('os:secure_boot') == 'required':
        members['os_secure_boot'] = 'required'
        # The reason for a refusal names the flavor.
        if document.get('os_secure_boot') != 'required':
            members['os:secure_boot'] = 'required'
    if extra_specs.get('os:resolution'):
        members['os:resolution'] = str(extra_specs['os:resolution'])
    return extend(document, **members) if members else document


@functools.cache
def _enforced() -> tuple[str, ...]:
    """Return Nova's names of the properties that rules prevent servers by."""
    used = {used: name for name, used in names.USED.items()}
    return tuple(sorted(
        used.get(name, name) for name in rules.members(rules.preventing(
            'scheduling', 'build', 'build-before-2016'))
        if name not in _OWN_TEXT))


def from_image_meta(image_meta: Any) -> Document:
    """Turn Nova's ImageMeta into an image document.

    Only properties are taken that a rule reads which prevents scheduling or a
    build, as far as Nova knows them: it drops others. Reading an unset field
    of such an object raises.

    :raises InvalidDocumentError: see :func:`normalize`.
    """
    raw = {
        name: getattr(image_meta, name)
        for name in ('id', 'name', 'disk_format', 'container_format')
        if image_meta.obj_attr_is_set(name)}
    if image_meta.obj_attr_is_set('properties'):
        properties = image_meta.properties
        raw.update(
            (name, getattr(properties, name)) for name in _enforced()
            if name in properties.fields and properties.obj_attr_is_set(name))
    return normalize(raw)
