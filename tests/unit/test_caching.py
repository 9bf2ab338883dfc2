# SPDX-License-Identifier: Apache-2.0

import ast
import pathlib
import sys

import hyperv_sched
from hyperv_sched import caching
from hyperv_sched import compatibility
from hyperv_sched import objects
from hyperv_sched import versions
from hyperv_sched.validators import image
from hyperv_sched.validators import schema
from tests.unit import base

ROOT = pathlib.Path(hyperv_sched.__file__).parent
LARGE = 'x' * 4096


class CacheSmallTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.calls = []
        self.cached = caching.cache_small(self._call)

    def _call(self, *args):
        self.calls.append(args)
        return len(self.calls)

    def test_small_arguments_are_looked_up(self):
        self.assertEqual([1, 1], [self.cached('a', None) for _ in range(2)])

    def test_arguments_of_another_type_are_others(self):
        self.assertEqual([1, 2, 3], [
            self.cached(value) for value in (1, True, 1.0)])

    def test_limit_on_both_sides(self):
        fits = 'x' * (2048 - sys.getsizeof(''))
        for value, kept in ((fits, 1), (fits + 'x', 0)):
            self.cached.cache_clear()
            self.cached(value)
            self.assertEqual(kept, self.cached.cache_info().currsize)

    def test_all_arguments_count_together_and_with_what_they_contain(self):
        for args in (('x' * 1000, 'x' * 1000, 'x' * 1000),
                     (('x' * 3000,),), (frozenset(['x' * 3000]),),
                     (b'x' * 3000,), (2 ** 30000,), ('\U0001f600' * 600,)):
            self.cached(*args)
            self.assertEqual(0, self.cached.cache_info().currsize, args)

    def test_unhashable_arguments_are_not_cached(self):
        self.assertEqual([1, 2], [self.cached([]) for _ in range(2)])

    def test_entries_are_limited(self):
        for value in range(1000):
            self.cached(value)
        self.assertEqual(128, self.cached.cache_info().currsize)


class EveryCacheTestCase(base.TestCase):
    """No cache of the package keeps what an image or a client sends."""

    def test_is_made_by_this_module_or_has_nothing_large_for_a_key(self):
        found = []
        for path in ROOT.rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text())):
                where = (f'{path.relative_to(ROOT).as_posix()}:'
                         f'{getattr(node, "name", "")}')
                if isinstance(node, ast.Attribute | ast.Name):
                    name = getattr(node, 'attr', getattr(node, 'id', ''))
                    if name == 'lru_cache':
                        self.assertEqual('caching.py', path.name, where)
                    elif name == 'cached_property':
                        # Requests end with the call of the driver, reports
                        # with the command.
                        self.assertIn(path.name, (
                            'audit.py', 'checks.py', 'cloud.py',
                            'explanation.py', 'inventory.py'), where)
                    continue
                if not isinstance(node, ast.FunctionDef):
                    continue
                if any(ast.unparse(decorator) == 'functools.cache'
                       for decorator in node.decorator_list):
                    found.append(where)
                    self.assertEqual([], node.args.args, where)
        self.assertIn('validators/image.py:_groups', found)

    def test_verdicts_on_properties(self):
        members = {member for clause in schema.load()['allOf']
                   for member in schema.members(clause)}
        self.assertIn('hw_machine_type', members)
        for group in image._groups():
            group._cached.cache_clear()
        for member in members - {'content', 'overridden', 'min_disk'}:
            # Those that speak of other members keep a verdict on nothing.
            for group in image._groups():
                group.broken({member: LARGE})
                group.broken({member: LARGE + 'x'})
        self.assertEqual([1] * len(image._groups()), [
            group._cached.cache_info().currsize for group in image._groups()])

    def test_kinds_of_hosts(self):
        matcher = compatibility.HostMatcher(
            objects.ImageRequirement.from_document(
                {'hw_machine_type': 'hyperv-gen2'}),
            compatibility.Policy(
                generation_2_minimum=versions.Version('6.3')))
        matcher.match(LARGE, 10000)
        self.assertEqual(0, len(matcher._decisions))
        matcher.match('small', 10000)
        self.assertEqual(1, len(matcher._decisions))
