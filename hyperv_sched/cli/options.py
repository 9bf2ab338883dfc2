# SPDX-License-Identifier: Apache-2.0
"""Options that say what an image shall have, and what counts of it."""

from __future__ import annotations

import argparse
import re
from typing import Any

from hyperv_sched import rules
from hyperv_sched.cli import base

_MEMBERS = ('disk_format', 'container_format', 'min_disk')


def add(parser: argparse.ArgumentParser) -> None:
    """Let a command take properties and what else an image has."""
    parser.add_argument(
        '--property', metavar='NAME=VALUE', action='append',
        type=_property, dest='image_properties', default=[],
        help='a property that the image shall have (repeat for more)')
    parser.add_argument(
        '--disk-format', metavar='F',
        help='the disk_format that the image shall have')
    parser.add_argument(
        '--container-format', metavar='F',
        help='the container_format that the image shall have')
    parser.add_argument(
        '--min-disk', metavar='GB', type=_gigabytes,
        help='the min_disk that the image shall have')


def given(args: argparse.Namespace) -> dict[str, Any]:
    """What of it was given, as a document of the Image API has it."""
    return {**dict(args.image_properties),
            **{name: getattr(args, name) for name in _MEMBERS
               if getattr(args, name) is not None}}


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Let a command take what an operator thinks of the rules."""
    parser.add_argument(
        '--ignore', metavar='CODE', action='append', default=[],
        help='drop the findings of a rule (repeat for more)')
    parser.add_argument(
        '--error', metavar='CODE', action='append', default=[],
        help='count the findings of a rule as errors (repeat for more)')
    parser.add_argument(
        '--config-file', metavar='FILE',
        help='take more such codes from ignored_rules and error_rules of '
             'the group [hyperv_sched]')


def weights(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The codes to ignore, and those to take for errors.

    :raises base.UsageError: no rule has such a code, or the file cannot be
        read.
    """
    ignored, errors = list(args.ignore), list(args.error)
    if args.config_file:
        from oslo_config import cfg

        from hyperv_sched import conf

        known = cfg.ConfigOpts()
        conf.register_opts(known)
        try:
            known(['--config-file', args.config_file],
                  default_config_files=[], default_config_dirs=[])
            ignored += known.hyperv_sched.ignored_rules
            errors += known.hyperv_sched.error_rules
        except (cfg.Error, ValueError, OSError) as exc:
            # Of a wrong value, what is wrong with it.
            reason = str(exc).rpartition(' is not valid: ')[2]
            raise base.UsageError(
                f'{args.config_file}: {rules.printable(reason)}') from None
    try:
        rules.weigh((), ignored, errors)
    except rules.UnknownRule as exc:
        raise base.UsageError(str(exc)) from None
    return ignored, errors


def _property(text: str) -> tuple[str, str]:
    name, separator, value = text.partition('=')
    if not name or not separator:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=VALUE')
    return name, value


def _gigabytes(text: str) -> int:
    # int() would take blanks, signs and other digits, and very long ones.
    if not re.fullmatch('[0-9]{1,9}', text):
        raise argparse.ArgumentTypeError(
            f'{rules.printable(text)!r} is not a whole number of GB')
    return int(text)
