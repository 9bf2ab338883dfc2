# SPDX-License-Identifier: Apache-2.0
"""What is installed beside this command, and whether it can be imported.

Services are asked by the names that they use themselves, as late as can be:
a host has Nova or Glance, seldom both.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import importlib
import importlib.metadata
import sys
import warnings

import packaging.version

from hyperv_sched import rules
from hyperv_sched.cli.status import problems

DISTRIBUTION = 'hyperv-sched'


def version(distribution: str) -> str | None:
    """The version that is installed; None where none is."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def major(version: str) -> int:
    """The first number of an OpenStack release: one a half-year."""
    return packaging.version.parse(version).major


def import_path(path: str) -> object:
    """Import ``package.module.Name``, as Nova does.

    :raises Exception: whatever the module raises
    """
    module, _, name = path.rpartition('.')
    if not module:
        raise ImportError('it names no module')
    return getattr(importlib.import_module(module), name)


def import_factory(spec: str) -> object:
    """Import ``package.module:object.attribute``, as PasteDeploy does.

    :raises Exception: whatever the module raises
    """
    return importlib.metadata.EntryPoint('-', spec, '-').load()


def entry_point(group: str, name: str) -> importlib.metadata.EntryPoint | None:
    """Find an entry point among those of all distributions."""
    return next(iter(importlib.metadata.entry_points(
        group=group, name=name)), None)


def load_own(group: str, name: str) -> object:
    """Import an entry point of this distribution, as ``egg:`` does.

    :raises Exception: there is none, or whatever its module raises
    """
    found = importlib.metadata.distribution(DISTRIBUTION).entry_points
    for point in found.select(group=group, name=name):
        return point.load()
    raise LookupError(f'{DISTRIBUTION} has no {name} in {group}')


def try_import(what: str, service: str, load: Callable[[], object],
               ) -> Iterator[problems.Problem]:
    """Import something as the service will, and tell what goes wrong."""
    if version(service) is None:
        yield problems.warning(
            f'{what} was not imported to try it: {service} is not installed '
            ' in this Python environment. Run this command from the '
            'one that the service runs in.')
        return
    try:
        # What a module prints, or is warned of, is no part of the result.
        with contextlib.redirect_stdout(sys.stderr), \
                warnings.catch_warnings():
            warnings.simplefilter('ignore')
            load()
    except (Exception, SystemExit) as exc:
        yield problems.failure(
            f'{what} cannot be imported: {type(exc).__name__}: '
            f'{rules.printable(exc)}. Install what is missing into the Python '
            f'environment that {service} runs in.')
