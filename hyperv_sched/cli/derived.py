# SPDX-License-Identifier: Apache-2.0
"""What an image should say of itself, by what its file is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperv_sched import document as image_document
from hyperv_sched import inferred

_GIB = 1024 ** 3
#: What Glance has room for.
_MAX_MIN_DISK = 2 ** 31 - 1
#: Formats that Glance has under the same names.
_DISK_FORMATS = ('iso', 'qcow2', 'raw', 'vdi', 'vhd', 'vhdx', 'vmdk')
_WINDOWS = '\\efi\\microsoft\\'
#: What Linux distributions start by, in any directory.
_LINUX = ('shimx64.efi', 'grubx64.efi', 'fbx64.efi')


def members(content: Mapping[str, Any],
            given: Mapping[str, Any]) -> dict[str, Any]:
    """Work out what is not given.

    :param content: what :func:`hyperv_sched.disk.inspect` saw
    :param given: under whatever names Nova reads
    :raises image_document.InvalidDocumentError: see
        :func:`hyperv_sched.document.normalize`.
    """
    said = image_document.normalize(given)
    found: dict[str, Any] = {
        'container_format': 'bare', 'hypervisor_type': 'hyperv'}
    if content['format'] in _DISK_FORMATS:
        found['disk_format'] = content['format']
    size = -(-_needed(content) // _GIB)
    if 0 < size <= _MAX_MIN_DISK:
        found['min_disk'] = size
    generation = said.get('hw_machine_type', _generation(content))
    if generation:
        found.update(inferred.properties_of_generation(generation))
        # Hosts have the trait only where the compute side is enforced.
        found.pop('trait:CUSTOM_HYPERV_GEN2', None)
    found.update(_system(content['loaders'] or ()))
    return {name: value for name, value in found.items() if name not in said}


def _needed(content: Mapping[str, Any]) -> int:
    """Return the bytes that a flavor's disk must have; 0 for unknown.

    Nova compares the file with the flavor's disk as well (compute/api.py,
    _validate_flavor_image_nostatus), and a fixed VHD or VHDX is larger than
    the disk in it.
    """
    size: int | None = content['virtual_size']
    return max(size, content['file_size']) if size else 0


def _generation(content: Mapping[str, Any]) -> str | None:
    """What the disk starts as.

    One that nothing starts from is judged as generation 2, the one with
    rules over disks: it gets the reason why it does not start.
    """
    if content['firmware'] == 'none':
        return inferred.GENERATION_2
    generation: str | None = content['generation']
    return generation


def _system(loaders: Any) -> dict[str, str]:
    """The operating system, where its loaders tell."""
    if not loaders:
        return {}
    found = {}
    paths = [loader['path'].lower() for loader in loaders]
    if all(loader['machine'] == 'x64' for loader in loaders):
        found['architecture'] = 'x86_64'
    if any(path.startswith(_WINDOWS) for path in paths):
        found['os_type'] = 'windows'
    elif any(path.endswith(_LINUX) for path in paths):
        found['os_type'] = 'linux'
    return found
