#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure how many mutants of the core the unit tests kill.

A mutant is the core with one small change that cosmic-ray makes: another
operator of comparison, another number, a condition turned round. A test that
fails kills it. A sample of all mutants is tried, the same for the same seed,
in a copy of the checkout. Exit code: 0 if the score is reached, 1 if it is
not, 2 if the tests fail without any change.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
import concurrent.futures
import multiprocessing
import os
import pathlib
import queue
import random
import shutil
import sys
import tempfile
import time
import typing
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = 'hyperv_sched'

#: The tests that are to kill the mutants of a module, below tests/unit. The
#: first path that a module begins with counts; braces stand for its name.
TESTS = (
    ('rules/', ('test_catalogue', 'test_rules', 'validators/test_image',
                'validators/test_schema')),
    ('validators/image', ('validators/test_image', 'validators/test_schema')),
    ('validators/schema', ('validators/test_{}', 'validators/test_image')),
    ('validators/keywords', ('validators/test_image',
                             'validators/test_schema')),
    ('validators/', ('validators/test_{}',)),
    ('objects/', ('objects/test_host_capability',
                  'objects/test_image_requirement', 'objects/test_refusal',
                  'test_objects', 'test_compatibility')),
    ('disk/vhdx/', ('disk/vhdx/test_{}',)),
    ('disk/inspection', ('disk/test_inspection', 'test_disk')),
    ('disk/partitions', ('disk/test_partitions', 'disk/test_gpt',
                         'disk/test_mbr', 'disk/test_media')),
    ('disk/media', ('disk/test_media',)),
    ('disk/iso', ('disk/test_iso', 'disk/test_media')),
    ('disk/', ('disk/test_{}',)),
    ('', ('test_{}',)))

#: Beginnings of names of operators; others make mutants that mostly behave
#: the same.
OPERATORS = (
    'core/AddNot', 'core/NumberReplacer', 'core/ReplaceAndWithOr',
    'core/ReplaceOrWithAnd', 'core/ReplaceTrueWithFalse',
    'core/ReplaceFalseWithTrue', 'core/ReplaceBreakWithContinue',
    'core/ReplaceContinueWithBreak', 'core/ReplaceUnaryOperator_Delete_Not',
    'core/ZeroIterationForLoop', 'core/ExceptionReplacer',
    'core/ReplaceBinaryOperator_Add_Sub', 'core/ReplaceBinaryOperator_Sub_Add',
    'core/ReplaceBinaryOperator_Mul_Add',
    'core/ReplaceBinaryOperator_FloorDiv_Mul',
    'core/ReplaceBinaryOperator_Mod_Add',
    'core/ReplaceBinaryOperator_BitAnd_BitOr',
    'core/ReplaceBinaryOperator_BitOr_BitAnd',
    'core/ReplaceComparisonOperator_Eq_NotEq',
    'core/ReplaceComparisonOperator_NotEq_Eq',
    'core/ReplaceComparisonOperator_Lt_LtE',
    'core/ReplaceComparisonOperator_LtE_Lt',
    'core/ReplaceComparisonOperator_Gt_GtE',
    'core/ReplaceComparisonOperator_GtE_Gt',
    'core/ReplaceComparisonOperator_Is_IsNot',
    'core/ReplaceComparisonOperator_IsNot_Is')

#: Seconds; a mutant that runs longer, such as a loop without end, is killed.
TIME_LIMIT = 300

_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload([
    'fixtures', 'hypothesis.strategies', 'jsonschema', 'oslo_config.cfg',
    'oslo_versionedobjects.fields', 'packaging.specifiers', 'testtools',
    'unittest.mock'])


class Mutant(typing.NamedTuple):
    """One change of one module."""

    module: str
    """The path below the package."""
    operator: str
    occurrence: int
    line: int

    def __str__(self) -> str:
        return (f'{PACKAGE}/{self.module}:{self.line} '
                f'{self.operator.removeprefix("core/")} #{self.occurrence}')


