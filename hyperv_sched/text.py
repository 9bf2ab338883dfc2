# SPDX-License-Identifier: Apache-2.0
"""Text for shells, spreadsheets and people, made from untrusted values.

Every command line that hyperv-sched prints to be pasted is quoted here.
"""

from __future__ import annotations

from collections.abc import Iterable
import errno
import os
import re
import shlex

#: Shells by the name that ``--shell`` takes. ``windows`` is the form that
#: cmd.exe and PowerShell both accept.
SHELLS = ('sh', 'windows', 'cmd', 'powershell')

#: Words that neither cmd.exe nor PowerShell changes when they are not quoted.
#: PowerShell splits ``-a.b`` and reads ``@a`` as a variable and ``1kb`` as a
#: number.
_BARE = re.compile(
    r'--?[A-Za-z-]*|(\.{0,2}[\\/]|[A-Za-z_])[A-Za-z0-9_.:=+\\/-]*')

#: What cmd.exe obeys outside of double quotes; inside, % alone.
_CMD_SPECIAL = re.compile('[()%!^"<>&|]')

#: PowerShell ends a string at typographic quotation marks, too.
_SINGLE_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")

#: What no form of quoting keeps. Windows PowerShell 5.1 and PowerShell 7.3
#: pass on quotation marks, empty words and a last backslash differently.
_NEVER = {
    'windows': re.compile('["%$`\u201c\u201d\u201e]|\\\\$|^$'),
    'cmd': re.compile('(?!)'),
    'powershell': re.compile(r'"| .*\\$|^$'),
}
_READERS = {'windows': 'both cmd.exe and PowerShell',
            'powershell': 'every PowerShell'}
_OTHERS = {'windows': 'cmd or powershell', 'powershell': 'cmd'}

#: A spreadsheet takes a cell for a formula that begins with one of these,
#: which are = + - @ and their full-width forms. It strips blanks first.
_FORMULA = re.compile("['=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

#: Untrusted values are shown up to this many characters.
MAX_SHOWN = 120


class UnquotableError(ValueError):
    """The word cannot be written for this shell; the text says why."""


def escape(value: object, limit: int | None = MAX_SHOWN) -> str:
    """Return an untrusted value as one bounded line without control codes.

    :param limit: the number of characters after which the value is cut; None
        for no limit
    """
    text = str(value)
    if limit is not None and len(text) > limit:
        text = text[:limit - 3] + '...'
    return ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode('ascii')
        for c in text)


def internal_error(exc: Exception) -> str:
    """Describe an unexpected exception as a bug in hyperv-sched."""
    return ('this is a bug in hyperv-sched, please report it '
            f'({type(exc).__name__}: {escape(exc)})')


def default_shell(system: str = os.name) -> str:
    """Return the shell to quote for where no option names one.

    :param system: as :data:`os.name` has it
    """
    return 'windows' if system == 'nt' else 'sh'


def command_line(words: Iterable[str], shell: str) -> str:
    """Quote the words of a command, so that it can be pasted into a shell.

    :param shell: one of :data:`SHELLS`
    :raises UnquotableError: a word cannot be written for this shell.
    """
    return ' '.join(quote(word, shell) for word in words)


def quote(word: str, shell: str) -> str:
    """Quote a word for a shell, in one line of printable characters.

    A shell that runs the result passes exactly this word to the program.

    :param shell: one of :data:`SHELLS`
    :raises UnquotableError: the word cannot be written for this shell.
    """
    if shell == 'sh':
        return _quote_sh(word)
    if not word.isprintable():
        raise UnquotableError(
            f'{_shown(word)} has characters that cannot be typed at a '
            'command prompt of Windows')
    if _BARE.fullmatch(word):
        return word
    if _NEVER[shell].search(word):
        raise UnquotableError(
            f'{_shown(word)} cannot be written so that it is right in '
            f'{_READERS[shell]}: use --shell {_OTHERS[shell]}')
    if shell == 'powershell':
        return "'" + _SINGLE_QUOTES.sub(r'\g<0>\g<0>', word) + "'"
    # The C run-time library of the program reads a backslash before a
    # quotation mark as an escape.
    quoted = re.sub(r'(\\*)("|$)', _escape_quotation_mark, word)
    if '"' in word or '%' in word:
        return _CMD_SPECIAL.sub(r'^\g<0>', f'"{quoted}"')
    return f'"{quoted}"'


def _escape_quotation_mark(match: re.Match[str]) -> str:
    backslashes, mark = match.groups()
    return backslashes * 2 + (f'\\{mark}' if mark else '')


def _quote_sh(word: str) -> str:
    """Quote for any POSIX shell, which $'...' of bash is not in.

    Characters that are not printable are written as octal escapes for the
    shell's own printf, byte by byte: they may be parts of a file's name that
    is not UTF-8.
    """
    if word.isprintable():
        return shlex.quote(word)
    if word.endswith('\n'):
        raise UnquotableError(
            f'{_shown(word)} ends with a newline, which a shell removes')
    if '\0' in word:
        raise UnquotableError(
            f'{_shown(word)} has a NUL, which no program can be given')
    try:
        return '"$(printf \'' + ''.join(map(_octal, word)) + '\')"'
    except UnicodeEncodeError:
        raise UnquotableError(
            f'{_shown(word)} is not Unicode text, which no program can be '
            'given') from None


def _octal(character: str) -> str:
    # Neither printf nor the history of an interactive shell reads anything
    # into what is left; a hyphen at the beginning is not an option.
    if character.isprintable() and character not in '\'"\\%!$`-':
        return character
    return ''.join(f'\\{byte:03o}' for byte in character.encode(
        errors='surrogateescape'))


def _shown(word: str) -> str:
    if len(word) > 60:
        word = word[:57] + '...'
    return ascii(word)


def csv_cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula.

    Text that would be one, or that begins with an apostrophe, gets an
    apostrophe before it. To read the value back, remove one apostrophe from
    the beginning of a cell that has one. A lone hyphen is not a formula.
    """
    if isinstance(value, str) and value != '-' and (
            _FORMULA.match(value) or _FORMULA.match(value.lstrip())):
        return f"'{value}"
    return value


def file_error(exc: OSError, path: str | os.PathLike[str],
               system: str = os.name) -> str:
    """Say why a file cannot be opened or read.

    Windows has one error, "Permission denied", for directories, for files
    that another program has open, and for missing permissions.

    :param system: as :data:`os.name` has it
    """
    if system == 'nt' and exc.errno == errno.EACCES:
        if os.path.isdir(path):
            return os.strerror(errno.EISDIR)
        return (f'{exc.strerror}, or another program has it open (a virtual '
                'machine that runs from it, or an attached disk)')
    return exc.strerror or str(exc)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, for example "1 host" or "2 hosts"."""
    return f'{number} {noun}{"" if number == 1 else "s"}'


def sentence(text: str) -> str:
    """End a text with a full stop, unless it was cut."""
    return text if text.endswith('...') else f'{text}.'


def shorten(text: str, size: int) -> str:
    """Cut a text to a number of bytes of UTF-8, and mark the cut."""
    encoded = text.encode()
    if len(encoded) <= size:
        return text
    return encoded[:max(size - 3, 0)].decode(errors='ignore') + '...'
