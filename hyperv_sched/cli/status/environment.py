# SPDX-License-Identifier: Apache-2.0
"""Installed distributions, and imports as Nova and Glance do them.

Nova and Glance are imported only by the checks that need them: most hosts
have one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import importlib
import importlib.metadata
import os
import pathlib
import site
import sys
import warnings

import packaging.version

import hyperv_sched
from hyperv_sched import text
from hyperv_sched.cli.status import results
from hyperv_sched.text import escape

DISTRIBUTION = 'hyperv-sched'


def version(distribution: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def major(version: str) -> int:
    """Return the major version of an OpenStack release."""
    return packaging.version.parse(version).major


def import_path(path: str) -> object:
    """Import ``package.module.Name``, as Nova does.

    :raises Exception: any exception of the module
    """
    module, _, name = path.rpartition('.')
    if not module:
        raise ImportError('the path has no module')
    return getattr(importlib.import_module(module), name)


class MisplacedError(ImportError):
    """A driver is installed where Nova does not look.

    :ivar command: the command that lets Nova find it
    """

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command


def import_driver(name: str) -> object:
    """Import a class below ``nova.virt``, as nova-compute does.

    pip installs the driver into ``nova/virt`` of its own directory. Python
    does not find it there if Nova is in another directory, for example that
    of a distribution's packages.

    :raises MisplacedError: the driver is below another ``nova/virt``
    :raises Exception: any exception of the module
    """
    package = name.partition('.')[0]
    try:
        return import_path(f'nova.virt.{name}')
    except ModuleNotFoundError as exc:
        if exc.name != f'nova.virt.{package}':
            raise
        virt = next(iter(importlib.import_module('nova.virt').__path__))
        for directory in sys.path:
            driver = os.path.join(directory, 'nova', 'virt', package)
            if os.path.isdir(driver):
                raise MisplacedError(
                    f'{package} is in {os.path.dirname(driver)}, and Nova '
                    f'loads drivers from {virt} only',
                    _link_command(driver, virt)) from None
        raise


def _link_command(driver: str, virt: str) -> str:
    """Return the command that lets Nova find a driver.

    ``pip install --target`` skips a package that exists, and with
    ``--upgrade`` deletes Nova.
    """
    if os.name == 'nt':
        # Links require a privilege on Windows. Without /y, xcopy asks
        # before it replaces the copy of an older release.
        copy = os.path.join(virt, os.path.basename(driver))
        return f'xcopy /e /i /y "{driver}" "{copy}"'
    return f'ln -s {text.quote(driver, "sh")} {text.quote(virt, "sh")}'


def find_misplaced_install(service: str) -> str | None:
    """Describe an installation of hyperv-sched that a service cannot import.

    :returns: None if both are in one environment, as far as known
    """
    ours = pathlib.Path(hyperv_sched.__file__).parents[1]
    theirs = pathlib.Path(str(
        importlib.metadata.distribution(service).locate_file('')))
    scopes = [('one user', site.getusersitepackages())]
    if sys.prefix != sys.base_prefix:
        scopes.append(('this virtual environment', sys.prefix))
    for whose, scope in scopes:
        if ours.is_relative_to(scope) and not theirs.is_relative_to(scope):
            return (f'hyperv-sched is installed for {whose} in {ours}, and '
                    f'{service} in {theirs}')
    return None


def import_factory(spec: str) -> object:
    """Import ``package.module:object.attribute``, as PasteDeploy does.

    :raises Exception: any exception of the module
    """
    return importlib.metadata.EntryPoint('-', spec, '-').load()


def entry_point(group: str, name: str) -> importlib.metadata.EntryPoint | None:
    """Return an entry point of any distribution, or None."""
    return next(iter(importlib.metadata.entry_points(
        group=group, name=name)), None)


def load_own(group: str, name: str) -> object:
    """Import an entry point of hyperv-sched, as ``egg:`` does.

    :raises Exception: it does not exist, or any exception of its module
    """
    points = importlib.metadata.distribution(DISTRIBUTION).entry_points
    for point in points.select(group=group, name=name):
        return point.load()
    raise LookupError(f'{DISTRIBUTION} has no {name} in {group}')


def try_import(name: str, service: str, load: Callable[[], object],
               ) -> Iterator[results.Problem]:
    """Import an object as the service does, and report errors.

    :param name: name of the object in messages
    :param load: imports the object
    """
    if version(service) is None:
        yield results.warning(
            f'{name} was not checked: {service} is not installed in this '
            'Python environment. Run this command in the environment of the '
            'service.')
        return
    misplaced = find_misplaced_install(service)
    if misplaced:
        yield results.failure(
            f'{name} is not found by the service: {misplaced}. Install '
            f'hyperv-sched into the Python environment that {service} runs '
            'in.')
        return
    try:
        # Output and warnings of the module are not part of the result.
        with contextlib.redirect_stdout(sys.stderr), \
                warnings.catch_warnings():
            warnings.simplefilter('ignore')
            load()
    except MisplacedError as exc:
        yield results.failure(
            f'{name} is not found by {service}: '
            f'{escape(exc, limit=None)}. Run:\n'
            f'{results.VERBATIM}{exc.command}')
    except (Exception, SystemExit) as exc:
        yield results.failure(
            f'{name} cannot be imported: {type(exc).__name__}: '
            f'{escape(exc)}. Install the missing package into the Python '
            f'environment that {service} runs in.')
