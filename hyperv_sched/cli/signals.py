# SPDX-License-Identifier: Apache-2.0
"""Signals that end a command, delivered where it can clean up."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import Any
from typing import NoReturn

from hyperv_sched.cli import base

#: What ends a command: by hand, by a script, by a terminal that is closed.
#: SIGBREAK is Ctrl-Break and the closed console of Windows.
ENDING = tuple(getattr(signal, name) for name in (
    'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGBREAK')
    if hasattr(signal, name))


class Guard:
    """Handles the signals that end a command.

    A signal raises KeyboardInterrupt; after :meth:`once` only the first one
    does, so that cleaning up is not interrupted; after :meth:`hold` it is
    only remembered; after :meth:`finish` it prints a message to standard
    error and ends the process.

    A signal that was ignored when the command was started, by nohup for
    example, stays ignored.
    """

    def __init__(self) -> None:
        self._once = self._held = self._pending = False
        self._message: bytes | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Guard:
        for number in ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, previous in self._before.items():
            signal.signal(number, previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        raises = not (self._held or self._once and self._pending)
        self._pending = True
        if self._message is not None:
            self._end()
        if raises:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal has come.

        The one that the handler raised may have come to nothing, in a
        destructor for example.
        """
        if self._pending:
            raise KeyboardInterrupt

    def once(self) -> None:
        """Let no more than one signal interrupt what follows."""
        self._once = True
        self.check()

    def hold(self) -> None:
        """Remember signals from now on."""
        self._held = True

    def release(self) -> None:
        """Let a signal interrupt again, also one that was remembered."""
        self._held = False
        self.check()

    def finish(self, message: str) -> None:
        """From now on, let a signal end the process with this message."""
        self._message = f'{message}\n'.encode(errors='backslashreplace')
        if self._pending:
            self._end()

    def _end(self) -> NoReturn:
        # The signal may have come in the middle of any other write.
        with contextlib.suppress(OSError):
            os.write(2, self._message or b'')
        os._exit(base.EXIT_INTERRUPTED)
