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
import os
import pathlib
import site
import sys
import warnings

import packaging.version

import hyperv_sched
from hyperv_sched import text
from hyperv_sched.cli.status import problems
from hyperv_sched.text import escape

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


class MisplacedError(ImportError):
    """A driver is installed where Nova does not look.

    :ivar command: the command that lets Nova find it
    """

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command


def import_driver(name: str) -> object:
    """Import a class below ``nova.virt``, as nova-compute does.

    A wheel puts its driver into ``nova/virt`` of the directory that pip
    installs into. Where Nova is in another one, such as that of a
    distribution's packages, Python takes ``nova`` from there alone.

    :raises MisplacedError: the driver is below another ``nova/virt``
    :raises Exception: whatever the module raises
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

    ``pip install --target`` leaves out a package that is there already, and
    with ``--upgrade`` deletes Nova.
    """
    if os.name == 'nt':
        # Links need a privilege there.
        copy = os.path.join(virt, os.path.basename(driver))
        return f'xcopy /e /i "{driver}" "{copy}"'
    return f'ln -s {text.quote(driver, "sh")} {text.quote(virt, "sh")}'


def private_place(service: str) -> str | None:
    """Say where hyperv-sched is, if a service does not look there.

    :returns: None where both are in the same environment, as far as known
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
            'in this Python environment. Run this command from the '
            'one that the service runs in.')
        return
    private = private_place(service)
    if private:
        yield problems.failure(
            f'{what} is not found by the service: {private}. Install '
            f'hyperv-sched into the Python environment that {service} runs '
            'in.')
        return
    try:
        # What a module prints, or is warned of, is no part of the result.
        with contextlib.redirect_stdout(sys.stderr), \
                warnings.catch_warnings():
            warnings.simplefilter('ignore')
            load()
    except MisplacedError as exc:
        yield problems.failure(
            f'{what} is not found by {service}: '
            f'{escape(exc, limit=None)}. Run:\n'
            f'{problems.VERBATIM}{exc.command}')
    except (Exception, SystemExit) as exc:
        yield problems.failure(
            f'{what} cannot be imported: {type(exc).__name__}: '
            f'{escape(exc)}. Install what is missing into the Python '
            f'environment that {service} runs in.')
