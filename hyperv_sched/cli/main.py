# SPDX-License-Identifier: Apache-2.0
"""The hyperv-sched command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import difflib
import importlib.metadata
import logging
import sys
from typing import Any
from typing import cast

from cliff import app
from cliff import commandmanager

from hyperv_sched.cli import base
from hyperv_sched.text import escape

#: What the options of cliff do here. Other help of its would promise more.
_HELP = {
    '--verbose': 'print a line for each image that "image lint" checks, and'
                 ' for each request to a cloud',
    '--quiet': 'print no progress and no summary; results and errors remain',
    '--log-file': 'write the lines of --verbose to this file, too',
    '--debug': 'print the tracebacks of unexpected errors',
}


class Commands(commandmanager.CommandManager):
    """The commands of this package, each imported when it is run.

    The class of cliff imports all commands, and reads the entry points of all
    installed distributions.
    """

    def load_commands(self, namespace: str) -> None:
        """Add the commands of a group of entry points."""
        self.group_list.append(namespace)
        for point in importlib.metadata.distribution(
                'hyperv-sched').entry_points.select(group=namespace):
            self.commands[point.name.replace('_', ' ')] = point


class HyperVSched(app.App):
    """Lint images for Hyper-V before they are uploaded."""

    NAME = 'hyperv-sched'

    def __init__(self) -> None:
        super().__init__(
            description='Hyper-V generations in OpenStack: inspect and lint '
                        'images before upload.',
            version=importlib.metadata.version('hyperv-sched'),
            command_manager=Commands('hyperv_sched.cli'),
            deferred_help=True)

    def build_option_parser(
            self, description: str | None, version: str | None,
            argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        """Build the parser with the name of the command as its program.

        "python -m hyperv_sched" would be "__main__.py" otherwise.
        """
        parser = super().build_option_parser(
            description, version,
            {**(argparse_kwargs or {}), 'prog': self.NAME})
        for action in parser._actions:
            action.help = next(
                (_HELP[option] for option in action.option_strings
                 if option in _HELP), action.help)
        return parser

    def configure_logging(self) -> None:
        """Configure logging; exit with 2 if the log file cannot be opened."""
        # They log what they load at INFO: plug-ins, and a backend that
        # oslo.versionedobjects brings.
        for name in ('oslo_service', 'stevedore'):
            logging.getLogger(name).setLevel(
                logging.DEBUG if self.options.debug else logging.WARNING)
        try:
            super().configure_logging()
        except OSError as exc:
            self.parser.error(
                f'argument --log-file: {self.options.log_file}: '
                f'{exc.strerror or exc}')

    _completed = False

    def run(self, argv: Sequence[str]) -> int:
        """Run a command, or help if there is none.

        cliff exits with 1 on any exception, which would mean findings.
        """
        result: int = super().run(list(argv) or ['help'])
        if result == base.EXIT_FINDINGS and not self._completed:
            return base.EXIT_USAGE
        return result

    def run_subcommand(self, argv: list[str]) -> int:
        """Run a command, or name those that are similar.

        cliff writes the names to standard output, and always finds some.
        """
        try:
            self.command_manager.find_command(argv)
        except ValueError:
            given = escape(' '.join(argv[:2]))
            names = [name for name, _ in self.command_manager]
            similar = (
                difflib.get_close_matches(given, names) if argv[1:] else
                [name for name in names if name.startswith(f'{argv[0]} ')])
            question = (f'Did you mean: {", ".join(sorted(similar))}? '
                        if similar else '')
            with base.stderr() as stream:
                print(f'{self.NAME}: {given} is no command. {question}See '
                      f'"{self.NAME} --help"', file=stream)
            return base.EXIT_USAGE
        result: int = super().run_subcommand(argv)
        return result

    def clean_up(self, cmd: Any, result: int,
                 err: BaseException | None) -> None:
        """Record whether the command ended without an exception."""
        self._completed = err is None


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    if sys.stdout is None:
        with base.stderr() as stream:
            print('hyperv-sched: standard output is closed', file=stream)
        return base.EXIT_USAGE
    base.escape_unencodable_output()
    try:
        code = HyperVSched().run(sys.argv[1:] if argv is None else argv)
    except SystemExit as exc:
        # argparse exits with integers only.
        code = cast(int, exc.code)
    return base.exit_code(HyperVSched.NAME, code, base.EXIT_USAGE)
