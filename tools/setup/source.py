# SPDX-License-Identifier: Apache-2.0
"""What a wheel of hyperv-sched is built from."""

from __future__ import annotations

import pathlib
import shutil

TOP = pathlib.Path(__file__).resolve().parents[2]

#: Files and directories of the checkout.
NAMES = ('LICENSE', 'README.rst', 'hyperv_sched', 'nova', 'pyproject.toml',
         'setup.cfg')


def copy(directory: pathlib.Path) -> pathlib.Path:
    """Copy it: building a wheel writes into the tree.

    :returns: where it is
    """
    source = directory / 'source'
    source.mkdir()
    for name in NAMES:
        if (TOP / name).is_dir():
            shutil.copytree(TOP / name, source / name,
                            ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(TOP / name, source)
    return source
