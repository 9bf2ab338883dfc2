# SPDX-License-Identifier: Apache-2.0

import pathlib
from unittest import mock

from hyperv_sched.cli import base as cli_base
from hyperv_sched.cli import disk_files
from tests.unit.cli import base


class PatternsTestCase(base.CommandTestCase):

    def setUp(self):
        super().setUp()
        self.errors = []
        for name in ('a.vhdx', 'b.vhdx', 'c.raw', '[1].vhdx'):
            self.file(name, b'')

    def expand(self, *names, system='nt'):
        return [pathlib.Path(name).name for name in disk_files.expand_patterns(
            [str(self.directory / name) for name in names],
            self.errors.append, system)]

    def test_patterns_are_expanded(self):
        for pattern, expected in (
                ('*.vhdx', ['[1].vhdx', 'a.vhdx', 'b.vhdx']),
                ('?.vhdx', ['a.vhdx', 'b.vhdx']), ('c.raw', ['c.raw']),
                ('[1].*', ['[1].vhdx']), ('[ab].vhdx', ['[ab].vhdx']),
                ('missing', ['missing'])):
            self.assertEqual(expected, self.expand(pattern), pattern)
        self.assertEqual([], self.errors)

    def test_patterns_are_left_to_the_shell_on_other_systems(self):
        self.assertEqual(['*.vhdx'], self.expand('*.vhdx', system='posix'))

    def test_pattern_without_a_match_is_an_error(self):
        self.assertEqual(['a.vhdx'], self.expand('*.iso', 'a.vhdx'))
        message, = self.errors
        self.assertEqual(
            f'{self.directory / "*.iso"}: no file matches the pattern',
            message)

    def test_verbatim_prefix_disables_patterns(self):
        self.assertEqual(['\\\\?\\C:\\x'], disk_files.expand_patterns(
            ['\\\\?\\C:\\x'], self.errors.append, 'nt'))

    def test_single_file_requires_one_match(self):
        for pattern, words in (('*.vhdx', '3 files match'),
                               ('*.iso', 'no file matches')):
            error = self.assertRaises(
                cli_base.UsageError, disk_files.expand_single,
                str(self.directory / pattern), 'nt')
            self.assertIn(words, str(error))
        self.assertEqual(
            str(self.directory / 'c.raw'), disk_files.expand_single(
                str(self.directory / '*.raw'), 'nt'))

    def test_lint_of_a_pattern_without_a_file_exits_2(self):
        expand = disk_files.expand_patterns

        def windows(names, print_error):
            return expand(names, print_error, 'nt')

        with mock.patch.object(disk_files, 'expand_patterns', windows):
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'value', '--property', 'a=b',
                str(self.directory / '*.iso'))
        self.assertEqual((2, ''), (code, out.strip()))
        self.assertEqual(1, err.count('\n'), err)
        self.assertIn('no file matches', err)
