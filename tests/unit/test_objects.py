# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fixture

# Registers the classes.
from hyperv_sched import objects  # noqa: F401
from tests.unit import base

#: A changed hash means that old and new no longer understand each other:
#: raise the object's version along with it.
FINGERPRINTS = {
    'HostCapability': '1.0-45402d1ec9b1ad17bc3427bd5887e488',
    'ImageRequirement': '1.3-79b4706389c6fde455bb80a7bd0e4d82',
    'Refusal': '1.1-114e7be7cfa06239ad2f8d34cd241935',
}


class VersionsTestCase(base.TestCase):

    def test_fingerprints_change_with_the_version_only(self):
        classes = {
            name: [c for c in found
                   if c.OBJ_PROJECT_NAMESPACE == 'hyperv_sched']
            for name, found in
            ovo_base.VersionedObjectRegistry.obj_classes().items()}
        checker = fixture.ObjectVersionChecker(
            {name: found for name, found in classes.items() if found})
        expected, actual = checker.test_hashes(FINGERPRINTS)
        self.assertEqual(expected, actual)


class ImportTestCase(base.TestCase):

    def test_commands_start_without_versioned_objects(self):
        subprocess.run(
            [sys.executable, '-W', 'ignore', '-c',
             'import sys, hyperv_sched.cli.main, hyperv_sched.cli.lint, '
             'hyperv_sched.cli.upload, hyperv_sched.cli.rule, '
             'hyperv_sched.validators, hyperv_sched.disk; '
             'sys.exit("oslo_versionedobjects" in sys.modules)'], check=True)
