# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.cli import derived
from tests.unit import base

GIB = 1024 ** 3
BLANK = {'format': 'vhdx', 'virtual_size': 40 * GIB, 'file_size': 4096,
         'generation': None, 'loaders': None, 'firmware': 'unknown'}


def loader(path, machine='x64'):
    return {'partition': 1, 'path': path, 'machine': machine,
            'subsystem': 'application', 'signed': True}


class MembersTestCase(base.TestCase):

    def members(self, given=(), **content):
        return derived.members({**BLANK, **content}, dict(given))

    def test_generation_2_needs_new_hosts(self):
        self.assertEqual(
            {'container_format': 'bare', 'hypervisor_type': 'hyperv',
             'disk_format': 'vhdx', 'min_disk': 40,
             'hw_machine_type': 'hyperv-gen2',
             'hypervisor_version_requires': '>=6.3'},
            self.members(generation='hyperv-gen2'))

    def test_generation_1_does_not(self):
        self.assertNotIn('hypervisor_version_requires',
                         self.members(generation='hyperv-gen1'))

    def test_generation_that_is_given_decides(self):
        for asked, seen, expected in (
                ('hyperv-gen2', None, True),
                ('hyperv-gen1', 'hyperv-gen2', False)):
            found = self.members({'hw_machine_type': asked}, generation=seen)
            self.assertNotIn('hw_machine_type', found)
            self.assertEqual(expected, 'hypervisor_version_requires' in found)

    def test_disk_that_nothing_starts_from_is_judged_as_generation_2(self):
        for firmware, expected in (
                ('none', 'hyperv-gen2'), ('unknown', None), ('both', None)):
            self.assertEqual(expected, self.members(
                firmware=firmware).get('hw_machine_type'))

    def test_size_is_rounded_up(self):
        for size, expected in ((1, 1), (GIB, 1), (GIB + 1, 2)):
            self.assertEqual(
                expected, self.members(virtual_size=size)['min_disk'])

    def test_size_is_that_of_the_file_where_that_is_larger(self):
        for file_size, expected in ((GIB, 1), (GIB + 1, 2), (9 * GIB, 9)):
            self.assertEqual(expected, self.members(
                virtual_size=GIB, file_size=file_size)['min_disk'])

    def test_size_that_is_unknown_or_absurd_is_left_out(self):
        for size in (None, 0, 2 ** 64 - 1):
            self.assertNotIn('min_disk', self.members(virtual_size=size))

    def test_format_is_that_of_the_file(self):
        self.assertEqual('vhd', self.members(format='vhd')['disk_format'])
        self.assertNotIn('disk_format', self.members(format='gzip'))

    def test_loaders_tell_the_system(self):
        for paths, expected in (
                (['\\EFI\\BOOT\\BOOTX64.EFI'], None),
                (['\\EFI\\BOOT\\BOOTX64.EFI', '\\EFI\\BOOT\\grubx64.efi'],
                 'linux'),
                (['\\EFI\\BOOT\\BOOTX64.EFI', '\\EFI\\a\\SHIMX64.EFI'],
                 'linux'),
                (['\\EFI\\Microsoft\\Boot\\bootmgfw.efi'], 'windows')):
            found = self.members(loaders=list(map(loader, paths)))
            self.assertEqual(('x86_64', expected), (
                found['architecture'], found.get('os_type')))

    def test_another_machine_is_not_named(self):
        self.assertNotIn('architecture', self.members(
            loaders=[loader('\\EFI\\BOOT\\BOOTAA64.EFI', 'aa64')]))

    def test_what_is_given_under_any_name_is_left_alone(self):
        found = self.members(
            {'img_hv_type': 'hyperv', 'hw_architecture': 'x86_64',
             'img_hv_requested_version': '>=10.0', 'min_disk': 7,
             'os_type': 'windows', 'disk_format': 'vhd',
             'container_format': 'ovf'},
            generation='hyperv-gen2',
            loaders=[loader('\\EFI\\BOOT\\grubx64.efi')])
        self.assertEqual({'hw_machine_type': 'hyperv-gen2'}, found)
