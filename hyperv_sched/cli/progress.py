# SPDX-License-Identifier: Apache-2.0
"""Progress line on a terminal."""

from __future__ import annotations

import contextlib
import time
from typing import TextIO

#: Seconds before the line appears, and between updates.
DELAY = 0.5
INTERVAL = 0.1


class Progress:
    """Counts completed work and prints a line that erases itself.

    :param stream: receives the line if it is a terminal; None for a closed
        standard error
    :param total: amount of work; None if it is unknown
    :param unit: unit of the printed number
    :param scale: amount of work for each unit
    """

    def __init__(self, stream: TextIO | None, total: int | None,
                 unit: str = 'images', scale: int = 1) -> None:
        self._stream = stream if stream and stream.isatty() else None
        self._of = '' if total is None else f' of {-(-total // scale)}'
        self._unit = unit
        self._scale = scale
        self._done = 0
        self._length = 0
        self._next = time.monotonic() + DELAY

    def count(self, amount: int = 1) -> None:
        """Add completed work, and update the line if it is due."""
        self._done += amount
        if self._stream is None or time.monotonic() < self._next:
            return
        self.clear()
        line = f'{self._done // self._scale}{self._of} {self._unit}'
        self._write(line)
        self._length = len(line)
        self._next = time.monotonic() + INTERVAL

    def clear(self) -> None:
        """Erase the line before other output."""
        if self._stream is not None and self._length:
            # Some terminals do not support escape sequences.
            self._write(f'\r{" " * self._length}\r')
            self._length = 0

    def _write(self, line: str) -> None:
        # Closing the terminal must not end the command.
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.write(line)
                self._stream.flush()
