# SPDX-License-Identifier: Apache-2.0
"""What a file uses of a module of this checkout exists.

Each environment of tox.ini imports some of the files only.
"""

import ast
import functools
import pathlib

from tests.unit import base

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = ('hyperv_sched', 'tests', 'tools', 'benchmarks')


def find_module(name):
    """Return the file of a module of this checkout, or None."""
    if name.partition('.')[0] not in PACKAGES:
        return None
    path = ROOT / name.replace('.', '/')
    return next((file for file in (path.with_suffix('.py'),
                                   path / '__init__.py') if file.exists()),
                None)


def defined(path):
    """Return the names that a module defines."""
    names = {'__doc__', '__file__', '__name__'}
    if path.name == '__init__.py':
        names |= {file.stem for file in path.parent.iterdir()}
    found = [ast.parse(path.read_text('utf-8'))]
    while found:
        node = found.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        else:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            found += ast.iter_child_nodes(node)
    return names


def imported(tree):
    """Return the files of modules by the names that a file has for them."""
    modules = {
        alias.asname or alias.name: find_module(f'{node.module}.{alias.name}')
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names}
    other = {node.id for node in ast.walk(tree)
             if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    other |= {node.arg for node in ast.walk(tree)
              if isinstance(node, ast.arg)}
    return {name: path for name, path in modules.items()
            if path is not None and name not in other}


def uses(path):
    """Yield line, name and module of each attribute of a module in a file."""
    tree = ast.parse(path.read_text('utf-8'))
    modules = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(
                node.value, ast.Name) and node.value.id in modules:
            yield node.lineno, node.attr, modules[node.value.id]


class AttributesTestCase(base.TestCase):

    def test_all_exist(self):
        count, unknown, names = 0, [], functools.cache(defined)
        for package in PACKAGES:
            for path in (ROOT / package).rglob('*.py'):
                for line, name, module in uses(path):
                    count += 1
                    if name not in names(module):
                        unknown.append(f'{path}:{line}: {name}')
        self.assertEqual([], unknown)
        self.assertGreater(count, 5000)
