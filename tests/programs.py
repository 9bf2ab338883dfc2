# SPDX-License-Identifier: Apache-2.0
"""Programs of Debian packages."""

import pathlib
import shutil
import subprocess

#: "tools/test functional" unpacks packages there.
_UNPACKED = pathlib.Path(__file__).parents[1] / '.venv/programs/usr/bin'


def find(name):
    """Return the path of a program, which is in PATH or unpacked."""
    path = shutil.which(name) or shutil.which(name, path=_UNPACKED)
    if path is None:
        raise FileNotFoundError(
            f'no {name}: run tools/test functional, which unpacks it')
    return path


def qemu_img(*args):
    """Run qemu-img, and return what it prints."""
    return subprocess.run(['qemu-img', *args], check=True,
                          stdout=subprocess.PIPE).stdout
