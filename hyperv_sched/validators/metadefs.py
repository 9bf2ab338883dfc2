# SPDX-License-Identifier: Apache-2.0
"""The image schema's properties as a Glance metadata definition namespace.

Horizon offers them as choices; Glance enforces nothing from them.
"""

from __future__ import annotations

from typing import Any

from hyperv_sched.rules import definitions

NAMESPACE = 'OS::Compute::HyperVGeneration'

#: Horizon lets the namespace that sorts last own a property that several
#: define, and "libvirt Driver Options for Images" defines hw_machine_type as
#: free text: hence the small v.
_DISPLAY_NAME = 'virtual machine generation on Hyper-V'

#: Glance answers any other key of a property with HTTP 500
#: (``glance/api/v2/model/metadef_property_type.py``).
_ALLOWED = frozenset((
    'title', 'description', 'type', 'operators', 'default', 'readonly',
    'minimum', 'maximum', 'enum', 'pattern', 'minLength', 'maxLength',
    'confidential', 'items', 'uniqueItems', 'minItems', 'maxItems',
    'additionalItems'))


def namespace() -> dict[str, Any]:
    """Make the namespace document that ``glance-manage`` and the API take."""
    properties = {
        name: _property(schema)
        for name, schema in definitions.PROPERTIES.items()
        if 'x-metadef' in schema}
    return {
        'namespace': NAMESPACE,
        'display_name': _DISPLAY_NAME,
        'description': 'Which virtual machine generation an image is made '
                       'for, and which Hyper-V versions may run it. Set '
                       'hypervisor_type=hyperv too.',
        'visibility': 'public',
        'protected': True,
        'resource_type_associations': [
            {'name': 'OS::Glance::Image'},
            {'name': 'OS::Cinder::Volume', 'properties_target': 'image'},
        ],
        'properties': properties,
    }


def _property(schema: dict[str, Any]) -> dict[str, Any]:
    merged = {**schema, **schema['x-metadef']}
    return {k: v for k, v in merged.items() if k in _ALLOWED}
