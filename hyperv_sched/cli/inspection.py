# SPDX-License-Identifier: Apache-2.0
"""The "image inspect" command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from hyperv_sched.cli import base
from hyperv_sched.cli import inputs
from hyperv_sched.cli import units
from hyperv_sched.text import escape


class Inspect(base.ShowOne):
    """Show the format, partitions and boot loaders of a disk image.

    Only the content of the file counts. The file is not changed, and files
    that it refers to are not opened.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='<file>', help='the disk image to read')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Sequence[Any]]:
        """Return the names and values of the properties of the disk."""
        content = inputs.inspect_path(inputs.expand_single(parsed_args.file))
        if parsed_args.formatter == 'table':
            content = {name: _to_lines(name, value, units.annotate)
                       for name, value in content.items()}
        elif parsed_args.formatter not in base.STRUCTURED_FORMATS:
            content = {name: _to_lines(name, value, _unchanged)
                       for name, value in content.items()}
        return tuple(content), tuple(content.values())


def _unchanged(_name: str, value: Any) -> Any:
    return value


def _to_lines(name: str, value: Any,
              format_value: Callable[[str, Any], Any]) -> Any:
    """Return a line for each member of a list or an object.

    :param format_value: called with the name and the value of a member
    """
    if isinstance(value, dict):
        lines = [f'{key}: {text}' for key, text in value.items()]
    elif isinstance(value, list):
        lines = [' '.join(f'{key}={format_value(key, text)}'
                          for key, text in item.items()) for item in value]
    else:
        return base.escape_if_text(format_value(name, value))
    return '\n'.join(escape(line) for line in lines)
