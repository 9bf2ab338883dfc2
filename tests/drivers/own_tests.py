# SPDX-License-Identifier: Apache-2.0
"""Run a driver's own tests of its class, with the class enforced.

Its tests replace parts of unittest.mock, so that they need a process of
their own: ``python -m tests.drivers.own_tests DRIVER MODULE`` prints the
tests that ran, and those that failed with their last lines, as JSON.

Its module calls the class by its own name (``super(HyperVDriver, self)``),
so that there it stays; the tests alone see the enforced one.
"""

import importlib
import io
import json
import sys
import types
import unittest
from unittest import mock

# As in nova-compute, before all else of Nova.
import nova.monkey_patch  # noqa: F401
from oslo_config import cfg
from oslo_utils import importutils

from hyperv_sched.compute import driver


class Result(unittest.TestResult):

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.names = []

    def startTest(self, test):
        super().startTest(test)
        self.names.append(_name(test))


def _name(test):
    return test.id().rpartition('.')[2]


def enforced(name):
    """The class that EnforcedDriver makes, and the one that it is made of."""
    base = importutils.import_class(f'nova.virt.{name}')
    cfg.CONF.set_override('compute_driver', name, 'hyperv_sched')
    with mock.patch.object(base, '__init__', return_value=None):
        return type(driver.EnforcedDriver(None)), base


def load(name, tests):
    """A module of tests that sees a driver enforced."""
    replacement, base = enforced(name)
    package, _, module = base.__module__.rpartition('.')
    seen = types.SimpleNamespace(
        **{**vars(sys.modules[base.__module__]), base.__name__: replacement})
    with mock.patch.object(importlib.import_module(package), module, seen):
        return importlib.import_module(tests)


def main():
    module = load(*sys.argv[1:])
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = Result(io.StringIO())
    suite.run(result)
    json.dump({
        'ran': result.names,
        'failed': {_name(test): trace.rstrip().rpartition('\n')[2]
                   for test, trace in result.failures + result.errors},
    }, sys.stdout)


if __name__ == '__main__':
    main()
