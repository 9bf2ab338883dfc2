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

    def test_paragraphs_for_people(self):
        code, out, _ = self.run_command('rule', 'show', 'HV504')
        self.assertEqual((0, """\
error  HV504  rescue-generation

Why: The virtual machine exists, and its generation cannot be changed.

Message: the rescue image is {actual}, the server is {required}
Required: an image of the same generation
Fix: Rescue with an image of hw_machine_type={required}

What happened: the image of a rescue is of the other generation. The server is
  in ERROR, the guest is still running
What you can do: start it: openstack server reboot --hard SERVER; or rescue it
  with an image of the same generation
What only the operator can do: set its state:
  openstack server set --state active SERVER

Reference: https://compute-hyperv.readthedocs.io/en/latest/usage/index.html
"""), (code, out))

    def test_texts_of_variants_and_the_first_examples(self):
        _, out, _ = self.run_command(
            'rule', 'show', 'HV331', '-c', 'variants', '-c', 'wrong')
        starts = [line.partition(':')[0] for line in out.splitlines()
                  if line and not line.startswith(' ')]
        self.assertEqual(
            ['Fix (debian)', 'Fix (ubuntu)', 'Fix (opensuse)', 'Fix (sles)',
             'Fix (windows)', *['Wrong'] * 4], starts)

    def test_columns(self):
        for columns, expected in (
                (['code'], 'HV503\n'),
                (['failure'], """\
What happened: a device with disk_bus=ide, which generation 2 does not have
What you can do: attach it with disk_bus=scsi
What only the operator can do: nothing
"""),
                (['variants'], '')):
            code, out, _ = self.run_command('rule', 'show', 'HV503', *(
                word for column in columns for word in ('-c', column)))
            self.assertEqual((0, expected), (code, out))

    def test_failure_in_json(self):
        for rule, expected in (
                ('HV101', None),
                ('HV403', {
                    'happened': 'a host has not reported its version',
                    'user': 'try again in some minutes, then report it',
                    'operator': 'see that nova-compute on the host runs'})):
            _, out, _ = self.run_command('rule', 'show', '-f', 'json', rule)
            self.assertEqual(expected, json.loads(out)['failure'])

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
