# SPDX-License-Identifier: Apache-2.0
"""Properties of images."""

#: An image of generation 2 to which no rule objects.
GENERATION_2 = {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
                'hypervisor_version_requires': '>=6.3'}


def options(properties):
    """Return properties as the commands take them."""
    return [word for name, value in properties.items()
            for word in ('--property', f'{name}={value}')]
