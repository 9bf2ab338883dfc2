# SPDX-License-Identifier: Apache-2.0
"""How the commands end if their output cannot be written."""

import json
import os
import pathlib
import subprocess
import sys

import testtools

from tests import files
from tests import samples

#: An image that is not good for generation 2.
LINT = ('hyperv-sched', 'image', 'lint', '-f', 'json', '--property',
        'hw_machine_type=hyperv-gen2')
#: Something that no service would start with.
STATUS = ('hyperv-sched-status', 'upgrade', 'check', '--nova-conf')
FULL = 'No space left on device'


class StreamsTestCase(files.FilesMixin, testtools.TestCase):

    def run_command(self, program, *argv, redirect='', unbuffered=''):
        """Run a command by a shell, which can close a stream."""
        done = subprocess.run(
            ['sh', '-c', f'"$0" "$@" {redirect}',
             pathlib.Path(sys.executable).with_name(program), *argv],
            check=False, text=True, capture_output=True,
            env={**os.environ, 'PYTHONUNBUFFERED': unbuffered})
        return done.returncode, done.stdout, done.stderr

    def unread(self, program, *argv):
        """Run a command whose output goes to a pipe without a reader."""
        read, write = os.pipe()
        os.close(read)
        with open(write, 'wb') as pipe:
            done = subprocess.run(
                [pathlib.Path(sys.executable).with_name(program), *argv],
                check=False, text=True, stdout=pipe, stderr=subprocess.PIPE,
                env={**os.environ, 'PYTHONUNBUFFERED': ''})
        return done.returncode, done.stderr

    def status(self):
        return (*STATUS, self.file(
            'nova.conf', b'[hyperv_sched]\ncolor = blue\n'))

    def dry_run(self):
        return ('hyperv-sched', 'image', 'upload',
                self.file('disk.vhdx', samples.uefi_vhdx()),
                '--name', 'x', '--dry-run')

    def test_output_that_cannot_be_written_is_one_line(self):
        for argv, expected in (
                (LINT, 2), (('hyperv-sched', 'rule', 'show', 'HV105'), 2),
                (('hyperv-sched-status', 'upgrade', 'check', '-h'), 255),
                (self.status(), 2)):
            code, _, err = self.run_command(*argv, redirect='>/dev/full')
            self.assertEqual(expected, code, err)
            self.assertIn(f'standard output cannot be written: {FULL}\n', err)
            self.assertEqual(1, err.count('\n'), err)

    def test_output_that_is_not_kept_back_is_no_other_case(self):
        code, _, err = self.run_command(
            *LINT, redirect='>/dev/full', unbuffered='1')
        self.assertEqual(2, code)
        self.assertIn(FULL, err)

    def test_help_that_cannot_be_written_is_no_finding(self):
        for argv in (('--help',), ('image', 'lint', '--help')):
            code, _, err = self.run_command(
                'hyperv-sched', *argv, redirect='>/dev/full')
            self.assertEqual(2, code)
            self.assertNotIn('Traceback', err)

    def test_closed_output_is_reported(self):
        self.assertEqual(
            (2, '', 'hyperv-sched: standard output is closed\n'),
            self.run_command(*LINT, redirect='>&-'))

    def test_reader_that_is_gone_gets_no_complaint(self):
        for argv, expected in ((LINT, 141), (self.status(), 2)):
            self.assertEqual((expected, ''), self.unread(*argv))

    def test_messages_that_cannot_be_written_change_no_outcome(self):
        for redirect in ('2>/dev/full', '2>&-'):
            code, out, _ = self.run_command(*LINT, redirect=redirect)
            self.assertEqual(1, code)
            self.assertTrue(json.loads(out))
            for argv, expected in (
                    (self.dry_run(), 0),
                    ((*LINT, self.directory / 'missing'), 2),
                    ((*STATUS, self.directory / 'missing'), 255)):
                code, _, _ = self.run_command(*argv, redirect=redirect)
                self.assertEqual(expected, code, (argv, redirect))
