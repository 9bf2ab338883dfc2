# SPDX-License-Identifier: Apache-2.0
"""What tools/test and tools/demo do before they run anything."""

import ast
import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys
from unittest import mock

import testtools

from tests import files
from tests import processes
from tools.setup import checks
from tools.setup import console
from tools.setup import debian
from tools.setup import venvs

TOP = pathlib.Path(__file__).parents[3]


class CommandsMixin(files.FilesMixin):
    """Commands of the test's own are the only ones in PATH."""

    def setUp(self):
        super().setUp()
        self.bin = self.directory / 'bin'
        self.bin.mkdir()
        patch = mock.patch.dict(os.environ, PATH=str(self.bin))
        patch.start()
        self.addCleanup(patch.stop)

    def command(self, name, script):
        """Add a shell script to PATH."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o755)
        return path


class UvVariablesTestCase(files.FilesMixin, testtools.TestCase):
    """uv gets what pip is configured with."""

    def variables(self, config='', **environ):
        """Return the variables of uv, for a user's pip.conf."""
        path = self.directory / '.config/pip/pip.conf'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config)
        found = venvs.uv_variables({
            'HOME': str(self.directory),
            'XDG_CONFIG_DIRS': str(self.directory / 'xdg'), **environ})
        return {name: value for name, value in found.items()
                if name in ('ALL_PROXY', 'SSL_CERT_FILE')
                or name.startswith('UV_')}

    def test_options_of_pip(self):
        for config, name, value in (
                ('index-url = https://a/simple', 'UV_DEFAULT_INDEX',
                 'https://a/simple'),
                ('extra-index-url = https://a\n  https://b', 'UV_INDEX',
                 'https://a https://b'),
                ('find-links = /a /b', 'UV_FIND_LINKS', '/a,/b'),
                ('trusted-host = a b', 'UV_INSECURE_HOST', 'a b'),
                ('proxy = http://p:1', 'ALL_PROXY', 'http://p:1'),
                ('no-index = true', 'UV_NO_INDEX', 'true'),
                ('constraint = /c.txt', 'UV_CONSTRAINT', '/c.txt')):
            for section in ('global', 'install'):
                self.assertEqual(
                    value, self.variables(f'[{section}]\n{config}')[name],
                    config)

    def test_variables_count_more_than_files(self):
        config = '[global]\nindex-url = https://file'
        self.assertEqual('https://pip', self.variables(
            config, PIP_INDEX_URL='https://pip')['UV_DEFAULT_INDEX'])
        self.assertEqual('https://uv', self.variables(
            config, PIP_INDEX_URL='https://pip',
            UV_DEFAULT_INDEX='https://uv')['UV_DEFAULT_INDEX'])

    def test_the_best_version_of_several_indexes(self):
        self.assertEqual('unsafe-best-match', self.variables(
            PIP_EXTRA_INDEX_URL='https://b')['UV_INDEX_STRATEGY'])
        self.assertEqual('first-index', self.variables(
            PIP_EXTRA_INDEX_URL='https://b',
            UV_INDEX_STRATEGY='first-index')['UV_INDEX_STRATEGY'])

    def test_configuration_of_uv_counts_alone(self):
        for place in ('.config', 'xdg'):
            path = self.directory / place / 'uv/uv.toml'
            path.parent.mkdir(parents=True)
            path.write_text('')
            self.assertNotIn('UV_DEFAULT_INDEX', self.variables(
                '[global]\nindex-url = https://a'), place)
            path.unlink()

    def test_a_broken_pip_conf_is_passed_over(self):
        self.assertEqual('https://a', self.variables(
            'no section', PIP_INDEX_URL='https://a')['UV_DEFAULT_INDEX'])

    def test_cache(self):
        home = self.directory
        self.assertEqual(f'{home}/.cache/uv',
                         self.variables()['UV_CACHE_DIR'])
        self.assertEqual(f'{home}/x/uv', self.variables(
            XDG_CACHE_HOME=f'{home}/x')['UV_CACHE_DIR'])
        self.assertEqual('/c', self.variables(
            UV_CACHE_DIR='/c')['UV_CACHE_DIR'])

    def test_cache_that_cannot_be_written_is_replaced(self):
        # A file is no directory for root either.
        self.assertEqual(f'{TOP}/.venv/cache', self.variables(
            XDG_CACHE_HOME=self.file('file', b''))['UV_CACHE_DIR'])