class _Annotations(ast.NodeTransformer):
    """Takes away what is not run: type hints."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def is_change(source: str, mutated: str) -> bool:
    """Return whether two sources differ in more than type hints."""
    dumps = []
    for text in (source, mutated):
        try:
            dumps.append(ast.dump(_Annotations().visit(ast.parse(text))))
        except SyntaxError:
            return False
    return dumps[0] != dumps[1]


def test_modules(module: str) -> list[str]:
    """Return the names of the test modules for a module of the core."""
    name = pathlib.PurePosixPath(module).stem
    paths = next(paths for start, paths in TESTS if module.startswith(start))
    found = [path.format(name) for path in paths]
    return ['tests.unit.' + path.replace('/', '.') for path in found
            if (ROOT / 'tests' / 'unit' / f'{path}.py').exists()]


def core_modules() -> list[str]:
    """Return the modules of the core that have tests of their own."""
    package = ROOT / PACKAGE
    paths = [*(path for path in package.glob('*.py')
               if path.name != 'conf.py'), *(
        path for name in ('rules', 'validators', 'objects', 'disk')
        for path in (package / name).rglob('*.py'))]
    return sorted(
        module for module in (
            path.relative_to(package).as_posix() for path in paths)
        if not module.startswith('__main__') and test_modules(module))


def mutants(module: str) -> Iterator[Mutant]:
    """Yield all mutants of a module, also those that change type hints."""
    # Only here: all else works without cosmic-ray.
    from cosmic_ray import ast as trees
    from cosmic_ray import plugins

    nodes = list(trees.ast_nodes(trees.get_ast(
        (ROOT / PACKAGE / module).read_text())))
    for name in plugins.operator_names():
        if name not in OPERATORS:
            continue
        operator = plugins.get_operator(name)()
        positions = [position for node in nodes
                     for position in operator.mutation_positions(node)]
        for occurrence, ((line, _), _) in enumerate(positions):
            yield Mutant(module, name, occurrence, line)


def mutated_source(mutant: Mutant) -> str | None:
    """Return the source of a mutant; None if it behaves the same."""
    from cosmic_ray import mutating
    from cosmic_ray import plugins

    source = (ROOT / PACKAGE / mutant.module).read_text()
    mutated: str | None = mutating.mutate_code(
        source, plugins.get_operator(mutant.operator)(), mutant.occurrence)
    return mutated if mutated and is_change(source, mutated) else None


def sample(modules: list[str], count: int,
           seed: int) -> list[tuple[Mutant, str]]:
    """Return some mutants with their sources, the same for the same seed.

    Each module has as many as the others, as far as it has so many.
    """
    chance = random.Random(seed)
    by_module = []
    for module in modules:
        every = list(mutants(module))
        chance.shuffle(every)
        by_module.append(filter(None, map(_with_source, every)))
    chosen: list[tuple[Mutant, str]] = []
    while by_module and len(chosen) < count:
        one_each = [next(each, None) for each in by_module]
        by_module = [each for each, mutant
                     in zip(by_module, one_each, strict=True) if mutant]
        chosen += filter(None, one_each)
    return chosen[:count]


def _with_source(mutant: Mutant) -> tuple[Mutant, str] | None:
    source = mutated_source(mutant)
    return None if source is None else (mutant, source)


def copy_checkout(target: pathlib.Path) -> None:
    """Copy what the unit tests read."""
    shutil.copytree(ROOT, target, symlinks=True, ignore=lambda _, names: [
        name for name in names
        if name.startswith('.') or name in ('build', 'dist')])


def run_tests(checkout: pathlib.Path, modules: list[str]) -> bool:
    """Return whether test modules pass, up to the first failure.

    A process that has loaded the libraries already forks for each run.
    """
    process = _FORKS.Process(target=_run_tests, args=(checkout, modules))
    process.start()
    process.join(TIME_LIMIT)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode == 0


def _run_tests(checkout: pathlib.Path, modules: list[str]) -> None:
    os.chdir(checkout)
    sys.path.insert(0, str(checkout))
    # The bytecode of a mutant could be taken for that of the next.
    sys.dont_write_bytecode = True
    os.environ['HYPOTHESIS_PROFILE'] = 'dev'
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    tests = unittest.defaultTestLoader.loadTestsFromNames(modules)
    result = unittest.TextTestRunner(failfast=True).run(tests)
    # Hypothesis may have left threads.
    os._exit(0 if result.wasSuccessful() else 1)


def survives(mutant: Mutant, source: str, checkout: pathlib.Path) -> bool:
    """Return whether the tests pass with a mutant in place."""
    path = checkout / PACKAGE / mutant.module
    original = ROOT / PACKAGE / mutant.module
    path.write_text(source)
    try:
        return run_tests(checkout, test_modules(mutant.module))
    finally:
        shutil.copy2(original, path)


def main() -> int:
    """Try a sample of mutants, and print the score and the survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--mutants', type=int, default=120)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--minutes', type=float, default=20,
                        help='begin no mutant after that')
    parser.add_argument('--score', type=float, default=75,
                        help='percent of killed mutants below which to fail')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1)
    parser.add_argument('modules', nargs='*', default=core_modules(),
                        help='paths below the package; default: the core')
    args = parser.parse_args()
    deadline = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory() as directory:
        checkouts: queue.Queue[pathlib.Path] = queue.Queue()
        for number in range(args.jobs):
            checkout = pathlib.Path(directory, str(number))
            copy_checkout(checkout)
            checkouts.put(checkout)
        chosen = sample(args.modules, args.mutants, args.seed)
        needed = {test for mutant, _ in chosen
                  for test in test_modules(mutant.module)}
        for test in sorted(needed):
            if not run_tests(checkout, [test]):
                print(f'{test} fails without any change')
                return 2

        def attempt(chosen: tuple[Mutant, str]) -> bool | None:
            if time.monotonic() > deadline:
                return None
            own = checkouts.get()
            try:
                alive = survives(*chosen, own)
            finally:
                checkouts.put(own)
            print('survived' if alive else 'killed', chosen[0], flush=True)
            return alive

        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            results = list(pool.map(attempt, chosen))
    tried = [alive for alive in results if alive is not None]
    survivors = [mutant for (mutant, _), alive
                 in zip(chosen, results, strict=True) if alive]
    killed = len(tried) - len(survivors)
    score = 100 * killed / len(tried) if tried else 0.0
    print(f'{killed} of {len(tried)} killed, {score:.1f} %; '
          f'{len(chosen) - len(tried)} not tried')
    for mutant in survivors:
        print(f'survivor: {mutant}')
    return 0 if score >= args.score else 1


if __name__ == '__main__':
    sys.exit(main())
