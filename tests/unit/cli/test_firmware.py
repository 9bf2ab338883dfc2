# SPDX-License-Identifier: Apache-2.0

import json

from hyperv_sched.cli import base as cli_base
from hyperv_sched.cli import firmware
from tests import files
from tests.unit import base


class FirmwareTestCase(files.FilesMixin, base.TestCase):

    def setUp(self):
        super().setUp()
        self.directories = [self.directory / name
                            for name in ('etc', 'share')]
        for directory in self.directories:
            directory.mkdir()
        self.code = self.file('code.fd', b'code')
        self.variables = self.file('vars.fd', b'variables')

    def describe(self, name='50.json', directory=1, features=(),
                 architecture='x86_64', machine='pc-q35-*', **mapping):
        self.directories[directory].joinpath(name).write_text(json.dumps({
            'features': [*features], 'mapping': {
                'executable': {'filename': str(self.code), 'format': 'raw'},
                'nvram-template': {'filename': str(self.variables)},
                **mapping},
            'targets': [{'architecture': architecture,
                         'machines': [machine]}]}))

    def find(self, secure_boot):
        return firmware.find(secure_boot, [*map(str, self.directories)])

    def test_kinds(self):
        self.describe()
        self.describe('60.json', features=('secure-boot', 'requires-smm'))
        self.assertEqual(
            firmware.Firmware(str(self.code), str(self.variables), False),
            self.find(False))
        self.assertEqual(
            firmware.Firmware(str(self.code), str(self.variables), True),
            self.find(True))

    def test_others_are_not_used(self):
        for others in (
                {'architecture': 'aarch64'}, {'machine': 'pc-i440fx-*'},
                {'features': ('enrolled-keys',)},
                {'features': ('secure-boot',)},
                {'executable': {'filename': str(self.code),
                                'format': 'qcow2'}},
                {'executable': {'filename': '/nowhere/code.fd'}},
                {'executable': None}):
            self.describe(**others)
            error = self.assertRaises(
                cli_base.UsageError, self.find, False)
            self.assertIn('Install the package ovmf', str(error))
        self.directories[1].joinpath('50.json').write_text('{')
        self.assertRaises(cli_base.UsageError, self.find, False)

    def test_description_of_the_administrator_replaces_another(self):
        other = self.file('other.fd', b'other')
        self.describe()
        self.describe(directory=0, executable={'filename': str(other)})
        self.assertEqual(str(other), self.find(False).code)

    def test_arguments(self):
        plain = firmware.Firmware('/a,b', '/v', False).arguments('/new')
        self.assertEqual(
            ['-drive', 'if=pflash,format=raw,file=/a,,b,unit=0,readonly=on',
             '-drive', 'if=pflash,format=raw,file=/new,unit=1'], plain)
        protected = firmware.Firmware('/a,b', '/v', True).arguments('/new')
        self.assertEqual(plain, protected[:4])
        self.assertIn('smm=on', protected)

    def test_file_that_is_no_store_is_named(self):
        error = self.assertRaises(
            cli_base.UsageError, firmware.Firmware(
                str(self.code), str(self.variables), False).new_variables,
            None)
        self.assertEqual(f'{self.variables}: is cut off', str(error))
