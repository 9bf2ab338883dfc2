# SPDX-License-Identifier: Apache-2.0

import shlex

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import text
from hyperv_sched import validators
from hyperv_sched.validators import fixes
from tests import properties
from tests.unit import base

GOOD = properties.GENERATION_2

#: What is added to GOOD (None takes away), and what is to be set.
CASES = (
    ({}, {}),
    ({'hw_machine_type': ' HYPERV-GEN2'}, {'hw_machine_type': 'hyperv-gen2'}),
    ({'hw_machine_type': 'hyperv-gen3'}, {}),
    ({'hypervisor_type': None}, {'hypervisor_type': 'hyperv'}),
    ({'hypervisor_type': 'Hyper-V'}, {'hypervisor_type': 'hyperv'}),
    ({'hypervisor_type': 'qemu'}, {}),
    ({'hypervisor_version_requires': None},
     {'hypervisor_version_requires': '>=6.3'}),
    ({'hypervisor_version_requires': '>=6.2,<10.0'},
     {'hypervisor_version_requires': '>=6.2,<10.0,>=6.3'}),
    ({'hypervisor_version_requires': '~=6.3'}, {}),
    ({'os_secure_boot': 'required', 'os_type': 'linux'},
     {'hypervisor_version_requires': '>=6.3,>=10.0'}),
    # No host would be left.
    ({'os_secure_boot': 'required', 'os_type': 'linux',
      'hypervisor_version_requires': '==6.3'}, {}),
    ({'hypervisor_version_requires': '<6.3'}, {}),
    ({'hw_disk_bus': 'ide', 'hw_cdrom_bus': 'IDE'},
     {'hw_disk_bus': 'scsi', 'hw_cdrom_bus': 'scsi'}),
    ({'os_type': 'Windows'}, {'os_type': 'windows'}),
    ({'os_type': 'windows2022'}, {'os_type': 'windows'}),
    ({'os_secure_boot': 'Disabled '}, {'os_secure_boot': 'disabled'}),
    ({'os_secure_boot': 'true'}, {}),
    ({'hw_architecture': 'x64'}, {'hw_architecture': 'x86_64'}),
    ({'hw_machine_type': 'gen2'}, {'hw_machine_type': 'hyperv-gen2'}),
    ({'hw_machine_type': 'Generation 1'}, {'hw_machine_type': 'hyperv-gen1'}),
    ({'hw_machine_type': 'V2'}, {'hw_machine_type': 'hyperv-gen2'}),
    ({'hw_machine_type': 'gen3'}, {}),
    ({'architecture': 'i686', 'hw_architecture': 'x64'},
     {'hw_architecture': 'x86_64', 'architecture': 'x86_64'}),
    ({'architecture': 'i686', 'hw_architecture': 'z80'}, {}),
    ({'architecture': 'i686', 'hw_architecture': 'x86_64'},
     {'architecture': 'x86_64'}),
    ({'hypervisor_type': None, 'img_hv_type': 'Hyper-V'},
     {'img_hv_type': 'hyperv'}),
    ({'hypervisor_type': 'qemu', 'img_hv_type': 'hyperv'},
     {'hypervisor_type': 'hyperv'}),
    ({'hw_vm_mode': 'xen'}, {'hw_vm_mode': 'hvm'}),
    # What a wrong generation hid comes to light.
    ({'hw_machine_type': 'Hyperv-Gen2', 'hw_disk_bus': 'ide',
      'hypervisor_version_requires': None},
     {'hw_machine_type': 'hyperv-gen2', 'hw_disk_bus': 'scsi',
      'hypervisor_version_requires': '>=6.3'}),
)


class PropertiesTestCase(base.TestCase):

    def test_sets_what_is_no_guess(self):
        for changes, expected in CASES:
            self.assertEqual(
                expected, fixes.properties(
                    {**GOOD, **changes}, validators.validate),
                changes)

    @hypothesis.given(st.fixed_dictionaries({}, optional={
        'hw_machine_type': st.sampled_from(
            ['hyperv-gen1', 'hyperv-gen2', 'HYPERV-GEN2', 'hyperv', 'q35']),
        'hypervisor_type': st.sampled_from(['hyperv', 'Hyper-V', 'qemu']),
        'img_hv_type': st.sampled_from(['hyperv', 'HyperV', 'qemu']),
        'hypervisor_version_requires': st.sampled_from(
            ['>=6.3', '>=6.2', '>=10', '<6.3', '~=6.3', '>=6.2,!=6.3']),
        'os_type': st.sampled_from(['linux', 'Windows']),
        'os_secure_boot': st.sampled_from(['required', 'disabled']),
        'hw_disk_bus': st.sampled_from(['ide', 'scsi']),
        'hw_vm_mode': st.sampled_from(['hvm', 'xen']),
        'vm_mode': st.sampled_from(['hvm', 'xen']),
        'architecture': st.sampled_from(['i686', 'x86_64']),
        'hw_architecture': st.sampled_from(['i686', 'x86_64'])}))
    def test_once_set_there_is_nothing_left_to_set(self, raw):
        values = fixes.properties(raw, validators.validate)
        self.assertEqual({}, fixes.properties(
            {**raw, **values}, validators.validate))


