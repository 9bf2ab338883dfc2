# SPDX-License-Identifier: Apache-2.0
"""The decision of Nova's own ImagePropertiesFilter.

Nova 34, ``nova/scheduler/filters/image_props_filter.py``
``_instance_supported``. The filter is on by default; it is the only one that
compares an image with a hypervisor. Not in here: hw_maxphysaddr_bits, and
``[filter_scheduler] image_properties_default_architecture``.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from hyperv_sched import inventory
from hyperv_sched import nova_values
from hyperv_sched import versions

#: What a driver reports as hypervisor_type, and the hypervisors in the
#: supported_instances that it reports, all of them for full virtualization.
_DRIVERS = {
    'hyperv': ('hyperv',),
    'ironic': ('baremetal',),
    'qemu': ('qemu', 'kvm'),
    'vmware vcenter server': ('vmware',),
}
_ARCHITECTURES = ('x86_64', 'i686')

#: The properties that are compared with supported_instances, in its order.
_COMPARED = ('architecture', 'hypervisor_type', 'hw_vm_mode')


def passes(document: Mapping[str, Any],
           host: inventory.Host) -> bool | None:
    """Return whether Nova's filter lets a host pass.

    :param document: from :func:`hyperv_sched.document.normalize`
    :returns: None if that depends on what the host has not reported
    """
    if 'refused' in document:
        # The request ends in HTTP 400, before any filter.
        return False
    wanted = [_canonical(name, document.get(name)) for name in _COMPARED]
    if not any(wanted):
        return True
    try:
        meets_version = _meets_version(document, host.hypervisor_version)
    except versions.InvalidRequirementError:
        return False
    supported = host.supported_instances
    if supported is None:
        supported = tuple(_assumed(host))
        if not supported and meets_version is not False:
            return None
        if not host.capability.is_hyperv and wanted[0] not in (
                None, *_ARCHITECTURES):
            # A host of libvirt may have such a processor.
            may_pass = _supports(supported, [None, *wanted[1:]])
            return None if may_pass and meets_version is not False else False
    return meets_version if _supports(supported, wanted) else False


def _supports(supported: Iterable[Sequence[str]],
              wanted: Sequence[str | None]) -> bool:
    return any(all(value is None or value in kind for value in wanted)
               for kind in supported)


def _canonical(name: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return nova_values.canonical(name, value) or None


def _assumed(host: inventory.Host) -> Iterator[tuple[str, ...]]:
    """Yield the supported_instances that the driver of a host reports."""
    kinds = _DRIVERS.get((host.hypervisor_type or '').lower(), ())
    for architecture in _ARCHITECTURES:
        for kind in kinds:
            yield architecture, kind, 'hvm'


def _meets_version(document: Mapping[str, Any],
                   number: int | None) -> bool | None:
    """Compare the version as Nova does: one that is missing passes."""
    required = document.get('hypervisor_version_requires')
    if not isinstance(required, str) or not required or not number:
        return True
    requirement = versions.parse_requirement(required)
    if number < 0:
        # Nova's conversion does not end.
        return None
    parts = []
    while number:
        number, part = divmod(number, 1000)
        parts.append(part)
    return versions.satisfies(
        versions.Version('.'.join(map(str, reversed(parts)))), requirement)
