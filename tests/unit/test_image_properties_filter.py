# SPDX-License-Identifier: Apache-2.0
"""tests/functional/nova compares the same with Nova's filter."""

from hyperv_sched import document
from hyperv_sched import image_properties_filter
from hyperv_sched import inventory
from tests.unit import base


def passes(properties, kind='hyperv', version=10000, **members):
    return image_properties_filter.passes(
        document.normalize(properties),
        inventory.Host('h', kind, version, **members))


class PassesTestCase(base.TestCase):

    def test_version_is_ignored_without_a_type(self):
        self.assertIs(True, passes(
            {'hypervisor_version_requires': '>=99'}, version=6002))

    def test_version_is_compared_with_a_type(self):
        image = {'hypervisor_type': 'hyperv',
                 'hypervisor_version_requires': '>=6.3'}
        self.assertEqual([False, True, True, True], [
            passes(image, version=version)
            for version in (6002, 6003, 0, None)])

    def test_kvm_image_passes_hosts_of_libvirt(self):
        self.assertIs(True, passes({'img_hv_type': 'KVM'}, 'QEMU', 8002000))
        self.assertIs(False, passes({'img_hv_type': 'kvm'}))

    def test_processor_of_a_host_of_libvirt_is_unknown(self):
        for architecture, kvm, hyperv in (
                ('aarch64', None, False), ('x86_64', True, True)):
            image = {'architecture': architecture}
            self.assertIs(kvm, passes(image, 'QEMU', 8002000))
            self.assertIs(hyperv, passes(image))
            self.assertIs(False, passes(
                {**image, 'hypervisor_type': 'hyperv'}, 'QEMU', 8002000))

    def test_unknown_driver_is_unknown(self):
        self.assertIsNone(passes({'hypervisor_type': 'hyperv'}, 'other'))
        self.assertIs(True, passes({}, 'other'))
        self.assertIs(False, passes(
            {'hypervisor_type': 'hyperv',
             'hypervisor_version_requires': '>=6.3'}, 'other', 6002))

    def test_supported_instances_of_a_file_win(self):
        self.assertIs(True, passes(
            {'hypervisor_type': 'hyperv'}, 'other', 1,
            supported_instances=(('i686', 'hyperv', 'hvm'),)))
        self.assertIs(False, passes(
            {'hypervisor_type': 'hyperv'}, supported_instances=()))

    def test_negative_version_for_which_nova_does_not_end_is_unknown(self):
        self.assertIsNone(passes(
            {'hypervisor_type': 'hyperv',
             'hypervisor_version_requires': '>=6.3'}, version=-1))

    def test_value_that_nova_refuses_passes_no_host(self):
        for image in ({'architecture': 'x64'},
                      {'hypervisor_type': 'hyperv',
                       'hypervisor_version_requires': '~=6.3'}):
            self.assertIs(False, passes(image), image)