#: What a disk is and what the image says; what is to be set.
UEFI = {'format': 'vhdx', 'file_size': 4194304, 'virtual_size': 2 ** 30,
        'firmware': 'uefi', 'generation': 'hyperv-gen2', 'defects': {}}
BIOS = {**UEFI, 'firmware': 'bios', 'generation': 'hyperv-gen1',
        'defects': {'mbr-partitioned': ''}}
BY_DISK = (
    ({}, UEFI, GOOD),
    ({'hw_machine_type': 'hyperv-gen1', 'hypervisor_type': 'hyperv',
      'hypervisor_version_requires': '>=10.0'}, UEFI,
     {'hw_machine_type': 'hyperv-gen2'}),
    ({'hypervisor_type': 'hyperv'}, {**UEFI, 'format': 'vhd'}, {}),
    (GOOD, UEFI, {}),
    (GOOD, BIOS, {'hw_machine_type': 'hyperv-gen1'}),
    (GOOD, {**BIOS, 'format': 'vhd', 'subformat': 'dynamic'},
     {'hw_machine_type': 'hyperv-gen1'}),
    ({**GOOD, 'os_secure_boot': 'required', 'os_type': 'windows'}, BIOS, {}),
    ({**GOOD, 'hw_firmware_type': 'uefi'}, BIOS, {}),
    (GOOD, {**BIOS, 'firmware': 'none', 'generation': None}, {}),
    ({'hypervisor_type': 'qemu'}, UEFI, {}),
    ({**GOOD, 'min_disk': 1}, {**UEFI, 'virtual_size': 2 ** 30 + 1},
     {'min_disk': '2'}),
    ({**GOOD, 'min_disk': 1}, UEFI, {}),
    # The largest number that Glance stores, and a size that is not true.
    ({**GOOD, 'min_disk': 1}, {**UEFI, 'virtual_size': 2147483647 * 2 ** 30},
     {'min_disk': '2147483647'}),
    ({**GOOD, 'min_disk': 1},
     {**UEFI, 'virtual_size': 2147483647 * 2 ** 30 + 1}, {}),
    ({**GOOD, 'min_disk': 1}, {**UEFI, 'virtual_size': 2 ** 63}, {}),
)


class DiskTestCase(base.TestCase):

    def test_sets_what_the_disk_decides(self):
        for raw, content, expected in BY_DISK:
            self.assertEqual(
                expected, fixes.properties(raw, validators.validate, content),
                (raw, content))

    def test_min_disk_is_no_property(self):
        self.assertEqual(
            'openstack image set --min-disk 2 --property a=b -- IMAGE',
            fixes.command({}, {'min_disk': '2', 'a': 'b'}, 'sh'))


class CommandTestCase(base.TestCase):

    def test_is_one_line_for_a_shell(self):
        command = fixes.command(
            {'id': "-it's"}, {'hypervisor_version_requires': '>=6.3'},
            'sh')
        self.assertEqual(
            ['openstack', 'image', 'set', '--property',
             'hypervisor_version_requires=>=6.3', '--', "-it's"],
            shlex.split(command))

    def test_nameless_image_has_a_place(self):
        self.assertTrue(fixes.command(
            {}, {'a': 'b'}, 'sh').endswith(' -- IMAGE'))

    def test_image_that_no_program_can_be_given_is_not_named(self):
        """A shell would cut it short, and name another."""
        for name in ('web\0server', '\ud800'):
            self.assertTrue(fixes.command(
                {'name': name}, {'a': 'b'}, 'sh').endswith(' -- IMAGE'), name)

    def test_value_that_no_program_can_be_given_is_not_set(self):
        for requirement in ('x\0', 'x\udfff'):
            self.assertEqual({}, fixes.properties(
                {**GOOD, 'img_hv_requested_version': requirement},
                validators.validate))

    def test_value_that_the_shell_cannot_be_given_has_no_command(self):
        self.assertRaises(text.UnquotableError, fixes.command,
                          {'id': 'x'}, {'os_type': '$x'}, 'windows')

    def test_command_follows_the_shell(self):
        values = {'hypervisor_version_requires': '>=6.3'}
        for shell, name, expected in (
                ('windows', 'a b', '"hypervisor_version_requires=>=6.3" -- '
                                   '"a b"'),
                ('windows', '100%', '"hypervisor_version_requires=>=6.3" -- '
                                    'IMAGE'),
                ('cmd', '100%', '"hypervisor_version_requires=>=6.3" -- '
                                '^"100^%^"'),
                ('powershell', '100%',
                 "'hypervisor_version_requires=>=6.3' -- '100%'")):
            self.assertEqual(
                f'openstack image set --property {expected}',
                fixes.command({'name': name}, values, shell))
