# SPDX-License-Identifier: Apache-2.0
"""Results of checks, and the words in their messages."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import difflib
import re

from oslo_upgradecheck import upgradecheck

from hyperv_sched.text import escape

#: Least similarity (``difflib``) of a misspelled name. All filters of Nova and
#: plugins of Glance are less similar to the names of this package.
NAME_SIMILARITY = 0.75

#: Least similarity of a misspelled section. The most similar sections of Nova
#: and Glance are "scheduler" and "filter_scheduler".
SECTION_SIMILARITY = 0.8

#: Characters of an option value in a message.
MAX_SHOWN = 200

#: Prefix of lines with a command, which are not wrapped.
VERBATIM = '    '


class FileError(Exception):
    """A file cannot be read; the message names it and the reason."""


class NotApplicableError(Exception):
    """A check does not apply to this host; the message gives the reason."""


class OptionValueError(Exception):
    """The value of an option is invalid; the message names the option."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """A problem, its effect and its correction; or a state that is none."""

    code: upgradecheck.Code
    text: str


def failure(text: str) -> Problem:
    """Report that rules are not enforced, or a service does not start."""
    return Problem(upgradecheck.Code.FAILURE, text)


def warning(text: str) -> Problem:
    """Report that something works in part, or could not be checked."""
    return Problem(upgradecheck.Code.WARNING, text)


def information(text: str) -> Problem:
    """Report a state that is no problem."""
    return Problem(upgradecheck.Code.SUCCESS, text)


def format_value(value: object) -> str:
    """Format an option value for a message: escaped and cut."""
    if isinstance(value, list):
        value = ', '.join(value)
    return escape(value, limit=MAX_SHOWN)


def find_misspelled(wanted: str, names: Iterable[str]) -> str | None:
    """Return the name that is similar to the wanted name, or None.

    The last part of a dotted name is compared, too: the class.
    """
    names = list(names)
    match = _closest(_fold(wanted), {_fold(name): name for name in names})
    if match is None and '.' in wanted:
        match = _closest(_fold(_last(wanted)),
                         {_fold(_last(name)): name for name in names})
    return match


def is_misspelled_section(wanted: str, name: str) -> bool:
    """Return whether a section has a misspelled name.

    Unlike :func:`find_misspelled`, a name that contains the wanted name is
    another section: [filter_scheduler] is not a misspelled [scheduler].
    """
    return difflib.SequenceMatcher(
        None, _fold(wanted), _fold(name)).ratio() >= SECTION_SIMILARITY


def _closest(wanted: str, names: Mapping[str, str]) -> str | None:
    close = difflib.get_close_matches(
        wanted, names, n=1, cutoff=NAME_SIMILARITY)
    return names[close[0]] if close else next(
        (name for folded, name in names.items() if wanted in folded), None)


def _fold(name: str) -> str:
    return re.sub(r'[-_\s]', '', name.lower())


def _last(name: str) -> str:
    return name.rpartition('.')[2]
