# SPDX-License-Identifier: Apache-2.0
"""Texts of the package as reStructuredText."""

import re

from hyperv_sched.cli import findings

#: Characters with a meaning.
_MARKUP = re.compile(r'[\\*`|_]')

#: What is typed as it is: commands, and names and values of properties,
#: which may be quoted.
_LITERAL = re.compile(rf"{findings.COMMAND.pattern}|"
                      r"[^\s,;:()']*[=_](?:[^\s,;:()']|'[^']+')+")


def marked(text):
    """Return reStructuredText that shows a text, with what is typed marked."""
    parts, end = [], 0
    for match in _LITERAL.finditer(text):
        literal = match[0].rstrip('. ')
        parts += [_escaped(text[end:match.start()]),
                  f'\\ ``{literal}``\\ ']
        end = match.start() + len(literal)
    return ''.join([*parts, _escaped(text[end:])])


def _escaped(text):
    return _MARKUP.sub(r'\\\g<0>', text)
