# SPDX-License-Identifier: Apache-2.0

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
