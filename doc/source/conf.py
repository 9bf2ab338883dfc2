# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration."""

import importlib.metadata
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'ext'))

project = 'hyperv-sched'
copyright = 'the hyperv-sched developers'  # noqa: A001 (Sphinx)
version = release = importlib.metadata.version('hyperv-sched')
extensions = [
    'cliff.sphinxext',
    'openstackdocstheme',
    'oslo_config.sphinxext',
    'reno.sphinxext',
    'rule_sections',
]
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
# Commands are there to be pasted.
smartquotes = False
