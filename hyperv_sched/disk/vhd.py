# SPDX-License-Identifier: Apache-2.0
"""VHD files (Virtual Hard Disk Image Format Specification 1.0).

The footer ends the file; all but fixed disks begin with a copy. Virtual PC
wrote 511 bytes of it before 2004. Big endian:

===== ==== =======================================================
 at   size
===== ==== =======================================================
   0    8  cookie, ``conectix``
  16    8  offset of the dynamic disk header
  48    8  current size of the disk in bytes
  60    4  disk type: 2 fixed, 3 dynamic, 4 differencing
  64    4  checksum: the complement of the sum of all other bytes
  68   16  identifier
===== ==== =======================================================

Dynamic disk header, 1024 bytes: cookie ``cxsparse``, offset of the BAT u64
at 16, its number of entries u32 at 28, block size u32 at 32, checksum u32
at 36; name of the parent of a differencing disk, 256 characters of UTF-16,
at 64. BAT: first sector of each block u32, all ones where there is none.
Each block begins with a bitmap, a bit a sector, in whole sectors.
"""

from __future__ import annotations

import struct

from hyperv_sched.disk import content
from hyperv_sched.disk import guest
from hyperv_sched.disk import reader

COOKIE = b'conectix'

_FOOTER_SIZE = 512
_OLD_FOOTER_SIZE = 511
_FOOTER = struct.Struct('>16xQ24xQ4xII16s')
_SUBFORMATS = {2: 'fixed', 3: 'dynamic', 4: 'differencing'}
_HEADER_COOKIE = b'cxsparse'
_HEADER_SIZE = 1024
_HEADER = struct.Struct('>16xQ4xIII')
_PARENT_NAME = slice(64, 576)
_SECTOR_SIZE = 512
_ABSENT = 0xffffffff
#: Hyper-V's own limit for the format.
_MAX_SIZE = 2040 * 1024 ** 3
_MAX_BLOCK_SIZE = 256 * 1024 ** 2
#: A disk of the largest size in the smallest blocks that Hyper-V makes.
_MAX_BLOCKS = _MAX_SIZE // (512 * 1024)
_PIECE = 64 * 1024
#: Of work: entries are gone through many at once.
_ENTRIES_PER_STEP = 32


def ends(image: reader.Reader) -> bool:
    """Return whether the file ends with the footer of a VHD."""
    return _footer_size(image) is not None


def begins(image: reader.Reader) -> bool:
    """Return whether the file begins as a dynamic VHD does."""
    return image.read(0, len(COOKIE)) == COOKIE


def read_subformat(image: reader.Reader) -> str | None:
    """Read the subformat of a file that begins or ends as a VHD.

    :returns: None for a disk type that the format does not know
    """
    footer = _footer(image)
    if len(footer) < _FOOTER_SIZE:
        return None
    return _SUBFORMATS.get(_FOOTER.unpack_from(footer)[2])


def read(image: reader.Reader,
         found: content.Content) -> FixedDisk | DynamicDisk:
    """Read a file that begins or ends as a VHD.

    :returns: the virtual disk
    :raises content.Damaged: the disk cannot be read, or is a part of
        another.
    """
    found.logical_sector_size = found.physical_sector_size = _SECTOR_SIZE
    footer = _footer(image)
    if len(footer) < _FOOTER_SIZE:
        raise content.Damaged('vhd-malformed', 'the footer is cut off')
    header_offset, size, disk_type, checksum, _ = _FOOTER.unpack_from(footer)
    found.virtual_size = size
    found.subformat = _SUBFORMATS.get(disk_type)
    footer_size = _footer_size(image)
    if footer_size is None:
        raise content.Damaged(
            'vhd-malformed', 'the file does not end with a footer')
    if checksum != _checksum(footer, 64):
        raise content.Damaged('vhd-malformed', 'the footer has a wrong '
                              'checksum')
    if found.subformat is None:
        raise content.Damaged('vhd-malformed', f'disk type {disk_type}')
    found.has_parent = found.subformat == 'differencing'
    if found.has_parent:
        header = image.read(header_offset, _HEADER_SIZE)
        if not header.startswith(_HEADER_COOKIE):
            header = b''
        if len(header) == _HEADER_SIZE:
            found.block_size = _HEADER.unpack_from(header)[2]
        raise content.Damaged(
            'vhdx-has-parent', f'the parent is {_parent(header)}')
    if footer_size != _FOOTER_SIZE:
        raise content.Damaged(
            'vhd-malformed', f'the footer has {footer_size} bytes, which '
            'Virtual PC wrote before 2004')
    if not 0 < size <= _MAX_SIZE or size % _SECTOR_SIZE:
        raise content.Damaged(
            'vhd-malformed', f'a virtual size of {size} bytes')
    if found.subformat == 'fixed':
        if size > image.size - _FOOTER_SIZE:
            raise content.Damaged(
                'vhd-malformed', f'the disk of {size} bytes is cut off')
        return FixedDisk(image, size)
    disk = DynamicDisk(image, header_offset, size)
    found.block_size = disk.block_size
    disk.check()
    _check_copy(image, footer, found)
    return disk


