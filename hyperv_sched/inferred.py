# SPDX-License-Identifier: Apache-2.0
"""Properties of an image inferred from its content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperv_sched import names
from hyperv_sched import versions

_TRAIT = f'trait:{names.GENERATION_2_TRAIT}'

#: Properties that :func:`infer_properties` infers, in this order.
NAMES = ('hw_machine_type', 'hypervisor_type', 'hypervisor_version_requires',
         _TRAIT)

_HYPERV_FORMATS = ('vhd', 'vhdx')
#: Formats that have the same name in Glance.
_DISK_FORMATS = ('iso', 'qcow2', 'raw', 'vdi', 'vhd', 'vhdx', 'vmdk')
_GIB = 1024 ** 3
#: Largest integer in the database of Glance.
MAX_MIN_DISK = 2 ** 31 - 1


def infer_properties(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties that an image with this content needs.

    :param content: from :meth:`hyperv_sched.disk.Inspection.as_dict`
    :returns: empty if the generation is unknown, or Hyper-V does not support
        the format
    """
    generation = content.get('generation')
    if generation is None or content.get('format') not in _HYPERV_FORMATS:
        return {}
    return properties_of_generation(generation)


def properties_of_generation(generation: str) -> dict[str, str]:
    """Return the properties that an image of a generation needs."""
    values = {'hw_machine_type': generation, 'hypervisor_type': names.HYPERV}
    if generation == names.GENERATION_2:
        values['hypervisor_version_requires'] = (
            f'>={versions.GENERATION_2_MINIMUM}')
        values[_TRAIT] = 'required'
    return values


def missing_properties(document: Mapping[str, Any],
                       content: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties that an image needs and does not have.

    An image for another hypervisor needs none.

    :param document: from :func:`hyperv_sched.document.normalize`
    """
    if document.get('hypervisor_type', names.HYPERV) != names.HYPERV:
        return {}
    return {name: value for name, value in infer_properties(content).items()
            if name not in document}


def infer_members(content: Mapping[str, Any],
                  document: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties and other members for an upload to Hyper-V.

    :param content: from :meth:`hyperv_sched.disk.Inspection.as_dict`
    :param document: members that are given, from
        :func:`hyperv_sched.document.normalize`. They are not part of the
        result
    """
    members: dict[str, Any] = {
        'container_format': 'bare', 'hypervisor_type': names.HYPERV}
    if content['format'] in _DISK_FORMATS:
        members['disk_format'] = content['format']
    min_disk = -(-_required_size(content) // _GIB)
    if 0 < min_disk <= MAX_MIN_DISK:
        members['min_disk'] = min_disk
    generation = document.get('hw_machine_type', _generation(content))
    if generation:
        members.update(properties_of_generation(generation))
        # Only hosts with the enforced driver report the trait.
        members.pop(_TRAIT, None)
    members.update(_operating_system(content))
    return {name: value for name, value in members.items()
            if name not in document}


def _required_size(content: Mapping[str, Any]) -> int:
    """Return the size in bytes that a disk needs; 0 if it is unknown.

    Nova compares the size of the file with the flavor, too
    (``nova/compute/api.py``, ``_validate_flavor_image_nostatus``). The file
    of a fixed VHD or VHDX is larger than its virtual disk.
    """
    size: int | None = content['virtual_size']
    return max(size, content['file_size']) if size else 0


def _generation(content: Mapping[str, Any]) -> str | None:
    """Return the generation that the disk boots as.

    For a disk that does not boot this is generation 2, whose rules give the
    reason. An ISO that does not boot may hold data for either.
    """
    if content['firmware'] == 'none' and content['format'] != 'iso':
        return names.GENERATION_2
    generation: str | None = content['generation']
    return generation


def _operating_system(content: Mapping[str, Any]) -> dict[str, str]:
    """Return architecture and os_type, as far as boot loaders tell them."""
    properties = {}
    loaders = content['loaders']
    if loaders and all(loader['machine'] == 'x64' for loader in loaders):
        properties['architecture'] = 'x86_64'
    starting = [os_type for os_type, template
                in (content.get('secure_boot') or {}).items()
                if template['starts']]
    if content['operating_system']:
        properties['os_type'] = content['operating_system']
    elif len(starting) == 1:
        # A renamed loader: its signer tells the system that it is of.
        properties['os_type'] = starting[0]
    return properties
