# SPDX-License-Identifier: Apache-2.0
"""Access to the virtual disk in a file, independent of the file's format."""

from __future__ import annotations

import abc
import typing

from hyperv_sched.disk import reader


class Disk(typing.Protocol):
    """A virtual disk, or a part of one."""

    size: int
    """In bytes."""
    sector_size: int
    """The unit of LBAs, in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Read a range; return fewer bytes at the end of the disk.

        At most :data:`hyperv_sched.disk.reader.MAX_READ` bytes are returned.
        """

    def spend(self, steps: int, size: int = 0) -> None:
        """Charge work: :meth:`hyperv_sched.disk.reader.Reader.spend`."""


class RawDisk:
    """A disk whose bytes are those of the file."""

    def __init__(self, image: reader.Reader, sector_size: int = 512) -> None:
        self.size = image.size
        self.sector_size = sector_size
        self.read = image.read
        self.spend = image.spend


class BlockDisk:
    """A disk of blocks that are anywhere in the file, or not in the file."""

    def __init__(self, image: reader.Reader, size: int, sector_size: int,
                 block_size: int) -> None:
        self.size = size
        self.sector_size = sector_size
        self.block_size = block_size
        self.spend = image.spend
        self._image = image
        self._blocks = -(-size // block_size)

    @abc.abstractmethod
    def _block_offset(self, block: int) -> int | None:
        """Return the file offset of a block; None if the file lacks it."""

    def _read_block(self, block: int, start: int, size: int) -> bytes | None:
        """Read a range of a block; return None if the file lacks it."""
        offset = self._block_offset(block)
        return None if offset is None else self._image.read(
            offset + start, size)

    def read(self, offset: int, length: int) -> bytes:
        """Read a range of the disk; blocks that the file lacks are zeros."""
        length = min(length, reader.MAX_READ, self.size - offset)
        if offset < 0:
            return b''
        pieces = []
        while length > 0:
            block, start = divmod(offset, self.block_size)
            size = min(length, self.block_size - start)
            piece = self._read_block(block, start, size)
            if piece is None:
                # Nothing is read, but memory is filled.
                self.spend(0, size)
                piece = bytes(size)
            pieces.append(piece)
            offset += size
            length -= size
        return b''.join(pieces)


class Slice:
    """A range of a disk, cut off at the end of the disk."""

    def __init__(self, disk: Disk, offset: int, size: int) -> None:
        self.sector_size = disk.sector_size
        self.size = max(0, min(size, disk.size - offset))
        self.spend = disk.spend
        self._disk = disk
        self._offset = offset

    def read(self, offset: int, length: int) -> bytes:
        """Read a range; return fewer bytes at the end of the slice."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b''
        return self._disk.read(self._offset + offset, length)
