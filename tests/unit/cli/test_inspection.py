# SPDX-License-Identifier: Apache-2.0

import json

import yaml

from tests import guests
from tests import samples
from tests.unit.cli import base


class InspectTestCase(base.CommandTestCase):

    def test_json_has_the_keys_of_the_contract(self):
        code, out, _ = self.run_command(
            'image', 'inspect', '-f', 'json',
            self.file('disk', samples.vhdx()))
        found = json.loads(out)
        self.assertEqual(0, code)
        self.assertEqual('vhdx', found['format'])
        for key in ('subformat', 'virtual_size', 'logical_sector_size',
                    'physical_sector_size', 'block_size', 'has_parent',
                    'log_dirty', 'partition_table', 'partitions', 'loaders',
                    'operating_system', 'firmware', 'generation',
                    'bytes_read'):
            self.assertIn(key, found)

    def test_table_has_a_line_for_each_loader(self):
        code, out, _ = self.run_command(
            'image', 'inspect', self.file('disk', base.BOOTABLE))
        self.assertEqual(0, code)
        self.assertIn('path=\\EFI\\BOOT\\BOOTX64.EFI', out)
        self.assertNotIn('{', out)
        self.assertIn('(EFI System) offset=32768 (32.0 KiB)', out)
        self.assertIn('1073741824 (1.0 GiB)', out)

    def test_table_has_a_hyphen_for_unknown_values(self):
        _, out, _ = self.run_command(
            'image', 'inspect', self.file('disk', samples.qcow2()))
        self.assertNotIn('None', out)
        self.assertRegex(out, r'generation +\| - ')

    def test_table_names_the_generation_after_conversion(self):
        for data in (samples.qcow2(guest=guests.bootable()),
                     samples.vmdk(guest=guests.bootable()),
                     guests.bootable()):
            path = self.file('disk', data)
            _, out, _ = self.run_command('image', 'inspect', path)
            self.assertRegex(out, r'generation +\| hyperv-gen2 \(after '
                                  r'conversion to VHDX\) ')
            _, out, _ = self.run_command(
                'image', 'inspect', '-f', 'json', path)
            self.assertEqual('hyperv-gen2', json.loads(out)['generation'])
        _, out, _ = self.run_command(
            'image', 'inspect', self.file('disk', base.BOOTABLE))
        self.assertRegex(out, r'generation +\| hyperv-gen2 +\|')

    def test_value_format_has_no_units(self):
        _, out, _ = self.run_command(
            'image', 'inspect', '-f', 'value', '-c', 'virtual_size',
            self.file('disk', base.BOOTABLE))
        self.assertEqual('1073741824\n', out)

    def test_yaml_agrees_with_json(self):
        path = self.file('disk', samples.vhdx())
        _, as_json, _ = self.run_command('image', 'inspect', '-f', 'json',
                                         path)
        _, as_yaml, _ = self.run_command('image', 'inspect', '-f', 'yaml',
                                         path)
        self.assertEqual(json.loads(as_json), yaml.safe_load(as_yaml))

    def test_unreadable_file_exits_2(self):
        code, out, err = self.run_command('image', 'inspect',
                                          str(self.directory))
        self.assertEqual((2, ''), (code, out))
        self.assertIn('is a directory', err)
