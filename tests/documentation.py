# SPDX-License-Identifier: Apache-2.0
"""The commands and the literal blocks of README.rst and doc/source."""

import pathlib
import re
import shlex
import textwrap
import typing

TOP = pathlib.Path(__file__).parents[1]

#: What a session shows before a command. Its other lines are the output.
PROMPT = '$ '

#: A line of a session that stands for any lines.
ELISION = '...'

_DIRECTIVE = re.compile(r' *\.\. code-block:: (\w+)$')
_INLINE = re.compile(r'``([^`]+)``')

#: Between two commands of a line.
_SEPARATORS = {'|', '||', '&&', ';', '(', ')'}


class Block(typing.NamedTuple):
    """A literal block."""

    page: str
    language: str
    text: str

    @property
    def first(self):
        """Return the first line, by which tests name the block."""
        return self.text.partition('\n')[0]

    @property
    def joined(self):
        """Return the text with each command on one line."""
        return re.sub(r' *\\\n *|(?<=\|)\n *|(?<=&&)\n *', ' ', self.text)

    @property
    def is_session(self):
        """Return whether the block has commands with their output."""
        return self.text.startswith(PROMPT)

    @property
    def needs_program(self):
        """Return whether a session needs qemu-img, a service or both.

        tests/functional runs these.
        """
        return self.is_session and (
            ' image convert ' in self.first
            or ' image upload --os-cloud ' in self.first)


def pages():
    """Return README.rst and the pages."""
    return [TOP / 'README.rst', *sorted(TOP.glob('doc/source/*.rst'))]


def _indent(line):
    return len(line) - len(line.lstrip())


def read_blocks(path):
    """Return the literal blocks of a page."""
    lines = path.read_text('utf-8').splitlines()
    blocks = []
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        directive = _DIRECTIVE.match(line)
        if not directive and (not line.endswith('::')
                              or line.lstrip().startswith('.. ')):
            continue
        start = number
        while number < len(lines) and (
                not lines[number].strip()
                or _indent(lines[number]) > _indent(line)):
            number += 1
        blocks.append(Block(
            path.name, directive[1] if directive else '',
            textwrap.dedent('\n'.join(lines[start:number])).strip('\n')))
    return blocks


def blocks():
    """Return the literal blocks of all pages."""
    return [block for path in pages() for block in read_blocks(path)]


def inline_literals():
    """Return the inline literals of all pages, each on one line."""
    return [' '.join(literal.split()) for path in pages()
            for literal in _INLINE.findall(path.read_text('utf-8'))]


def split_commands(line):
    """Return the words of each command in a line for a shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars='|&;()')
    lexer.whitespace_split = True
    commands = [[]]
    for word in lexer:
        if word in _SEPARATORS:
            commands.append([])
        else:
            commands[-1].append(word)
    # A redirection is not an argument.
    commands = [words[:words.index('>')] if '>' in words else words
                for words in commands]
    return [words for words in commands if words]


def command_lines(block):
    """Return the lines with commands of a block, continued ones joined."""
    lines = block.joined.splitlines()
    if block.is_session:
        return [line.removeprefix(PROMPT) for line in lines
                if line.startswith(PROMPT)]
    return lines
