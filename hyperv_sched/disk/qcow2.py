# SPDX-License-Identifier: Apache-2.0
r"""qcow2 images (QEMU, docs/interop/qcow2.txt), versions 2 and 3.

All numbers are big endian. A cluster has 2^cluster_bits bytes. The header is
in the first cluster:

====== ==== ==============================================================
offset size
====== ==== ==============================================================
     0    4 ``QFI\xfb``
     4    4 version
     8    8 offset of the name of the backing file, 0 for none
    16    4 length of that name
    20    4 cluster_bits
    24    8 virtual size
    32    4 encryption: 0 none, 1 AES, 2 LUKS
    36    4 number of entries of the L1 table
    40    8 offset of the L1 table
    48    8 offset of the refcount table
    56    4 number of clusters of the refcount table
    60    4 number of snapshots
    72    8 incompatible features (version 3)
    96    4 the width of refcounts is 2^n bits (version 3)
   100    4 length of the header (version 3)
   104    1 compression: 0 zlib, 1 zstd
====== ==== ==============================================================

An entry of the L1 table has the offset of an L2 table, of one cluster, in
bits 9 to 55. An entry of an L2 table:

===== ===================================================================
bits  value
===== ===================================================================
0     the cluster reads as zeros
9-55  offset of the cluster; 0 if the file lacks it
62    the cluster is compressed: bits 0 to x - 1 are the offset, and the
      others, up to 61, the number of 512-byte sectors after the first one;
      x is 70 - cluster_bits
===== ===================================================================

Entries of extended L2 tables have 8 more bytes, for 32 subclusters: bit n of
the last 32 bits says that subcluster n is in the cluster, bit 32 + n that it
reads as zeros. Files that the header names are not opened.
"""

from __future__ import annotations

from collections.abc import Iterator
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

_HEADER = struct.Struct('>4xIQIIQIIQQIIQ')
_HEADER_V3 = struct.Struct('>72xQ16xII')
_HEADER_V2_SIZE = 72
_COMPRESSION_OFFSET = 104
_HEAD_SIZE = 4096
_SECTOR_SIZE = 512
_CLUSTER_BITS = range(9, 22)
_MAX_L1_SIZE = 32 * 1024 ** 2
_MAX_REFCOUNT_TABLE = 8 * 1024 ** 2
_MAX_REFCOUNT_ORDER = 6
_MAX_SNAPSHOTS = 65536
_MAX_NAME = 1023

_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION_TYPE, _EXTENDED_L2 = (
    1 << bit for bit in range(5))
_KNOWN_FEATURES = 0x1f
_DECOMPRESS: tuple[compression.Decompress, ...] = (
    compression.inflate, compression.decompress_zstd)
_ENCRYPTION = ('', 'AES', 'LUKS')

_EXTENSION = struct.Struct('>II')
_DATA_FILE_NAME = 0x44415441
_MAX_EXTENSIONS = 32

_OFFSET = 0x00fffffffffffe00
_ZERO = 1
_COMPRESSED = 1 << 62
_ENTRY_SIZE = 8
_SUBCLUSTERS = 32
_MIN_EXTENDED_CLUSTER = _SUBCLUSTERS * _SECTOR_SIZE
_NOT_COMPRESSED = bytes(byte for byte in range(256) if not byte & 1 << 6)
#: Values of an entry are below that, without its flags.
_LANE_LIMIT = 1 << 63
#: Entries that take a step of work.
_ENTRIES_PER_STEP = 32
#: The size of the parts in which tables are read.
_TABLE_PART = 4096
_TABLE_PIECE = 512 * 1024


