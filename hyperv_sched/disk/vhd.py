# SPDX-License-Identifier: Apache-2.0
"""VHD files (Virtual Hard Disk Image Format Specification 1.0).

A fixed VHD is the disk, then a footer. Other VHDs begin with a copy of the
footer. Virtual PC wrote footers of 511 bytes before 2004. All numbers are
big endian.

Footer, 512 bytes:

====== ==== ========================================================
offset size
====== ==== ========================================================
     0    8 cookie, ``conectix``
    16    8 offset of the dynamic disk header
    48    8 current size of the disk in bytes
    60    4 disk type: 2 fixed, 3 dynamic, 4 differencing
    64    4 checksum: the complement of the sum of all other bytes
    68   16 identifier
====== ==== ========================================================

Dynamic disk header, 1024 bytes:

====== ==== ========================================================
offset size
====== ==== ========================================================
     0    8 cookie, ``cxsparse``
    16    8 offset of the block allocation table (BAT)
    28    4 number of entries of the BAT
    32    4 size of a block
    36    4 checksum, as in the footer
    64  512 name of the parent of a differencing disk, UTF-16
====== ==== ========================================================

BAT: an entry of 4 bytes a block, its first sector, or all ones for a block
that is not in the file. Each block begins with a bitmap, one bit a sector,
padded to whole sectors.
"""

from __future__ import annotations

import struct
import typing

from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk.defects import Defect

COOKIE = b'conectix'

_FOOTER_SIZE = 512
_OLD_FOOTER_SIZE = 511
_FOOTER = struct.Struct('>16xQ24xQ4xII16s')
_FOOTER_CHECKSUM_OFFSET = 64
_SUBFORMATS = {2: 'fixed', 3: 'dynamic', 4: 'differencing'}
_HEADER_COOKIE = b'cxsparse'
_HEADER_SIZE = 1024
_HEADER = struct.Struct('>16xQ4xIII')
_HEADER_CHECKSUM_OFFSET = 36
_PARENT_NAME = slice(64, 576)
_SECTOR_SIZE = 512
_ABSENT = 0xffffffff
#: The limit of Hyper-V.
_MAX_SIZE = 2040 * 1024 ** 3
_MAX_BLOCK_SIZE = 256 * 1024 ** 2
#: The largest disk in the smallest blocks that Hyper-V makes.
_MAX_BLOCKS = _MAX_SIZE // (512 * 1024)
_ENTRY_SIZE = 4
#: Entries of the BAT that are read at once, and that take one step of work.
_ENTRIES_PER_READ = 16 * 1024
_ENTRIES_PER_STEP = 32


class _Footer(typing.NamedTuple):
    header_offset: int
    size: int
    disk_type: int
    checksum: int
    identifier: bytes

    @property
    def subformat(self) -> str | None:
        return _SUBFORMATS.get(self.disk_type)

    def describes_same_disk(self, other: _Footer) -> bool:
        """Return whether all values but the checksum are equal."""
        return self._replace(checksum=0) == other._replace(checksum=0)


class _Header(typing.NamedTuple):
    table_offset: int
    entries: int
    block_size: int
    checksum: int


def has_footer(image: reader.Reader) -> bool:
    """Return whether the file ends with the footer of a VHD."""
    return _footer_size(image) is not None


def has_footer_copy(image: reader.Reader) -> bool:
    """Return whether the file begins with the copy of a footer."""
    return image.read(0, len(COOKIE)) == COOKIE


def read_subformat(image: reader.Reader) -> str | None:
    """Return the subformat of a file with a footer or a copy of one.

    :returns: None for an unknown disk type, and for a footer that is cut off
    """
    data = _read_footer(image)
    if len(data) < _FOOTER_SIZE:
        return None
    return _parse_footer(data).subformat


