# SPDX-License-Identifier: Apache-2.0
"""Exit codes, error output and base classes of the commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import contextlib
import errno
import functools
import io
import os
import re
import sys
from typing import Any
from typing import NoReturn
from typing import TextIO
from typing import cast
import warnings

from cliff import show

from hyperv_sched.text import escape
from hyperv_sched.text import sentence

EXIT_OK = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

#: Formats that escape any character themselves.
STRUCTURED_FORMATS = ('gitlab', 'json', 'junit', 'sarif', 'yaml')


def escape_unencodable_output() -> None:
    """Escape characters that the encoding of standard output lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')


@contextlib.contextmanager
def stderr() -> Iterator[TextIO]:
    """Open standard error for writing, and ignore errors of it.

    Standard error may be closed, which does not change the exit code.
    """
    with contextlib.suppress(OSError):
        yield sys.stderr or io.StringIO()


def flush_or_discard(stream: TextIO | None) -> OSError | None:
    """Flush a stream; on an error, discard its buffer and return the error.

    Otherwise Python flushes it once more at exit, and exits with 120.
    """
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as exc:
        # A stream without a file descriptor raises an OSError, too; Python
        # does not flush it at exit.
        with contextlib.suppress(OSError), open(os.devnull, 'wb') as null:
            os.dup2(null.fileno(), stream.fileno())
        return exc
    return None


def is_closed_pipe(exc: BaseException | None, system: str = os.name) -> bool:
    """Return whether an error means that standard output has no reader.

    Windows reports a closed pipe as EINVAL without a file name.

    :param system: value of :data:`os.name`
    """
    return isinstance(exc, BrokenPipeError) or (
        system == 'nt' and isinstance(exc, OSError)
        and exc.errno == errno.EINVAL and exc.filename is None)


def exit_code(program: str, code: int, on_write_error: int) -> int:
    """Flush the output of a program and return its exit code.

    :param code: exit code of the command
    :param on_write_error: least exit code if standard output cannot be
        written. A closed pipe does not count.
    """
    error = flush_or_discard(sys.stdout)
    if error is not None and not is_closed_pipe(error):
        code = max(code, on_write_error)
        with stderr() as stream:
            print(f'{program}: {write_error_message(error)}', file=stream)
    flush_or_discard(sys.stderr)
    return code


def write_error_message(error: OSError) -> str:
    """Describe why standard output cannot be written."""
    return f'standard output cannot be written: {error.strerror or error}'


class UsageError(Exception):
    """A command cannot do its task; the message names the cause."""


class ExitCodes:
    """Mixin that gives a cliff command the documented exit codes.

    It comes before the class of cliff. cliff exits with 1 on any exception,
    which would mean findings.
    """

    #: The openstack client does not log in before these commands.
    auth_required = False

    #: The text below the help: examples and exit codes.
    epilog = '\n'.join((
        'exit code:',
        '  0  success',
        '  2  wrong usage, or something that cannot be read or written'))

    _exit_code = EXIT_OK

    def get_epilog(self) -> str:
        """Return the text below the help.

        The method of cliff names the distribution of a command, and reads the
        metadata of all installed distributions to find it.
        """
        return self.epilog

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser that keeps the lines of description and epilog."""
        parser = super().get_parser(prog_name)  # type: ignore[misc]
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.error = functools.partial(_exit_with_error, parser)
        return cast(argparse.ArgumentParser, parser)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command and return its exit code."""
        self._exit_code = EXIT_OK
        # oslo.versionedobjects imports oslo.service, which warns of the
        # backend that it selects itself.
        warnings.filterwarnings('ignore', r'\s*Eventlet is deprecated')
        try:
            super().run(parsed_args)  # type: ignore[misc]
            self._stdout().flush()
        except UsageError as exc:
            self.print_error(exc)
        except Exception as exc:
            write_error = flush_or_discard(self._stdout())
            if is_closed_pipe(write_error or exc):
                # cliff exits with 141.
                raise BrokenPipeError from None
            if write_error is None and self._debug():
                raise
            self.print_error(write_error_message(write_error)
                             if write_error else _reason(exc))
        return self._exit_code

    def raise_exit_code(self, code: int) -> None:
        """Raise the exit code to this one, unless it is higher already."""
        self._exit_code = max(self._exit_code, code)

    def print_error(self, error: object) -> None:
        """Print an error to standard error and raise the exit code to 2."""
        self.raise_exit_code(EXIT_USAGE)
        with stderr() as stream:
            print(escape(error, limit=1000), file=stream)

    def _stdout(self) -> TextIO:
        stdout: TextIO = self.app.stdout  # type: ignore[attr-defined]
        return stdout

    def _debug(self) -> bool:
        app: Any = getattr(self, 'app', None)
        return bool(getattr(getattr(app, 'options', None), 'debug', False))


def _reason(exc: Exception) -> object:
    """Return the words for an error of a command."""
    if not isinstance(exc, ModuleNotFoundError):
        return exc
    return (f'the module {exc.name} is missing: hyperv-sched is installed '
            'without all of its dependencies. Install it again without '
            '--no-deps')


def _exit_with_error(parser: argparse.ArgumentParser, message: str,
                     ) -> NoReturn:
    """End with an error about the arguments, without the whole usage."""
    hint = (' Put -- before the name of a file that begins with -.'
            if re.match('unrecognized arguments: -[^-]', message) else '')
    parser.exit(EXIT_USAGE, f'{parser.prog}: {sentence(message)}{hint} '
                            f'See "{parser.prog} --help"\n')


class ShowOne(ExitCodes, show.ShowOne):
    """Base class of commands that show one object."""

    @property
    def formatter_namespace(self) -> str:
        """Return the entry point group of the output formats."""
        return 'hyperv_sched.formatter.show'


def escape_if_text(value: Any) -> Any:
    """Escape a string for output formats that do not escape it."""
    return escape(value, None) if isinstance(value, str) else value
