# SPDX-License-Identifier: Apache-2.0

import json
import sys
from unittest import mock

from tests.unit.cli import base


class GitLabTestCase(base.CommandTestCase):

    def lint(self, *argv):
        code, out, err = self.run_command(
            'image', 'lint', '-f', 'gitlab', *argv)
        self.assertEqual('', err)
        return code, json.loads(out)

    def test_severities(self):
        _, report = self.lint(
            '--property', 'hypervisor_type=hyperv', '--property',
            'hw_machine_type=hyperv-gen2', '--property',
            'hw_scsi_model=lsilogic', '--property', 'architecture=i686')
        self.assertEqual({'critical', 'minor', 'info'},
                         {finding['severity'] for finding in report})

    def test_equal_findings_have_fingerprints_of_their_own(self):
        document = json.dumps([{'hw_machine_type': 'hyperv-gen1'}] * 2)
        path = self.file('a.json', document.encode())
        code, report = self.lint('--image-json', path)
        self.assertEqual((1, 2), (code, len(report)))
        self.assertEqual(
            2, len({finding['fingerprint'] for finding in report}))
        self.assertEqual(report, self.lint('--image-json', path)[1])

    def test_no_findings(self):
        self.assertEqual((0, []), self.lint(*base.GENERATION_2))

    def test_columns_are_refused(self):
        code, out, err = self.run_command(
            'image', 'lint', '-f', 'gitlab', '-c', 'code',
            *base.GENERATION_2)
        self.assertEqual((2, ''), (code, out))
        self.assertIn('-f gitlab has no columns', err)


class JUnitTestCase(base.CommandTestCase):

    def test_missing_library_is_named(self):
        with mock.patch.dict(sys.modules, junitparser=None):
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'junit', *base.GENERATION_2)
        self.assertEqual((2, ''), (code, out))
        self.assertIn('pip install junitparser', err)
