# SPDX-License-Identifier: Apache-2.0
"""Findings and reasons of Glance, without a server."""

import testtools

from hyperv_sched import rules
from hyperv_sched.glance import verdict

WRONG = {'hypervisor_type': 'hyperv', 'hw_machine_type': 'hyperv-gen3'}


def codes(findings):
    return [finding.code for finding in findings]


class BlockingFindingsTestCase(testtools.TestCase):

    def findings(self, record, ignored=(), errors=()):
        return codes(verdict.blocking_findings(
            verdict.to_document(record), (ignored, errors)))

    def test_errors_block(self):
        self.assertEqual(['HV101'], self.findings(WRONG))

    def test_other_hypervisors_do_not(self):
        self.assertEqual([], self.findings(
            {'hypervisor_type': 'qemu', 'hw_machine_type': 'q35'}))

    def test_warnings_block_only_as_errors(self):
        warned = {'hypervisor_type': 'hyperv',
                  'hw_machine_type': 'hyperv-gen2'}
        self.assertEqual([], self.findings(warned))
        self.assertEqual(['HV106'], self.findings(warned, (), ['HV106']))

    def test_ignored_rules_do_not(self):
        self.assertEqual([], self.findings(WRONG, ['HV101']))

    def test_property_named_properties_is_not_nested(self):
        self.assertEqual(['HV101'], self.findings(
            {**WRONG, 'properties': {'hw_machine_type': 'hyperv-gen1'}}))


class FormatReasonTestCase(testtools.TestCase):

    def test_five_findings_and_the_number_of_others(self):
        for count, more in ((1, ''), (5, ''), (6, '. And 1 more'),
                            (9, '. And 4 more')):
            finding = rules.CATALOGUE['HV102'].finding()
            expected = '. '.join([str(finding)] * min(count, 5)) + more
            self.assertEqual(
                expected, verdict.format_reason([finding] * count))


class ValidateReadableTestCase(testtools.TestCase):

    def validate(self, record):
        return verdict.blocking_findings(
            verdict.to_document(record), ((), ()))

    def test_readable_property_is_quoted(self):
        finding, = verdict.validate_readable(
            self.validate, {**WRONG, 'secret': 'x'}, WRONG)
        self.assertIn('hyperv-gen3', str(finding))

    def test_unreadable_property_is_not_quoted(self):
        finding, = verdict.validate_readable(
            self.validate, WRONG, {'hypervisor_type': 'hyperv'})
        self.assertEqual(
            ('HV101', None, 'a property that you cannot read contradicts it',
             'Ask an administrator of the cloud'),
            (finding.code, finding.actual, finding.message, finding.fix))
        self.assertNotIn('hyperv-gen3', str(finding))
