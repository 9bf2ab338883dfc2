# SPDX-License-Identifier: Apache-2.0
"""Find words that this project does not use, in texts for people.

Comments, docstrings, messages and option help of Python files are checked,
names of functions and classes, and all text of pages. Prints each word with
its file and line, and exits with 1 if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
import io
import pathlib
import re
import subprocess
import sys
import tokenize

#: Words and the usual term. Quotes of other programs are not checked: put
#: them into double backquotes.
WORDS = {
    r'asked|asks for': 'requested, requires',
    r'\w*(haviou|colou|favou)r\w*': 'American spelling',
    r'everybody|nobody|somebody|whoever': 'the user, the service',
    r'hand(s|ed)? (out|over)': 'return, pass',
    r'lies': 'offset, is in',
    r'meant': 'intended, refers to',
    r'misspelt|spelt': 'misspelled',
    r'\w+(al|er|or|im|ni)is(e|es|ed|ing|ation)': 'American spelling: -ize',
    r'put(s)? right': 'correct',
    r'roads?': 'operation, path',
    r'said|told': 'reported, printed',
    r'way out': 'correction, fix',
    r'weigh(s|ed|ts?)?': 'override, severity',
    r'what is wrong|what stands': 'errors, findings',
}
_WORDS = {re.compile(rf'\b({word})\b', re.IGNORECASE): term
          for word, term in WORDS.items()}

#: Correct words that a pattern above matches.
_ALLOWED = re.compile(
    r'(?i)\b(otherwise|promis\w+|exercise\w*|advertise\w*|supervis\w+|'
    r'compromis\w+|precis\w+|revis\w+|surpris\w+|raise\w*|noise|'
    r'property-misspelt|weigh object)\b')

_TOKENS = (tokenize.COMMENT, tokenize.STRING)
if sys.version_info >= (3, 12):
    _TOKENS += (tokenize.FSTRING_MIDDLE,)


def main() -> int:
    """Check the files of the repository and return the exit code."""
    listed = subprocess.run(
        ['git', 'ls-files', '*.py', '*.rst', '*.yaml'], check=True,
        stdout=subprocess.PIPE, text=True).stdout.split()
    found = False
    # This file has the words.
    for name in sorted(set(listed) - {'tools/check_language.py'}):
        for line, word, term in _find(pathlib.Path(name)):
            found = True
            print(f'{name}:{line}: "{word}". Usual terms: {term}')
    return int(found)


def _find(path: pathlib.Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, word and usual term of each word in a file."""
    text = path.read_text()
    for number, piece in (_pieces(text) if path.suffix == '.py'
                          else enumerate(text.splitlines(), 1)):
        # Quotes of other programs.
        piece = _ALLOWED.sub('', re.sub('``.*?``', '', piece))
        for pattern, term in _WORDS.items():
            for match in pattern.finditer(piece):
                yield (number + piece.count('\n', 0, match.start()),
                       match[0], term)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield the texts for people in Python source, with their lines."""
    defines = False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in _TOKENS:
            yield token.start[0], token.string
        elif token.type == tokenize.NAME:
            if defines:
                yield token.start[0], token.string.replace('_', ' ')
            defines = token.string in ('class', 'def')


if __name__ == '__main__':
    sys.exit(main())