def _footer_size(image: reader.Reader) -> int | None:
    """Return how many bytes the footer at the end of the file has."""
    tail = image.read(image.size - _FOOTER_SIZE, _FOOTER_SIZE)
    for size in (_FOOTER_SIZE, _OLD_FOOTER_SIZE):
        if tail[_FOOTER_SIZE - size:].startswith(COOKIE):
            return size
    return None


def _footer(image: reader.Reader) -> bytes:
    """Read the footer, or its copy where the file does not end with it."""
    size = _footer_size(image)
    if size is None:
        return image.read(0, _FOOTER_SIZE)
    return image.read(image.size - size, size).ljust(_FOOTER_SIZE, b'\0')


def _parent(header: bytes) -> str:
    """Return the name of the parent, which is never opened."""
    name = header[_PARENT_NAME].decode('utf-16-be', 'replace')
    return name.partition('\0')[0] or 'not named'


def _check_copy(image: reader.Reader, footer: bytes,
                found: content.Content) -> None:
    """Compare the copy of the footer, which others read, with the footer."""
    copy = image.read(0, _FOOTER_SIZE)
    fault = None
    if not copy.startswith(COOKIE):
        fault = 'the copy is missing'
    elif _FOOTER.unpack_from(copy)[3] != _checksum(copy, 64):
        fault = 'the copy has a wrong checksum'
    elif _values(copy) != _values(footer):
        size = _values(copy)[1]
        fault = (f'the copy says {size} bytes, the footer '
                 f'{found.virtual_size}' if size != found.virtual_size
                 else 'the copy has other values than the footer')
    if fault:
        found.note('vhd-footer-copy', fault)


def _values(footer: bytes) -> tuple[int, int, int, bytes]:
    """Return what a footer says of the disk."""
    header_offset, size, disk_type, _, identifier = _FOOTER.unpack_from(
        footer)
    return header_offset, size, disk_type, identifier


def _checksum(structure: bytes, hole: int) -> int:
    return ~(sum(structure) - sum(structure[hole:hole + 4])) & 0xffffffff


class FixedDisk:
    """The disk, as it lies in the file from its first byte."""

    sector_size = _SECTOR_SIZE

    def __init__(self, image: reader.Reader, size: int) -> None:
        self.size = size
        self.spend = image.spend
        self._image = image

    def read(self, offset: int, length: int) -> bytes:
        return self._image.read(offset, min(length, self.size - offset))


class DynamicDisk(guest.BlockDisk):
    """The disk behind a BAT.

    :raises content.Damaged: the header or the table is none.
    """

    def __init__(self, image: reader.Reader, header_offset: int,
                 size: int) -> None:
        header = image.read(header_offset, _HEADER_SIZE)
        if (not header.startswith(_HEADER_COOKIE)
                or len(header) != _HEADER_SIZE
                or header_offset < _FOOTER_SIZE):
            raise content.Damaged('vhd-malformed', 'no dynamic disk header')
        self._table, entries, block_size, checksum = (
            _HEADER.unpack_from(header))
        if checksum != _checksum(header, 36):
            raise content.Damaged(
                'vhd-malformed', 'the header has a wrong checksum')
        if (block_size % _SECTOR_SIZE
                or not 0 < block_size <= _MAX_BLOCK_SIZE
                or block_size & block_size - 1):
            raise content.Damaged(
                'vhd-malformed', f'blocks of {block_size} bytes')
        super().__init__(image, size, _SECTOR_SIZE, block_size)
        if self._blocks > _MAX_BLOCKS:
            raise content.Damaged(
                'vhd-malformed', f'{self._blocks} blocks of '
                f'{self.block_size} bytes')
        if self._blocks > entries or (
                self._table + 4 * self._blocks > image.size):
            raise content.Damaged(
                'vhd-malformed', f'the BAT has no room for {self._blocks} '
                'blocks, or is cut off')
        sectors = self.block_size // _SECTOR_SIZE
        self._bitmap_size = (
            -(-sectors // 8 // _SECTOR_SIZE) * _SECTOR_SIZE)

    def _place(self, block: int) -> int | None:
        sector, = struct.unpack(
            '>I', self._image.read(self._table + 4 * block, 4))
        if sector == _ABSENT:
            return None
        return int(sector) * _SECTOR_SIZE + self._bitmap_size

    def check(self) -> None:
        """Go through the whole table.

        :raises content.Damaged: a block ends behind the file.
        """
        limit = (self._image.size - self._bitmap_size - self.block_size
                 ) // _SECTOR_SIZE
        last = (self._image.size - self._bitmap_size - (
            self.size - 1) % self.block_size - 1) // _SECTOR_SIZE
        for first in range(0, self._blocks, _PIECE // 4):
            count = min(_PIECE // 4, self._blocks - first)
            table = self._image.read(self._table + 4 * first, 4 * count)
            self.spend(count // _ENTRIES_PER_STEP)
            sectors = struct.unpack(f'>{count}I', table)
            if max({*sectors} - {_ABSENT}, default=0) <= min(limit, last):
                continue
            for block, sector in enumerate(sectors, first):
                if sector != _ABSENT and sector > (
                        last if block == self._blocks - 1 else limit):
                    raise content.Damaged(
                        'vhd-malformed', f'block {block} ends behind the '
                        f'file, at {sector * _SECTOR_SIZE}')