class FindUvTestCase(CommandsMixin, testtools.TestCase):

    def find(self, lacks_pip):
        """Return the path of uv and the commands that installed it."""
        commands = []

        def run(*argv):
            commands.append([str(word) for word in argv])
            if argv[0] == 'dpkg-deb':
                wheels = argv[3] / 'usr/share/python-wheels'
                wheels.mkdir(parents=True)
                (wheels / 'pip-23.0-py3-none-any.whl').write_text('')
            elif argv[0] == 'env':
                (argv[2] / 'pip.deb').write_text('')
            else:
                (self.directory / 'uv').mkdir(exist_ok=True)

        with mock.patch.object(venvs, '_lacks_pip', lambda: lacks_pip):
            return venvs.find_uv(self.directory / 'uv', run), commands

    def test_that_in_path_is_taken(self):
        path = self.command('uv', 'exit 0')
        self.assertEqual((path, []), self.find(False))

    def test_one_that_does_not_run_is_not(self):
        self.command('uv', 'echo "uv: command not found" >&2; exit 127')
        path, commands = self.find(False)
        home = self.directory / 'uv'
        self.assertEqual(home / 'bin/uv', path)
        self.assertEqual(
            [[sys.executable, '-m', 'venv', str(home)],
             [f'{home}/bin/python', '-m', 'pip', 'install',
              '--disable-pip-version-check', '--no-cache-dir', 'uv']],
            commands)

    def test_it_is_installed_once(self):
        self.find(False)
        self.assertEqual([], self.find(False)[1])

    def test_without_pip_its_wheel_is_unpacked(self):
        commands = self.find(True)[1]
        home = self.directory / 'uv'
        self.assertEqual(
            [sys.executable, '-m', 'venv', '--without-pip', str(home)],
            commands[0])
        self.assertEqual(
            [f'{home}/bin/python',
             f'{home}/debian/usr/share/python-wheels/'
             'pip-23.0-py3-none-any.whl/pip', 'install'], commands[-1][:3])
        # No command that changes the machine.
        self.assertEqual({'update', 'download'}, {
            word for command in commands if 'apt-get' in command
            for word in command
            if word in ('update', 'download', 'install', 'upgrade')})


class DebianTestCase(CommandsMixin, testtools.TestCase):

    def install(self, user, *packages):
        """Install packages; return the message if that fails."""
        with mock.patch.object(os, 'geteuid', lambda: user), \
                contextlib.redirect_stdout(io.StringIO()):
            try:
                debian.install(packages, self.directory / 'log')
            except console.ToolError as exc:
                return str(exc)

    def test_missing(self):
        self.command('dpkg-query', '''
            echo "here installed"
            echo "removed config-files"
            echo "half half-installed"
            exit 1''')
        self.assertEqual(
            ['removed', 'half', 'unknown'],
            debian.missing(['here', 'removed', 'half', 'unknown']))

    def test_without_dpkg_everything_is_missing(self):
        self.assertEqual(['a'], debian.missing(['a']))

    def test_no_terminal(self):
        command = 'apt-get install --no-install-recommends a b'
        self.command('apt-get', 'exit 0')
        said = self.install(1000, 'a', 'b')
        self.assertIn('sudo is not installed', said)
        self.assertIn(command, said)
        self.command('sudo', 'echo "sudo: a password is required" >&2; exit 1')
        said = self.install(1000, 'a', 'b')
        self.assertIn('sudo: a password is required', said)
        self.assertIn(command, said)

    def test_without_apt(self):
        self.assertIn('no apt-get', self.install(0, 'a'))

    def test_root_installs_at_once(self):
        log = self.directory / 'called'
        for name in ('apt-get', 'env'):
            self.command(name, f'echo {name} "$@" >>{log}')
        self.assertIsNone(self.install(0, 'a', 'b'))
        self.assertEqual(
            'apt-get update\n'
            'env DEBIAN_FRONTEND=noninteractive apt-get install'
            ' --no-install-recommends a b --yes\n', log.read_text())

    def test_what_apt_says_is_in_the_message(self):
        self.command('apt-get', 'echo "E: The lock is held"; exit 100')
        said = self.install(0, 'a')
        self.assertIn('E: The lock is held', said)
        self.assertIn('exit code 100', said)

    def test_mirror(self):
        self.command('apt-get', '''
            echo "http://extra/ trixie trixie contrib"
            echo "http://security/ trixie-security trixie-security main"
            echo "http://mirror/debian/ stable trixie main"''')
        for release, expected in (
                ({'ID': 'debian', 'VERSION_CODENAME': 'trixie'},
                 'http://mirror/debian/'),
                ({'ID': 'debian', 'VERSION_CODENAME': 'forky'}, None),
                ({'ID': 'ubuntu', 'VERSION_CODENAME': 'trixie'}, None),
                ({'ID': 'debian'}, None)):
            with mock.patch('platform.freedesktop_os_release',
                            lambda release=release: release):
                self.assertEqual(expected, debian.mirror(), release)


