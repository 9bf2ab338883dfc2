# SPDX-License-Identifier: Apache-2.0
"""FAT12, FAT16 and FAT32, as firmware reads them, little endian.

UEFI 2.10, 13.3 refers to Microsoft's "FAT: General Overview of On-Disk
Format" 1.03. This module does what EDK II's EnhancedFatDxe (Init.c) does,
which the firmware of Hyper-V is built with; Linux mounts other file systems.

BIOS parameter block, in the boot sector:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
    11    2 bytes per sector
    13    1 sectors per cluster
    14    2 reserved sectors, before the FATs
    16    1 number of FATs
    17    2 entries of the root directory; FAT32: 0
    19    2 sectors; 0 if there are more
    21    1 media
    22    2 sectors per FAT; FAT32: 0
    32    4 sectors, if there are more than 65535
    36    4 FAT32: sectors per FAT
    40    2 FAT32: flags; bit 7: mirroring is off
    42    2 FAT32: version, 0
    44    4 FAT32: first cluster of the root directory
====== ==== ==========================================================

Directory entry, 32 bytes:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0   11 name, 8 characters, and extension, 3 characters
    11    1 attributes
    12    1 bit 3: the name is in lower case, bit 4: the extension is
    20    2 first cluster, high half; FAT32 only
    26    2 first cluster, low half
    28    4 size
====== ==== ==========================================================

Entries with the attributes 0x0f precede an entry and hold 13 characters each
of its long name, the end of the name first:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    1 ordinal; bit 6: the last part of the name
     1   10 five characters, UTF-16
    11    1 attributes, 0x0f
    12    1 0
    13    1 checksum of the short name
    14   12 six characters
    28    4 two characters
====== ==== ==========================================================
"""

from __future__ import annotations

import array
import bisect
from collections.abc import Iterator
from collections.abc import Sequence
import struct
import typing

from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk

_PARAMETERS = struct.Struct('<11xHBHBHHBH8xIIHHI')
_BOOT_SECTOR_SIZE = 512
_SECTOR_SIZES = (512, 1024, 2048, 4096)
_CLUSTER_SECTORS = tuple(1 << power for power in range(8))
_MIRRORING_OFF = 0x80
#: The least number of clusters of FAT16, and of FAT32.
_FAT16_MIN_CLUSTERS = 4085
_FAT32_MIN_CLUSTERS = 65525
#: The upper four bits of a FAT32 entry are reserved.
_FAT32_MASK = 0x0fffffff
#: The least value of an entry that ends a chain, by the bits of an entry.
_END_OF_CHAIN = {12: 0xff8, 16: 0xfff8, 32: 0x0ffffff8}
#: Entries that are read at once, an even number, and limit on pages in
#: memory.
_PAGE = 512
_MAX_PAGES = 256
#: Steps of work to decode a page, to follow a chain to the next run of
#: adjacent clusters, and to decode an entry of a directory.
_PAGE_STEPS = 40
_RUN_STEPS = 2
_ENTRY_STEPS = 4

_ENTRY_SIZE = 32
_ENTRY = struct.Struct('<11sBB7xH4xHI')
_DELETED = 0xe5
#: Names of a directory itself and of the one that it is in.
RELATIVE = ('.', '..')
_ATTRIBUTES = 0x3f
_VOLUME_ID = 0x08
_DIRECTORY = 0x10
_LONG_NAME = 0x0f
#: Flags of a short name, of Windows NT: its parts are in lower case.
_LOWER_NAME = 0x08
_LOWER_EXTENSION = 0x10
_LAST_LONG_NAME = 0x40
_LONG_NAME_PARTS = (slice(1, 11), slice(14, 26), slice(28, 32))
_MAX_LONG_NAMES = 20
#: The limit of the format: 65536 entries.
_MAX_DIRECTORY = 65536 * _ENTRY_SIZE
#: Larger than any loader, or kernel with its initial file system.
MAX_FILE = 256 * 1024 ** 2


class NotFATError(Exception):
    """Firmware finds no FAT file system, because of a value."""


class DamagedFATError(Exception):
    """A file or a directory of the file system cannot be read."""


