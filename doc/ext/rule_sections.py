# SPDX-License-Identifier: Apache-2.0
"""Directives that show rules.

``rule-sections``: a section for each rule. ``failure-table``: a row for each
rule whose code is in the fault of a server.
"""

import dataclasses
import json
import textwrap

from docutils import nodes
from docutils import statemachine
from markup import marked
from sphinx.util import docutils

from hyperv_sched import rules
from hyperv_sched.cli import rule as rule_command

#: Longer lines are in the schema, and in ``rule show``.
_MAX_LINE = 76


def _example(document):
    return '\n'.join(
        line if len(line) <= _MAX_LINE else f'{line[:_MAX_LINE]}...'
        for line in json.dumps(document, indent=0)[2:-2].splitlines())


def _variant(name, variant):
    """Return the fields of a variant of a rule."""
    return [*([f':Message ({name}): {marked(variant.message)}']
              if variant.message else []),
            f':Fix ({name}): {marked(variant.fix)}']


def _failure(failure):
    """Return the fields on the failure of a server."""
    return [f':{label}: {marked(text or "nothing")}'
            for label, text in zip(rule_command.FAILURE_LABELS,
                                   dataclasses.astuple(failure), strict=True)]


def _examples(title, examples):
    if not examples:
        return []
    # Some differ only in what is left out.
    distinct = [*dict.fromkeys(map(_example, examples))]
    text = '\n\n'.join(distinct[:rule_command.MAX_EXAMPLES])
    return [f'{title}::', '', *textwrap.indent(text, '    ').splitlines(), '']


def _section(rule):
    title = f'{rule.code} {rule.name}'
    wrong, right = rule.examples
    return [
        f'.. _{rule.code}:', '', title, '-' * len(title), '',
        *(line for reason in rule.reasons for line in (marked(reason), '')),
        *_examples('Wrong', wrong),
        *_examples('Right', right),
        f':Severity: {rule.severity}',
        f':Message: {marked(rule.message)}',
        f':Required: {marked(rule.required)}',
        f':Fix: {marked(rule.fix)}',
        *(line for name, variant in rule.variants.items()
          for line in _variant(name, variant)),
        *(_failure(rule.failure) if rule.failure else ()),
        f':Reference: {rule.reference}', '']


class _RulesDirective(docutils.SphinxDirective):
    """Directive with the first characters of rule codes, such as ``HV1``."""

    required_arguments = 1

    def run(self):
        """Return the nodes."""
        parent = nodes.section()
        parent.document = self.state.document
        self.state.nested_parse(
            statemachine.StringList(self.lines([
                rule for rule in rules.CATALOGUE.values()
                if rule.code.startswith(self.arguments[0])]), 'rules'),
            0, parent, match_titles=True)
        return parent.children


class RuleSections(_RulesDirective):
    """A section for each rule."""

    def lines(self, found):
        """Return reStructuredText."""
        return [line for rule in found for line in _section(rule)]


class FailureTable(_RulesDirective):
    """A table of the rules whose code is in the fault of a server."""

    def lines(self, found):
        """Return reStructuredText."""
        head = ('Code', *rule_command.FAILURE_LABELS)
        rows = [(f':ref:`{rule.code} <{rule.code}>`',
                 *(marked(text or 'nothing')
                   for text in dataclasses.astuple(rule.failure)))
                for rule in found if rule.failure]
        return ['.. list-table::', '   :header-rows: 1',
                '   :class: answers', '   :widths: 10, 32, 29, 29', '',
                *(f'   {" " if column else "*"} - {cell}'
                  for row in (head, *rows)
                  for column, cell in enumerate(row)), '']


def setup(app):
    """Register the directives; called by Sphinx."""
    app.add_directive('rule-sections', RuleSections)
    app.add_directive('failure-table', FailureTable)
    return {'parallel_read_safe': True}
