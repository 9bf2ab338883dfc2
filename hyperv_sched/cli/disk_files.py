# SPDX-License-Identifier: Apache-2.0
"""Disk images that commands read: names, opening and inspection."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import glob
import os
import re
from typing import TYPE_CHECKING
from typing import Any
from typing import BinaryIO

from hyperv_sched.cli import base
from hyperv_sched.cli import input_files

if TYPE_CHECKING:
    from hyperv_sched.disk import secure_boot


def expand_patterns(names: Sequence[str],
                    print_error: Callable[[object], None],
                    system: str = os.name) -> list[str]:
    """Expand patterns such as ``*.vhdx``, which shells of Windows do not.

    :param print_error: called for a pattern that matches no file
    :param system: value of :data:`os.name`
    """
    if system != 'nt':
        return [*names]
    files = []
    for name in names:
        # Windows has no patterns with brackets, which are common in names.
        pattern = glob.escape(name)
        for escaped, wildcard in (('[*]', '*'), ('[?]', '?')):
            pattern = pattern.replace(escaped, wildcard)
        if name.startswith('\\\\?\\') or not re.search('[*?]', name):
            files.append(name)
        elif matches := sorted(glob.glob(pattern)):
            files += matches
        else:
            print_error(f'{name}: no file matches the pattern')
    return files


def expand_single(name: str, system: str = os.name) -> str:
    """Expand a pattern that matches one file; see :func:`expand_patterns`.

    :raises base.UsageError: it matches no file, or several.
    """
    errors: list[object] = []
    files = expand_patterns([name], errors.append, system)
    if len(files) != 1:
        raise base.UsageError(
            errors[0] if errors else
            f'{name}: {len(files)} files match the pattern. Give one file')
    return files[0]


def inspect_path(path: str, policy: secure_boot.Policy | None = None,
                 ) -> dict[str, Any]:
    """Inspect a disk image.

    :raises base.UsageError: the file cannot be read.
    """
    with open_disk(path) as file:
        return inspect_file(file, path, policy)


def open_disk(path: str) -> BinaryIO:
    """Open a disk image; see :func:`hyperv_sched.disk.open_file`.

    :raises base.UsageError: the file cannot be opened.
    """
    from hyperv_sched import disk

    try:
        return disk.open_file(path)
    except (OSError, ValueError) as exc:
        raise read_error(exc, path) from None


def inspect_file(file: BinaryIO, path: str,
                 policy: secure_boot.Policy | None = None) -> dict[str, Any]:
    """Inspect an open disk image.

    :raises base.UsageError: the file cannot be read.
    """
    from hyperv_sched import disk

    try:
        return disk.inspect_file(file, policy, drivers=True).as_dict()
    except OSError as exc:
        raise read_error(exc, path) from None


def read_error(exc: Exception, path: str) -> base.UsageError:
    """Return the error for a disk image that cannot be opened or read."""
    if os.path.isdir(path):
        return base.UsageError(
            f'{path}: is a directory. Name the files in it, for example '
            f'{os.path.join(path, "*.vhdx")}')
    if path == '-':
        return base.UsageError(
            '-: disk images are not read from standard input. Save the image '
            'to a file')
    return input_files.read_error(exc, path)
