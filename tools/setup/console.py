# SPDX-License-Identifier: Apache-2.0
"""Run commands that take long, and report their progress."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import os
import pathlib
import shutil
import subprocess
import sys
import time

#: Seconds between two progress lines where standard output is no terminal.
INTERVAL = 15

#: Bytes read from the end of a log. It holds the last lines of any command.
_TAIL = 8192


class ToolError(Exception):
    """A tool cannot do what it was called for."""


class CommandError(ToolError):
    """A command failed.

    :ivar log: the file with its output
    """

    def __init__(self, argv: Sequence[object], code: int,
                 log: pathlib.Path) -> None:
        self.log = log
        name = pathlib.Path(str(argv[0])).name
        super().__init__(
            f'"{name} {" ".join(map(str, argv[1:3]))} ..." failed with exit'
            f' code {code}. Its output is in {log}:\n{tail(log)}')


class Progress:
    """One line that is rewritten on a terminal, a line now and then elsewhere.

    :param label: what is going on
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._terminal = sys.stdout.isatty()
        self._started = time.monotonic()
        self._printed = 0.0
        if not self._terminal:
            print(f'{label} ...', flush=True)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def update(self, detail: str) -> None:
        """Show that the work goes on.

        :param detail: a line on its present state
        """
        seconds = self.seconds
        text = f'{self._label}: {seconds:.0f} s  {detail}'
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f'\r\x1b[K{text[:width]}', end='', flush=True)
        elif seconds - self._printed >= INTERVAL:
            self._printed = seconds
            print(text[:79], flush=True)

    def clear(self) -> None:
        """Remove the line from the terminal."""
        if self._terminal:
            print('\r\x1b[K', end='', flush=True)

    def finish(self) -> None:
        """Replace the line by the time that the work took."""
        self.clear()
        print(f'{self._label}: done in {self.seconds:.0f} s', flush=True)


def run(argv: Sequence[object], log: pathlib.Path,
        env: Mapping[str, str] | None = None,
        progress: Progress | None = None) -> None:
    """Run a command to its end, with its output appended to a log.

    :raises CommandError: the command cannot be started or fails
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(word) for word in argv]
    with open(log, 'ab') as output:
        output.write(f'$ {" ".join(command)}\n'.encode())
        output.flush()
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env=env)
        except OSError as exc:
            output.write(f'{exc}\n'.encode())
            output.flush()
            raise CommandError(command, 127, log) from None
        _wait(child, log, progress)
    if child.returncode != 0:
        if progress:
            progress.clear()
        raise CommandError(command, child.returncode, log)


def _wait(child: subprocess.Popen[bytes], log: pathlib.Path,
          progress: Progress | None) -> None:
    """Wait for a child, and end it where the caller is interrupted."""
    try:
        while child.poll() is None:
            time.sleep(0.1)
            if progress:
                progress.update(last_line(log))
    except BaseException:
        child.terminate()
        child.wait()
        raise


def tail(log: pathlib.Path, lines: int = 20) -> str:
    """Return the last lines of a file, with printable characters only."""
    with open(log, 'rb') as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _TAIL))
        text = file.read().decode(errors='replace')
    return '\n'.join(
        ''.join(char if char.isprintable() else ' ' for char in line).rstrip()
        for line in text.splitlines()[-lines:])


def last_line(log: pathlib.Path) -> str:
    """Return the last line that a command wrote into a log of ``run``."""
    return next((line for line in reversed(tail(log).splitlines())
                 if line.strip() and not line.startswith('$ ')), '')


def main(command: Callable[[], int]) -> int:
    """Run a tool; return its exit code.

    Errors are printed as one message. A reader that closes the pipe, for
    example ``head``, ends the tool without a traceback.
    """
    try:
        return command()
    except ToolError as exc:
        sys.stdout.flush()
        print(f'error: {exc}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
