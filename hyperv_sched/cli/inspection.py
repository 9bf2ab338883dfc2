# SPDX-License-Identifier: Apache-2.0
"""The "image inspect" command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from hyperv_sched import names
from hyperv_sched.cli import base
from hyperv_sched.cli import disk_files
from hyperv_sched.cli import units
from hyperv_sched.text import escape

_EPILOG = '\n'.join((
    'exit code:',
    '  0  the file is read, whatever its content is: "image lint" judges it',
    '  2  wrong usage, or the file cannot be read'))


class Inspect(base.ShowOne):
    """Show the format, partitions and boot loaders of a disk image.

    Only the content of the file counts. The file is not changed, and files
    that it refers to are not opened.
    """

    epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='<file>', help='the disk image to read')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Sequence[Any]]:
        """Return the names and values of the properties of the disk."""
        from hyperv_sched.disk import secure_boot

        content = disk_files.inspect_path(
            disk_files.expand_single(parsed_args.file),
            secure_boot.Policy.of_years(names.CERTIFICATE_YEARS))
        if parsed_args.formatter == 'table':
            content = _add_conversion(content)
            content = {name: _to_lines(name, value, units.annotate)
                       for name, value in content.items()}
        elif parsed_args.formatter not in base.STRUCTURED_FORMATS:
            content = {name: _to_lines(name, value, _unchanged)
                       for name, value in content.items()}
        return tuple(content), tuple(content.values())


#: Formats of disks that are not converted, and of installation media.
_BOOTABLE = ('vhdx', 'vhd', 'iso')


def _add_conversion(content: dict[str, Any]) -> dict[str, Any]:
    """Say where the generation is that of a converted disk."""
    if not content['generation'] or content['format'] in _BOOTABLE:
        return content
    return {**content, 'generation':
            f'{content["generation"]} (after conversion to VHDX)'}


#: Characters of a line for a loader, with its path and signers.
_MAX_LINE = 1000

_ANSWERS = {True: 'yes', False: 'no', None: 'not verified'}


def _unchanged(_name: str, value: Any) -> Any:
    return value


def _to_lines(name: str, value: Any,
              format_value: Callable[[str, Any], Any]) -> Any:
    """Return a line for each member of a list or an object.

    :param format_value: called with the name and the value of a member
    """
    if name == 'secure_boot' and value is not None:
        return _format_secure_boot(value)
    if name == 'loaders' and isinstance(value, list):
        value = [_format_loader(loader) for loader in value]
    if isinstance(value, dict):
        lines = [f'{key}: {text}' for key, text in value.items()]
    elif isinstance(value, list):
        lines = [' '.join(f'{key}={format_value(key, text)}'
                          for key, text in item.items()) for item in value]
    else:
        return base.escape_if_text(format_value(name, value))
    return '\n'.join(escape(line, _MAX_LINE) for line in lines)


def _format_loader(loader: Mapping[str, Any]) -> dict[str, Any]:
    """Return a loader with its signers in one text each."""
    members = {name: value for name, value in loader.items()
               if name not in ('signatures', 'trusted_by')}
    if loader['signatures']:
        members['signers'] = ', '.join(dict.fromkeys(
            f'{signature["signer"]} ({signature["issuer"]})'
            + ('' if signature['valid'] is not False else ' (invalid)')
            for signature in loader['signatures']))
    if loader['trusted_by']:
        members['trusted_by'] = ', '.join(loader['trusted_by'])
    return members


def _format_secure_boot(templates: Mapping[str, Any]) -> str:
    """Return which templates start the disk, and by which certificates."""
    return ', '.join(
        f'{os_type} {_ANSWERS[template["starts"]]}'
        + (f' ({", ".join(template["certificates"])})'
           if template['certificates'] else '')
        for os_type, template in templates.items())
