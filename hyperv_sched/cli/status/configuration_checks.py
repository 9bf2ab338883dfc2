# SPDX-License-Identifier: Apache-2.0
"""Checks of the configuration files that hold for every service."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from oslo_config import cfg

from hyperv_sched import conf as own_options
from hyperv_sched.cli.status import problems
from hyperv_sched.cli.status import sources


def sections(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Every section is read, and is there once.

    oslo.config ignores a section whose name it does not know, joins those of
    one name, and takes the last value of an option that is no list of lines.
    """
    # nova-scheduler and nova-compute read most files alike.
    found: dict[problems.Problem, None] = {}
    for service in deployment:
        for file in service.contents:
            for problem in (*_ignored(service, file),
                            *_repeated(service, file)):
                found[problem] = None
    yield from found


def _ignored(service: sources.Service,
             file: sources.File) -> Iterator[problems.Problem]:
    for header in dict.fromkeys(file.headers):
        name = sources.group_name(header)
        if name in service.registered:
            continue
        for group in service.registered:
            if problems.resembles(group, header):
                yield problems.warning(
                    f'[{problems.shown(header)}] in {file.path} is not a '
                    'section that the services read, and its options have '
                    f'no effect. Write [{group}].')


def _repeated(service: sources.Service,
              file: sources.File) -> Iterator[problems.Problem]:
    headers = collections.Counter(map(sources.group_name, file.headers))
    for group, opts in service.registered.items():
        options = file.options.get(group, {})
        overridden = [
            opt.name for opt in opts if options.get(opt.name, 0) > 1
            and not isinstance(opt, cfg.MultiOpt)]
        for name in overridden:
            yield problems.warning(
                f'[{group}] {name} is set {options[name]} times in '
                f'{file.path}, and only the last counts. Keep one.')
        if headers[group] > 1 and not overridden:
            yield problems.warning(
                f'[{group}] begins {headers[group]} times in {file.path}. '
                'oslo.config joins such sections; other tools that edit the '
                'file do not. Keep one.')


def options(deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Every option of [hyperv_sched] is one, and has a value it can have."""
    known = [opt.name for _, opts in own_options.list_opts() for opt in opts]
    group = own_options.GROUP.name
    # nova-scheduler and nova-compute read most files alike.
    found: dict[problems.Problem, None] = {}
    for service in deployment:
        where = ', '.join(service.files)
        for name in known:
            try:
                service.get(group, name)
            except problems.InvalidOption as exc:
                found[problems.failure(
                    f'{exc}. The services do not start with it.')] = None
        for name in service.groups.get(group, ()):
            if name not in known:
                near = problems.misspelt(name, known)
                found[problems.warning(
                    f'[{group}] {problems.shown(name)} in {where} is no '
                    'option, and has no effect. '
                    + (f'Write {near}.' if near else 'Remove it.'))] = None
    yield from found
