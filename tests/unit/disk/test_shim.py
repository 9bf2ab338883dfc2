# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.disk import shim
from hyperv_sched.disk.shim import BootOption
from hyperv_sched.disk.shim import Shim
from tests import guests
from tests.unit import base

UKI = '\\EFI\\Linux\\uki.efi'


def utf16(text):
    return text.encode('utf-16-le')


class NamesTestCase(base.TestCase):

    def test_names_of_vendors(self):
        for strings, expected in (
                (guests.shim_strings(), Shim('grubx64.efi', 'fbx64.efi')),
                (guests.shim_strings(
                    'grub.efi', 'fallback.efi', 'MokManager.efi'),
                 Shim('grub.efi', 'fallback.efi')),
                (guests.shim_strings('systemd-bootx64.efi'),
                 Shim('systemd-bootx64.efi', 'fbx64.efi')),
                (guests.shim_strings(
                    'grubx64.efi', 'fbx64.efi', 'mmx64.efi', 'options.csv'),
                 Shim('grubx64.efi', 'fbx64.efi', reads_options=True))):
            self.assertEqual(expected, shim.read_names(strings))

    def test_names_in_another_order_and_with_one_backslash(self):
        self.assertEqual(
            Shim('grub.efi', 'fallback.efi'), shim.read_names(utf16(
                '\\MokManager.efi\0\\fallback.efi\0\\grub.efi\0'
                '\\EFI\\BOOT\\fallback.efi\0')))

    def test_strings_that_are_no_names(self):
        for text in ('', '\\grub.efi', 'grub.efi\0', '\\grub.elf\0',
                     '\\a b.efi\0', f'\\{61 * "a"}.efi\0'):
            self.assertEqual(Shim(), shim.read_names(utf16(text)))


class BootOptionsTestCase(base.TestCase):

    def assertOptions(self, expected, text):
        self.assertEqual([BootOption(*option) for option in expected],
                         [*shim.boot_options(utf16(text))])

    def test_fields(self):
        for text in ('shim.efi,os,,label\n', '\ufeffshim.efi,os,,label',
                     'shim.efi,os,\n', 'shim.efi,os', 'shim.efi,os\n',
                     '\r\n\nshim.efi,os,,a,b,c\r\n'):
            self.assertOptions([('shim.efi', '')], text)
        self.assertOptions([('shim.efi', f'{UKI} ')],
                           f'shim.efi,os,{UKI} ,label\n')

    def test_each_line_is_an_option(self):
        self.assertOptions(
            [('a.efi', ''), ('b.efi', 'x'), ('c.efi', '')],
            'a.efi,a,,\nb.efi,b,x,\n\nc.efi,c')

    def test_lines_without_program_or_label(self):
        for text in ('', '\n', ',', ',os,,\n', 'shim.efi', 'shim.efi\n',
                     'shim.efi,', 'shim.efi,,\n', '\0shim.efi,os,,\n'):
            self.assertOptions([], text)

    def test_missing_fields_are_read_from_the_next_line(self):
        self.assertOptions(
            [('a.efi', 'b.efi'), ('b.efi', 'x')],
            'a.efi,a\nb.efi,b,x,\n')
        self.assertOptions(
            [('a.efi', 'b'), ('b.efi', '')], 'a.efi\nb.efi,b,,')

    def test_name_of_a_program_is_cut_off(self):
        self.assertOptions([(256 * 'a', '')], f'{300 * "a"},os,,\n')

    def test_text_that_is_not_decodable(self):
        self.assertEqual([BootOption('\ufffd', '')], [
            *shim.boot_options(b'\0\xd8,\0o\0s\0\0')])


class SecondStageTestCase(base.TestCase):

    def test_options_file(self):
        for text, name in (
                ('', ''), (',', ''), ('a.efi,b', 'a.efi'),
                ('\ufeffa.efi,', 'a.efi'), ('a.efi', 'a.efi'),
                ('a.efi\n', 'a.efi\n'), ('a.efi\0,', 'a.efi')):
            self.assertEqual(name, shim.optional_second_stage(utf16(text)))

    def test_arguments(self):
        for text, expected in (
                ('', ('', '')), ('  ', ('', '')), ('a.efi', ('a.efi', '')),
                (' a.efi  quiet x', ('a.efi', ' quiet x'))):
            self.assertEqual(expected, shim.split_arguments(text))

    def test_path(self):
        for name, path in (
                (UKI, ('EFI', 'Linux', 'uki.efi')),
                ('\\EFI\\\\uki.efi', ('EFI', 'uki.efi')),
                ('uki.efi', ('EFI', 'os', 'uki.efi')),
                ('\\uki.efi', ('EFI', 'os', 'uki.efi')),
                ('\\efi\\Linux\\uki.efi', ('EFI', 'os', 'uki.efi')),
                ('Linux\\uki.efi', ('EFI', 'os', 'uki.efi'))):
            self.assertEqual(path, shim.resolve(('EFI', 'os'), name))
