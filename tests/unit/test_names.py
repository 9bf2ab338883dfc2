# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import names
from tests.unit import base

MISSPELLED = {
    # separators and case
    'hypervisor-type': 'hypervisor_type', 'hw-machine-type': 'hw_machine_type',
    'HW_MACHINE_TYPE': 'hw_machine_type', 'os:secure_boot': 'os_secure_boot',
    'hypervisortype': 'hypervisor_type', 'OS_TYPE': 'os_type',
    'disk-format': 'disk_format', 'vm mode': 'vm_mode',
    # a letter missing, added, replaced or moved
    'hw_machine_typ': 'hw_machine_type', 'os_typ': 'os_type',
    'hypervisor_version_require': 'hypervisor_version_requires',
    'hypervisor_version_required': 'hypervisor_version_requires',
    'hypervisior_type': 'hypervisor_type',
    'hypervisor_vesrion_requires': 'hypervisor_version_requires',
    'interactive_serial_prot': 'interactive_serial_port',
    # a prefix missing, added or another
    'machine_type': 'hw_machine_type', 'secure_boot': 'os_secure_boot',
    'hw_secure_boot': 'os_secure_boot', 'hw_os_type': 'os_type',
    'hw_hypervisor_type': 'hypervisor_type',
    'hw_machinetype': 'hw_machine_type',
}

#: Names that people use for something else.
OTHERS = (
    'os_version', 'os_distro', 'hw_vif_model', 'hw_disk_type', 'vm_model',
    'type', 'mode', 'generation', 'kernel_id', 'ramdisk_id', 'instance_uuid',
    'base_image_ref', 'owner_specified.openstack.md5', 'stores', 'locations',
    'cinder_encryption_key_id', 'trait:CUSTOM_HYPERV_GEN2', 'os_hash_algo',
    'image_type', 'signature_verified', '', '_', 'x' * 10_000)


class ResembledTestCase(base.TestCase):

    def test_misspelled_names(self):
        self.assertEqual(MISSPELLED, {
            name: names.resembled(name) for name in MISSPELLED})

    def test_names_that_are_read_are_right(self):
        self.assertEqual(
            set(), {name for name in names.READ if names.resembled(name)})

    def test_other_names_are_left_alone(self):
        self.assertEqual(
            set(), {name for name in OTHERS if names.resembled(name)})

    def test_longest_name_that_is_compared(self):
        padded = 'hw-machine-type'.ljust(64, '-')
        self.assertEqual('hw_machine_type', names.resembled(padded))
        self.assertIsNone(names.resembled(f'{padded}-'))

    @hypothesis.given(
        st.sampled_from([n for n in names.READ if len(n) > 10]), st.data())
    def test_one_letter_more_or_less_is_noticed(self, name, data):
        index = data.draw(st.integers(0, len(name) - 1))
        letter = data.draw(st.sampled_from('abcxyz'))
        for misspelled in (name[:index] + name[index + 1:],
                           name[:index] + letter + name[index:],
                           name[:index] + letter + name[index + 1:]):
            self.assertTrue(
                misspelled in names.READ or names.resembled(misspelled),
                misspelled)

    @hypothesis.given(st.text())
    def test_any_text_is_a_name(self, name):
        self.assertIn(names.resembled(name), (None, *names.READ))
