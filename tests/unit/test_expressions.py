# SPDX-License-Identifier: Apache-2.0
"""Regular expressions take no more than linear time, whatever the text is.

Python tries each way to divide a text among repetitions. Two that can match
the same characters, with nothing between them that has to match, take
quadratic time; one inside of another may take exponential time.
"""

import ast
import importlib
import json
import pathlib
import re
from re import _constants as sre
from re import _parser as parser

import testtools

from hyperv_sched.validators import schema

PACKAGE = pathlib.Path(importlib.import_module('hyperv_sched').__file__).parent
FUNCTIONS = ('compile', 'findall', 'finditer', 'fullmatch', 'match', 'search',
             'split', 'sub')
REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT)
CHARACTERS = [*map(chr, range(256))]
CATEGORIES = {
    sre.CATEGORY_DIGIT: str.isdigit, sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_WORD: lambda c: c.isalnum() or c == '_'}


def in_category(name, character):
    if name in CATEGORIES:
        return CATEGORIES[name](character)
    positive = getattr(sre, str(name).replace('_NOT_', '_'))
    return not CATEGORIES[positive](character)


def matches(item, character):
    """Whether an item for one character matches a character."""
    kind, argument = item
    if kind == sre.LITERAL:
        return chr(argument) == character
    if kind == sre.NOT_LITERAL:
        return chr(argument) != character
    if kind == sre.RANGE:
        return argument[0] <= ord(character) <= argument[1]
    if kind == sre.CATEGORY:
        return in_category(argument, character)
    if kind == sre.IN:
        negated = argument[0][0] == sre.NEGATE
        return negated != any(
            matches(part, character) for part in argument[negated:])
    assert kind == sre.ANY, kind
    return True


def parts(item):
    """The sequences that an item is made of."""
    kind, argument = item
    if kind == sre.SUBPATTERN:
        return [argument[-1]]
    if kind in REPEATS:
        return [argument[2]]
    return argument[1] if kind == sre.BRANCH else []


def is_place(item):
    """Whether an item matches a place between characters."""
    return item[0] in (sre.AT, sre.ASSERT, sre.ASSERT_NOT)


def may_be_empty(item):
    if item[0] in REPEATS and item[1][0] == 0:
        return True
    return is_place(item) or any(
        all(map(may_be_empty, part)) for part in parts(item))


def first(sequence):
    """The characters that a sequence can begin with."""
    found = set()
    for item in sequence:
        if parts(item):
            for part in parts(item):
                found |= first(part)
        elif not is_place(item):
            found |= {c for c in CHARACTERS if matches(item, c)}
        if not may_be_empty(item):
            break
    return found


def is_unbounded(item):
    return item[0] in REPEATS and item[1][1] == sre.MAXREPEAT


def flatten(sequence):
    """The items of a sequence, with those of its groups in their places."""
    for item in sequence:
        if item[0] == sre.SUBPATTERN:
            yield from flatten(item[1][-1])
        else:
            yield item


def repetitions(items):
    """The unbounded repetitions of a character that come first in items.

    What is before them may be empty.
    """
    for item in items:
        if is_unbounded(item) and not parts(item[1][2][0]):
            yield item
        elif not is_unbounded(item):
            for part in parts(item):
                yield from repetitions(part)
        if not may_be_empty(item):
            break


def turned(sequence):
    """The items of a sequence, from the last to the first."""
    for item in reversed([*sequence]):
        kind, argument = item
        if kind in REPEATS:
            yield kind, (*argument[:2], [*turned(argument[2])])
        elif kind == sre.SUBPATTERN:
            yield kind, (*argument[:3], [*turned(argument[3])])
        elif kind == sre.BRANCH:
            yield kind, (None, [[*turned(part)] for part in argument[1]])
        else:
            yield item


def is_slow(sequence):
    items = [*flatten(sequence)]
    for index, item in enumerate(items):
        if any(map(is_slow, parts(item))):
            return True
        if is_unbounded(item):
            body = [*flatten(item[1][2])]
            if any(is_unbounded(inner) and all(
                    may_be_empty(other) for other in body
                    if other is not inner) for inner in body):
                return True
        if any(first([one]) & first([other])
               for one in repetitions(turned([item]))
               for other in repetitions(items[index + 1:])):
            return True
    return False


def in_source():
    """The expressions that stand in calls of re."""
    for path in PACKAGE.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if (isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in FUNCTIONS
                    and getattr(node.func.value, 'id', '') == 're'
                    and isinstance(node.args[0], ast.Constant)):
                yield node.args[0].value


def in_schema():
    """The expressions of the image schema."""
    return map(json.loads, re.findall(
        r'"pattern": ("(?:[^"\\]|\\.)*")', json.dumps(schema.load())))


class ExpressionsTestCase(testtools.TestCase):

    def test_what_is_slow(self):
        for expression in (
                'a*a*', r'\s*( ?x)?\s*$', '[ab]*c?b*', '(a+)+', '(a*b?)*',
                '(xa*)?a*', 'a*(x?a*|y)', '.*?.*,', r'[-_ ]*(v)?[-_ ]*1'):
            self.assertTrue(is_slow(parser.parse(expression)), expression)

    def test_what_is_not(self):
        for expression in (
                'a*b*', r'\s*x\s*', '(a+,)*', r'(\s*,[0-9]+)*\s*$',
                '[ab]*c[ab]*', 'a{0,3}a*', r'[-_ ]*(v[-_ ]*)?1', '(a|b)*'):
            self.assertFalse(is_slow(parser.parse(expression)), expression)

    def test_expressions_of_the_package(self):
        expressions = {*in_source(), *in_schema()}
        self.assertGreater(len(expressions), 30)
        self.assertEqual([], [expression for expression in expressions
                              if is_slow(parser.parse(expression))])
