# SPDX-License-Identifier: Apache-2.0
"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import difflib
import re

from oslo_upgradecheck import upgradecheck

from hyperv_sched.text import escape

#: How alike two names are that are taken for one, misspelt. Nova's own
#: filters and Glance's own plugins are all less like ours.
ALIKE = 0.75

#: The same for names of sections, of which Nova and Glance have many. The
#: closest two that are different are "scheduler" and "filter_scheduler".
ALIKE_SECTION = 0.8

#: Characters of a configuration's value that a message repeats.
MAX_SHOWN = 200


#: Begins a line of a problem that is to be pasted, and so not wrapped.
VERBATIM = '    '


class BadInput(Exception):
    """No check can be run; the text names the file and the reason."""


class Skip(Exception):
    """The check does not apply here; the text says why."""


class InvalidOption(Exception):
    """The service itself could not read the option; the text says why."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong, why it matters, and the way out."""

    code: upgradecheck.Code
    text: str


def failure(text: str) -> Problem:
    """Something is not enforced, or a service does not start."""
    return Problem(upgradecheck.Code.FAILURE, text)


def warning(text: str) -> Problem:
    """It works, with less than it could do; or it could not be tried."""
    return Problem(upgradecheck.Code.WARNING, text)


def shown(value: object) -> str:
    """Show what a configuration says, bounded and on one line."""
    if isinstance(value, list):
        value = ', '.join(value)
    return escape(value, limit=MAX_SHOWN)


def misspelt(wanted: str, names: Iterable[str]) -> str | None:
    """Find the name that was meant to be the wanted one.

    Of a dotted name the last part counts, too: the class.
    """
    names = list(names)
    found = _closest(_fold(wanted), {_fold(name): name for name in names})
    if found is None and '.' in wanted:
        found = _closest(_fold(_last(wanted)),
                         {_fold(_last(name)): name for name in names})
    return found


def resembles(wanted: str, name: str) -> bool:
    """Whether a name differs from another by a slip of the keyboard.

    Unlike ``misspelt``, a longer name that contains the other is different:
    [filter_scheduler] is not meant to be [scheduler].
    """
    return difflib.SequenceMatcher(
        None, _fold(wanted), _fold(name)).ratio() >= ALIKE_SECTION


def _closest(wanted: str, names: Mapping[str, str]) -> str | None:
    close = difflib.get_close_matches(wanted, names, n=1, cutoff=ALIKE)
    return names[close[0]] if close else next(
        (name for folded, name in names.items() if wanted in folded), None)


def _fold(name: str) -> str:
    return re.sub(r'[-_\s]', '', name.lower())


def _last(name: str) -> str:
    return name.rpartition('.')[2]
