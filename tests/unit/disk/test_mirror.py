# SPDX-License-Identifier: Apache-2.0

import pathlib

from hyperv_sched import disk
from tests.unit.disk import base

PACKAGE = pathlib.Path(disk.__file__).parent
TESTS = pathlib.Path(base.__file__).parent


class MirrorTestCase(base.TestCase):

    def test_each_module_has_a_module_of_tests(self):
        # disk/__init__.py has test_inspect and test_format, that of vhdx
        # imports the other modules only.
        missing = [
            str(module) for module in (
                path.relative_to(PACKAGE) for path in PACKAGE.rglob('*.py'))
            if module.name != '__init__.py' and not (
                TESTS / module.parent / f'test_{module.name}').exists()]
        self.assertEqual([], missing)
