# SPDX-License-Identifier: Apache-2.0

import os
from unittest import mock

from hyperv_sched.cli.status import results
from tests.unit.cli.status import base


class ReadTestCase(base.StatusTestCase):

    def test_environment_of_the_command_is_ignored(self):
        with mock.patch.dict(os.environ, {
                'OS_DEFAULT__COMPUTE_DRIVER': 'other.Driver',
                'OS_HYPERV_SCHED__IGNORED_RULES': 'HV106'}):
            for text, driver in (
                    ('[DEFAULT]\ncompute_driver = own.Driver\n',
                     'own.Driver'), ('[DEFAULT]\n', None)):
                compute = self.read(nova=text).compute
                self.assertEqual(driver, compute.get(None, 'compute_driver'))
                self.assertEqual(
                    [], compute.get('hyperv_sched', 'ignored_rules'))

    def test_file_of_4_mib_is_read_and_no_larger_one(self):
        limit = 4 * 1024 ** 2
        self.assertIsNotNone(self.read(nova='#'.ljust(limit)).compute)
        error = self.assertRaises(
            results.FileError, self.read, nova='#'.ljust(limit + 1))
        self.assertIn('is larger than 4 MiB', str(error))
