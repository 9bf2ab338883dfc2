# SPDX-License-Identifier: Apache-2.0
"""Every option of the [hyperv_sched] group."""

from __future__ import annotations

from oslo_config import cfg
from oslo_config import types

from hyperv_sched import rules
from hyperv_sched import versions
from hyperv_sched.validators import learned

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
            raise ValueError(f'{rules.printable(code)}: no such rule')
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
        item_type=types.String(choices=learned.NAMES),
        help='Properties that the import plugin of Glance sets on an image '
             'that lacks them, by what its disk is: '
             f'{", ".join(learned.NAMES)}. It never changes a value.'),
]

_ALL = SCHEDULER_OPTS + COMPUTE_OPTS + LINT_OPTS + GLANCE_OPTS


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the options known to a service's configuration."""
    conf.register_group(GROUP)
    conf.register_opts(_ALL, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """For oslo-config-generator and the like."""
    return [(GROUP, _ALL)]
