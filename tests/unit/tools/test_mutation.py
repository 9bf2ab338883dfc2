# SPDX-License-Identifier: Apache-2.0

from tests.unit import base
from tools import mutation


class ChangeTestCase(base.TestCase):

    def test_type_hints_are_no_change(self):
        for source, mutated in (
                ('x: int | None = 1', 'x: int & None = 1'),
                ('def f(x: int | None): pass', 'def f(x: int & None): pass'),
                ('def f() -> int | None: pass', 'def f() -> int & None: pass'),
                ('x = 1', 'x =  1  # comment')):
            self.assertFalse(mutation.is_change(source, mutated), mutated)

    def test_other_differences_are_changes(self):
        for source, mutated in (
                ('x: int = 1', 'x: int = 2'),
                ('def f(x=1): pass', 'def f(x=2): pass'),
                ('def f(x: int) -> int: return x | 1',
                 'def f(x: int) -> int: return x & 1')):
            self.assertTrue(mutation.is_change(source, mutated), mutated)

    def test_what_is_no_python_is_no_change(self):
        self.assertFalse(mutation.is_change('x = 1', 'x = = 1'))


class TestModulesTestCase(base.TestCase):

    def test_of_a_module(self):
        for module, tests in (
                ('versions.py', ['test_versions']),
                ('disk/fat.py', ['disk.test_fat']),
                ('disk/vhdx/blocks.py', ['disk.vhdx.test_blocks']),
                ('rules/disk.py', ['test_catalogue', 'test_rules',
                                   'validators.test_image',
                                   'validators.test_schema'])):
            self.assertEqual([f'tests.unit.{test}' for test in tests],
                             mutation.test_modules(module))

    def test_core_has_no_adapters(self):
        modules = mutation.core_modules()
        self.assertIn('compatibility.py', modules)
        self.assertIn('disk/systems.py', modules)
        self.assertEqual([], [
            module for module in modules if module == 'conf.py'
            or module.startswith(('cli/', 'compute/', 'filters/', 'glance/'))])
