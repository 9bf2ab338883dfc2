# SPDX-License-Identifier: Apache-2.0
"""How far a disk came when firmware started it, by the text of its console.

The messages are those of EDK II (``BdsDxe``), shim and GRUB. What prints them
is not verified: a loader that firmware starts can print anything.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import enum
import re

from hyperv_sched.text import escape

#: Bytes of the console that are kept: of a serial console of 100 by 31
#: characters that firmware clears, a few screens.
_MAX_CONSOLE = 16 * 1024
_MAX_LINE = 300
#: Resets after which a disk does not come further. A fallback loader, and an
#: installation of Windows, reset the machine once or twice.
MAX_RESETS = 3


@enum.unique
class Stage(str, enum.Enum):
    """The last stage that a disk reached."""

    NO_LOADER = 'no-loader'
    """Firmware found nothing to start."""
    REFUSED = 'refused'
    """Secure Boot refused a loader or a kernel."""
    ERROR = 'loader-error'
    """A loader ended, or reported an error."""
    PROMPT = 'prompt'
    """GRUB waits for commands."""
    LOADER = 'loader'
    """A loader ran to the end of the time, without an error."""
    KERNEL = 'kernel'
    """A kernel ran."""


@dataclasses.dataclass(frozen=True)
class Result:
    """How far a disk came, and why not further."""

    stage: Stage
    detail: str = ''

    @property
    def boots(self) -> bool:
        """Return whether a kernel was reached, or a loader ran."""
        return self.stage in (Stage.LOADER, Stage.KERNEL)


#: Control sequences of a console, which may be inside of a word.
_CONTROL = re.compile(rb'\x1b\[[0-9;?=]*[A-Za-z]|\x1b\[?[0-9;?=]*\Z')
_POSITION = re.compile(rb'\x1b\[[0-9]*(?:;[0-9]*)?H')

_OPTION = r'Boot[0-9A-F]{4} "[^\n]*?'
#: EDK II has its shell as the last boot option, or shows a menu.
_NOTHING_LEFT = re.compile(
    r'BdsDxe: (?:loading|starting) Boot[0-9A-F]{4} "EFI Internal Shell"'
    r'|No bootable option or device was found|UEFI Interactive Shell')
_FAILED = re.compile(
    rf'BdsDxe: failed to (load|start) (?!Boot[0-9A-F]{{4}} "EFI Internal)'
    rf'{_OPTION}: ([A-Z][A-Za-z ]+)')
_STARTING = re.compile(
    rf'BdsDxe: starting (?!Boot[0-9A-F]{{4}} "EFI Internal){_OPTION}')

#: Messages after which no other program is started.
_FINAL = (
    # shim, whose dialog waits for a key, and GRUB with the shim's check.
    (Stage.REFUSED, re.compile(
        r'Verification failed: \(0x[0-9A-F]+\) (?:Security Violation|Access '
        r'Denied)|Security Policy Violation|bad shim signature|'
        r'shim_lock protocol not found|SBAT self-check failed[^\n]*')),
    (Stage.PROMPT, re.compile(r'grub rescue>|grub>')),
    (Stage.ERROR, re.compile(
        r'!!!! X64 Exception Type[^\n]*'
        r'|error: you need to load the kernel first'
        r'|start_image\(\) returned [A-Z][A-Za-z ]*(?=\n)')),
)
#: Errors that a loader reports, and after which it may go on: beginnings of
#: lines, and what the rest of a line has.
_ERRORS = ('error: ', 'Failed ', 'Could not ')
_RETURNED = 'start_image() returned '
_DENIED = ('Access Denied', 'Security Violation')


class Console:
    """The text that a machine prints on its serial console."""

    def __init__(self) -> None:
        self._data = b''
        self._started = False
        self._failed: tuple[str, str] | None = None

    def add(self, data: bytes) -> None:
        """Add what the machine printed."""
        self._data = (self._data + data)[-_MAX_CONSOLE:]
        text = self.text
        self._started |= bool(_STARTING.search(text))
        for match in _FAILED.finditer(text):
            self._failed = match[1], match[2].strip()

    @property
    def text(self) -> str:
        """The last part of the text, without control sequences."""
        # A position begins another line. Frames are no ASCII.
        data = _CONTROL.sub(b'', _POSITION.sub(b'\n', self._data))
        return data.decode('ascii', 'ignore').replace('\r', '\n')

    def lines(self, count: int) -> list[str]:
        """Return the last lines that are not empty."""
        return [escape(line.strip(), _MAX_LINE) for line
                in self.text.split('\n') if line.strip(' |+-')][-count:]

    def find_end(self) -> Result | None:
        """Return the result if the machine goes no further by itself."""
        text = self.text
        for stage, pattern in _FINAL:
            match = pattern.search(text)
            if match:
                return Result(stage, self._explain(text, match[0]))
        if not _NOTHING_LEFT.search(text):
            return None
        if self._failed is None:
            return Result(Stage.ERROR, self._explain(text, 'it ended')) if (
                self._started) else Result(
                Stage.NO_LOADER, 'firmware made no boot option')
        action, reason = self._failed
        detail = f'firmware failed to {action} the loader: {reason}'
        if action == 'start':
            return Result(Stage.ERROR, self._explain(text, detail))
        if reason in _DENIED:
            return Result(Stage.REFUSED, detail)
        return Result(Stage.NO_LOADER if reason == 'Not Found'
                      else Stage.ERROR, detail)

    def find_last(self) -> Result | None:
        """Return the result at the end of the time; None for no loader."""
        errors = _reported(self.text)
        if errors:
            return Result(Stage.ERROR, errors[-1])
        return Result(Stage.LOADER, 'no kernel ran in the time') if (
            self._started) else None

    def _explain(self, text: str, message: str) -> str:
        """Return a message with the last error that a loader reported."""
        errors = [error for error in _reported(text) if message not in error]
        return escape('; '.join((message.strip(), *errors[-1:])), _MAX_LINE)


def _reported(text: str) -> Sequence[str]:
    lines = (line.strip() for line in text.split('\n'))
    return [escape(line, _MAX_LINE) for line in lines
            if line.startswith(_ERRORS) or _RETURNED in line]
