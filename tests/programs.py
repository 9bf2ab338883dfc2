# SPDX-License-Identifier: Apache-2.0
"""Programs of Debian packages that "tools/test functional" unpacks."""

import pathlib
import shutil

_UNPACKED = pathlib.Path(__file__).parents[1] / '.venv/programs/usr/bin'


def find(name):
    """Return the path of a program, which is in PATH or unpacked."""
    path = shutil.which(name) or shutil.which(name, path=_UNPACKED)
    if path is None:
        raise FileNotFoundError(
            f'no {name}: run tools/test functional, which unpacks it')
    return path
