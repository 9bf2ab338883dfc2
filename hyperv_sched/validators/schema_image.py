# SPDX-License-Identifier: Apache-2.0
"""The fragment of the image schema that glance-api itself can enforce.

Glance judges each property alone, and every image of the cloud: there is
room for the values of hw_machine_type, and none for what depends on another
property.
"""

from __future__ import annotations

from typing import Any

from hyperv_sched.rules import definitions


def fragment() -> dict[str, Any]:
    """Make the content of Glance's schema-image.json.

    Machine types of other hypervisors stay what they are.
    """
    machine_type = definitions.PROPERTIES['hw_machine_type']
    like_ours = definitions.DEFINITIONS['hyperv-machine-type']['properties']
    return {
        'hw_machine_type': {
            'type': 'string',
            'description': machine_type['description'],
            'anyOf': [
                {'enum': machine_type['x-metadef']['enum']},
                {'not': like_ours['hw_machine_type']},
            ],
        },
    }
