# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration."""

import importlib.metadata
import pathlib
import sys

from docutils import nodes

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'ext'))

project = 'hyperv-sched'
author = 'the hyperv-sched developers'
copyright = f'{author}, Apache-2.0'  # noqa: A001 (Sphinx)
version = release = importlib.metadata.version('hyperv-sched')
extensions = [
    'cliff.sphinxext',
    'option_table',
    'oslo_config.sphinxext',
    'reno.sphinxext',
    'rule_sections',
]
man_pages = [
    ('commands', 'hyperv-sched',
     'check images and hosts for Hyper-V generation 2', author, 1),
    ('status', 'hyperv-sched-status',
     'check the configuration of Nova and Glance', author, 1)]
# It loads nothing from other servers.
html_theme = 'furo'
html_static_path = ['_static']
html_css_files = ['style.css']
# Without the commit.
html_title = f'hyperv-sched {version.partition("+")[0]}'
html_show_sphinx = False
# Most blocks are commands and messages.
highlight_language = 'none'
# Commands are there to be pasted.
smartquotes = False


def _name_unreleased(app, doctree):
    """Replace the version that reno gives to notes before the first tag."""
    for title in doctree.findall(nodes.title):
        if title.astext() == '0.0.0':
            title[:] = [nodes.Text('Unreleased')]


def setup(app):
    """Connect the handlers; called by Sphinx."""
    # Before the title is copied into the tables of contents.
    app.connect('doctree-read', _name_unreleased, priority=100)
