# SPDX-License-Identifier: Apache-2.0
"""What the commands have in common: how they end."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import contextlib
import errno
import io
import os
import sys
from typing import Any
from typing import TextIO

from cliff import show

from hyperv_sched.text import escape

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def tolerate_any_terminal() -> None:
    """Escape what standard output cannot show: it may lack a name's signs."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')


@contextlib.contextmanager
def aside() -> Iterator[TextIO]:
    """Standard error, for what is no result: nothing depends on it."""
    with contextlib.suppress(OSError):
        yield sys.stderr or io.StringIO()


def settle(stream: TextIO | None) -> OSError | None:
    """Write out what is left; return why that cannot be, and drop it.

    Else Python tries it again at its very end, and makes that 120.
    """
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as exc:
        # Nothing is behind it that Python would write to.
        with contextlib.suppress(OSError), open(os.devnull, 'wb') as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        return exc
    return None


def is_closed_pipe(exc: BaseException | None, system: str = os.name) -> bool:
    """Tell whether the reader of standard output is gone.

    Windows reports that as EINVAL, without a file name.

    :param system: as :data:`os.name` has it
    """
    return isinstance(exc, BrokenPipeError) or (
        system == 'nt' and isinstance(exc, OSError)
        and exc.errno == errno.EINVAL and exc.filename is None)


def finish(program: str, code: int, lost: int) -> int:
    """End a program: return its exit code, when all is written.

    :param lost: the least exit code where something cannot be. That nobody
        wants to read it is no reason.
    """
    reason = settle(sys.stdout)
    if reason is not None and not is_closed_pipe(reason):
        code = max(code, lost)
        with aside() as stream:
            print(f'{program}: {unwritten(reason)}', file=stream)
    settle(sys.stderr)
    return code


def unwritten(reason: OSError) -> str:
    """Say that standard output takes nothing."""
    return f'standard output cannot be written: {reason.strerror or reason}'


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
            self._stdout().flush()
        except UsageError as exc:
            self.complain(exc)
        except Exception as exc:
            lost = settle(self._stdout())
            if is_closed_pipe(lost or exc):
                # cliff's way to end with 141.
                raise BrokenPipeError from None
            if lost is None and self._debug():
                raise
            self.complain(unwritten(lost) if lost else exc)
        return self._worst

    def worsen(self, code: int) -> None:
        """End with this exit code, or with a worse one."""
        self._worst = max(self._worst, code)

    def complain(self, reason: object) -> None:
        """Say on standard error what cannot be done, to end with 2."""
        self.worsen(EXIT_USAGE)
        with aside() as stream:
            print(escape(reason, limit=1000), file=stream)

    def _stdout(self) -> TextIO:
        stdout: TextIO = self.app.stdout  # type: ignore[attr-defined]
        return stdout

    def _debug(self) -> bool:
        app: Any = getattr(self, 'app', None)
        return bool(getattr(getattr(app, 'options', None), 'debug', False))


class ShowOne(ExitCodes, show.ShowOne):
    """A command that shows one object."""

    @property
    def formatter_namespace(self) -> str:
        return 'hyperv_sched.formatter.show'


def plain(value: Any) -> Any:
    """Return a value for output that is not JSON or YAML: on one line."""
    return escape(value, None) if isinstance(value, str) else value
