# SPDX-License-Identifier: Apache-2.0
"""Options that say what an image shall have."""

from __future__ import annotations

import argparse
import re
from typing import Any

from hyperv_sched import rules

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