def read(image: reader.Reader,
         result: inspection.Inspection) -> virtual_disk.Disk:
    """Open the virtual disk of a file with a footer or a copy of one.

    :raises inspection.DefectError: the disk cannot be read, or it is a
        differencing disk.
    """
    result.logical_sector_size = result.physical_sector_size = _SECTOR_SIZE
    data = _read_footer(image)
    if len(data) < _FOOTER_SIZE:
        raise _malformed('the footer is cut off')
    footer = _parse_footer(data)
    result.virtual_size = footer.size
    result.subformat = footer.subformat
    footer_size = _footer_size(image)
    if footer_size is None:
        raise _malformed('the file does not end with a footer')
    if footer.checksum != _checksum(data, _FOOTER_CHECKSUM_OFFSET):
        raise _malformed('the footer has a wrong checksum')
    if footer.subformat is None:
        raise _malformed(f'unknown disk type {footer.disk_type}')
    result.has_parent = footer.subformat == 'differencing'
    if result.has_parent:
        raise _parent_error(image, footer, result)
    if footer_size != _FOOTER_SIZE:
        raise _malformed(f'the footer has {footer_size} bytes, which '
                         'Virtual PC wrote before 2004')
    if not 0 < footer.size <= _MAX_SIZE or footer.size % _SECTOR_SIZE:
        raise _malformed(f'a virtual size of {footer.size} bytes')
    if footer.subformat == 'fixed':
        if footer.size > image.size - _FOOTER_SIZE:
            raise _malformed(f'the disk of {footer.size} bytes is cut off')
        return virtual_disk.Slice(
            virtual_disk.RawDisk(image, _SECTOR_SIZE), 0, footer.size)
    disk = DynamicDisk(image, footer.header_offset, footer.size)
    result.block_size = disk.block_size
    disk.check()
    _check_footer_copy(image, footer, result)
    return disk


def _malformed(detail: str) -> inspection.DefectError:
    return inspection.DefectError(Defect.VHD_MALFORMED, detail)


def _footer_size(image: reader.Reader) -> int | None:
    """Return the size of the footer; None if the file ends without one."""
    tail = image.read(image.size - _FOOTER_SIZE, _FOOTER_SIZE)
    for size in (_FOOTER_SIZE, _OLD_FOOTER_SIZE):
        if tail[_FOOTER_SIZE - size:].startswith(COOKIE):
            return size
    return None


def _read_footer(image: reader.Reader) -> bytes:
    """Read the footer, or its copy if the file does not end with it."""
    size = _footer_size(image)
    if size is None:
        return image.read(0, _FOOTER_SIZE)
    return image.read(image.size - size, size).ljust(_FOOTER_SIZE, b'\0')


def _parse_footer(data: bytes) -> _Footer:
    return _Footer(*_FOOTER.unpack_from(data))


def _parent_error(image: reader.Reader, footer: _Footer,
                  result: inspection.Inspection) -> inspection.DefectError:
    """Return the error for a differencing disk, with the parent's name."""
    header = image.read(footer.header_offset, _HEADER_SIZE)
    if not header.startswith(_HEADER_COOKIE):
        header = b''
    if len(header) == _HEADER_SIZE:
        result.block_size = _Header(*_HEADER.unpack_from(header)).block_size
    name = header[_PARENT_NAME].decode('utf-16-be', 'replace')
    name = name.partition('\0')[0] or 'not named'
    return inspection.DefectError(
        Defect.VHDX_HAS_PARENT, f'the parent is {name}')


def _check_footer_copy(image: reader.Reader, footer: _Footer,
                       result: inspection.Inspection) -> None:
    """Compare the footer with its copy, which other software reads."""
    data = image.read(0, _FOOTER_SIZE)
    copy = _parse_footer(data)
    if not data.startswith(COOKIE):
        error = 'the copy is missing'
    elif copy.checksum != _checksum(data, _FOOTER_CHECKSUM_OFFSET):
        error = 'the copy has a wrong checksum'
    elif copy.size != footer.size:
        error = (f'the size is {copy.size} bytes in the copy, {footer.size} '
                 'in the footer')
    elif not copy.describes_same_disk(footer):
        error = 'the copy has other values than the footer'
    else:
        return
    result.add_defect(Defect.VHD_FOOTER_COPY, error)