class _Header(typing.NamedTuple):
    version: int
    backing_file_offset: int
    backing_file_size: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    l1_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    snapshots: int
    snapshots_offset: int
    features: int = 0
    refcount_order: int = 4
    length: int = _HEADER_V2_SIZE
    compression: int = 0

    @property
    def cluster_size(self) -> int:
        return 1 << self.cluster_bits

    @property
    def entry_size(self) -> int:
        """The size of an entry of an L2 table."""
        return (2 * _ENTRY_SIZE if self.features & _EXTENDED_L2
                else _ENTRY_SIZE)

    @property
    def l1_span(self) -> int:
        """The bytes of the disk that an entry of the L1 table stands for."""
        return self.cluster_size * (self.cluster_size // self.entry_size)


def read(image: reader.Reader,
         result: inspection.Inspection) -> virtual_disk.Disk:
    """Open the virtual disk of a file that has the signature of a qcow2.

    :raises inspection.DefectError: the disk cannot be read.
    """
    head = image.read(0, _HEAD_SIZE)
    header = _parse_header(head)
    result.block_size = header.cluster_size
    _check_other_files(image, head, header, result)
    _check_features(header)
    _check_tables(header)
    if header.features & _CORRUPT:
        result.add_defect(Defect.CONTAINER_MALFORMED,
                          'the header marks the image as corrupt')
    if header.features & _DIRTY:
        result.add_defect(Defect.CONTAINER_NOT_CLOSED,
                          'the header marks the image as in use')
    if header.snapshots:
        result.add_defect(Defect.CONTAINER_SNAPSHOTS, str(header.snapshots))
    disk = ClusterDisk(image, header)
    disk.check()
    return disk


def _parse_header(head: bytes) -> _Header:
    """Parse a header of a known version.

    :raises inspection.DefectError: a part of it is missing or not known.
    """
    if len(head) < _HEADER_V2_SIZE:
        raise _truncated('the header is cut off')
    header = _Header(*_HEADER.unpack_from(head))
    if header.version not in (2, 3):
        raise _not_read(f'it is a qcow image of version {header.version}')
    if header.version == 3:
        if len(head) < _HEADER_V3.size:
            raise _truncated('the header is cut off')
        features, refcount_order, length = _HEADER_V3.unpack_from(head)
        header = header._replace(
            features=features, refcount_order=refcount_order, length=length,
            compression=head[_COMPRESSION_OFFSET]
            if min(length, len(head)) > _COMPRESSION_OFFSET else 0)
        if features & ~_KNOWN_FEATURES:
            raise _not_read('it has unknown incompatible features '
                            f'({features & ~_KNOWN_FEATURES:#x})')
    if header.cluster_bits not in _CLUSTER_BITS:
        raise _malformed(f'clusters of 2^{header.cluster_bits} bytes')
    return header


def _check_other_files(image: reader.Reader, head: bytes, header: _Header,
                       result: inspection.Inspection) -> None:
    """Check that all of the disk is in this file, for anyone to read.

    :raises inspection.DefectError: it is not.
    """
    result.has_parent = bool(header.backing_file_offset)
    if result.has_parent:
        name = image.read(header.backing_file_offset,
                          min(header.backing_file_size, _MAX_NAME))
        raise inspection.DefectError(
            Defect.CONTAINER_NEEDS_OTHER_FILE,
            f'the backing file is {_text(name)}')
    if header.features & _DATA_FILE:
        raise inspection.DefectError(
            Defect.CONTAINER_NEEDS_OTHER_FILE,
            f'the data file is {_text(_data_file(head, header))}')
    if header.encryption:
        if header.encryption >= len(_ENCRYPTION):
            raise _malformed(f'encryption method {header.encryption}')
        raise inspection.DefectError(
            Defect.CONTAINER_ENCRYPTED, _ENCRYPTION[header.encryption])


def _text(name: bytes) -> str:
    return name.decode('utf-8', 'replace') or 'not named'


def _data_file(head: bytes, header: _Header) -> bytes:
    """Return the name of the data file, from the extensions of the header."""
    offset = header.length
    for _ in range(_MAX_EXTENSIONS):
        if offset + _EXTENSION.size > len(head):
            break
        kind, length = _EXTENSION.unpack_from(head, offset)
        offset += _EXTENSION.size
        if kind == _DATA_FILE_NAME:
            return head[offset:offset + min(length, _MAX_NAME)]
        if not kind:
            break
        offset += -(-length // 8) * 8
    return b''


def _check_features(header: _Header) -> None:
    """Check the fields of version 3 as QEMU does.

    :raises inspection.DefectError: a check fails.
    """
    size = header.cluster_size
    if header.version == 3 and not (
            _HEADER_V3.size <= header.length <= size):
        raise _malformed(f'a header of {header.length} bytes')
    if header.refcount_order > _MAX_REFCOUNT_ORDER:
        raise _malformed(f'refcounts of 2^{header.refcount_order} bits')
    if (header.features & _EXTENDED_L2
            and size < _MIN_EXTENDED_CLUSTER):
        raise _malformed(f'subclusters in clusters of {size} bytes')
    if bool(header.features & _COMPRESSION_TYPE) != bool(header.compression):
        raise _malformed('the compression type and its feature bit differ')
    if header.compression >= len(_DECOMPRESS):
        raise _not_read(f'it has compression type {header.compression}')


def _check_tables(header: _Header) -> None:
    """Check offsets and sizes of tables as QEMU does.

    :raises inspection.DefectError: a check fails.
    """
    size = header.cluster_size
    if (header.refcount_table_offset % size
            or not 0 < header.refcount_table_clusters * size
            <= _MAX_REFCOUNT_TABLE):
        raise _malformed(
            f'a refcount table of {header.refcount_table_clusters} clusters '
            f'at {header.refcount_table_offset}')
    if header.snapshots > _MAX_SNAPSHOTS:
        raise _malformed(f'{header.snapshots} snapshots')
    if header.size > metadata.MAX_DISK_SIZE:
        raise _malformed(f'a virtual size of {header.size} bytes; a VHDX has '
                         f'at most {metadata.MAX_DISK_SIZE}')
    needed = -(-header.size // header.l1_span)
    if not needed <= header.l1_entries <= _MAX_L1_SIZE // _ENTRY_SIZE:
        raise _malformed(f'an L1 table of {header.l1_entries} entries for a '
                         f'disk that needs {needed}')
    if needed and (header.l1_offset % size or header.l1_offset < size):
        raise _malformed(f'an L1 table at {header.l1_offset}')


class ClusterDisk(virtual_disk.BlockDisk):
    """The active disk of an image, not that of a snapshot.

    A block is a cluster, or a subcluster.
    """

    def __init__(self, image: reader.Reader, header: _Header) -> None:
        size = header.size // _SECTOR_SIZE * _SECTOR_SIZE
        cluster_size = header.cluster_size
        self._extended = bool(header.features & _EXTENDED_L2)
        self._blocks_per_cluster = _SUBCLUSTERS if self._extended else 1
        super().__init__(image, size, _SECTOR_SIZE,
                         cluster_size // self._blocks_per_cluster)
        self._header = header
        self._cluster_size = cluster_size
        self._entries = cluster_size // header.entry_size
        #: For the part of an L2 table that is read at once.
        self._ones = _lanes(min(cluster_size, _TABLE_PIECE),
                            header.entry_size)
        self._compressed_shift = 70 - header.cluster_bits
        self._decompress = _DECOMPRESS[header.compression]
        self._tables = compression.Cache()
        self._clusters = compression.Cache()

    def _block_offset(self, block: int) -> int | None:
        """Return the offset of a block that is not compressed."""
        cluster, part = divmod(block, self._blocks_per_cluster)
        entry, bitmap = self._l2_entry(cluster)
        if self._reads_as_zeros(entry, bitmap, part):
            return None
        return (entry & _OFFSET) + part * self.block_size

    def _read_block(self, block: int, start: int, size: int) -> bytes | None:
        cluster, part = divmod(block, self._blocks_per_cluster)
        entry, _ = self._l2_entry(cluster)
        if not entry & _COMPRESSED:
            data = super()._read_block(block, start, size)
            # QEMU does not write zeros at the end of a file.
            return None if data is None else data.ljust(size, b'\0')
        start += part * self.block_size
        return self._clusters.get(
            entry, lambda: self._read_compressed(cluster, entry)
        )[start:start + size]

    def _reads_as_zeros(self, entry: int, bitmap: int, part: int) -> bool:
        if self._extended:
            return not bitmap >> part & 1
        return not entry & _OFFSET or bool(entry & _ZERO)

    def _l2_entry(self, cluster: int) -> tuple[int, int]:
        """Return the entry of a cluster, and the bitmap of an extended one."""
        index, entry_index = divmod(cluster, self._entries)
        self.spend(1)
        table, = self._unpack(
            self._header.l1_offset + index * _ENTRY_SIZE, '>Q')
        if not table & _OFFSET:
            return 0, 0
        offset = ((table & _OFFSET)
                  + entry_index * self._header.entry_size)
        if self._extended:
            entry, bitmap = self._unpack(offset, '>QQ')
            return entry, bitmap
        entry, = self._unpack(offset, '>Q')
        return entry, 0

    def _unpack(self, offset: int, layout: str) -> tuple[int, ...]:
        """Unpack an entry of a table, which is aligned to its size."""
        start = offset - offset % _TABLE_PART
        part = self._tables.get(
            start, lambda: self._image.read(start, _TABLE_PART))
        return struct.unpack_from(layout, part, offset - start)

    def _compressed_range(self, entry: int) -> tuple[int, int]:
        """Return the offset and the size of the data of a cluster."""
        shift = self._compressed_shift
        offset = entry & (1 << shift) - 1
        sectors = (entry & _COMPRESSED - 1) >> shift
        size = (sectors + 1) * _SECTOR_SIZE - offset % _SECTOR_SIZE
        return offset, size

    def _read_compressed(self, cluster: int, entry: int) -> bytes:
        offset, size = self._compressed_range(entry)
        data = b''.join(
            self._image.read(offset + start, min(reader.MAX_READ,
                                                 size - start))
            for start in range(0, size, reader.MAX_READ))
        self.spend(self._cluster_size // compression.BYTES_PER_STEP)
        where = f'the compressed cluster {cluster} at {offset}'
        try:
            cluster_data = self._decompress(data, self._cluster_size)
        except compression.CorruptError as exc:
            raise _malformed(f'{where}: {exc}') from None
        except compression.MissingError as exc:
            raise _not_read(f'its clusters are compressed with {exc}'
                            ) from None
        if len(cluster_data) != self._cluster_size:
            raise _malformed(f'{where} has {len(cluster_data)} bytes')
        return cluster_data

    def check(self) -> None:
        """Check all entries of the L1 table and the L2 tables.

        :raises inspection.DefectError: an entry is invalid, or a table or a
            cluster begins past the end of the file.
        """
        seen: set[int] = set()
        for index, entry in self._l1_entries():
            offset = entry & _OFFSET
            if offset % self._cluster_size or offset < self._cluster_size:
                raise _malformed(f'L2 table {index} at {offset}')
            if offset + self._cluster_size > self._image.size:
                raise _truncated(
                    f'L2 table {index} ends at {offset + self._cluster_size}'
                    f', the file at {self._image.size}')
            if offset in seen or offset == self._header.l1_offset:
                raise _malformed(
                    f'L2 table {index} and another table are at {offset}')
            seen.add(offset)
            self._check_l2_table(index, offset)

    def _l1_entries(self) -> Iterator[tuple[int, int]]:
        """Yield the number and the value of each entry that has a table."""
        count = -(-self._header.size // self._header.l1_span)
        end = self._header.l1_offset + count * _ENTRY_SIZE
        if end > self._image.size:
            raise _truncated(
                f'the L1 table ends at {end}, the file at {self._image.size}')
        per_read = _TABLE_PIECE // _ENTRY_SIZE
        for first in range(0, count, per_read):
            length = min(per_read, count - first)
            table = self._read_table(
                self._header.l1_offset + first * _ENTRY_SIZE, length)
            # The common case of a large disk.
            if not table.strip(b'\0'):
                continue
            for index, entry in enumerate(
                    struct.unpack(f'>{length}Q', table), first):
                if entry & _OFFSET:
                    yield index, entry

    def _read_table(self, offset: int, count: int) -> bytes:
        """Read entries of a table that is read once."""
        size = count * _ENTRY_SIZE
        self.spend(count // _ENTRIES_PER_STEP)
        self._image.allow(size)
        return self._image.read(offset, size)

    def _check_l2_table(self, index: int, offset: int) -> None:
        total = self._cluster_size // _ENTRY_SIZE
        per_read = min(total, _TABLE_PIECE // _ENTRY_SIZE)
        words = self._header.entry_size // _ENTRY_SIZE
        first = index * self._entries
        for start in range(0, total, per_read):
            table = self._read_table(offset + start * _ENTRY_SIZE, per_read)
            if (self._header.version == 3 and not self._extended
                    and self._is_common(table)):
                continue
            # As much work again.
            self.spend(per_read // _ENTRIES_PER_STEP)
            if self._is_valid(table):
                continue
            # This finds the invalid entry, and ends the inspection.
            self.spend(per_read)
            entries = struct.unpack(f'>{per_read}Q', table)
            self._check_each(first + start // words, entries[::words],
                             entries[1::2] if self._extended else ())

    def _is_common(self, table: bytes) -> bool:
        """Return whether entries are valid, many at once.

        False where this is not known. A slice has the same byte of all
        entries.
        """
        step = _ENTRY_SIZE
        shift = self._header.cluster_bits
        # Offsets that are aligned have these bytes, from bit 0.
        for byte, allowed in (
                (7, b'\0\1'),
                (6, bytes(range(0, 256, 1 << min(shift, 15) - 8))
                 if shift < 16 else b'\0'),
                (5, bytes(range(0, 256, 1 << max(shift - 16, 0)))),
                # The first byte has no offset, and no bit of compression.
                (0, _NOT_COMPRESSED)):
            if table[byte::step].translate(None, allowed):
                return False
        # The first byte of an offset that is not zero in the largest offset.
        first = 8 - (self._image.size.bit_length() + 7) // 8
        largest = self._image.size >> 8 * (7 - first)
        if any(table[byte::step].strip(b'\0') for byte in range(1, first)):
            return False
        return not first or not table[first::step].translate(
            None, bytes(range(largest)))

    def _is_valid(self, table: bytes) -> bool:
        """Return whether :meth:`_check_each` accepts all entries.

        The table is one number with an entry in each lane, so that no loop of
        Python goes over the entries.
        """
        number = int.from_bytes(table, 'big')
        ones = self._ones
        entries = number >> 64 if self._extended else number
        compressed = entries >> 62 & ones
        plain = compressed ^ ones
        within = self._cluster_size - 1
        if entries & plain * (_OFFSET & within) or (
                self._header.version == 2 and entries & plain * _ZERO):
            return False
        mask = (1 << self._compressed_shift) - 1
        starts = entries & (plain * _OFFSET | compressed * mask)
        if _reach(starts, self._image.size, ones):
            return False
        # An aligned offset is zero, or not in the header.
        if _reach(entries & compressed * (mask & ~within), 1, ones
                  ) != compressed:
            return False
        if not self._extended:
            return True
        present = number & plain * 0xffffffff
        return not (present & number >> 32
                    or _reach(present, 1, ones) & ~_reach(starts, 1, ones))

    def _check_each(self, first: int, entries: tuple[int, ...],
                    bitmaps: tuple[int, ...]) -> None:
        """Check entries of an L2 table.

        :param first: the number of the first cluster
        """
        for cluster, entry in enumerate(entries, first):
            if entry & _COMPRESSED:
                start, _ = self._compressed_range(entry)
                self._check_start(cluster, start)
                continue
            start = entry & _OFFSET
            if start % self._cluster_size:
                raise _malformed(f'cluster {cluster} at {start}')
            if start:
                self._check_start(cluster, start)
            if entry & _ZERO and self._header.version == 2:
                raise _malformed(
                    f'cluster {cluster} reads as zeros, which version 2 does '
                    'not have')
            if bitmaps:
                self._check_bitmap(cluster, start, bitmaps[cluster - first])

    def _check_bitmap(self, cluster: int, start: int, bitmap: int) -> None:
        present = bitmap & 0xffffffff
        if present & bitmap >> 32:
            raise _malformed(f'a subcluster of cluster {cluster} is present '
                             'and reads as zeros')
        if present and not start:
            raise _malformed(
                f'cluster {cluster} has subclusters, and no offset')

    def _check_start(self, cluster: int, start: int) -> None:
        if start < self._cluster_size:
            raise _malformed(f'cluster {cluster} at {start} is in the header')
        if start >= self._image.size:
            raise _truncated(f'cluster {cluster} is at {start}, the file '
                             f'ends at {self._image.size}')


def _lanes(size: int, entry_size: int) -> int:
    """Return a number with the lowest bit of each lane set.

    :param size: of the number in bytes
    :param entry_size: of a lane in bytes
    """
    return ((1 << 8 * size) - 1) // ((1 << 8 * entry_size) - 1)


def _reach(number: int, limit: int, ones: int) -> int:
    """Return the lowest bit of each lane whose value is a limit or more.

    :param number: with lanes of values below 2^63
    :param ones: see :func:`_lanes`
    """
    # The sum has bit 63 then.
    return number + ones * (_LANE_LIMIT - limit) >> 63 & ones
