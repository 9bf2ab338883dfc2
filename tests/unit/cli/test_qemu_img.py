# SPDX-License-Identifier: Apache-2.0

import io
import json
import os
import shutil
import subprocess
import sys
from unittest import mock

from hyperv_sched.cli import base as commands
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import signals
from tests import guests
from tests.unit.cli import base


class InstalledTestCase(base.ConvertTestCase):

    def test_qemu_img_is_needed(self):
        with mock.patch.object(shutil, 'which', lambda name: None):
            code, printed = self.refused(guests.bootable())
        self.assertEqual(2, code)
        self.assertIn('qemu-utils', printed)


class RunTestCase(base.CommandTestCase):

    def run_program(self, code):
        qemu_img.run([sys.executable, '-c', 'import sys; sys.stdin.read(); '
                      f'print("reason"); sys.exit({code})'], signals.Guard())

    def test_message_of_a_program_is_reported(self):
        self.run_program(0)
        self.assertRaisesRegex(
            commands.UsageError, 'reason', self.run_program, 1)

    def test_ctrl_c_that_ends_the_program_first_interrupts(self):
        """Exit codes have 8 bits on Linux and 32 on Windows."""
        with mock.patch.object(qemu_img, '_CONTROL_C_EXIT', 0x3a):
            self.assertRaises(KeyboardInterrupt, self.run_program, 0x3a)

    def test_program_that_does_not_read_its_input(self):
        start = subprocess.Popen

        def start_and_wait(*args, **kwargs):
            process = start(*args, **kwargs)
            process.wait()
            return process

        with mock.patch('subprocess.Popen', start_and_wait):
            qemu_img.run([sys.executable, '-c', 'pass'], signals.Guard(),
                         answers='y')


class NodeTestCase(base.CommandTestCase):

    def test_format_is_named_and_backing_files_are_ruled_out(self):
        # On Windows, the drive comes before it.
        root = json.dumps(os.path.abspath('/'))[1:-1]
        self.assertEqual(
            'json:{"driver": "qcow2", "file": {"driver": "file", '
            f'"filename": "{root}a,b:c\\"d"}}, "backing": null}}',
            qemu_img.node('/a,b:c"d', 'qcow2'))
        self.assertEqual(
            'json:{"driver": "vpc", "file": {"driver": "file", '
            f'"filename": "{root}x"}}, "force_size_calc": "current_size"}}',
            qemu_img.node('/x', 'vhd'))

    def test_name_that_is_not_utf_8(self):
        self.assertRaisesRegex(commands.UsageError, 'not UTF-8',
                               qemu_img.node, '/\udcff', 'raw')


class ExtentsTestCase(base.CommandTestCase):

    def test_rest_of_a_map_that_is_too_long_counts_as_data(self):
        line = '{{"start": {}, "length": 4096, "data": {}}},\n'
        output = ('[' + line.format(0, 'true') + line.format(4096, 'false')
                  + line.format(8192, 'false')).encode()
        for limit, expected in (
                (1, [(0, 4096), (4096, 16384 - 4096)]),
                (2, [(0, 4096), (8192, 16384 - 8192)]), (3, [(0, 4096)])):
            process = mock.Mock(stdout=io.BytesIO(output))
            started = mock.MagicMock()
            started.return_value.__enter__.return_value = process
            with mock.patch.object(qemu_img, '_started', started), \
                    mock.patch.object(qemu_img, '_MAX_EXTENTS', limit):
                self.assertEqual(expected, [
                    *qemu_img.extents('/x', 16384, signals.Guard())])
