# SPDX-License-Identifier: Apache-2.0
"""How nova-compute calls its driver, in the words of its own source."""

import ast
import functools
import inspect

from nova.compute import manager
from nova.compute import resource_tracker
from nova.virt import block_device

_DRIVERS = ('self.driver', 'virt_driver')


def of(method):
    """Every call of a method of the driver.

    :returns: pairs of the positional arguments and the keyword arguments,
        each an expression as it stands there
    """
    return [([ast.unparse(argument) for argument in call.args],
             dict(_keywords(call, function)))
            for call, function in _all() if call.func.attr == method]


@functools.cache
def _all():
    """Every call of the driver, and the function that it stands in."""
    return [
        (call, function)
        for module in (manager, resource_tracker, block_device)
        for function in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(function, ast.FunctionDef)
        for call in _own(function)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) in _DRIVERS]


def _own(function):
    """All that is in a function, and not in one inside it."""
    nodes = list(function.body)
    while nodes:
        node = nodes.pop()
        yield node
        nodes += [child for child in ast.iter_child_nodes(node)
                  if not isinstance(child, ast.FunctionDef)]


def _keywords(call, function):
    """The keywords of a call; it may have them in a dict(...)."""
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, ast.unparse(keyword.value)
            continue
        for node in _own(function):
            if isinstance(node, ast.Assign) and (
                    ast.unparse(node.targets[0])
                    == ast.unparse(keyword.value)):
                yield from _keywords(node.value, function)
