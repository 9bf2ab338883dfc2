# SPDX-License-Identifier: Apache-2.0

import os
import subprocess
import sys

from tests.unit.cli import base


class SeverityOverridesTestCase(base.CommandTestCase):
    """A generation 2 image that admits old hosts: HV106, a warning."""

    IMAGE = ('--property', 'hw_machine_type=hyperv-gen2',
             '--property', 'hypervisor_type=hyperv')

    def lint(self, *argv):
        code, out, err = self.run_command(
            'image', 'lint', '-f', 'value', '-c', 'code', '-c', 'severity',
            *self.IMAGE, *argv)
        return code, out.split(), err

    def test_rule_can_be_ignored(self):
        for code in ('HV106', 'hv106'):
            self.assertEqual((0, [], ''), self.lint('--ignore', code))

    def test_warning_can_be_an_error(self):
        self.assertEqual((1, ['HV106', 'error'], ''),
                         self.lint('--error', 'HV106'))

    def test_overrides_of_a_configuration_file(self):
        for option, expected in (('ignored_rules', (0, [], '')),
                                 ('error_rules',
                                  (1, ['HV106', 'error'], ''))):
            path = self.file('lint.conf', (
                f'[hyperv_sched]\n{option} = HV106\n').encode())
            self.assertEqual(expected, self.lint('--config-file', path))

    def test_unknown_code_exits_2(self):
        path = self.file('lint.conf',
                         b'[hyperv_sched]\nerror_rules = HV999\n')
        for option in ('--ignore', '--error'):
            self.assertEqual(
                (2, [], 'HV999,HV1: no such rule. "hyperv-sched rule list" '
                 'shows the codes; repeat the option for each of them\n'),
                self.lint(option, 'HV999,HV1'))
        self.assertEqual((2, [], f'{path}: HV999: no such rule\n'),
                         self.lint('--config-file', path))

    def test_unknown_option_exits_2(self):
        path = self.file('lint.conf', b'[hyperv_sched]\nmetrics_file = /x\n'
                         b'ignore_rules = HV106\n[other]\nany = 1\n')
        self.assertEqual(
            (2, [], f'{path}: [hyperv_sched] has no option ignore_rules\n'),
            self.lint('--config-file', path))

    def test_unreadable_configuration_exits_2(self):
        for path in ('/nonexistent', self.file('bad.conf', b'nonsense\n')):
            code, _, err = self.lint('--config-file', path)
            self.assertEqual(2, code)
            self.assertIn(path, err)


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
