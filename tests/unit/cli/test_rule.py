# SPDX-License-Identifier: Apache-2.0

import json

from hyperv_sched import rules
from tests.unit.cli import base


class RuleShowTestCase(base.CommandTestCase):

    def test_shows_a_rule(self):
        code, out, _ = self.run_command('rule', 'show', '-f', 'json', 'hv105')
        self.assertEqual((0, 'version-unsatisfiable'),
                         (code, json.loads(out)['name']))

    def test_rule_has_a_name_too(self):
        for name in ('esp-not-fat', 'ESP-NOT-FAT', 'hv324'):
            code, out, _ = self.run_command(
                'rule', 'show', name, '-f', 'value', '-c', 'code')
            self.assertEqual((0, 'HV324\n'), (code, out))

    def test_no_value_is_repeated(self):
        for code in rules.CATALOGUE:
            _, out, _ = self.run_command('rule', 'show', '-f', 'json', code)
            fields = json.loads(out)
            for name in ('why', 'wrong', 'right'):
                values = [json.dumps(value) for value in fields[name]]
                self.assertEqual(len(values), len(set(values)), (code, name))

    def test_unknown_code_exits_2_and_names_the_list(self):
        code, _, err = self.run_command('rule', 'show', 'HV999')
        self.assertEqual(2, code)
        self.assertEqual(
            'HV999: no such rule. Run "hyperv-sched rule list"\n', err)


class RuleListTestCase(base.CommandTestCase):

    def test_has_every_rule(self):
        code, out, _ = self.run_command('rule', 'list', '-f', 'json')
        self.assertEqual(0, code)
        self.assertEqual(
            [{'code': rule.code, 'severity': rule.severity,
              'name': rule.name} for rule in rules.CATALOGUE.values()],
            json.loads(out))
