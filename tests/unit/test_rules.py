# SPDX-License-Identifier: Apache-2.0

import string

from hyperv_sched import rules
from hyperv_sched.validators import schema
from tests.unit import base


class CatalogueTestCase(base.TestCase):

    def test_words_name_nothing_but_what_findings_know(self):
        for rule in rules.CATALOGUE.values():
            words = [rule.message, rule.fix]
            for variant in rule.variants.values():
                words += [variant.message or '', variant.fix]
            for text in words:
                names = {name for _, name, _, _
                         in string.Formatter().parse(text) if name}
                self.assertLessEqual(
                    names, {'actual', 'required', 'property', 'reason'},
                    rule.code)

    def test_what_prevents_a_server_is_an_error_in_any_case(self):
        # The driver refuses whatever breaks such a rule.
        for code in rules.preventing('scheduling', 'build'):
            self.assertEqual(
                ('error',), rules.CATALOGUE[code].severities, code)

    def test_names_are_distinguished(self):
        names = [rule.name for rule in rules.CATALOGUE.values()]
        self.assertEqual(sorted(set(names)), sorted(names))

    def test_is_in_the_order_of_the_codes(self):
        self.assertEqual(sorted(rules.CATALOGUE), list(rules.CATALOGUE))

    def test_each_variant_is_given_by_a_clause(self):
        given = {(clause['x-rule'], clause['x-variant'])
                 for clause in schema.load()['allOf']
                 if 'x-variant' in clause}
        self.assertEqual(given, {
            (rule.code, name) for rule in rules.CATALOGUE.values()
            for name in rule.variants})


class WeighTestCase(base.TestCase):

    def test_drops_nothing_that_could_not_be_decided(self):
        error = rules.CATALOGUE['HV204'].finding()
        undecided = rules.CATALOGUE['HV226'].finding()
        stopped = rules.CATALOGUE['HV228'].finding()
        self.assertEqual([undecided, stopped], rules.apply_overrides(
            [error, undecided, stopped], ignored=['HV204', 'HV226', 'HV228']))


class FindingTestCase(base.TestCase):

    def test_words_of_a_variant(self):
        rule = rules.CATALOGUE['HV203']
        finding = rule.finding('-', 'tar', variant='archive')
        self.assertEqual('the file is tar, an archive, not a disk image',
                         finding.message)
        self.assertNotEqual(rule.finding('-', 'tar').fix, finding.fix)
        self.assertRaises(KeyError, rule.finding, '-', variant='other')

    def test_says_what_is_missing(self):
        finding = rules.CATALOGUE['HV106'].finding('image')
        self.assertIsNone(finding.actual)
        self.assertIn('(not set)', finding.message)

    def test_braces_in_a_value_are_text(self):
        finding = rules.CATALOGUE['HV101'].finding('-', '{required} {0}')
        self.assertIn("'{required} {0}'", finding.message)

    def test_is_one_line_with_code_reason_and_fix(self):
        self.assertEqual(
            "HV121 vm-mode: hw_vm_mode is 'xen', Hyper-V hosts offer hvm "
            'only. Set hw_vm_mode=hvm',
            str(rules.CATALOGUE['HV121'].finding('-', 'xen')))
