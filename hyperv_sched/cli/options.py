# SPDX-License-Identifier: Apache-2.0
"""Options that say what an image shall have, and what counts of it."""

from __future__ import annotations

import argparse
import re
from typing import Any

from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched.cli import base
from hyperv_sched.text import escape

#: Bytes. Nova's whole sample configuration has a tenth of that.
_MAX_CONFIG_SIZE = 4 * 1024 * 1024

_MEMBERS = ('disk_format', 'container_format', 'min_disk')


def add(parser: argparse.ArgumentParser) -> None:
    """Let a command take properties and what else an image has."""
    parser.add_argument(
        '--property', metavar='<name=value>', action='append',
        type=_property, dest='image_properties', default=[],
        help='set a property of the image (repeat for more)')
    parser.add_argument(
        '--disk-format', metavar='<disk-format>',
        help='set the disk_format of the image; Hyper-V runs vhdx, vhd and '
             'iso')
    parser.add_argument(
        '--container-format', metavar='<container-format>',
        help='set the container_format of the image; disk images have bare')
    parser.add_argument(
        '--min-disk', metavar='<disk-gb>', type=whole_number,
        help='set min_disk, the smallest disk of a flavor in GB')


def given(args: argparse.Namespace) -> dict[str, Any]:
    """What of it was given, as a document of the Image API has it."""
    return {**dict(args.image_properties),
            **{name: getattr(args, name) for name in _MEMBERS
               if getattr(args, name) is not None}}


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Let a command take what an operator thinks of the rules."""
    parser.add_argument(
        '--ignore', metavar='<code>', action='append', default=[],
        type=str.upper,
        help='drop the findings of a rule (repeat for more)')
    parser.add_argument(
        '--error', metavar='<code>', action='append', default=[],
        type=str.upper,
        help='count the findings of a rule as errors (repeat for more)')
    parser.add_argument(
        '--config-file', metavar='<file>',
        help='take more such codes from ignored_rules and error_rules of '
             'the group [hyperv_sched]')


def weights(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The codes to ignore, and those to take for errors.

    :raises base.UsageError: no rule has such a code, or the file cannot be
        read.
    """
    ignored, errors = list(args.ignore), list(args.error)
    if args.config_file:
        listed = _listed_rules(args.config_file)
        ignored += listed.get('ignored_rules', [])
        errors += listed.get('error_rules', [])
    try:
        rules.apply_overrides((), ignored, errors)
    except rules.UnknownRuleError as exc:
        raise base.UsageError(str(exc)) from None
    return ignored, errors


def _listed_rules(path: str) -> dict[str, list[str]]:
    """Read lists of rule codes from a configuration file.

    oslo.config reads a file in the encoding of the locale, which on Windows
    is not UTF-8.

    :raises base.UsageError: it cannot be read.
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
        for group, found in sections.items():
            # The case of a group does not matter to oslo.config.
            if group.lower() == conf.GROUP.name:
                values.update(found)
        return {opt.name: opt.type(values[opt.name][-1])
                for opt in conf.LINT_OPTS if opt.name in values}
    except OSError as exc:
        reason = text.file_error(exc, path)
    except UnicodeDecodeError:
        reason = 'is not UTF-8 text'
    except iniparser.ParseError as exc:
        # Without the line: there may be a password in it.
        reason = f'line {exc.lineno}: {exc.msg}'
    except ValueError as exc:
        reason = str(exc)
    raise base.UsageError(f'{path}: {escape(reason)}')


def add_shell(parser: argparse.ArgumentParser) -> None:
    """Let a command that prints a command line quote it for a shell."""
    parser.add_argument(
        '--shell', choices=text.SHELLS, default=text.default_shell(),
        help='the shell that a printed command line is quoted for: sh is any '
             'POSIX shell; windows is the form that cmd.exe and PowerShell '
             'both accept, which some values do not have; the default is the '
             'one of this system')


def _property(argument: str) -> tuple[str, str]:
    name, separator, value = argument.partition('=')
    if not name or not separator:
        raise argparse.ArgumentTypeError(f'{argument!r} is not NAME=VALUE')
    return name, value


def whole_number(argument: str) -> int:
    # int() would take blanks, signs and other digits, and very long ones.
    if not re.fullmatch('[0-9]{1,9}', argument):
        raise argparse.ArgumentTypeError(
            f'{escape(argument)!r} is not a whole number')
    return int(argument)
