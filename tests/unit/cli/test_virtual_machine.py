# SPDX-License-Identifier: Apache-2.0

import shutil
import sys

import fixtures

from tests.unit.cli import base


class ProgramsTestCase(base.CommandTestCase):

    def test_missing_program_is_named_with_its_package(self):
        self.useFixture(fixtures.MockPatchObject(
            shutil, 'which', lambda name: None))
        self.useFixture(fixtures.MockPatchObject(sys, 'platform', 'linux'))
        code, _, err = self.run_command('image', 'boot', 'x')
        self.assertEqual(2, code)
        self.assertIn('qemu-system-x86_64 is not installed', err)
        self.assertIn('qemu-system-x86 (Debian', err)

    def test_windows_is_refused(self):
        self.useFixture(fixtures.MockPatchObject(sys, 'platform', 'win32'))
        self.assertEqual(
            (2, '', 'disks are started on Linux only, with QEMU\n'),
            self.run_command('image', 'boot', 'x'))
