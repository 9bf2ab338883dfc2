# SPDX-License-Identifier: Apache-2.0
"""What every command prints in every format, of an image that is hostile."""

import csv
import importlib.metadata
import io
import json
import subprocess
from unittest import mock

from hyperv_sched.cli import image_api
from tests import guests
from tests import samples
from tests.unit import base as unit_base
from tests.unit.cli import base
from tests.unit.cli import test_upload

TARGET = 'x$(touch pwned)`touch pwned`".efi'

#: A shim that starts a file with such a name.
DISK = guests.gpt([(guests.ESP, 64, guests.fat({
    'EFI/BOOT/BOOTX64.EFI': guests.program(shim=True, signed=True),
    'EFI/BOOT/fbx64.efi': guests.program(),
    'EFI/dx/BOOTX64.CSV': guests.boot_entries(TARGET)}))])
VHDX = samples.vhdx(virtual_size=len(DISK), block_size=samples.MIB,
                    guest=DISK)


def formats(group):
    return sorted(point.name for point in importlib.metadata.entry_points(
        group=f'hyperv_sched.formatter.{group}'))


class ShellTestCase(base.CommandTestCase):

    def evaluated(self, shell, text, *names):
        """Evaluate assignments in a shell; return the variables."""
        done = subprocess.run(
            [shell, '-c', 'eval "$1"; shift; for name do '
             'eval "printf \'%s\\0\' \\"\\$$name\\""; done', shell,
             text, *names], cwd=self.directory, check=True,
            capture_output=True, text=True, env={
                'LC_ALL': 'C.UTF-8', 'PATH': '/usr/bin:/bin'})
        self.assertEqual('', done.stderr)
        self.assertFalse((self.directory / 'pwned').exists())
        return done.stdout.split('\0')[:-1]

    @unit_base.without_windows('POSIX shell')
    def test_inspection_can_be_evaluated(self):
        path = self.file('disk.vhdx', VHDX)
        _, out, _ = self.run_command('image', 'inspect', path, '-f', 'shell')
        _, expected, _ = self.run_command(
            'image', 'inspect', path, '-f', 'value', '-c', 'defects')
        self.assertIn('touch pwned', expected)
        for shell in ('bash', 'dash'):
            self.assertEqual(
                [expected.rstrip('\n'), 'vhdx'],
                self.evaluated(shell, out, 'defects', 'format'))

    @unit_base.without_windows('POSIX shell')
    def test_image_that_was_made_can_be_evaluated(self):
        path = self.file('disk.vhdx', test_upload.GOOD)
        connection = test_upload.FakeAPI(
            visibility='$(touch pwned)', os_hash_algo='`touch pwned`\x1b[2J')
        with mock.patch.object(image_api, 'connect', return_value=connection):
            code, out, _ = self.run_command(
                'image', 'upload', path, '--name', "it's $(touch pwned)",
                '-f', 'shell', '--prefix', 'made_', '--property',
                'a=$(touch pwned)')
        self.assertEqual(0, code)
        for shell in ('bash', 'dash'):
            name, visibility, algorithm, properties = self.evaluated(
                shell, out, 'made_name', 'made_visibility',
                'made_os_hash_algo', 'made_properties')
            self.assertEqual(
                ("it's $(touch pwned)", '$(touch pwned)',
                 '`touch pwned`\\x1b[2J'), (name, visibility, algorithm))
            self.assertIn("'$(touch pwned)'", properties)


class EveryFormatTestCase(base.CommandTestCase):

    def test_text_of_an_image_is_escaped(self):
        path = self.file('disk.vhdx', VHDX)
        odd = '\x1b[2J\x9b\u202e\r'
        commands = [
            (('image', 'inspect', path), formats('show')),
            (('image', 'lint', path, '--property', f'os_type={odd}',
              '--property', 'hw_machine_type=hyperv-gen2'),
             formats('findings')),
            (('image', 'lint', '--image-json', self.file(
                'i.json', json.dumps({'id': odd, 'hw_machine_type': odd,
                                      }).encode())), formats('findings')),
            (('rule', 'show', 'HV105'), formats('show'))]
        for argv, names in commands:
            self.assertGreater(len(names), 4)
            for name in names:
                _, out, err = self.run_command(*argv, '-f', name)
                for line in (out + err).split('\n'):
                    self.assertTrue(line.isprintable(), (argv, name, line))

    def test_text_of_the_cloud_is_escaped(self):
        path = self.file('disk.vhdx', test_upload.GOOD)
        for name in formats('show'):
            connection = test_upload.FakeAPI(
                visibility='\x1b[2J', container_format='\x9b',
                min_disk='\u202e', os_hash_algo='\x1b')
            with mock.patch.object(
                    image_api, 'connect', return_value=connection):
                code, out, err = self.run_command(
                    'image', 'upload', path, '--name', '\x1b', '-f', name)
            self.assertEqual(0, code, err)
            for line in (out + err).split('\n'):
                self.assertTrue(line.isprintable(), (name, line))


class CSVTestCase(base.CommandTestCase):

    def rows(self, *argv):
        _, out, _ = self.run_command(
            'image', 'lint', '-f', 'csv', '--image-json', self.file(
                'i.json', json.dumps({
                    'name': '=HYPERLINK("http://x","y")',
                    'hw_machine_type': 'hyperv-gen2',
                    'hypervisor_type': 'hyperv',
                    'hypervisor_version_requires': '=1+1'}).encode()), *argv)
        return out, list(csv.DictReader(io.StringIO(out)))

    def test_formulas_are_escaped_and_can_be_restored(self):
        for quoting in ('all', 'minimal', 'nonnumeric'):
            _, rows = self.rows('--quote', quoting)
            self.assertIn(('\'=HYPERLINK("http://x","y")', "'=1+1"),
                          [(row['image'], row['actual']) for row in rows])

    def test_lines_end_as_the_stream_has_it(self):
        """A text stream of Windows makes CR LF of LF."""
        with mock.patch('os.linesep', '\r\n'):
            out, _ = self.rows()
        self.assertNotIn('\r', out)
