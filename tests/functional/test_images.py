# SPDX-License-Identifier: Apache-2.0
"""The commands on files that qemu-img made."""

import json
import pathlib
import subprocess
import sys

import testtools

from tests import files
from tests import guests
from tests import properties
from tests import samples
from tests.programs import qemu_img

COMMAND = pathlib.Path(sys.executable).with_name('hyperv-sched')
GENERATION_2 = properties.options(properties.GENERATION_2)


class ImagesTestCase(files.FilesMixin, testtools.TestCase):

    def create(self, name, kind, *options):
        path = self.directory / name
        arguments = ['-o', ','.join(options)] if options else []
        qemu_img('create', '-q', '-f', kind, *arguments, path, '64M')
        return path

    def run_command(self, *argv):
        return subprocess.run([COMMAND, 'image', *argv], text=True,
                              stdout=subprocess.PIPE, check=False)

    def inspect(self, path):
        return json.loads(
            self.run_command('inspect', '-f', 'json', path).stdout)

    def lint(self, *argv):
        done = self.run_command('lint', '-f', 'json', *argv)
        return done.returncode, [f['code'] for f in json.loads(done.stdout)]


class InspectTestCase(ImagesTestCase):

    def test_every_format_and_subformat(self):
        for kind, options, expected in (
                ('vhdx', (), ('vhdx', 'dynamic')),
                ('vhdx', ('subformat=fixed',), ('vhdx', 'fixed')),
                ('vpc', ('force_size=on',), ('vhd', 'dynamic')),
                ('vpc', ('force_size=on', 'subformat=fixed'),
                 ('vhd', 'fixed')),
                ('qcow2', (), ('qcow2', None)),
                ('vmdk', (), ('vmdk', 'monolithicSparse')),
                ('vdi', (), ('vdi', None))):
            found = self.inspect(self.create('disk', kind, *options))
            self.assertEqual(
                (*expected, 64 * samples.MIB),
                (found['format'], found['subformat'],
                 found['virtual_size']), (kind, options))

    def test_block_size_is_qemus(self):
        path = self.create('disk', 'vhdx', 'block_size=2M')
        self.assertEqual(2 * samples.MIB, self.inspect(path)['block_size'])


class LintTestCase(ImagesTestCase):

    def convert(self, name, kind, *options, guest=None):
        raw = self.directory / 'raw'
        raw.write_bytes(guest or guests.bootable(size=64 * samples.MIB))
        path = self.directory / name
        arguments = ['-o', ','.join(options)] if options else []
        qemu_img('convert', '-f', 'raw', '-O', kind, *arguments, raw, path)
        return path

    def test_vhdx_is_good_for_generation_2(self):
        path = self.convert('good.vhdx', 'vhdx')
        self.assertEqual((0, []), self.lint(path, *GENERATION_2))

    def test_vhd_is_not(self):
        path = self.convert('bad.vhd', 'vpc')
        self.assertEqual((1, ['HV202']), self.lint(path, *GENERATION_2))

    def test_disk_that_starts_by_uefi_alone_is_not_for_generation_1(self):
        path = self.convert('disk.vhdx', 'vhdx')
        self.assertEqual((1, ['HV341']), self.lint(path))

    def test_vhd_is_good_for_generation_1(self):
        path = self.convert('good.vhd', 'vpc', guest=guests.bios_bootable())
        self.assertEqual((0, []), self.lint(
            path, '--property', 'hypervisor_type=hyperv'))

    def test_fixed_vhd_is_a_warning(self):
        path = self.convert('fixed.vhd', 'vpc', 'subformat=fixed',
                            guest=guests.bios_bootable())
        self.assertEqual((0, ['HV223']), self.lint(path))

    def test_empty_disk_is_a_warning_for_generation_1(self):
        for kind in ('vhdx', 'vpc'):
            self.assertEqual(
                (0, ['HV346']), self.lint(self.create('empty', kind)))

    def test_python_runs_the_package(self):
        path = self.convert('disk.vhdx', 'vhdx')
        done = subprocess.run(
            [sys.executable, '-m', 'hyperv_sched', 'image', 'lint', path],
            capture_output=True, text=True, check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn('HV341', done.stdout)
        done = subprocess.run([sys.executable, '-m', 'hyperv_sched', '-h'],
                              capture_output=True, text=True, check=True)
        self.assertTrue(done.stdout.startswith('usage: hyperv-sched '))

    def test_missing_file_exits_2(self):
        self.assertEqual(
            2, self.run_command('lint', 'nowhere.vhdx').returncode)


class SamplesTestCase(ImagesTestCase):
    """The project's own samples are what they say."""

    def test_qemu_img_finds_no_fault(self):
        for kind, data in (('vhdx', samples.vhdx()),
                           ('vpc', samples.dynamic_vhd()),
                           ('vpc', samples.fixed_vhd())):
            path = self.directory / 'disk'
            path.write_bytes(data)
            info = json.loads(qemu_img(
                'info', '-f', kind, '--output', 'json', path))
            self.assertEqual(self.inspect(path)['virtual_size'],
                             info['virtual-size'])
        path.write_bytes(samples.vhdx())
        qemu_img('check', '-f', 'vhdx', path)