class _Parameters(typing.NamedTuple):
    """The BIOS parameter block."""

    sector_size: int
    sectors_per_cluster: int
    reserved_sectors: int
    fats: int
    root_entries: int
    sectors_16: int
    media: int
    fat_sectors_16: int
    sectors_32: int
    fat_sectors_32: int
    flags: int
    version: int
    root_cluster: int

    @property
    def is_fat32(self) -> bool:
        return not self.fat_sectors_16

    @property
    def sectors(self) -> int:
        return self.sectors_16 or self.sectors_32

    @property
    def fat_sectors(self) -> int:
        return self.fat_sectors_16 or self.fat_sectors_32

    @property
    def cluster_size(self) -> int:
        return self.sector_size * self.sectors_per_cluster

    @property
    def fat_offset(self) -> int:
        return self.reserved_sectors * self.sector_size

    @property
    def root_offset(self) -> int:
        """The offset of the root directory of FAT12 and FAT16."""
        return self.fat_offset + (
            self.fats * self.fat_sectors * self.sector_size)

    @property
    def root_size(self) -> int:
        # FAT32 may state root entries, which firmware ignores.
        return 0 if self.is_fat32 else self.root_entries * _ENTRY_SIZE

    @property
    def data_offset(self) -> int:
        root_sectors = -(-self.root_size // self.sector_size)
        return self.root_offset + root_sectors * self.sector_size

    @property
    def clusters(self) -> int:
        # Firmware subtracts unsigned numbers.
        data_sectors = (
            self.sectors - self.data_offset // self.sector_size) % 2 ** 64
        return data_sectors // self.sectors_per_cluster

    @property
    def entry_bits(self) -> int:
        """The size of an entry of the file allocation table."""
        if self.is_fat32:
            return 32
        return 16 if self.clusters >= _FAT16_MIN_CLUSTERS else 12

    def check(self) -> None:
        """Check the values as firmware does.

        :raises NotFATError: a value is invalid.
        """
        media_valid = (
            self.media in (0xf0, 0x00, 0x01) or self.media > 0xf7)
        if not (self.reserved_sectors and self.fats and self.sectors
                and self.sector_size in _SECTOR_SIZES
                and self.sectors_per_cluster in _CLUSTER_SECTORS
                and media_valid):
            raise NotFATError('the boot sector is not one of FAT')
        if self.is_fat32:
            if not self.fat_sectors or self.version or (
                    self.flags & _MIRRORING_OFF):
                raise NotFATError(
                    'FAT32 of another version, or without mirroring')
        elif not self.root_entries:
            raise NotFATError('the root directory has a size of 0')
        elif self.clusters >= _FAT32_MIN_CLUSTERS:
            raise NotFATError(f'FAT16 of {self.clusters} clusters')


class DirectoryEntry(typing.NamedTuple):
    """A file or a directory."""

    name: str
    """The long name, in its own case; the short name if there is none."""
    short_name: str
    is_directory: bool
    cluster: int
    size: int

    def matches(self, name: str) -> bool:
        """Return whether firmware finds the file by a name.

        In any case, and with spaces around it or dots behind it
        (``FatPkg/EnhancedFatDxe``, FatFileNameIsValid).
        """
        if name not in RELATIVE:
            name = name.lstrip(' ').rstrip(' .')
        return _upper(name) in (_upper(self.name), _upper(self.short_name))


class FATFile:
    """A file all of whose clusters exist.

    :param runs: runs of adjacent clusters: the index of the first cluster in
        the file, and its number in the volume
    """

    def __init__(self, volume: Volume, runs: dict[int, int],
                 size: int) -> None:
        self.size = size
        self.spend = volume.spend
        self._volume = volume
        self._indexes = array.array('I', runs)
        self._clusters = array.array('I', runs.values())

    def read(self, offset: int, length: int) -> bytes:
        """Read a range; return fewer bytes at the end of the file."""
        length = min(length, reader.MAX_READ, self.size - offset)
        cluster_size = self._volume.cluster_size
        pieces = []
        while length > 0:
            run = bisect.bisect_right(
                self._indexes, offset // cluster_size) - 1
            start = offset - self._indexes[run] * cluster_size
            size = length
            if run + 1 < len(self._indexes):
                run_end = self._indexes[run + 1] * cluster_size
                size = min(length, run_end - offset)
            pieces.append(self._volume.read_clusters(
                self._clusters[run], start, size))
            offset += size
            length -= size
        return b''.join(pieces)


class _Page(typing.NamedTuple):
    """Consecutive entries of the file allocation table."""

    next_clusters: Sequence[int]
    """The entries: the next cluster of each cluster."""
    run_ends: list[int]
    """Indexes of entries whose next cluster is not the adjacent one."""


class Volume:
    """A FAT file system.

    Firmware does not open one of which :attr:`too_few_clusters` is true.

    :raises NotFATError: there is no FAT file system.
    """

    def __init__(self, disk: virtual_disk.Disk) -> None:
        boot_sector = disk.read(0, _BOOT_SECTOR_SIZE)
        if len(boot_sector) < _BOOT_SECTOR_SIZE:
            raise NotFATError('the boot sector is past the end of the disk')
        parameters = _Parameters(*_PARAMETERS.unpack_from(boot_sector))
        parameters.check()
        self.sector_size = parameters.sector_size
        self.size = parameters.sectors * parameters.sector_size
        self.cluster_size = parameters.cluster_size
        self.clusters = parameters.clusters
        #: Linux mounts such a FAT32, firmware does not.
        self.too_few_clusters = (
            parameters.is_fat32 and self.clusters < _FAT32_MIN_CLUSTERS)
        self.spend = disk.spend
        self._disk = disk
        self._bits = parameters.entry_bits
        self._fat_offset = parameters.fat_offset
        self._root_offset = parameters.root_offset
        self._root_size = parameters.root_size
        self._root_cluster = (
            parameters.root_cluster if parameters.is_fat32 else None)
        self._data_offset = parameters.data_offset
        self._pages: dict[int, _Page] = {}

    def read_clusters(self, cluster: int, start: int, length: int) -> bytes:
        """Read a range of adjacent clusters.

        :param start: offset in the first cluster
        :raises DamagedFATError: the range ends past the end of the
            partition.
        """
        data = self._disk.read(self._offset(cluster) + start, length)
        if len(data) < length:
            raise DamagedFATError(
                f'cluster {cluster} is past the end of the partition')
        return data

    def _offset(self, cluster: int) -> int:
        return self._data_offset + (cluster - 2) * self.cluster_size

    def find(self, *names: str) -> DirectoryEntry | None:
        """Return the file or directory at a path; None if it is missing.

        :raises DamagedFATError: a directory cannot be read.
        """
        entry: DirectoryEntry | None = None
        for depth, name in enumerate(names):
            if depth and (entry is None or not entry.is_directory):
                return None
            entry = next((child for child in self.entries(entry)
                          if child.matches(name)), None)
        return entry

    def entries(self, directory: DirectoryEntry | None = None
                ) -> Iterator[DirectoryEntry]:
        """Yield the entries of a directory, or of the root directory.

        :raises DamagedFATError: the directory cannot be read.
        """
        long_names: list[bytes] = []
        for data in self._read_directory(directory):
            for offset in range(0, len(data) - _ENTRY_SIZE + 1, _ENTRY_SIZE):
                raw = data[offset:offset + _ENTRY_SIZE]
                if not raw[0]:
                    return
                self.spend(1)
                name, attributes, case, high, low, size = _ENTRY.unpack(raw)
                if raw[0] == _DELETED:
                    long_names.clear()
                elif attributes & _ATTRIBUTES == _LONG_NAME:
                    long_names.append(raw)
                elif attributes & _VOLUME_ID:
                    long_names.clear()
                else:
                    self.spend(_ENTRY_STEPS)
                    short_name = _short_name(name, case)
                    yield DirectoryEntry(
                        _long_name(long_names, name) or short_name,
                        short_name, bool(attributes & _DIRECTORY),
                        low | (high << 16 if self._bits == 32 else 0), size)
                    long_names.clear()

    def _read_directory(self, directory: DirectoryEntry | None
                        ) -> Iterator[bytes]:
        """Yield the content of a directory, in pieces."""
        if directory is not None:
            cluster = directory.cluster
        elif self._root_cluster is not None:
            cluster = self._root_cluster
        else:
            yield self._read_root()
            return
        visited: set[int] = set()
        while cluster < _END_OF_CHAIN[self._bits]:
            if cluster in visited:
                raise DamagedFATError(
                    'the clusters of a directory are a loop')
            if len(visited) * self.cluster_size >= _MAX_DIRECTORY:
                raise DamagedFATError(
                    'a directory has more entries than FAT allows')
            self._check_cluster(cluster, 'a directory')
            visited.add(cluster)
            yield self.read_clusters(cluster, 0, self.cluster_size)
            _, cluster = self._run(cluster, 1)

    def _read_root(self) -> bytes:
        # The largest is twice as large as a read may be.
        data = b''.join(
            self._disk.read(self._root_offset + offset,
                            min(reader.MAX_READ, self._root_size - offset))
            for offset in range(0, self._root_size, reader.MAX_READ))
        if len(data) < self._root_size:
            raise DamagedFATError(
                'the root directory is past the end of the partition')
        return data

    def open(self, entry: DirectoryEntry) -> FATFile:
        """Open a file and check its clusters.

        :raises DamagedFATError: a cluster is invalid, or the file is larger
            than :data:`MAX_FILE`.
        """
        if entry.size > MAX_FILE:
            raise DamagedFATError(f'{entry.name} has {entry.size} bytes')
        runs: dict[int, int] = {}
        ends: list[int] = []
        cluster = entry.cluster
        count = -(-entry.size // self.cluster_size)
        index = 0
        while index < count:
            self.spend(_RUN_STEPS)
            self._check_cluster(cluster, entry.name)
            length, next_cluster = self._run(cluster, count - index)
            self._check_cluster(cluster + length - 1, entry.name)
            if ends and ends[-1] == cluster:
                # The run continues in the next page.
                ends[-1] += length
            else:
                runs[index] = cluster
                ends.append(cluster + length)
            index += length
            cluster = next_cluster
        self._check_runs(entry, list(zip(runs.values(), ends, strict=True)))
        return FATFile(self, runs, entry.size)

    def _check_runs(self, entry: DirectoryEntry,
                    runs: list[tuple[int, int]]) -> None:
        """Check that a file has no cluster twice and none past the end.

        :param runs: first and end of each run, in the order of the file
        """
        if not runs:
            return
        last_cluster = runs[-1][1] - 1
        ordered = sorted(runs)
        for (_, end), (first, _) in zip(ordered, ordered[1:], strict=False):
            if first < end:
                raise DamagedFATError(
                    f'the clusters of {entry.name} are a loop')
        # The last cluster of the file need not be whole.
        highest = ordered[-1][1] - 1
        used = entry.size % self.cluster_size
        end = self._offset(highest) + (
            used if used and highest == last_cluster else self.cluster_size)
        if end > self._disk.size:
            raise DamagedFATError(
                f'cluster {highest} of {entry.name} is past the end of the '
                'partition')

    def _check_cluster(self, cluster: int, name: str) -> None:
        if not 2 <= cluster <= self.clusters + 1:
            raise DamagedFATError(
                f'the clusters of {name} end early, with {cluster}')

    def _run(self, cluster: int, limit: int) -> tuple[int, int]:
        """Return the length of a run of a chain, and the next cluster.

        The length is shorter where a page ends.

        :param cluster: the first cluster of the run
        :param limit: limit on the length
        """
        number, index = divmod(cluster, _PAGE)
        page = self._page(number)
        last = page.run_ends[bisect.bisect_left(page.run_ends, index)]
        last = min(last, index + limit - 1)
        return last - index + 1, page.next_clusters[last]

    def _page(self, number: int) -> _Page:
        page = self._pages.get(number)
        if page is None:
            if len(self._pages) >= _MAX_PAGES:
                self._pages.clear()
            self.spend(_PAGE_STEPS)
            page = self._pages[number] = self._read_page(number)
        return page

    def _read_page(self, number: int) -> _Page:
        size = _PAGE * self._bits // 8
        data = self._disk.read(self._fat_offset + number * size, size)
        # Entries past the end of the partition end a chain.
        next_clusters = _decode_entries(data.ljust(size, b'\xff'), self._bits)
        first = number * _PAGE + 1
        run_ends = [
            index for index, (entry, adjacent) in enumerate(zip(
                next_clusters, range(first, first + _PAGE), strict=True))
            if entry != adjacent]
        if not run_ends or run_ends[-1] != _PAGE - 1:
            run_ends.append(_PAGE - 1)
        return _Page(next_clusters, run_ends)


def _decode_entries(data: bytes, bits: int) -> Sequence[int]:
    """Decode an even number of entries of the file allocation table."""
    if bits == 16:
        return struct.unpack(f'<{len(data) // 2}H', data)
    if bits == 32:
        return [entry & _FAT32_MASK for entry in struct.unpack(
            f'<{len(data) // 4}I', data)]
    # FAT12 has two entries in three bytes.
    pairs = [low | middle << 8 | high << 16 for low, middle, high in zip(
        data[::3], data[1::3], data[2::3], strict=True)]
    return [entry for pair in pairs for entry in (pair & 0xfff, pair >> 12)]


def _upper(name: str) -> bytes:
    # As bytes, only ASCII letters change. As text, a dotless i or a ligature
    # would become letters that firmware does not equate with it.
    return name.encode().upper()


def _short_name(name: bytes, case: int) -> str:
    text = name.decode('cp437')
    base, extension = text[:8].rstrip(' '), text[8:].rstrip(' ')
    if case & _LOWER_NAME:
        base = base.lower()
    if case & _LOWER_EXTENSION:
        extension = extension.lower()
    return f'{base}.{extension}' if extension else base


def _long_name(entries: list[bytes], short_name: bytes) -> str | None:
    """Return the long name in entries that precede a short name.

    :returns: None if the entries are not those of the short name
    """
    if not entries:
        return None
    checksum = 0
    for byte in short_name:
        checksum = ((checksum >> 1) + (checksum << 7 & 0xff) + byte) & 0xff
    text = b''
    for ordinal, raw in enumerate(reversed(entries), 1):
        if (raw[0] & ~_LAST_LONG_NAME != ordinal or raw[12]
                or raw[13] != checksum or ordinal > _MAX_LONG_NAMES):
            return None
        text += b''.join(raw[part] for part in _LONG_NAME_PARTS)
        if raw[0] & _LAST_LONG_NAME:
            return text.decode('utf-16-le', 'replace').partition('\0')[0]
    return None
