# SPDX-License-Identifier: Apache-2.0
"""VMDK images in one file (VMware, Virtual Disk Format 5.0).

Read are monolithicSparse and streamOptimized. All numbers are little endian,
and offsets count sectors of 512 bytes. The header:

====== ==== ==============================================================
offset size
====== ==== ==============================================================
     0    4 ``KDMV``
     4    4 version, 1 to 3
     8    4 flags: bit 2 grains may be zeroed, bit 16 they are compressed,
            bit 17 markers are before them
    12    8 capacity
    20    8 size of a grain
    28    8 offset of the descriptor
    36    8 size of the descriptor
    44    4 entries of a grain table
    56    8 offset of the grain directory, all ones: the header is at the end
    72    1 whether the file was not closed
    77    2 compression: 1 deflate
====== ==== ==============================================================

The grain directory has the offsets of grain tables, which have the offsets
of grains: 4 bytes each, 0 for none, in a table 1 for zeros. A streamOptimized
file ends with a marker, a copy of the header and another marker, of a sector
each; a marker of 12 bytes is before each grain: its first sector on the disk,
u64, and the size of its zlib stream, u32.

The descriptor is text. Files that it names are not opened.
"""

from __future__ import annotations

import re
import struct
import typing

from hyperv_sched.disk import compression
from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.vhdx import metadata

_malformed = inspection.malformed
_truncated = inspection.truncated
_not_read = inspection.not_read

SIGNATURE = b'KDMV'
DESCRIPTOR = b'# Disk DescriptorFile'
_SECTOR_SIZE = 512

_HEADER = struct.Struct('<4sIIQQQQI8xQ8xB4xH')
_VERSIONS = (1, 2, 3)
_AT_END = 0xffffffffffffffff
#: The header at the end, before the last marker.
_FOOTER_OFFSET = 1024
_ZEROED, _COMPRESSED, _MARKERS = 1 << 2, 1 << 16, 1 << 17
_DEFLATE = 1
_MARKER = struct.Struct('<QI')

_MAX_DESCRIPTOR = 64 * 1024
_MAX_TABLE_ENTRIES = 512
_MAX_DIRECTORY = 32 * 1024 ** 2
_MAX_GRAIN = 2 * 1024 ** 2
_ENTRY_SIZE = 4
_ENTRIES_PER_STEP = 32
_ENTRIES_PER_READ = 64 * 1024
#: The size of the parts in which tables are read.
_TABLE_PART = 4096
_ZERO_GRAIN = 1

_NO_PARENT = b'ffffffff'
_EXTENT = re.compile(
    rb'^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]+\d+[ \t]+(\w+)'
    rb'(?:[ \t]+"([^"\r\n]{0,255}))?', re.MULTILINE)
_SUBFORMATS = ('monolithicSparse', 'streamOptimized')
_SPARSE = b'SPARSE'


class _Header(typing.NamedTuple):
    signature: bytes
    version: int
    flags: int
    capacity: int
    grain: int
    descriptor_offset: int
    descriptor_size: int
    table_entries: int
    directory_offset: int
    not_closed: int
    compression: int

    @property
    def grain_size(self) -> int:
        """The size of a grain in bytes."""
        return self.grain * _SECTOR_SIZE


def read(image: reader.Reader,
         result: inspection.Inspection) -> virtual_disk.Disk:
    """Open the virtual disk of a file that has a signature of a VMDK.

    :raises inspection.DefectError: the disk cannot be read.
    """
    head = image.read(0, _SECTOR_SIZE)
    if head.startswith(DESCRIPTOR):
        # A descriptor alone: all data are in other files.
        descriptor = image.read(0, _MAX_DESCRIPTOR)
        result.subformat = _subformat(descriptor)
        raise _other_file(descriptor)
    if not head.startswith(SIGNATURE):
        raise _not_read('it is a VMDK of ESX (COWD)')
    header = _parse_header(head)
    descriptor = image.read(
        header.descriptor_offset * _SECTOR_SIZE,
        min(header.descriptor_size * _SECTOR_SIZE, _MAX_DESCRIPTOR))
    result.subformat = _subformat(descriptor)
    _check_descriptor(descriptor, header, result)
    if header.directory_offset == _AT_END:
        header = _parse_header(image.read(
            image.size - _FOOTER_OFFSET, _SECTOR_SIZE))
    _check_header(header)
    result.virtual_size = header.capacity * _SECTOR_SIZE
    result.block_size = header.grain_size
    if header.not_closed:
        result.add_defect(Defect.CONTAINER_NOT_CLOSED,
                          'the header marks the image as in use')
    disk = GrainDisk(image, header)
    disk.check()
    return disk


