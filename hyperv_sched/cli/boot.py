# SPDX-License-Identifier: Apache-2.0
"""The "image boot" command.

Both command lines import it whenever they start: what is only needed to run
it is in boot_runs.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from hyperv_sched import names
from hyperv_sched.cli import base
from hyperv_sched.cli import options
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import signals
from hyperv_sched.text import escape

_EPILOG = '\n'.join((
    # Two colons: the documentation has it as a literal block.
    'examples::',
    '',
    '  hyperv-sched image boot debian-12.qcow2',
    '  hyperv-sched image boot --secure-boot linux --screenshot screen.png '
    'disk.vhdx',
    '',
    'The disk is started in QEMU, without a network and without other files',
    'of this computer. The disk image is not changed. What is on the disk',
    'runs as a program: treat it as you treat one.',
    '',
    'exit code:',
    # A line each: the documentation has them as paragraphs.
    '  0    a kernel ran, or a loader ran without an error, and "image lint" '
    'has no error on that',
    '  1    the disk does not boot, or the linter finds that it does not',
    '  2    not started: wrong usage, or QEMU or firmware is missing or fails',
    '  130  interrupted'))

#: Seconds: a kernel runs after 15 on an idle computer.
TIMEOUT = 180

_ANSWERS = {True: 'yes', False: 'no', None: 'unknown'}


class Boot(base.ShowOne):
    """Start a disk image once under UEFI firmware, and tell how far it came.

    QEMU starts the disk, with the keys of a Secure Boot template of Hyper-V
    or without Secure Boot. The result is shown beside that of the linter.
    """

    epilog = _EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            'file', metavar='<file>', help='the disk image to start')
        parser.add_argument(
            '--secure-boot', choices=(names.WINDOWS, names.LINUX),
            help='enable Secure Boot with the keys of the template that this '
                 'os_type selects; the default is no Secure Boot')
        parser.add_argument(
            '--screenshot', metavar='<file.png>',
            help='write the last screen to this file, which is replaced')
        parser.add_argument(
            '--timeout', metavar='<seconds>', type=_timeout, default=TIMEOUT,
            help='stop after this time, up to 3600 seconds; the default is '
                 f'{TIMEOUT}')
        parser.add_argument(
            '--input-format', metavar='<format>',
            choices=sorted(qemu_img.DRIVERS),
            help='the format of the disk image; raw is needed for a raw disk '
                 'without a partition table')
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command with handlers for the signals that end it."""
        with signals.Guard() as self._guard:
            return super().run(parsed_args)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[
            Sequence[str], Sequence[Any]]:
        """Start the disk; return the names and values of the result."""
        from hyperv_sched.cli import boot_runs

        result = boot_runs.run(parsed_args, self._guard, self.print_error)
        if not result['boots'] or result['lint_boots'] is False:
            self.raise_exit_code(base.EXIT_FINDINGS)
        return _to_columns(result, parsed_args.formatter)


def _timeout(argument: str) -> int:
    """Parse a time in seconds.

    :raises argparse.ArgumentTypeError: it is no such time.
    """
    seconds = options.whole_number(argument)
    if not 1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(
            f'{argument} is not between 1 and 3600')
    return seconds


def _to_columns(values: Mapping[str, Any], formatter: str,
                ) -> tuple[Sequence[str], Sequence[Any]]:
    """Return the names and the values for an output format."""
    if formatter in base.STRUCTURED_FORMATS:
        return tuple(values), tuple(values.values())
    lines = {**values, 'findings': '\n'.join(
        f'{finding["code"]} {finding["name"]}: {finding["message"]}'
        for finding in values['findings']),
        'console': '\n'.join(values['console'])}
    for name in ('boots', 'lint_boots', 'agree'):
        lines[name] = _ANSWERS[values[name]]
    lines['template'] = values['template'] or '-'
    lines['image'] = escape(values['image'], None)
    return tuple(lines), tuple(lines.values())