class ConsoleTestCase(files.FilesMixin, testtools.TestCase):

    def test_a_failed_command_shows_the_end_of_its_output(self):
        log = self.directory / 'log'
        exc = self.assertRaises(
            console.CommandError, console.run,
            ['sh', '-c', 'seq 100; printf "\\033[31mred\\n"; exit 3'], log)
        said = str(exc)
        self.assertIn('exit code 3', said)
        self.assertIn(str(log), said)
        self.assertIn('\n100\n [31mred', said)
        self.assertNotIn('\n50\n', said)

    def test_a_command_that_does_not_exist(self):
        exc = self.assertRaises(
            console.CommandError, console.run, [self.directory / 'absent'],
            self.directory / 'log')
        self.assertIn('No such file or directory', str(exc))

    def test_progress_in_a_pipe(self):
        with contextlib.redirect_stdout(io.StringIO()) as out, \
                mock.patch('time.monotonic',
                           side_effect=[0, 1, 16, 17, 20]):
            progress = console.Progress('Installing')
            for detail in ('a', 'b', 'c'):
                progress.update(detail)
            progress.finish()
        self.assertEqual('Installing ...\nInstalling: 16 s  b\n'
                         'Installing: done in 20 s\n', out.getvalue())

    def test_a_reader_that_goes_away(self):
        with subprocess.Popen(
                [sys.executable, '-c', '''
import sys
from tools.setup import console
sys.exit(console.main(lambda: print("x" * 1_000_000) or 0))
'''], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            child.stdout.close()
            self.assertEqual(b'', child.stderr.read())
        self.assertEqual(1, child.returncode)


class CommandLineTestCase(testtools.TestCase):

    def test_help_and_wrong_usage(self):
        for name in ('demo', 'devcloud', 'nightly', 'test'):
            for option, expected in (('--help', 0), ('--nonsense', 2),
                                     ('nonsense', 2)):
                done = subprocess.run(
                    [sys.executable, TOP / 'tools' / name, option],
                    text=True, capture_output=True, check=False)
                self.assertEqual(expected, done.returncode, name)
                self.assertIn(f'usage: tools/{name}',
                              done.stderr if expected else done.stdout)


class MachineTestCase(CommandsMixin, testtools.TestCase):
    """What a machine lacks is reported before anything runs."""

    def test_distributions_cannot_be_installed(self):
        self.command('unshare', 'echo unshare: not permitted >&2; exit 1')
        for main in (checks.main, checks.nightly):
            err = io.StringIO()
            with (mock.patch('sys.argv', ['tools/test', 'unit,e2e']),
                  contextlib.redirect_stderr(err)):
                self.assertEqual(2, main())
            self.assertRegex(
                err.getvalue(), r'\Aerror: e2e installs distributions, [^\n]* '
                r'\(unshare: not permitted\)\. Run it as root [^\n]*\n\Z')


class InterruptTestCase(files.FilesMixin, testtools.TestCase):

    def test_nothing_is_left(self):
        # A shell lets its background commands ignore Ctrl-C.
        script = 'sleep 300 & echo $!; wait'
        with (mock.patch.object(checks, '_LOGS', self.directory),
              mock.patch.object(checks, '_tox',
                                lambda *argv: ['sh', '-c', script])):
            running = checks._Running('unit', dict(os.environ), {})
        log = self.directory / 'unit.log'
        while not log.read_text().endswith('\n'):
            self.assertIsNone(running.result())
        running.interrupt()
        running.wait()
        processes.wait_until_ended(int(log.read_text()))


class ToxTestCase(testtools.TestCase):
    """tools/test knows the environments of tox.ini."""

    def test_run_by_default(self):
        self.assertEqual(
            {'docs', 'e2e-ci', 'firmware-ci', 'functional', 'mypy', 'nova28',
             'packaging', 'pep8', 'unit'}, {*checks.default_environments()})

    def test_nightly_runs_all_but_short_forms_writers_and_linkcheck(self):
        self.assertEqual(
            {'bench', 'e2e-ci', 'firmware-ci', 'genconfig', 'linkcheck'},
            checks.environments().keys() - checks.NIGHTLY.keys())
        self.assertLessEqual(
            checks.NIGHTLY.keys(), checks.environments().keys())

    def test_one_cloud_at_a_time(self):
        for waiting, running, expected in (
                (['unit', 'e2e'], ['docs'], 'unit'),
                (['e2e', 'unit'], ['docs'], 'e2e'),
                (['soak', 'unit'], ['e2e'], 'unit'),
                (['e2e-ci', 'unit'], ['soak'], 'unit'),
                (['soak'], ['docs', 'e2e'], None),
                ([], [], None)):
            self.assertEqual(
                expected, checks.next_environment(waiting, running),
                (waiting, running))

    def test_packages_are_built_before_anything_runs(self):
        # What runs side by side does so without that step: tox then knows no
        # wheel, and an editable package needs none.
        for name, section in checks.environments().items():
            self.assertEqual('editable', section.get('package', 'editable'),
                             name)

    def test_each_test_that_is_left_out_exists(self):
        # Some classes inherit their tests.
        names = {
            f'{".".join(path.relative_to(TOP).with_suffix("").parts)}'
            f'.{klass.name}.{getattr(member, "name", "")}'
            for path in TOP.glob('tests/**/test_*.py')
            for klass in ast.parse(path.read_text('utf-8')).body
            if isinstance(klass, ast.ClassDef)
            for member in klass.body}
        found = re.findall(r"--exclude-regex '?([^' ]+)",
                           (TOP / 'tox.ini').read_text('utf-8'))
        self.assertEqual(4, len(found))
        for expression in found:
            # A bar outside of parentheses.
            for part in re.split(r'\|(?![^(]*\))', expression):
                self.assertTrue(
                    any(re.search(part, name) for name in names), part)

    def test_what_calls_qemu_gets_it(self):
        found = {
            name for name, section in checks.environments().items()
            if 'qemu' in section.get('allowlist_externals', '')}
        self.assertEqual(
            {'firmware', 'firmware-ci', 'functional', 'packaging'}, found)
        with mock.patch('shutil.which', lambda name: None):
            for name in found:
                self.assertIn('qemu-utils', checks.packages([name]), name)
            self.assertEqual([], checks.packages(
                ['docs', 'mypy', 'nova28', 'pep8', 'unit']))

    def test_qemu_from_elsewhere_does(self):
        with mock.patch('shutil.which', lambda name: f'/opt/{name}'):
            self.assertEqual(
                ['gdisk', 'strace'], checks.packages(['functional']))

    def test_each_profile_of_bindep_is_an_environment(self):
        profiles = {
            word for line in (TOP / 'bindep.txt').read_text().splitlines()
            if not line.startswith('#')
            for word in line.partition('platform:dpkg ')[2].strip(']').split()}
        self.assertEqual(
            {'browser', 'e2e', 'firmware', 'functional', 'packaging',
             'windows'},
            profiles)

    def test_what_needs_python_3_11(self):
        self.assertEqual(
            {'glance30', 'lower-bounds', 'nova26', 'nova28', 'nova31',
             'windows'},
            {*filter(checks.needs_old_python, checks.environments())})
        for name, section in checks.environments().items():
            self.assertEqual(section.get('basepython') == 'python3.11',
                             checks.needs_old_python(name), name)


class ReportTestCase(files.FilesMixin, testtools.TestCase):

    def result(self, code, *lines):
        path = self.directory / 'log'
        path.write_text('\n'.join(lines) + '\n')
        return checks.Result(code, 1.0, path)

    def report(self, left_out=(), **results):
        """Return the exit code and the lines of a report."""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = checks.report(results, left_out)
        return code, out.getvalue().splitlines()

    def test_all_passed(self):
        code, lines = self.report(
            unit=self.result(0, ' - Passed: 12', ' - Skipped: 0'),
            nova28=self.result(0, ' - Passed: 3', ' - Failed: 0',
                               ' - Passed: 4'))
        self.assertEqual(0, code)
        self.assertEqual('tests: 19 passed, 0 failed, 0 skipped', lines[-1])

    def test_a_skipped_test_fails_the_run(self):
        code, lines = self.report(
            unit=self.result(0, ' - Passed: 12', ' - Skipped: 1'))
        self.assertEqual(1, code)
        self.assertEqual('tests: 12 passed, 0 failed, 1 skipped', lines[-1])

    def test_skipped_tests_are_expected_on_windows_alone(self):
        code, lines = self.report(
            windows=self.result(0, ' - Passed: 12', ' - Skipped: 1'))
        self.assertEqual(0, code)
        self.assertEqual('tests: 12 passed, 0 failed, 1 skipped', lines[-1])

    def test_left_out(self):
        passed = self.result(0, ' - Passed: 12')
        code, lines = self.report(['nova28'], unit=passed)
        self.assertEqual(3, code)
        self.assertIn('LEFT OUT', ' '.join(lines))
        self.assertIn('exit code 3', lines[-2])
        self.assertEqual(1, self.report(
            ['nova28'], unit=passed, pep8=self.result(1, 'x'))[0])

    def test_the_cause_of_a_failure_is_in_the_last_lines(self):
        for cause, lines in (
                ('error: No solution found when resolving dependencies',
                 ('$ uv pip install', 'Using Python 3.11.7',
                  'error: No solution found when resolving dependencies',
                  '  cause: there is no version of nova==28.99')),
                ('{0} tests.unit.test_rules.A.test_b [0.1s] ... FAILED',
                 ('x/loop.py:19: DeprecationWarning: x is deprecated',
                  'y.py:7: error: a test wrote this',
                  '{1} tests.unit.test_rules.A.test_error: [0.1s] ... ok',
                  '{0} tests.unit.test_rules.A.test_b [0.1s] ... FAILED',
                  'Captured traceback:', ' - Passed: 1', ' - Failed: 1')),
                ('ValueError: Incompatible version',
                 ('x/loop.py:19: EventletDeprecationWarning:',
                  'Traceback (most recent call last):',
                  '  File "/x/test_x.py", line 17, in <module>',
                  'ValueError: Incompatible version')),
                ('error: debian-packages: "apt-get update" failed',
                 ('--- the end of debian-packages.log:',
                  'Get:1 http://192.0.2.1/debian trixie/main amd64 socat',
                  'error: debian-packages: "apt-get update" failed')),
                ('AssertionError: it is ACTIVE',
                 ('resize: Traceback (most recent call last):',
                  'AssertionError: it is ACTIVE', 'The cloud is down.')),
                ('   --> tools/setup/debian.py:127:25',
                 ('pep8: commands[0]> ruff check .',
                  'SIM115 Use a context manager for opening files',
                  '   --> tools/setup/debian.py:127:25',
                  'Found 1 error.')),
                ('./tools/x.py:1:1: H101 Use TODO(NAME)',
                 ('pep8: commands[1]> flake8',
                  './tools/x.py:1:1: H101 Use TODO(NAME)')),
                ('tools/x.py:9: error: Argument 1 has the wrong type',
                 ('mypy: commands[0]> mypy',
                  'tools/x.py:9: error: Argument 1 has the wrong type')),
                ('qemu-img: command not found',
                 ('qemu-img: command not found',
                  'unit: exit 127 (0.1 seconds) /x> qemu-img pid=1',
                  '  unit: FAIL code 127 (0.2 seconds)',
                  '  evaluation failed :( (0.3 seconds)'))):
            code, said = self.report(
                pep8=self.result(0), unit=self.result(1, *lines))
            self.assertEqual(1, code)
            self.assertIn(f'    {cause}', said[-5:])
            self.assertTrue(any(
                re.match('  unit +FAILED', line) for line in said[-5:]), said)
