# SPDX-License-Identifier: Apache-2.0
"""What the commands have in common: how they end."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from typing import Any

from hyperv_sched import rules

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2


def tolerate_any_terminal() -> None:
    """Escape what standard output cannot show: it may lack a name's signs."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')


class UsageError(Exception):
    """What was asked cannot be done; the text says which file, and why."""


class ExitCodes:
    """Gives a cliff command the exit codes of the documentation.

    Mixed in before the command's own class. cliff itself ends with 1 on any
    exception, which here means findings.
    """

    #: The openstack client needs no cloud for such a command.
    auth_required = False

    _worst = EXIT_OK

    def get_epilog(self) -> str:
        """The text below the help.

        cliff's own names the distribution that a command comes from, and
        reads the metadata of all that are installed to find it.
        """
        return ''

    def run(self, parsed_args: argparse.Namespace) -> int:
        self._worst = EXIT_OK
        try:
            super().run(parsed_args)  # type: ignore[misc]
        except BrokenPipeError:
            raise
        except UsageError as exc:
            self.complain(exc)
        except Exception as exc:
            if self._debug():
                raise
            self.complain(exc)
        return self._worst

    def worsen(self, code: int) -> None:
        """End with this exit code, or with a worse one."""
        self._worst = max(self._worst, code)

    def complain(self, reason: object) -> None:
        """Say on standard error what cannot be done, to end with 2."""
        self.worsen(EXIT_USAGE)
        # The exit code tells as well, where nothing can be written.
        with contextlib.suppress(OSError):
            if sys.stderr is not None:
                print(rules.printable(reason, limit=1000), file=sys.stderr)

    def _debug(self) -> bool:
        app: Any = getattr(self, 'app', None)
        return bool(getattr(getattr(app, 'options', None), 'debug', False))
