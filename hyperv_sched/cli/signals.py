# SPDX-License-Identifier: Apache-2.0
"""Handlers for signals that end a command, so that it can clean up first."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import Any
from typing import NoReturn

from hyperv_sched.cli import base

#: Signals from a user, a script or a closed terminal. On Windows, Ctrl-Break
#: and closing the console send SIGBREAK.
ENDING = tuple(getattr(signal, name) for name in (
    'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGBREAK')
    if hasattr(signal, name))


class Guard:
    """Context manager that handles the signals that end a command.

    A signal raises KeyboardInterrupt. After :meth:`once` only the first
    signal raises, so that no signal interrupts cleaning up. After
    :meth:`hold` signals are remembered. After :meth:`finish` a signal prints
    a message to standard error and ends the process.

    Signals that were ignored when the command started, for example by nohup,
    stay ignored.
    """

    def __init__(self) -> None:
        self._once = self._held = self._pending = False
        self._message: bytes | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Guard:
        for number in ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        raises = not (self._held or self._once and self._pending)
        self._pending = True
        if self._message is not None:
            self._end()
        if raises:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal arrived.

        Python ignores the exception of the handler in a destructor.
        """
        if self._pending:
            raise KeyboardInterrupt

    def once(self) -> None:
        """Let no more than one signal raise from now on."""
        self._once = True
        self.check()

    def hold(self) -> None:
        """Remember signals from now on, and do not raise."""
        self._held = True

    def release(self) -> None:
        """Let signals raise again, including a remembered signal."""
        self._held = False
        self.check()

    def finish(self, message: str) -> None:
        """Let a signal end the process with a message from now on."""
        self._message = f'{message}\n'.encode(errors='backslashreplace')
        if self._pending:
            self._end()

    def _end(self) -> NoReturn:
        # Not sys.stderr: the signal may interrupt a write to it.
        with contextlib.suppress(OSError):
            os.write(2, self._message or b'')
        os._exit(base.EXIT_INTERRUPTED)
