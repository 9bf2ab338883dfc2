# SPDX-License-Identifier: Apache-2.0
"""Every option of the [hyperv_sched] group."""

from __future__ import annotations

import ast
from collections.abc import Sequence
import re
from typing import Any

from oslo_config import cfg
from oslo_config import types

from hyperv_sched import inferred
from hyperv_sched import names
from hyperv_sched import rules
from hyperv_sched import versions
from hyperv_sched.text import escape

GROUP = cfg.OptGroup(
    'hyperv_sched',
    title='Hyper-V generations',
    help="""
Rules for Hyper-V images, above all of generation 2, in nova-scheduler,
nova-compute, glance-api and the commands.
""")


SCHEDULER_OPTS = [
    cfg.StrOpt(
        'gen2_minimum_version', default=str(versions.GENERATION_2_MINIMUM),
        choices=[
            (str(versions.GENERATION_2_MINIMUM),
             'Windows Server 2012 R2 and newer'),
            (str(versions.WINDOWS_SERVER_2016),
             'Windows Server 2016 and newer')],
        help="""
The oldest Hyper-V version that runs servers of generation 2.

HyperVGenerationFilter rejects hosts of an older version for images of
generation 2, and EnforcedDriver refuses to build from them.

This option is read by nova-scheduler and nova-compute.

The default is the oldest version that knows generation 2. Set ``10.0`` to
keep generation 2 away from hosts of Windows Server 2012 R2.
"""),
    cfg.StrOpt(
        'unknown_host_version', default='reject',
        choices=[
            ('reject', 'The host gets no server that depends on its version'),
            ('accept', 'The host counts as new enough')],
        help="""
How HyperVGenerationFilter treats a Hyper-V host without a known version.

A host has no known version until nova-compute has reported one. A server
depends on the version if its image is of generation 2 or requires a version.

This option is read by nova-scheduler.

The default is ``reject``, since a host that is too old fails the build.
"""),
    cfg.BoolOpt(
        'explain_no_valid_host', default=True,
        help="""
Add the reason to the fault of a server for which HyperVGenerationFilter has
rejected the last host.

The reason has rule codes and numbers of hosts, and no names of hosts.

This option is read by nova-scheduler.

Possible values:

* ``true``: the user reads the reason in the fault.
* ``false``: the user reads "No valid host was found". Only the log of
  nova-scheduler has the reason.

The default is ``true``, since users can correct images, and read no logs.
"""),
    cfg.BoolOpt(
        'require_trait', default=False,
        help="""
Request from placement hosts with the traits that an image needs.

Placement offers at most ``[scheduler] max_placement_results`` hosts. Without a
trait it may offer none that can run the image. The scheduler then requires
CUSTOM_HYPERV for every image for Hyper-V, CUSTOM_HYPERV_GEN2 for one of
generation 2, and the trait of a release where the image requires a version or
a migration leaves a host of this release. No image is changed.

This option is read by nova-scheduler, where HyperVGenerationFilter is enabled.

Possible values:

* ``true``: every host that can run an image must report these traits, by
  EnforcedDriver or by a provider.yaml. A host without them gets no server.
* ``false``: only images and flavors require traits.

The default is ``false``, since hosts report no traits before they have the
driver. ``hyperv-sched cloud audit`` lists those that do not (HV408).

Related options:

* ``[scheduler] max_placement_results``
"""),
]

COMPUTE_OPTS = [
    cfg.StrOpt(
        'compute_driver', default='compute_hyperv.driver.HyperVDriver',
        help="""
The driver that hyperv_sched.EnforcedDriver enforces the rules on.

This option is read by nova-compute, where ``[DEFAULT] compute_driver`` is
``hyperv_sched.EnforcedDriver``.

Possible values:

* The name of a driver, as ``[DEFAULT] compute_driver`` takes it.

The default is the driver of compute-hyperv, which is the one that is
maintained for Hyper-V.

Related options:

* ``[DEFAULT] compute_driver``
"""),
]


class RuleCode(types.String):
    """The code of a rule, for example HV106.

    :raises ValueError: no rule has the code.
    """

    def __init__(self) -> None:
        super().__init__(type_name='rule code')

    def __call__(self, value: object) -> str:
        """Return the code, or raise ValueError if no rule has it."""
        code: str = super().__call__(value)
        if code not in rules.CATALOGUE:
            raise ValueError(f'{escape(code)}: no such rule')
        return code


_CODES_READ_BY = """
This option is read by glance-api (import plugin and API filter) and, with
--config-file, by hyperv-sched image lint, image convert, image upload and
cloud audit.
"""