def _other_file(descriptor: bytes) -> inspection.DefectError:
    """Return the error for a descriptor whose extents are in other files."""
    names = [name for _, name in _EXTENT.findall(descriptor) if name]
    first = _text(names[0]) if names else 'not named'
    more = f' and {len(names) - 1} more' if len(names) > 1 else ''
    return inspection.DefectError(
        Defect.CONTAINER_NEEDS_OTHER_FILE, f'the data are in {first}{more}')


def _text(name: bytes) -> str:
    return name.decode('utf-8', 'replace')


def _value(descriptor: bytes, key: bytes) -> bytes:
    """Return the value of a key of the descriptor; empty without one."""
    match = re.search(
        rb'^[ \t]*' + key + rb'[ \t]*=[ \t]*"?([^"\r\n]{0,255})', descriptor,
        re.MULTILINE | re.IGNORECASE)
    return match[1].strip() if match else b''


def _subformat(descriptor: bytes) -> str | None:
    return _text(_value(descriptor, b'createType')) or None


def _parse_header(data: bytes) -> _Header:
    if len(data) < _HEADER.size:
        raise _truncated('the header is cut off')
    header = _Header(*_HEADER.unpack_from(data))
    if header.signature != SIGNATURE:
        raise _truncated('the file does not end with a copy of the header')
    return header


def _check_descriptor(descriptor: bytes, header: _Header,
                      result: inspection.Inspection) -> None:
    """Check that all of the disk is in this file.

    :raises inspection.DefectError: it is not, or that is not known.
    """
    parent = _value(descriptor, b'parentFileNameHint')
    identifier = _value(descriptor, b'parentCID').lower() or _NO_PARENT
    result.has_parent = bool(parent) or identifier != _NO_PARENT
    if result.has_parent:
        raise inspection.DefectError(
            Defect.CONTAINER_NEEDS_OTHER_FILE,
            f'the parent is {_text(parent) or "not named"}')
    extents = [kind for kind, _ in _EXTENT.findall(descriptor)]
    if not header.capacity or extents not in ([], [_SPARSE]):
        # QEMU reads the extents of the descriptor without a capacity.
        raise _other_file(descriptor)
    if not descriptor.strip(b'\0'):
        raise inspection.DefectError(
            Defect.CONTAINER_NEEDS_OTHER_FILE,
            'the descriptor is in another file, and may name more extents')
    if result.subformat not in _SUBFORMATS:
        raise _not_read(f'it is a VMDK of type {result.subformat}')


def _check_header(header: _Header) -> None:
    """Check the header as QEMU does.

    :raises inspection.DefectError: a check fails.
    """
    if header.version not in _VERSIONS:
        raise _not_read(f'it is a VMDK of version {header.version}')
    if header.flags & _COMPRESSED and header.compression != _DEFLATE:
        raise _not_read(f'it has compression {header.compression}')
    if bool(header.flags & _COMPRESSED) != bool(header.flags & _MARKERS):
        raise _not_read('it has compressed grains without markers, or markers '
                        'alone')
    if not header.grain or header.grain & header.grain - 1:
        raise _malformed(f'grains of {header.grain} sectors')
    if header.grain_size > _MAX_GRAIN:
        raise _not_read(f'it has grains of {header.grain_size} bytes')
    if not 0 < header.table_entries <= _MAX_TABLE_ENTRIES:
        raise _malformed(
            f'grain tables of {header.table_entries} entries')
    size = header.capacity * _SECTOR_SIZE
    if not 0 < size <= metadata.MAX_DISK_SIZE:
        raise _malformed(f'a virtual size of {size} bytes; a VHDX has at '
                         f'most {metadata.MAX_DISK_SIZE}')


