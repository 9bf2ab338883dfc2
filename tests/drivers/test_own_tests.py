# SPDX-License-Identifier: Apache-2.0
"""The drivers' own tests of their classes, on the enforced classes.

Of compute-hyperv's 599 tests and Nova's 367 for Hyper-V these are all that
know the class of a driver. The rest test what it calls.
"""

import json
import pathlib
import subprocess
import sys

import testtools

from tests.drivers import enforced

#: Where what is enforced gets a word instead of a server: a sentinel has no
#: image to judge. test_enforced has servers, and compares what is heard.
JUDGED = {
    'test_attach_volume', 'test_check_can_live_migrate_destination',
    'test_check_can_live_migrate_source', 'test_finish_migration',
    'test_finish_revert_migration', 'test_migrate_disk_and_power_off',
    'test_power_on', 'test_pre_live_migration', 'test_reboot',
    'test_snapshot', 'test_spawn'}

#: It looks for the methods in the class's own dictionary, to unwrap them;
#: an enforced class inherits them.
UNWRAPS = {'test_public_api_signatures'}


class OwnTestsTestCase(testtools.TestCase):

    def run_tests(self, driver, module):
        """All that ran, and the last line of each that failed, by name."""
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'tests.drivers.own_tests',
             driver, module], capture_output=True, text=True,
            cwd=pathlib.Path(__file__).parents[2], timeout=600)
        self.assertEqual(0, done.returncode, done.stderr)
        report = json.loads(done.stdout.splitlines()[-1])
        return report['ran'], report['failed']

    def assert_fail(self, expected, failed):
        self.assertEqual(expected, set(failed))
        for name in expected - UNWRAPS:
            self.assertIn('has no attribute', failed[name])

    def test_compute_hyperv(self):
        ran, failed = self.run_tests(
            enforced.COMPUTE_HYPERV, 'compute_hyperv.tests.unit.test_driver')
        self.assertEqual(61, len(ran))
        self.assert_fail(JUDGED | {'test_rescue'}, failed)

    def test_cluster(self):
        ran, failed = self.run_tests(
            enforced.CLUSTER,
            'compute_hyperv.tests.unit.cluster.test_driver')
        self.assertEqual(10, len(ran))
        self.assert_fail(JUDGED.intersection(ran), failed)

    def test_driver_of_nova(self):
        ran, failed = self.run_tests(
            enforced.NOVA_28, 'nova.tests.unit.virt.hyperv.test_driver')
        self.assertEqual(47, len(ran))
        self.assert_fail(JUDGED | UNWRAPS, failed)