LINT_OPTS = [
    cfg.ListOpt(
        'ignored_rules', default=[], item_type=RuleCode(),
        help=f"""
Rules whose findings are ignored.

Findings of severity unknown are not: they say that an image was not judged.
{_CODES_READ_BY}
Possible values:

* A list of rule codes, for example ``HV106,HV119``. All are in the output
  of ``hyperv-sched rule list``. A code that no rule has is refused.

The default is an empty list: no finding is ignored.
"""),
    cfg.ListOpt(
        'error_rules', default=[], item_type=RuleCode(),
        help=f"""
Rules whose findings count as errors, although the rules are warnings.

glance-api refuses an image with an error, and image lint exits with 1.
{_CODES_READ_BY}
Possible values:

* A list of rule codes, for example ``HV108``.

The default is an empty list: each rule has its own severity.
"""),
    cfg.ListOpt(
        'secure_boot_certificates', default=[*names.CERTIFICATE_YEARS],
        item_type=types.String(choices=[*names.CERTIFICATE_YEARS]),
        help=f"""
The years of Microsoft's certificates that hosts have for Secure Boot.

A VM gets the certificates that its host has when the VM is created. A loader
must be signed for one of them.
{_CODES_READ_BY}
Possible values:

* ``2011,2023``: some hosts have no certificates of 2023 yet. A loader that
  is signed for those of 2023 alone is a warning (HV337).
* ``2011``: no host has certificates of 2023. Such a loader is an error
  (HV336).
* ``2023``: no host accepts the certificates of 2011 any more. A loader that
  is signed for those of 2011 alone is an error (HV336).

The default is ``2011,2023``, since no interface reports the certificates of a
host.
"""),
]

GLANCE_OPTS = [
    cfg.ListOpt(
        'import_sets_properties', default=[],
        item_type=types.String(choices=inferred.NAMES),
        help=f"""
Properties that the import plugin sets on an image that lacks them.

The values are inferred from the disk of the image. A property that the image
has is not changed.

This option is read by glance-api (import plugin).

Possible values:

* A list of some of {', '.join(inferred.NAMES)}.

The default is an empty list: the plugin sets nothing.
"""),
]

METRICS_OPTS = [
    cfg.StrOpt(
        'metrics_file',
        help="""
The file of metrics for Prometheus to which refusals are added.

The file has the counter ``hyperv_sched_refusals_total`` with the labels
``moment`` (``scheduling``, a method of the driver, or an operation of the
Image API) and ``code`` (the rule). node-exporter and windows_exporter read it
in the directory of their textfile collector.

This option is read by nova-scheduler, nova-compute and glance-api.

Possible values:

* The path of a file with the extension ``prom``, in a directory in which the
  service can create files. All processes of a host can have the same file. A
  file with other content is not replaced.

The default is no file: refusals are in the logs only. An error of the file is
logged once, and changes nothing else.
"""),
]

ALL_OPTS = (SCHEDULER_OPTS + COMPUTE_OPTS + LINT_OPTS + GLANCE_OPTS
            + METRICS_OPTS)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options. Modules of a service do so when imported."""
    conf.register_group(GROUP)
    conf.register_opts(ALL_OPTS, group=GROUP)


class InvalidOptionError(ValueError):
    """The value of an option is invalid; the message names the option."""


def read(conf: cfg.ConfigOpts, *names: str) -> Sequence[Any]:
    """Return the values of options of the group, at the start of a service.

    A service that reads an option at its first use starts with an invalid
    value, and fails every request.

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
                f'[{GROUP.name}] {name} {reason(exc)}') from exc
    return values


def reason(exc: Exception) -> str:
    """Return the file and the reason of an error of oslo.config."""
    # ConfigOpts.get_location converts the value, and fails as well.
    file = re.search(
        r"""detail=('(?:[^'\\]|\\.)+'|"(?:[^"\\]|\\.)+")""", str(exc))
    _, found, words = str(exc).rpartition(' is not valid: ')
    if file is None or not found:
        return f'is not valid: {escape(exc)}'
    return (f'in {escape(ast.literal_eval(file[1]))} is not valid: '
            f'{escape(words)}')


def location(conf: cfg.ConfigOpts, name: str) -> str:
    """Name an option of the group that has a valid value, and its file."""
    where = conf.get_location(name, GROUP.name)
    detail = where.detail if (
        where and where.location.is_user_controlled) else 'not set'
    return f'[{GROUP.name}] {name} ({escape(detail)})'


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options for oslo-config-generator."""
    return [(GROUP, ALL_OPTS)]
