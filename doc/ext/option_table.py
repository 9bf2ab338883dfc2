# SPDX-License-Identifier: Apache-2.0
"""The ``option-table`` directive: the options and the services that read them.

The services are those that the help of an option names.
"""

import re

from docutils import nodes
from docutils import statemachine
from sphinx.util import docutils

from hyperv_sched import conf

_READERS = re.compile(r'This option is read by (.+?)\.(?:\s|$)', re.DOTALL)


def _row(group, opt):
    effect = opt.help.strip().partition('\n\n')[0]
    readers = _READERS.search(opt.help)[1]
    return [f'   * - ``[{group}] {opt.name}``',
            f'     - {" ".join(readers.split())}',
            f'     - {" ".join(effect.split())}']


class OptionTable(docutils.SphinxDirective):
    """Directive without arguments."""

    def run(self):
        """Return the nodes of the table."""
        lines = ['.. list-table::', '   :header-rows: 1',
                 '   :widths: 34, 26, 40', '', '   * - option',
                 '     - read by', '     - effect']
        for group, opts in conf.list_opts():
            for opt in opts:
                lines += _row(group, opt)
        content = statemachine.StringList(lines, source='option-table')
        node = nodes.Element()
        self.state.nested_parse(content, self.content_offset, node)
        return node.children


def setup(app):
    """Add the directive to Sphinx."""
    app.add_directive('option-table', OptionTable)
    return {'parallel_read_safe': True}
