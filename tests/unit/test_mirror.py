# SPDX-License-Identifier: Apache-2.0
"""The tests of a module are where the module is.

hyperv_sched/disk/fat.py has tests/unit/disk/test_fat.py. A package has its
tests beside its directory: hyperv_sched/disk/__init__.py has
tests/unit/test_disk.py.
"""

import ast
import pathlib

from tests.unit import base

UNIT = pathlib.Path(__file__).parent
TESTS = UNIT.parent
ROOT = TESTS.parent
PACKAGE = ROOT / 'hyperv_sched'

#: Modules without such a file, and the tests that run them, below tests.
ELSEWHERE = {
    # They import Nova.
    'cli/status/nova_database.py': 'functional/nova/test_nova_database.py',
    'compute/compute_hyperv.py': 'drivers/test_enforced.py',
    'compute/devices.py': 'functional/nova/test_enforcement_devices.py',
    'compute/driver.py': 'functional/nova/test_enforcement.py',
    'compute/enforcement.py': 'functional/nova/test_enforcement.py',
    'compute/hosts.py': 'functional/nova/test_driver_modules.py',
    'compute/images.py': 'functional/nova/test_driver_modules.py',
    'compute/notifications.py': 'functional/nova/test_refusals.py',
    'compute/origin.py': 'functional/nova/test_origin.py',
    'compute/releases.py': 'functional/nova/test_releases.py',
    'filters/hyperv_generation_filter.py': 'functional/nova/test_filter.py',
    'filters/trait_request.py': 'functional/nova/test_trait_request.py',
    # Glance calls them.
    'glance/api_filter.py': 'functional/glance/test_api_filter.py',
    'glance/import_plugin.py': 'functional/glance/test_import_plugin.py',
    'glance/stored.py': 'functional/glance/test_routing.py',
    'glance/verdict.py': 'functional/glance/test_verdict.py',
    # Parts of a command, which tests call as a whole.
    'cli/audits.py': 'unit/cli/test_cloud_audit.py',
    'cli/cloud.py': 'functional/test_cloud_commands.py',
    'cli/explanations.py': 'unit/cli/test_explain.py',
    'cli/input_files.py': 'unit/cli/test_lint.py',
    'cli/provider_files.py': 'unit/cli/test_provider_config.py',
    'cli/units.py': 'unit/cli/test_inspection.py',
    # Tables, and the functions that make their records: one test has them all.
    'rules/conditions.py': 'unit/validators/test_schema.py',
    'rules/definitions.py': 'unit/validators/test_schema.py',
    'rules/disk.py': 'unit/test_catalogue.py',
    'rules/model.py': 'unit/test_rules.py',
    'rules/properties.py': 'unit/test_catalogue.py',
    'rules/secure_boot.py': 'unit/test_catalogue.py',
    'validators/keywords.py': 'unit/validators/test_image.py',
    # What the objects are made of.
    'objects/base.py': 'unit/test_objects.py',
    'objects/fields.py': 'unit/objects/test_refusal.py',
}

#: Test modules with another name, below tests/unit, and their subjects, below
#: the checkout.
OTHER_SUBJECTS = {
    'cli/test_secure_boot.py': 'hyperv_sched/cli',
    'disk/test_budget.py': 'hyperv_sched/disk',
    'disk/test_examples.py': 'hyperv_sched/rules/disk.py',
    'disk/test_mutations.py': 'hyperv_sched/disk',
    'disk/test_promises.py': 'tests/fuzz/promises.py',
    'test_attributes.py': 'hyperv_sched',
    'test_catalogue.py': 'hyperv_sched/rules',
    'test_doc_sessions.py': 'doc/source',
    'test_documentation.py': 'doc/source',
    'test_expressions.py': 'hyperv_sched',
    'test_mirror.py': 'tests/unit',
    'test_portability.py': 'hyperv_sched',
    'test_powershell.py': 'doc/source',
}

#: Directories of tests of what is not in the package.
OTHER_PACKAGES = ('benchmarks', 'tools')


def find_module(test):
    """Return the module or package that a test module is named for, or None.

    :param test: its path below tests/unit
    """
    root = ROOT if test.parts[0] in OTHER_PACKAGES else PACKAGE
    name = test.name.removeprefix('test_')
    module = root / test.parent / name
    package = module.with_suffix('') / '__init__.py'
    return next((path for path in (module, package) if path.exists()), None)


def find_test(module):
    """Return the path of the test module that a module should have.

    :param module: its path below the package
    """
    if module.name == '__init__.py':
        module = module.parent.with_suffix('.py')
    return UNIT / module.parent / f'test_{module.name}'


def has_code(path):
    """Return whether a module has functions or classes."""
    return any(isinstance(node, (ast.ClassDef, ast.FunctionDef))
               for node in ast.walk(ast.parse(path.read_text('utf-8'))))


class MirrorTestCase(base.TestCase):

    def assertListed(self, listed, paths):
        """Assert that a list has each of these paths, and no other one."""
        names = {path.as_posix() for path in paths}
        self.assertEqual([], sorted(names - {*listed}), 'not listed')
        self.assertEqual([], sorted({*listed} - names), 'listed in error')

    def test_each_test_module_is_named_for_a_module(self):
        paths = [path.relative_to(UNIT) for path in UNIT.rglob('test_*.py')]
        self.assertListed(OTHER_SUBJECTS, [
            path for path in paths if find_module(path) is None])
        for subject in OTHER_SUBJECTS.values():
            self.assertTrue((ROOT / subject).exists(), subject)

    def test_each_module_with_code_has_a_test_module(self):
        paths = [path.relative_to(PACKAGE) for path in PACKAGE.rglob('*.py')
                 if has_code(path)]
        self.assertListed(ELSEWHERE, [
            path for path in paths if not find_test(path).exists()])
        for test in ELSEWHERE.values():
            self.assertTrue((TESTS / test).exists(), test)
