# SPDX-License-Identifier: Apache-2.0
"""How far a long run is: one line on a terminal, which wipes itself out."""

from __future__ import annotations

import contextlib
import time
from typing import TextIO

#: Seconds: a short run says nothing, a long one is no flicker.
PATIENCE = 0.5
INTERVAL = 0.1


class Progress:
    """Counts what is done.

    :param stream: where the line is shown, if that is a terminal; standard
        error may be missing
    :param total: what there is to do; None where that is not known yet
    :param unit: what is counted
    :param scale: how much of it makes one that is shown
    """

    def __init__(self, stream: TextIO | None, total: int | None,
                 unit: str = 'images', scale: int = 1) -> None:
        self._stream = stream if stream and stream.isatty() else None
        self._of = '' if total is None else f' of {-(-total // scale)}'
        self._unit = unit
        self._scale = scale
        self._done = 0
        self._shown = 0
        self._next = time.monotonic() + PATIENCE

    def count(self, more: int = 1) -> None:
        """So much more is done."""
        self._done += more
        if self._stream is None or time.monotonic() < self._next:
            return
        self.clear()
        line = f'{self._done // self._scale}{self._of} {self._unit}'
        self._write(line)
        self._shown = len(line)
        self._next = time.monotonic() + INTERVAL

    def clear(self) -> None:
        """Make room for other words."""
        if self._stream is not None and self._shown:
            # No escape sequences: not every terminal knows them.
            self._write(f'\r{" " * self._shown}\r')
            self._shown = 0

    def _write(self, line: str) -> None:
        # A terminal that is gone must not end what is going on.
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.write(line)
                self._stream.flush()
