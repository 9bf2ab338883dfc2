# SPDX-License-Identifier: Apache-2.0
"""What a disk itself tells about the properties of its image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperv_sched import versions

GENERATION_2 = 'hyperv-gen2'
_FORMATS = ('vhd', 'vhdx')

#: Each property, in the order in which it is told.
NAMES = ('hw_machine_type', 'hypervisor_type', 'hypervisor_version_requires',
         'trait:CUSTOM_HYPERV_GEN2')


def properties(content: Mapping[str, Any]) -> dict[str, str]:
    """The properties that an image of this content needs.

    :param content: as :meth:`hyperv_sched.disk.Inspection.as_dict` returns it
    :returns: nothing, where the disk does not tell its generation, or is in
        a format that Hyper-V does not run.
    """
    generation = content.get('generation')
    if generation is None or content.get('format') not in _FORMATS:
        return {}
    return of_generation(generation)


def of_generation(generation: str) -> dict[str, str]:
    """The properties that an image of a generation needs."""
    values = {'hw_machine_type': generation, 'hypervisor_type': 'hyperv'}
    if generation == GENERATION_2:
        values['hypervisor_version_requires'] = (
            f'>={versions.GENERATION_2_MINIMUM}')
        values['trait:CUSTOM_HYPERV_GEN2'] = 'required'
    return values


def missing(document: Mapping[str, Any], content: Mapping[str, Any],
            ) -> dict[str, str]:
    """The properties that an image needs and does not have.

    One of another hypervisor needs none.

    :param document: as :func:`hyperv_sched.document.normalize` returns it.
    """
    if document.get('hypervisor_type', 'hyperv') != 'hyperv':
        return {}
    return {name: value for name, value in properties(content).items()
            if name not in document}
