# SPDX-License-Identifier: Apache-2.0
"""The disk as the guest sees it, whatever file holds it."""

from __future__ import annotations

import abc
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

    def spend(self, steps: int, size: int = 0) -> None:
        """Charge work: :meth:`hyperv_sched.disk.reader.Reader.spend`."""


class RawDisk:
    """A file that holds nothing but the disk."""

    def __init__(self, image: reader.Reader, sector_size: int = 512) -> None:
        self.size = image.size
        self.sector_size = sector_size
        self.read = image.read
        self.spend = image.spend


class BlockDisk:
    """A disk whose blocks lie anywhere in the file, or nowhere."""

    def __init__(self, image: reader.Reader, size: int, sector_size: int,
                 block_size: int) -> None:
        self.size = size
        self.sector_size = sector_size
        self.block_size = block_size
        self.spend = image.spend
        self._image = image
        self._blocks = -(-size // block_size)

    @abc.abstractmethod
    def _place(self, block: int) -> int | None:
        """Where a block lies in the file; None where it does not."""

    def read(self, offset: int, length: int) -> bytes:
        """Read a range of the disk; what no block holds is zeros."""
        length = min(length, reader.MAX_READ, self.size - offset)
        if offset < 0:
            return b''
        pieces = []
        while length > 0:
            block, start = divmod(offset, self.block_size)
            size = min(length, self.block_size - start)
            place = self._place(block)
            if place is None:
                # No byte of the file is read; the memory is filled.
                self.spend(0, size)
                pieces.append(bytes(size))
            else:
                pieces.append(self._image.read(place + start, size))
            offset += size
            length -= size
        return b''.join(pieces)


class Part:
    """A range of a disk, as far as the disk has it."""

    def __init__(self, disk: Disk, offset: int, size: int) -> None:
        self.sector_size = disk.sector_size
        self.size = max(0, min(size, disk.size - offset))
        self.spend = disk.spend
        self._disk = disk
        self._offset = offset

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b''
        return self._disk.read(self._offset + offset, length)
