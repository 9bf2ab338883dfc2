# SPDX-License-Identifier: Apache-2.0
"""The disk as the guest sees it, whatever file holds it."""

from __future__ import annotations

import typing

from hyperv_sched.disk import reader


class Disk(typing.Protocol):
    """Ranges of a disk, or of a part of one."""

    size: int
    """In bytes."""
    sector_size: int
    """What LBAs count, in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Read a range, less at the end of the disk.

        Of more than :data:`hyperv_sched.disk.reader.MAX_READ` bytes only
        so many come.
        """


class RawDisk:
    """A file that holds nothing but the disk."""

    sector_size = 512

    def __init__(self, image: reader.Reader) -> None:
        self.size = image.size
        self.read = image.read


class Part:
    """A range of a disk, as far as the disk has it."""

    def __init__(self, disk: Disk, offset: int, size: int) -> None:
        self.sector_size = disk.sector_size
        self.size = max(0, min(size, disk.size - offset))
        self._disk = disk
        self._offset = offset

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b''
        return self._disk.read(self._offset + offset, length)
