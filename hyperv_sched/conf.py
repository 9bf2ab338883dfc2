# SPDX-License-Identifier: Apache-2.0
"""Every option of the [hyperv_sched] group."""

from __future__ import annotations

from collections.abc import Sequence
import re
from typing import Any

from oslo_config import cfg
from oslo_config import types

from hyperv_sched import inferred
from hyperv_sched import rules
from hyperv_sched import versions
from hyperv_sched.text import escape

GROUP = cfg.OptGroup(
    'hyperv_sched',
    title='Hyper-V generations',
    help='Hyper-V generation 2 rules in the scheduler, on compute hosts and '
         'in Glance.')


SCHEDULER_OPTS = [
    cfg.StrOpt(
        'gen2_minimum_version', default=str(versions.GENERATION_2_MINIMUM),
        choices=[
            (str(versions.GENERATION_2_MINIMUM),
             'Windows Server 2012 R2 and newer.'),
            (str(versions.WINDOWS_SERVER_2016),
             'Windows Server 2016 and newer.')],
        help='The oldest Hyper-V version that is given generation 2 VMs.'),
    cfg.StrOpt(
        'unknown_host_version', default='reject',
        choices=[
            ('reject', 'The host gets no VM that depends on its version.'),
            ('accept', 'The host is taken to be new enough.')],
        help='What to do with a Hyper-V host that has not reported its '
             'version.'),
    cfg.BoolOpt(
        'explain_no_valid_host', default=True,
        help='Tell the user why, in the fault of the server, where '
             'HyperVGenerationFilter removed the last host: rule codes and '
             'numbers of hosts, no names.'),
]

COMPUTE_OPTS = [
    cfg.StrOpt(
        'compute_driver', default='compute_hyperv.driver.HyperVDriver',
        help='The driver that hyperv_sched.EnforcedDriver enforces the rules '
             'on, as it would stand in [DEFAULT] compute_driver.'),
]


class RuleCode(types.String):
    """The code of a rule, as HV106.

    :raises ValueError: no rule has it; silence would be no answer.
    """

    def __init__(self) -> None:
        super().__init__(type_name='rule code')

    def __call__(self, value: object) -> str:
        code: str = super().__call__(value)
        if code not in rules.CATALOGUE:
            raise ValueError(f'{escape(code)}: no such rule')
        return code


LINT_OPTS = [
    cfg.ListOpt(
        'ignored_rules', default=[], item_type=RuleCode(),
        help='Codes of rules whose findings "hyperv-sched image lint" and '
             '"image upload", with --config-file, and the plugins of Glance '
             'drop, as HV106.'),
    cfg.ListOpt(
        'error_rules', default=[], item_type=RuleCode(),
        help='Codes of rules whose findings count as errors there, although '
             'they are warnings by themselves.'),
]

GLANCE_OPTS = [
    cfg.ListOpt(
        'import_sets_properties', default=[],
        item_type=types.String(choices=inferred.NAMES),
        help='Properties that the import plugin of Glance sets on an image '
             'that lacks them, by what its disk is: '
             f'{", ".join(inferred.NAMES)}. It never changes a value.'),
]

_ALL = SCHEDULER_OPTS + COMPUTE_OPTS + LINT_OPTS + GLANCE_OPTS


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the options known to a service's configuration."""
    conf.register_group(GROUP)
    conf.register_opts(_ALL, group=GROUP)


class InvalidOptionError(ValueError):
    """The value of an option is invalid; the message names the option."""


def read(conf: cfg.ConfigOpts, *names: str) -> Sequence[Any]:
    """Read options of the group, at the start of a service.

    A service that reads an option only when it needs it starts with a
    misspelt value, and fails every request.

    :raises InvalidOptionError: with the option, its group, the file and the
        valid values
    """
    options = conf[GROUP.name]
    values = []
    for name in names:
        try:
            values.append(options[name])
        except ValueError as exc:
            raise InvalidOptionError(
                f'[{GROUP.name}] {name} {_reason(exc)}') from exc
    return values


def _reason(exc: ValueError) -> str:
    """Return the file and the reason of an error of oslo.config."""
    # ConfigOpts.get_location converts the value, and fails as well.
    file = re.search(r"detail='([^']+)'", str(exc))
    _, found, reason = str(exc).rpartition(' is not valid: ')
    if file is None or not found:
        return f'is not valid: {escape(exc)}'
    return (f'in {escape(file[1])} is not valid: '
            f'{escape(reason)}')


def location(conf: cfg.ConfigOpts, name: str) -> str:
    """Name an option of the group that has a valid value, and its file."""
    where = conf.get_location(name, GROUP.name)
    detail = where.detail if (
        where and where.location.is_user_controlled) else 'not set'
    return f'[{GROUP.name}] {name} ({escape(detail)})'


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """For oslo-config-generator and the like."""
    return [(GROUP, _ALL)]
