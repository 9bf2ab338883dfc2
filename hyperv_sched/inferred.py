# SPDX-License-Identifier: Apache-2.0
"""Infer the properties of an image from its disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperv_sched import versions

HYPERV = 'hyperv'
GENERATION_1 = 'hyperv-gen1'
GENERATION_2 = 'hyperv-gen2'

_FORMATS = ('vhd', 'vhdx')

#: Each property that can be inferred, in order.
NAMES = ('hw_machine_type', 'hypervisor_type', 'hypervisor_version_requires',
         'trait:CUSTOM_HYPERV_GEN2')


def infer_properties(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties that an image of this content needs.

    :param content: as :meth:`hyperv_sched.disk.Content.as_dict` returns it
    :returns: nothing, where the generation cannot be inferred from the disk,
        or Hyper-V does not run the format
    """
    generation = content.get('generation')
    if generation is None or content.get('format') not in _FORMATS:
        return {}
    return properties_of_generation(generation)


def properties_of_generation(generation: str) -> dict[str, str]:
    """Return the properties that an image of a generation needs."""
    values = {'hw_machine_type': generation, 'hypervisor_type': HYPERV}
    if generation == GENERATION_2:
        values['hypervisor_version_requires'] = (
            f'>={versions.GENERATION_2_MINIMUM}')
        values['trait:CUSTOM_HYPERV_GEN2'] = 'required'
    return values


def missing_properties(document: Mapping[str, Any],
                       content: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties that an image needs and does not have.

    An image for another hypervisor needs none.

    :param document: as :func:`hyperv_sched.document.normalize` returns it
    """
    if document.get('hypervisor_type', HYPERV) != HYPERV:
        return {}
    return {name: value for name, value in infer_properties(content).items()
            if name not in document}