def _checksum(structure: bytes, checksum_offset: int) -> int:
    return ~(sum(structure) - sum(
        structure[checksum_offset:checksum_offset + 4])) & 0xffffffff


class DynamicDisk(virtual_disk.BlockDisk):
    """The disk of a dynamic VHD.

    :raises inspection.DefectError: the header is invalid, or the BAT is too
        small.
    """

    def __init__(self, image: reader.Reader, header_offset: int,
                 size: int) -> None:
        header = _read_header(image, header_offset)
        super().__init__(image, size, _SECTOR_SIZE, header.block_size)
        self._table_offset = header.table_offset
        if self._blocks > _MAX_BLOCKS:
            raise _malformed(f'{self._blocks} blocks of '
                             f'{self.block_size} bytes')
        table_end = self._table_offset + _ENTRY_SIZE * self._blocks
        if self._blocks > header.entries or table_end > image.size:
            raise _malformed(f'the BAT has no room for {self._blocks} '
                             'blocks, or is cut off')
        bits = self.block_size // _SECTOR_SIZE
        self._bitmap_size = -(-bits // 8 // _SECTOR_SIZE) * _SECTOR_SIZE

    def _block_offset(self, block: int) -> int | None:
        sector, = struct.unpack('>I', self._image.read(
            self._table_offset + _ENTRY_SIZE * block, _ENTRY_SIZE))
        if sector == _ABSENT:
            return None
        return int(sector) * _SECTOR_SIZE + self._bitmap_size

    def check(self) -> None:
        """Check all entries of the BAT.

        :raises inspection.DefectError: a block ends past the end of the
            file.
        """
        max_sector = self._max_sector(self.block_size)
        last_block_size = (self.size - 1) % self.block_size + 1
        max_last_sector = self._max_sector(last_block_size)
        for first in range(0, self._blocks, _ENTRIES_PER_READ):
            count = min(_ENTRIES_PER_READ, self._blocks - first)
            table = self._image.read(
                self._table_offset + _ENTRY_SIZE * first,
                _ENTRY_SIZE * count)
            self.spend(count // _ENTRIES_PER_STEP)
            sectors = struct.unpack(f'>{count}I', table)
            # The common case, many entries at once.
            if max({*sectors} - {_ABSENT}, default=0) <= max_sector:
                continue
            for block, sector in enumerate(sectors, first):
                if sector != _ABSENT and sector > (
                        max_last_sector if block == self._blocks - 1
                        else max_sector):
                    raise _malformed(
                        f'block {block} at {sector * _SECTOR_SIZE} ends past '
                        'the end of the file')

    def _max_sector(self, size: int) -> int:
        """Return the last sector where a block of a size may begin."""
        return (self._image.size - self._bitmap_size - size) // _SECTOR_SIZE


def _read_header(image: reader.Reader, offset: int) -> _Header:
    """Read the dynamic disk header.

    :raises inspection.DefectError: the header is invalid.
    """
    data = image.read(offset, _HEADER_SIZE)
    if (not data.startswith(_HEADER_COOKIE) or len(data) != _HEADER_SIZE
            or offset < _FOOTER_SIZE):
        raise _malformed('no dynamic disk header')
    header = _Header(*_HEADER.unpack_from(data))
    if header.checksum != _checksum(data, _HEADER_CHECKSUM_OFFSET):
        raise _malformed('the header has a wrong checksum')
    size = header.block_size
    if (size % _SECTOR_SIZE or not 0 < size <= _MAX_BLOCK_SIZE
            or size & size - 1):
        raise _malformed(f'blocks of {size} bytes')
    return header
