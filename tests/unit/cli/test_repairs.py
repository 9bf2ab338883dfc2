# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
from unittest import mock

from hyperv_sched.cli import base as commands
from hyperv_sched.cli import repairs
from hyperv_sched.cli import signals
from tests import guests
from tests import samples
from tests.unit import base as unit_base
from tests.unit.cli import base

MIB = samples.MIB


class CheckTestCase(base.ConvertTestCase):

    def test_disk_with_a_damaged_table_is_not_enlarged(self):
        good = guests.bootable(size=8 * MIB)
        hybrid = bytes((0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0))
        for offset, change, rule, advice in (
                (512, bytes(512), 'HV305 gpt-primary-damaged',
                 'Add --repair'),
                (len(good) - 512, bytes(512), 'HV306 gpt-backup-damaged',
                 'Add --repair'),
                (446, b'\x80', 'HV312 gpt-pmbr-active', 'Add --repair'),
                (446, bytes(64), 'HV307 gpt-no-protective-mbr',
                 'Add --repair'),
                (462, hybrid, 'HV311 hybrid-mbr', 'omit --grow')):
            disk = bytearray(good)
            disk[offset:offset + len(change)] = change
            for argv in ((), ('--dry-run',)):
                code, printed = self.refused(disk, '--grow', '1G', *argv)
                self.assertEqual(2, code, printed)
                self.assertIn(f'in: {rule} (', printed)
                self.assertIn(advice, printed)
        for repair in ((), ('--repair',)):
            disk[462:478] = hybrid
            code, printed = self.refused(disk, '--grow', '1G', *repair)
            self.assertIn('HV311', printed)

    def test_disk_with_the_signature_of_another_format_is_not_changed(self):
        for argv in (('--repair',), ('--grow', '1G', '--dry-run')):
            code, printed = self.refused(
                samples.qcow2(), '--input-format', 'raw', *argv)
            self.assertEqual(2, code)
            self.assertIn('the content of a qcow2 file', printed)


class RunTestCase(base.CommandTestCase):

    @unit_base.without_windows('shell scripts')
    def test_program_that_users_do_not_have_in_their_path(self):
        found = self.directory / 'found'
        pathlib.Path(self.file('sgdisk', b'''#!/bin/sh
echo "$*" > "$FOUND"
''')).chmod(0o755)
        command = repairs.Command(('sgdisk', '-e', 'disk'))
        with mock.patch.dict(os.environ, PATH='/nowhere', FOUND=str(found)):
            with mock.patch.object(repairs, '_SBIN', str(self.directory)):
                repairs.run(command, signals.Guard())
            self.assertEqual('-e disk\n', found.read_text())
            with mock.patch.object(repairs, '_SBIN', '/nowhere'):
                self.assertRaisesRegex(
                    commands.UsageError, 'Install the package gdisk',
                    repairs.run, command, signals.Guard())
