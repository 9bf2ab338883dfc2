# SPDX-License-Identifier: Apache-2.0
"""Files that are replaced in one step."""

from __future__ import annotations

import contextlib
import os
import stat


def replace(path: str, data: bytes, mode: int | None = None) -> None:
    """Write a file so that others see the old or the new content only.

    What is no regular file, such as a device or a pipe, is written to. A
    symbolic link stays, and the file that it names is replaced.

    :param mode: permissions of the file; by default those of a new file
    :raises OSError: the file cannot be written. The old content stands
    """
    path = os.path.realpath(path)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            with open(path, 'wb') as file:
                file.write(data)
            return
    # The name is random, since another process may replace the same file. Its
    # extension is another one, since node-exporter reads all "*.prom".
    new = f'{path}.{os.urandom(4).hex()}.new'
    file = open(new, 'xb')  # noqa: SIM115
    try:
        with file:
            file.write(data)
        if mode is not None:
            os.chmod(new, mode)
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