class GrainDisk(virtual_disk.BlockDisk):
    """The disk whose grains the grain tables list.

    :raises inspection.DefectError: the grain directory is cut off, or too
        large.
    """

    def __init__(self, image: reader.Reader, header: _Header) -> None:
        super().__init__(image, header.capacity * _SECTOR_SIZE, _SECTOR_SIZE,
                         header.grain_size)
        self._header = header
        self._grain = header.grain
        self._tables_count = -(-self._blocks // header.table_entries)
        self._tables = compression.Cache()
        self._grains = compression.Cache()
        self._directory = header.directory_offset * _SECTOR_SIZE
        if self._tables_count * _ENTRY_SIZE > _MAX_DIRECTORY:
            raise _malformed(f'{self._tables_count} grain tables')
        end = self._directory + self._tables_count * _ENTRY_SIZE
        if end > image.size:
            raise _truncated(f'the grain directory ends at {end}, the file '
                             f'at {image.size}')
        if self._directory < _SECTOR_SIZE:
            raise _malformed(f'a grain directory at {self._directory}')

    def _block_offset(self, block: int) -> int | None:
        """Return the offset of a grain, or of its marker."""
        table, index = divmod(block, self._header.table_entries)
        self.spend(1)
        table_sector = self._entry(self._directory, table)
        sector = table_sector and self._entry(
            table_sector * _SECTOR_SIZE, index)
        if not sector or self._is_zeroed(sector):
            return None
        return sector * _SECTOR_SIZE

    def _is_zeroed(self, sector: int) -> bool:
        return sector == _ZERO_GRAIN and bool(self._header.flags & _ZEROED)

    def _entry(self, table: int, index: int) -> int:
        """Return an entry of a table, in sectors.

        :param table: the offset of the table in bytes
        """
        offset = table + index * _ENTRY_SIZE
        start = offset - offset % _TABLE_PART
        part = self._tables.get(
            start, lambda: self._image.read(start, _TABLE_PART))
        sector: int = struct.unpack_from('<I', part, offset - start)[0]
        return sector

    def _read_block(self, block: int, start: int, size: int) -> bytes | None:
        if not self._header.flags & _COMPRESSED:
            data = super()._read_block(block, start, size)
            # QEMU does not write zeros at the end of a file.
            return None if data is None else data.ljust(size, b'\0')
        offset = self._block_offset(block)
        if offset is None:
            return None
        # Not by the offset: each grain has its own marker.
        return self._grains.get(
            block, lambda: self._read_compressed(block, offset)
        )[start:start + size]

    def _read_compressed(self, block: int, offset: int) -> bytes:
        marker = self._image.read(offset, _MARKER.size)
        if len(marker) < _MARKER.size:
            raise _truncated(f'grain {block} is at {offset}, the file ends '
                             f'at {self._image.size}')
        sector, size = _MARKER.unpack(marker)
        if sector != block * self._grain:
            raise _malformed(f'the marker at {offset}, of sector '
                             f'{block * self._grain}, is for sector {sector}')
        if not 0 < size <= 2 * self.block_size:
            raise _malformed(f'grain {block} at {offset} has {size} bytes')
        end = offset + _MARKER.size + size
        if end > self._image.size:
            raise _truncated(f'grain {block} ends at {end}, the file at '
                             f'{self._image.size}')
        data = b''.join(
            self._image.read(offset + _MARKER.size + first,
                             min(reader.MAX_READ, size - first))
            for first in range(0, size, reader.MAX_READ))
        self.spend(self.block_size // compression.BYTES_PER_STEP)
        # The last grain need not be complete.
        wanted = min(self.block_size, self.size - block * self.block_size)
        try:
            grain = compression.inflate_zlib(data, self.block_size)
        except compression.CorruptError as exc:
            raise _malformed(f'grain {block} at {offset}: {exc}') from None
        if len(grain) < wanted:
            raise _malformed(
                f'grain {block} at {offset} has {len(grain)} bytes')
        return grain

    def check(self) -> None:
        """Check all entries of the grain directory and of the tables.

        :raises inspection.DefectError: a table or a grain begins past the
            end of the file, or two tables are at one offset.
        """
        seen: set[int] = set()
        count = self._tables_count
        entries = self._header.table_entries
        for first in range(0, count, _ENTRIES_PER_READ):
            for index, sector in enumerate(self._read_entries(
                    self._directory + first * _ENTRY_SIZE,
                    min(_ENTRIES_PER_READ, count - first)), first):
                if not sector:
                    continue
                table = sector * _SECTOR_SIZE
                end = table + entries * _ENTRY_SIZE
                if end > self._image.size:
                    raise _truncated(f'grain table {index} ends at {end}, '
                                     f'the file at {self._image.size}')
                if table in seen or table == self._directory:
                    raise _malformed(f'grain table {index} and another table '
                                     f'are at {table}')
                seen.add(table)
                self._check_table(index * entries, table)

    def _read_entries(self, offset: int, count: int) -> tuple[int, ...]:
        """Read entries of a table that is read once."""
        size = count * _ENTRY_SIZE
        self.spend(count // _ENTRIES_PER_STEP)
        self._image.allow(size)
        return struct.unpack(f'<{count}I', self._image.read(offset, size))

    def _check_table(self, first: int, table: int) -> None:
        sectors = self._read_entries(table, self._header.table_entries)
        # A sector that begins in the file.
        last = (self._image.size - 1) // _SECTOR_SIZE
        if max(sectors) > last:
            grain, sector = next(
                (grain, sector) for grain, sector in enumerate(sectors, first)
                if sector > last)
            raise _truncated(
                f'grain {grain} is at {sector * _SECTOR_SIZE}, the file ends '
                f'at {self._image.size}')
