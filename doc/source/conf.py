# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration."""

import importlib.metadata
import pathlib
import sys

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
# Without the commit.
html_title = f'hyperv-sched {version.partition("+")[0]}'
html_show_sphinx = False
# Most blocks are commands and messages.
highlight_language = 'none'
# Commands are there to be pasted.
smartquotes = False
