# SPDX-License-Identifier: Apache-2.0
"""The model of ImagePropertiesFilter against the real one."""

import itertools
import logging

import fixtures
from nova import objects
from nova.scheduler import host_manager
from nova.scheduler.filters import image_props_filter
from nova.virt import fake  # noqa: F401 (its options)
import testtools

from hyperv_sched import document
from hyperv_sched import image_properties_filter
from hyperv_sched import inventory

VALUES = {
    'hypervisor_type': (None, 'hyperv', 'HyperV', 'kvm', 'qemu', 'vmware'),
    'hypervisor_version_requires': (
        None, '>=6.3', '>=10.0', '<6.3', '>=6.3,<10.0', '>=10.0.14393',
        '!=6.3'),
    'architecture': (None, 'x86_64', 'amd64', 'i386', 'aarch64'),
    'vm_mode': (None, 'hvm', 'xen'),
}
GUESTS = [['i686', 'hyperv', 'hvm'], ['x86_64', 'hyperv', 'hvm']]
HOSTS = [
    *(('hyperv', version, GUESTS) for version in (0, 6002, 6003, 10000)),
    ('QEMU', 8002000, [[architecture, kind, 'hvm']
                       for architecture in ('i686', 'x86_64')
                       for kind in ('kvm', 'qemu')]),
    ('VMware vCenter Server', 7000003, [
        [architecture, 'vmware', 'hvm']
        for architecture in ('i686', 'x86_64')]),
]


def state(kind, version, guests):
    host = host_manager.HostState('h', 'n', None)
    host.hypervisor_type, host.hypervisor_version = kind, version
    host.supported_instances = guests
    return host


class ImagePropertiesFilterTestCase(testtools.TestCase):

    def test_every_combination(self):
        # Of each host that it rejects it logs the whole request.
        self.useFixture(fixtures.FakeLogger(
            image_props_filter.__name__, level=logging.INFO))
        nova_filter = image_props_filter.ImagePropertiesFilter()
        counts = {True: 0, False: 0}
        for values in itertools.product(*VALUES.values()):
            properties = {
                name: value for name, value
                in zip(VALUES, values, strict=True) if value is not None}
            spec = objects.RequestSpec(image=objects.ImageMeta.from_dict(
                {'id': 'x', 'properties': dict(properties)}))
            image = document.normalize(properties)
            for kind, version, guests in HOSTS:
                expected = nova_filter.host_passes(
                    state(kind, version, guests), spec)
                counts[expected] += 1
                for supported in (None, tuple(map(tuple, guests))):
                    found = image_properties_filter.passes(
                        image, inventory.Host(
                            'h', kind, version,
                            supported_instances=supported))
                    if found is None and supported is None and (
                            properties.get('architecture') == 'aarch64'):
                        # Known of a host of libvirt if it reports it.
                        continue
                    self.assertIs(expected, found,
                                  (properties, kind, version))
        self.assertGreater(counts[True], 500)
        self.assertGreater(counts[False], 500)
