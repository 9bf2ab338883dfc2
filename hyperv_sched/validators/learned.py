# SPDX-License-Identifier: Apache-2.0
"""What a disk itself tells about the properties of its image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperv_sched import versions

_GENERATION_2 = 'hyperv-gen2'

#: Each property, in the order in which it is told.
NAMES = ('hw_machine_type', 'hypervisor_type', 'hypervisor_version_requires',
         'trait:CUSTOM_HYPERV_GEN2')


def properties(content: Mapping[str, Any]) -> dict[str, str]:
    """The properties that an image of this content needs.

    :param content: as :meth:`hyperv_sched.disk.Content.as_dict` returns it
    :returns: nothing, where the disk does not tell its generation.
    """
    generation = content.get('generation')
    if generation is None:
        return {}
    values = {'hw_machine_type': generation, 'hypervisor_type': 'hyperv'}
    if generation == _GENERATION_2:
        values['hypervisor_version_requires'] = (
            f'>={versions.GENERATION_2_MINIMUM}')
        values['trait:CUSTOM_HYPERV_GEN2'] = 'required'
    return values


def missing(document: Mapping[str, Any], content: Mapping[str, Any],
            ) -> dict[str, str]:
    """The properties that an image needs and does not have.

    :param document: as :func:`hyperv_sched.document.normalise` returns it.
    """
    return {name: value for name, value in properties(content).items()
            if name not in document}
