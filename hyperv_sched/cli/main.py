# SPDX-License-Identifier: Apache-2.0
"""The hyperv-sched command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import importlib.metadata
import logging
import sys
from typing import Any
from typing import cast

from cliff import app
from cliff import commandmanager

from hyperv_sched.cli import base


class HyperVSched(app.App):
    """Lint images for Hyper-V before they are uploaded."""

    NAME = 'hyperv-sched'

    def __init__(self) -> None:
        super().__init__(
            description='Hyper-V generations in OpenStack: inspect and lint '
                        'images before upload.',
            version=importlib.metadata.version('hyperv-sched'),
            command_manager=commandmanager.CommandManager(
                'hyperv_sched.cli'),
            deferred_help=True)

    def build_option_parser(
            self, description: str | None, version: str | None,
            argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        """Give the command's own name, however Python was started."""
        return super().build_option_parser(
            description, version,
            {**(argparse_kwargs or {}), 'prog': self.NAME})

    def configure_logging(self) -> None:
        # It names each plug-in that it loads, which is no news to people.
        logging.getLogger('stevedore').setLevel(
            logging.DEBUG if self.options.debug else logging.WARNING)
        try:
            super().configure_logging()
        except OSError as exc:
            self.parser.error(
                f'argument --log-file: {self.options.log_file}: '
                f'{exc.strerror or exc}')

    _ended = False

    def run(self, argv: Sequence[str]) -> int:
        """Run a command, or help where there is none.

        cliff itself ends with 1 on any exception, which here means findings.
        """
        result: int = super().run(list(argv) or ['help'])
        if result == base.EXIT_FINDINGS and not self._ended:
            return base.EXIT_USAGE
        return result

    def clean_up(self, cmd: Any, result: int,
                 err: BaseException | None) -> None:
        """Remember whether the command has ended without an exception."""
        self._ended = err is None


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    if sys.stdout is None:
        with base.aside() as stream:
            print('hyperv-sched: standard output is closed', file=stream)
        return base.EXIT_USAGE
    base.tolerate_any_terminal()
    try:
        code = HyperVSched().run(sys.argv[1:] if argv is None else argv)
    except SystemExit as exc:
        # Of argparse, which ends with numbers alone.
        code = cast(int, exc.code)
    return base.finish(HyperVSched.NAME, code, base.EXIT_USAGE)
