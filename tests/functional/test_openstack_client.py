# SPDX-License-Identifier: Apache-2.0
"""The commands within the openstack client, where no cloud is needed."""

import json
import pathlib
import subprocess
import sys

import fixtures
import testtools

from tests import forked
from tests import samples

OPENSTACK = pathlib.Path(sys.executable).with_name('openstack')


class OpenStackClientTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.command = forked.Command(
            'openstackclient.shell:main', 'openstack.connection',
            'hyperv_sched.cli.lint')
        cls.addClassCleanup(cls.command.close)

    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(directory, 'disk.vhdx')
        self.path.write_bytes(samples.uefi_vhdx())

    def openstack(self, *argv):
        return self.command.run('hyperv', 'image', *argv)

    def test_inspect(self):
        done = self.openstack('inspect', self.path, '-f', 'json')
        self.assertEqual(
            'hyperv-gen2', json.loads(done.stdout)['generation'])

    def test_lint_has_the_exit_codes_of_its_own_command(self):
        done = self.openstack('lint', self.path, '-f', 'json')
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertEqual(
            ['HV341'], [found['code'] for found in json.loads(done.stdout)])

    def test_values_are_quoted_for_a_shell(self):
        done = self.openstack('inspect', self.path, '-f', 'shell')
        self.assertIn("loaders='partition=1 path=", done.stdout)
        self.assertNotIn('="', done.stdout)

    def test_upload_tells_the_command_that_does_the_same(self):
        done = self.openstack(
            'upload', self.path, '--name', 'server', '--dry-run')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('hw_machine_type=hyperv-gen2', done.stdout)

    def test_start_of_the_client_imports_nothing(self):
        """Only the help of all commands imports the commands."""
        done = subprocess.run(
            [sys.executable, '-X', 'importtime', OPENSTACK, '--version'],
            text=True, check=True, capture_output=True)
        self.assertIn('openstackclient.shell', done.stderr)
        self.assertNotRegex(done.stderr, r'\| +hyperv_sched')
