# SPDX-License-Identifier: Apache-2.0
"""The ``rule-sections`` directive: a section for each rule."""

import json

from docutils import nodes
from docutils import statemachine
from sphinx.util import docutils

from hyperv_sched import rules

#: More examples than this are in the schema, and in ``rule show``.
_MAX_EXAMPLES = 4


def _example(document):
    return [f'    {line}' for line in
            json.dumps(document, indent=4)[2:-2].splitlines()]


def _variant(rule, name, variant):
    """Return the fields of a variant of a rule."""
    return [f':Message ({name}): {variant.message or rule.message}',
            f':Fix ({name}): {variant.fix}']


def _examples(title, examples):
    lines = []
    for example in examples:
        lines += [f'{title}::', '', *_example(example), '']
    return lines


def _section(rule):
    title = f'{rule.code} {rule.name}'
    wrong, right = rule.examples
    return [
        f'.. _{rule.code}:', '', title, '-' * len(title), '',
        *(line for reason in rule.reasons for line in (reason, '')),
        *_examples('Wrong', wrong[:_MAX_EXAMPLES]),
        *_examples('Right', right[:_MAX_EXAMPLES]),
        f':Severity: {rule.severity}',
        f':Message: {rule.message}',
        f':Required: {rule.required}',
        f':Fix: {rule.fix}',
        *(line for name, variant in rule.variants.items()
          for line in _variant(rule, name, variant)),
        f':Reference: {rule.reference}', '']


class RuleSections(docutils.SphinxDirective):
    """Directive with the first characters of rule codes, such as ``HV1``."""

    required_arguments = 1

    def run(self):
        """Return the nodes of the sections."""
        lines = []
        for rule in rules.CATALOGUE.values():
            if rule.code.startswith(self.arguments[0]):
                lines += _section(rule)
        parent = nodes.section()
        parent.document = self.state.document
        self.state.nested_parse(
            statemachine.StringList(lines, 'rules'), 0, parent,
            match_titles=True)
        return parent.children


def setup(app):
    """Register the directive; called by Sphinx."""
    app.add_directive('rule-sections', RuleSections)
    return {'parallel_read_safe': True}
