# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share: properties, severities, shells."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import re
from typing import Any
from typing import NamedTuple

from hyperv_sched import names
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.cli import rest
from hyperv_sched.text import escape

#: Bytes of a configuration file. The sample of Nova has a tenth of that.
_MAX_CONFIG_SIZE = 4 * 1024 * 1024

_MEMBERS = ('disk_format', 'container_format', 'min_disk')


class SeverityOverrides(NamedTuple):
    """Rule codes whose findings are dropped, and those that are errors."""

    ignored: list[str]
    errors: list[str]

    def apply(self, findings: list[rules.Finding]) -> list[rules.Finding]:
        """Return the findings with the overrides applied."""
        return rules.apply_overrides(findings, self.ignored, self.errors)


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for properties and other members of an image."""
    parser.add_argument(
        '--property', metavar='<name=value>', action='append',
        type=_property, dest='image_properties', default=[],
        help='set a property of the image (repeat for more)')
    parser.add_argument(
        '--disk-format', metavar='<disk-format>',
        help='set the disk_format of the image; Hyper-V supports vhdx, vhd '
             'and iso')
    parser.add_argument(
        '--container-format', metavar='<container-format>',
        help='set the container_format of the image; disk images have bare')
    parser.add_argument(
        '--min-disk', metavar='<disk-gb>', type=whole_number,
        help='set min_disk, the smallest disk of a flavor in GB')


def image_overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Return the properties and members that options set."""
    return {**dict(args.image_properties),
            **{name: getattr(args, name) for name in _MEMBERS
               if getattr(args, name) is not None}}


def add_host_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for hosts and for the policy of the scheduler."""
    rest.add_options(parser)
    parser.add_argument(
        '--hosts', metavar='<file>',
        help='read the hosts from a file in JSON or YAML, as GET '
             '/os-hypervisors/detail returns them; - reads standard input')
    parser.add_argument(
        '--skip-traits', action='store_true',
        help='do not read the traits of hosts from placement, which needs '
             'the rights placement:traits:list and '
             'placement:resource_providers:list')
    parser.add_argument(
        '--gen2-minimum-version', metavar='<version>', default='6.3',
        choices=('6.3', '10.0'),
        help='the option gen2_minimum_version of the scheduler; the default '
             'is 6.3')
    parser.add_argument(
        '--unknown-host-version', default='reject',
        choices=('reject', 'accept'),
        help='the option unknown_host_version of the scheduler; the default '
             'is reject')


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add the option for the format of a report."""
    parser.add_argument(
        '-f', '--format', dest='formatter', default='table',
        choices=('table', 'json', 'csv'),
        help='the output format; the default is table')


def add_severity_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that override the severity of rules."""
    parser.add_argument(
        '--ignore', metavar='<code>', action='append', default=[],
        type=str.upper,
        help='drop the findings of a rule, except those of severity unknown '
             '(repeat for more)')
    parser.add_argument(
        '--error', metavar='<code>', action='append', default=[],
        type=str.upper,
        help='report the findings of a rule as errors (repeat for more)')
    parser.add_argument(
        '--config-file', metavar='<file>',
        help='read more such codes from the options ignored_rules and '
             'error_rules in the group [hyperv_sched] of this file, and '
             'secure_boot_certificates')
    parser.add_argument(
        '--secure-boot-certificate', metavar='<year>', action='append',
        default=[], choices=names.CERTIFICATE_YEARS,
        dest='certificate_years',
        help="a year of Microsoft's certificates that hosts have for Secure "
             'Boot, 2011 or 2023 (repeat for both, the default)')


def severity_overrides(args: argparse.Namespace) -> SeverityOverrides:
    """Return the severity overrides of options and configuration file.

    :raises base.UsageError: no rule has one of the codes, or the file cannot
        be read.
    """
    overrides = SeverityOverrides([*args.ignore], [*args.error])
    if args.config_file:
        configured = _read_config(args.config_file)
        overrides.ignored.extend(configured.get('ignored_rules', []))
        overrides.errors.extend(configured.get('error_rules', []))
    try:
        overrides.apply([])
    except rules.UnknownRuleError as exc:
        raise base.UsageError(
            f'{exc}. "hyperv-sched rule list" shows the codes; repeat the '
            'option for each of them') from None
    return overrides


def certificate_years(args: argparse.Namespace) -> Sequence[str]:
    """Return the years of the certificates that hosts have.

    :raises base.UsageError: the configuration file cannot be read.
    """
    years: Sequence[str] | None = args.certificate_years
    if not years and args.config_file:
        years = _read_config(args.config_file).get('secure_boot_certificates')
    return years or ()


def _read_config(path: str) -> dict[str, list[str]]:
    """Read the options of the linter in a configuration file.

    oslo.config would read the file in the encoding of the locale, which is
    not UTF-8 on Windows.

    :raises base.UsageError: the file cannot be read.
    """
    from oslo_config import cfg
    from oslo_config import iniparser

    from hyperv_sched import conf

    sections: dict[str, dict[str, list[str]]] = {}
    try:
        with open(path, 'rb') as file:
            data = file.read(_MAX_CONFIG_SIZE + 1)
        if len(data) > _MAX_CONFIG_SIZE:
            raise ValueError(f'is larger than {_MAX_CONFIG_SIZE} bytes')
        iniparser.BaseParser.parse(
            cfg.ConfigParser(path, sections),
            data.decode('utf-8-sig').splitlines(keepends=True))
        values: dict[str, list[str]] = {}
        for group, options in sections.items():
            # oslo.config ignores the case of groups.
            if group.lower() == conf.GROUP.name:
                values.update(options)
        unknown = min(values.keys() - {opt.name for opt in conf.ALL_OPTS},
                      default=None)
        if unknown is not None:
            raise ValueError(
                f'[{conf.GROUP.name}] has no option {unknown}')
        return {opt.name: opt.type(values[opt.name][-1])
                for opt in conf.LINT_OPTS if opt.name in values}
    except OSError as exc:
        reason = text.file_error(exc, path)
    except UnicodeDecodeError:
        reason = 'is not UTF-8 text'
    except iniparser.ParseError as exc:
        # The line itself may hold a password.
        reason = f'line {exc.lineno}: {exc.msg}'
    except ValueError as exc:
        reason = str(exc)
    raise base.UsageError(f'{path}: {escape(reason)}')


def add_shell_option(parser: argparse.ArgumentParser) -> None:
    """Add the option for the shell that a printed command is quoted for."""
    parser.add_argument(
        '--shell', choices=text.SHELLS, default=text.default_shell(),
        help='quote a printed command for this shell; sh is any POSIX shell; '
             'windows is the form that cmd.exe and PowerShell both accept, '
             'which does not exist for some values; the default is the shell '
             'of this system')


def _property(argument: str) -> tuple[str, str]:
    name, separator, value = argument.partition('=')
    if not name or not separator:
        raise argparse.ArgumentTypeError(f'{argument!r} is not NAME=VALUE')
    return name, value


def whole_number(argument: str) -> int:
    """Parse a number of one to nine ASCII digits.

    int() would accept blanks, signs, other digits and thousands of them.

    :raises argparse.ArgumentTypeError: the argument is not such a number.
    """
    if not re.fullmatch('[0-9]{1,9}', argument):
        raise argparse.ArgumentTypeError(
            f'{escape(argument)!r} is not a whole number')
    return int(argument)
