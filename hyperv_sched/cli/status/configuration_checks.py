# SPDX-License-Identifier: Apache-2.0
"""Checks of the configuration files of all services."""

from __future__ import annotations

import collections
from collections.abc import Iterator
import os

from oslo_config import cfg

from hyperv_sched import conf as own_options
from hyperv_sched import metrics
from hyperv_sched.cli.status import configuration
from hyperv_sched.cli.status import results
from hyperv_sched.cli.status.results import format_value


def sections(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that every section has a known name and begins once.

    oslo.config ignores sections with unknown names, joins sections with the
    same name, and takes the last value of an option, except for MultiOpt.
    """
    # nova-scheduler and nova-compute read mostly the same files.
    problems: dict[results.Problem, None] = {}
    for service in deployment:
        for file in service.contents:
            for problem in (*_ignored(service, file),
                            *_repeated(service, file)):
                problems[problem] = None
    yield from problems


def _ignored(service: configuration.Service,
             file: configuration.File) -> Iterator[results.Problem]:
    for header in dict.fromkeys(file.headers):
        name = configuration.group_name(header)
        if name in service.registered:
            continue
        for group in service.registered:
            if results.is_misspelled_section(group, header):
                yield results.warning(
                    f'[{format_value(header)}] in {file.path} is not a '
                    'section of the services, and its options have no '
                    f'effect. Write [{group}].')


def _repeated(service: configuration.Service,
              file: configuration.File) -> Iterator[results.Problem]:
    headers = collections.Counter(map(configuration.group_name, file.headers))
    for group, opts in service.registered.items():
        options = file.options.get(group, {})
        overridden = [
            opt.name for opt in opts if options.get(opt.name, 0) > 1
            and not isinstance(opt, cfg.MultiOpt)]
        for name in overridden:
            yield results.warning(
                f'[{group}] {name} is set {options[name]} times in '
                f'{file.path}, and only the last counts. Keep one.')
        if headers[group] > 1 and not overridden:
            yield results.warning(
                f'[{group}] begins {headers[group]} times in {file.path}. '
                'oslo.config joins such sections; other tools that edit the '
                'file do not. Keep one.')


def options(deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check the names and values of all options in [hyperv_sched]."""
    known = [opt.name for _, opts in own_options.list_opts() for opt in opts]
    group = own_options.GROUP.name
    # nova-scheduler and nova-compute read mostly the same files.
    problems: dict[results.Problem, None] = {}
    for service in deployment:
        where = ', '.join(service.files)
        for name in known:
            try:
                service.get(group, name)
            except results.OptionValueError as exc:
                problems[results.failure(
                    f'{exc}. The services do not start.')] = None
        for name in service.groups.get(group, ()):
            if name not in known:
                near = results.find_misspelled(name, known)
                problems[results.warning(
                    f'[{group}] {format_value(name)} in {where} is not '
                    'an option, and has no effect. '
                    + (f'Write {near}.' if near else 'Remove it.'))] = None
    yield from problems


def metrics_file(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that refusals can be counted where node-exporter reads them.

    Whether the user of the service can write is not checked: it is another
    user.
    """
    group, name = own_options.GROUP.name, 'metrics_file'
    # nova-scheduler and nova-compute read mostly the same files.
    found = {
        path: service.title(group, name) for service in deployment
        if (path := service.get(group, name))}
    if not found:
        raise results.NotApplicableError(
            f'[{group}] {name} is not set: refusals are not counted')
    for path, title in found.items():
        problem = _metrics_problem(path)
        if problem:
            yield results.warning(
                f'{title} is {format_value(path)}: {problem}')


def _metrics_problem(path: str) -> str | None:
    if not os.path.isabs(path):
        return ('it depends on the directory in which the service starts. '
                'Write the whole path.')
    if not path.endswith('.prom'):
        return ('node-exporter and windows_exporter read files with the '
                'extension prom only. Add it.')
    if not os.path.isdir(os.path.dirname(path)):
        return ('the directory does not exist, and refusals are not counted. '
                'Create it for the user of the service.')
    try:
        metrics.read_counters(path)
    except OSError as exc:
        return f'it cannot be read: {exc.strerror or exc}.'
    except ValueError as exc:
        return f'{format_value(exc)}. Name another file.'
    return None
