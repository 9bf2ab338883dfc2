# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import document
from hyperv_sched import inferred
from tests.unit import base

GIB = 1024 ** 3
GENERATION_1 = {'format': 'vhd', 'generation': 'hyperv-gen1'}
GENERATION_2 = {'format': 'vhdx', 'generation': 'hyperv-gen2'}
BLANK = {'format': 'vhdx', 'virtual_size': 40 * GIB, 'file_size': 4096,
         'generation': None, 'loaders': None, 'firmware': 'unknown',
         'operating_system': None}


def loader(path, machine='x64', started_by='firmware'):
    return {'partition': 1, 'path': path, 'machine': machine,
            'subsystem': 'application', 'signed': True,
            'started_by': started_by}


class InferPropertiesTestCase(base.TestCase):

    def test_each_generation(self):
        self.assertEqual(
            {'hw_machine_type': 'hyperv-gen1', 'hypervisor_type': 'hyperv'},
            inferred.infer_properties(GENERATION_1))
        properties = inferred.infer_properties(GENERATION_2)
        self.assertEqual(
            {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
             'hypervisor_version_requires': '>=6.3',
             'trait:CUSTOM_HYPERV_GEN2': 'required'}, properties)
        self.assertEqual(inferred.NAMES, tuple(properties))

    def test_nothing_for_an_unknown_generation_or_another_format(self):
        for content in ({'format': 'vhdx', 'generation': None}, {},
                        {'format': 'raw', 'generation': 'hyperv-gen2'}):
            self.assertEqual({}, inferred.infer_properties(content))


class MissingPropertiesTestCase(base.TestCase):

    def test_properties_that_are_set_are_left_out(self):
        self.assertEqual(
            ['hypervisor_type', 'hypervisor_version_requires',
             'trait:CUSTOM_HYPERV_GEN2'],
            list(inferred.missing_properties(
                {'hw_machine_type': 'x'}, GENERATION_2)))

    def test_nothing_for_images_of_other_hypervisors(self):
        self.assertEqual({}, inferred.missing_properties(
            {'hypervisor_type': 'qemu'}, GENERATION_2))


class InferMembersTestCase(base.TestCase):

    def members(self, given=(), **content):
        return inferred.infer_members(
            {**BLANK, **content}, document.normalize(dict(given)))

    def test_generation_2_requires_windows_server_2012_r2(self):
        self.assertEqual(
            {'container_format': 'bare', 'hypervisor_type': 'hyperv',
             'disk_format': 'vhdx', 'min_disk': 40,
             'hw_machine_type': 'hyperv-gen2',
             'hypervisor_version_requires': '>=6.3'},
            self.members(generation='hyperv-gen2'))

    def test_generation_1_requires_no_version(self):
        self.assertNotIn('hypervisor_version_requires',
                         self.members(generation='hyperv-gen1'))

    def test_given_generation_overrides_that_of_the_disk(self):
        for given, of_disk, requires_version in (
                ('hyperv-gen2', None, True),
                ('hyperv-gen1', 'hyperv-gen2', False)):
            members = self.members({'hw_machine_type': given},
                                   generation=of_disk)
            self.assertNotIn('hw_machine_type', members)
            self.assertEqual(requires_version,
                             'hypervisor_version_requires' in members)

    def test_disk_that_does_not_boot_is_generation_2(self):
        for firmware, generation in (
                ('none', 'hyperv-gen2'), ('unknown', None), ('both', None)):
            self.assertEqual(generation, self.members(
                firmware=firmware).get('hw_machine_type'))

    def test_iso_that_does_not_boot_is_of_no_generation(self):
        for firmware, generation in (
                ('none', None), ('uefi', 'hyperv-gen2'),
                ('bios', 'hyperv-gen1')):
            self.assertEqual(generation, self.members(
                format='iso', firmware=firmware,
                generation=generation).get('hw_machine_type'))

    def test_min_disk_is_rounded_up(self):
        for size, min_disk in ((1, 1), (GIB, 1), (GIB + 1, 2)):
            self.assertEqual(
                min_disk, self.members(virtual_size=size)['min_disk'])

    def test_min_disk_is_that_of_a_file_larger_than_its_disk(self):
        for file_size, min_disk in ((GIB, 1), (GIB + 1, 2), (9 * GIB, 9)):
            self.assertEqual(min_disk, self.members(
                virtual_size=GIB, file_size=file_size)['min_disk'])

    def test_min_disk_is_left_out_if_unknown_or_too_large(self):
        for size in (None, 0, 2 ** 31 * GIB, 2 ** 64 - 1):
            self.assertNotIn('min_disk', self.members(virtual_size=size))
        self.assertEqual(2 ** 31 - 1, self.members(
            virtual_size=(2 ** 31 - 1) * GIB)['min_disk'])

    def test_disk_format_is_the_format_of_the_file(self):
        self.assertEqual('vhd', self.members(format='vhd')['disk_format'])
        self.assertNotIn('disk_format', self.members(format='gzip'))

    def test_os_type_is_the_operating_system_of_the_disk(self):
        for system in ('linux', 'windows', None):
            members = self.members(
                operating_system=system,
                loaders=[loader('\\EFI\\BOOT\\BOOTX64.EFI')])
            self.assertEqual(('x86_64', system), (
                members['architecture'], members.get('os_type')))

    def test_other_architectures_are_left_out(self):
        self.assertNotIn('architecture', self.members(
            loaders=[loader('\\EFI\\BOOT\\BOOTAA64.EFI', 'aa64')]))

    def test_given_members_are_left_out_under_any_name(self):
        members = self.members(
            {'img_hv_type': 'hyperv', 'hw_architecture': 'x86_64',
             'img_hv_requested_version': '>=10.0', 'min_disk': 7,
             'os_type': 'windows', 'disk_format': 'vhd',
             'container_format': 'ovf'},
            generation='hyperv-gen2', operating_system='linux',
            loaders=[loader('\\EFI\\BOOT\\grubx64.efi')])
        self.assertEqual({'hw_machine_type': 'hyperv-gen2'}, members)
