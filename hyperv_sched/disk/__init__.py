# SPDX-License-Identifier: Apache-2.0
"""Read what a disk image is, by its content alone. Nothing here judges.

Standard library only. Nothing that an image names is ever opened.
"""

from __future__ import annotations

import os
import stat
import typing

from hyperv_sched.disk import others
from hyperv_sched.disk import reader
from hyperv_sched.disk import vhd
from hyperv_sched.disk import vhdx
from hyperv_sched.disk.content import Content

__all__ = ['Content', 'inspect', 'inspect_file']


def inspect(path: str | os.PathLike[str]) -> Content:
    """Inspect the file at a path.

    :raises OSError: it cannot be read, or is no file (a directory or a
        pipe has no content to inspect).
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"Not a regular file: '{os.fspath(path)}'")
    with open(path, 'rb', buffering=0) as source:
        return inspect_file(typing.cast(typing.BinaryIO, source))


def inspect_file(source: typing.BinaryIO) -> Content:
    """Inspect anything seekable that reads bytes."""
    image = reader.Reader(source)
    found = vhdx.read(image) or vhd.read(image) or others.read(image)
    found.file_size = image.size
    found.bytes_read = image.bytes_read
    return found
