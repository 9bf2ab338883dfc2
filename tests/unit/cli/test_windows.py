# SPDX-License-Identifier: Apache-2.0
"""Behavior on Windows, with the system as a parameter."""

import errno
import io
import os
import pathlib
import signal
import subprocess
import sys
from unittest import mock

from hyperv_sched.cli import base as cli_base
from hyperv_sched.cli import disk_files
from hyperv_sched.cli import signals
from hyperv_sched.validators import fixes
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


class ClosedPipeTestCase(base.CommandTestCase):

    def test_closed_pipe_is_einval_on_windows(self):
        invalid = OSError(errno.EINVAL, 'Invalid argument')
        for exc, system, expected in (
                (BrokenPipeError(), 'posix', True), (invalid, 'nt', True),
                (invalid, 'posix', False), (None, 'nt', False),
                (OSError(errno.EINVAL, 'Invalid argument', 'disk'), 'nt',
                 False), (OSError(errno.ENOSPC, 'full'), 'nt', False),
                (ValueError(), 'nt', False)):
            self.assertEqual(
                expected, cli_base.is_closed_pipe(exc, system), repr(exc))

    def test_closed_pipe_is_not_reported(self):
        def windows(exc, closed=cli_base.is_closed_pipe):
            return closed(exc, 'nt')

        stdout = io.StringIO()
        stdout.write = stdout.flush = mock.Mock(
            side_effect=OSError(errno.EINVAL, 'Invalid argument'))
        with mock.patch.object(cli_base, 'is_closed_pipe', windows):
            for argv in (('metadefs', 'export'), ('rule', 'show', 'HV105'),
                         ('image', 'lint', '-f', 'json', '--property',
                          'hw_machine_type=hyperv-gen2')):
                code, _, err = self.run_command(*argv, stdout=stdout)
                self.assertEqual((141, ''), (code, err), argv)


class ConfigurationTestCase(base.CommandTestCase):

    def test_configuration_file_is_utf_8_in_any_locale(self):
        lint = self.file(
            'lint.conf', '# \u00c1rbol\n[hyperv_sched]\n'
                         'ignored_rules = HV106\n'.encode('utf-8-sig'))
        done = subprocess.run(
            [sys.executable, '-X', 'utf8=0', '-c',
             'import sys; from hyperv_sched.cli import main; '
             'sys.exit(main.main())', 'image', 'lint', '-f', 'value', '-c',
             'code', '--property', 'hw_machine_type=hyperv-gen2',
             '--property', 'hypervisor_type=hyperv', '--config-file', lint],
            env={**os.environ, 'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0'},
            check=False, text=True, capture_output=True)
        self.assertEqual((0, '', ''), (
            done.returncode, done.stdout.strip(), done.stderr))

    def test_unreadable_configuration_is_one_line(self):
        for data, words in ((b'\xff', 'is not UTF-8 text'),
                            (b'password = x\n', 'line 1: Section must'),
                            (b'#' * (4 * 1024 ** 2 + 1), 'is larger than')):
            path = self.file('lint.conf', data)
            code, _, err = self.run_command(
                'image', 'lint', '--property', 'a=b', '--config-file', path)
            self.assertEqual((2, 1), (code, err.count('\n')), err)
            self.assertTrue(err.startswith(f'{path}: '), err)
            self.assertIn(words, err)
            self.assertNotIn('password', err)


class PackageTestCase(base.CommandTestCase):

    def test_package_that_cannot_be_loaded_is_named(self):
        with mock.patch.object(fixes, 'properties', side_effect=ImportError(
                'DLL load failed while importing rpds')):
            code, _, err = self.run_command(
                'image', 'lint', '--fix', '--property', 'a=b')
        self.assertEqual(
            (2, 'a package that hyperv-sched needs cannot be loaded: DLL '
                'load failed while importing rpds\n'), (code, err))


class ShellTestCase(base.CommandTestCase):

    def fix(self, *argv, name='a b'):
        return self.run_command(
            'image', 'lint', '--fix', '--property',
            'hw_machine_type=hyperv-gen2', '--property',
            'hypervisor_type=hyperv', '--property', f'name={name}', *argv)

    def test_option_names_the_shell(self):
        for shell, quote in (('sh', "'"), ('windows', '"'), ('cmd', '"'),
                             ('powershell', "'")):
            code, out, _ = self.fix('--shell', shell)
            self.assertEqual(
                (0, 'openstack image set --property '
                    f'{quote}hypervisor_version_requires=>=6.3{quote} -- '
                    f'{quote}a b{quote}\n'), (code, out))

    def test_unquotable_value_names_other_shells(self):
        path = self.file('disk.vhdx', base.BOOTABLE)
        code, out, err = self.run_command(
            'image', 'upload', path, '--name', '100%', '--dry-run',
            '--force', '--shell', 'windows')
        self.assertEqual((2, ''), (code, out))
        self.assertIn('use --shell cmd or powershell', err)


class GuardTestCase(base.CommandTestCase):

    def test_ctrl_break_and_a_closed_console_end_a_command(self):
        """Python has the signal on Windows alone."""
        number = getattr(signal, 'SIGBREAK', None) or signal.SIGUSR1
        source = pathlib.Path(signals.__file__).read_text()
        with mock.patch.object(signal, 'SIGBREAK', number, create=True):
            module = {'__name__': signals.__name__}
            exec(compile(source, signals.__file__, 'exec'), module)
        self.assertIn(number, module['ENDING'])
        with module['Guard']() as guard:
            guard.hold()
            signal.raise_signal(number)
            self.assertRaises(KeyboardInterrupt, guard.release)

    def test_states(self):
        guard = signals.Guard()
        with guard:
            for _ in range(2):
                self.assertRaises(KeyboardInterrupt, signal.raise_signal,
                                  signal.SIGTERM)
        with signals.Guard() as guard:
            guard.once()
            self.assertRaises(KeyboardInterrupt, signal.raise_signal,
                              signal.SIGINT)
            # Cleaning up goes on.
            signal.raise_signal(signal.SIGINT)
            self.assertRaises(KeyboardInterrupt, guard.check)
        self.assertEqual(signal.SIG_DFL, signal.getsignal(signal.SIGTERM))
