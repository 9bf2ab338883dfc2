# SPDX-License-Identifier: Apache-2.0
"""FAT12, FAT16 and FAT32, by the rules of firmware.

UEFI 2.10, 13.3 goes by Microsoft's "FAT: General Overview of On-Disk
Format" 1.03; what counts in practice is EDK2's EnhancedFatDxe (Init.c),
which the firmware of Hyper-V is built with. It is not what Linux mounts.

BIOS parameter block, little endian:

==== ==== ==============================================================
 at  size
==== ==== ==============================================================
 11    2  bytes per sector
 13    1  sectors per cluster
 14    2  reserved sectors, after which the FATs begin
 16    1  number of FATs
 17    2  entries of the root directory; FAT32: 0
 19    2  sectors, or 0
 21    1  media
 22    2  sectors per FAT; FAT32: 0
 32    4  sectors, where there are more
 36    4  FAT32: sectors per FAT
 40    2  FAT32: flags; bit 7: one FAT only is in use
 42    2  FAT32: version, 0
 44    4  FAT32: first cluster of the root directory
==== ==== ==============================================================

Directory entries take up 32 bytes: name in 8 and 3 characters, attributes
u8 at 11, first cluster u16 at 20 (high) and 26 (low), size u32 at 28. Those
with attributes 0x0f hold 13 characters each of the long name of the entry
behind them, the end of the name first.
"""

from __future__ import annotations

import array
from collections.abc import Iterator
import struct
import typing

from hyperv_sched.disk import guest
from hyperv_sched.disk import reader

_BPB = struct.Struct('<11xHBHBHHBH8xIIHHI')
_BPB_SIZE = 512
_SECTOR_SIZES = (512, 1024, 2048, 4096)
_CLUSTER_SECTORS = tuple(1 << power for power in range(8))
_MIRRORING_OFF = 0x80
#: FAT12 has fewer clusters than the first, FAT16 than the second, FAT32 at
#: least as many as that.
_FAT12_LIMIT = 4085
FAT16_LIMIT = 65525
_MASKS = {12: 0xfff, 16: 0xffff, 32: 0x0fffffff}
#: From here on an entry of the table ends the chain.
_END_OF_CHAIN = {12: 0xff8, 16: 0xfff8, 32: 0x0ffffff8}
_PAGE = 512

_ENTRY_SIZE = 32
_ENTRY = struct.Struct('<11sB8xH4xHI')
_DELETED = 0xe5
_VOLUME_ID = 0x08
_DIRECTORY = 0x10
_LONG_NAME = 0x0f
_LAST_LONG_NAME = 0x40
_LONG_NAME_PARTS = ((1, 11), (14, 26), (28, 32))
_MAX_LONG_NAMES = 20
#: The format allows for no larger directory: 65536 entries.
_MAX_DIRECTORY = 65536 * _ENTRY_SIZE
#: No loader is larger; kernels with all that they need are smaller.
MAX_FILE = 256 * 1024 ** 2


class NotFat(Exception):
    """There is no FAT file system here, and what speaks against one."""


class TooFewClusters(NotFat):
    """FAT32 by its layout, but too small for firmware to take it so."""


class Damaged(Exception):
    """The file system contradicts itself, and where."""


class Exhausted(Damaged):
    """There was no end of it: nobody knows what firmware would find."""


class Entry(typing.NamedTuple):
    name: str
    """The long name where there is one, as it is written."""
    short_name: str
    is_directory: bool
    cluster: int
    size: int

    def matches(self, name: str) -> bool:
        """Whether firmware finds this by a name: case does not count."""
        return _upper(name) in (_upper(self.name), _upper(self.short_name))


class File:
    """The bytes of a file whose chain of clusters is whole."""

    def __init__(self, volume: Volume, clusters: array.array[int],
                 size: int) -> None:
        self.size = size
        self._volume = volume
        self._clusters = clusters

    def read(self, offset: int, length: int) -> bytes:
        """Read a range, less at the end of the file."""
        length = min(length, reader.MAX_READ, self.size - offset)
        pieces = []
        while length > 0:
            index, start = divmod(offset, self._volume.cluster_size)
            size = min(length, self._volume.cluster_size - start)
            pieces.append(self._volume.read_cluster(
                self._clusters[index], start, size))
            offset += size
            length -= size
        return b''.join(pieces)


class Budget:
    """How much work a disk may make, over all its file systems.

    Steps are directory entries, four links of a chain, and what else is
    read in units of the size of an entry: real disks take some hundred, or
    some ten thousand for a large kernel.
    """

    def __init__(self, steps: int = 100_000) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Take note of work ahead.

        :raises Exhausted: there is no end of it.
        """
        self._left -= steps
        if self._left < 0:
            raise Exhausted('directories and files are without end')

    @property
    def exhausted(self) -> bool:
        return self._left < 0


class Volume:
    """A FAT file system that firmware opens.

    :raises NotFat: it does not.
    """

    def __init__(self, disk: guest.Disk, budget: Budget) -> None:
        self._budget = budget
        boot = disk.read(0, _BPB_SIZE)
        if len(boot) < _BPB_SIZE:
            raise NotFat('it lies behind the end of the disk')
        (sector, per_cluster, reserved, fats, root_entries, sectors, media,
         fat_sectors, many_sectors, many_fat_sectors, flags, version,
         root_cluster) = _BPB.unpack_from(boot)
        is_fat32 = not fat_sectors
        sectors = sectors or many_sectors
        fat_sectors = fat_sectors or many_fat_sectors
        if not (reserved and fats and sectors
                and sector in _SECTOR_SIZES
                and per_cluster in _CLUSTER_SECTORS
                and (media in (0xf0, 0x00, 0x01) or media > 0xf7)):
            raise NotFat('the boot sector is none of FAT')
        if is_fat32 and (
                not fat_sectors or version or flags & _MIRRORING_OFF):
            raise NotFat('FAT32 of another version, or without mirroring')
        if not is_fat32 and not root_entries:
            raise NotFat('there is no room for a root directory')
        self._disk = disk
        self.sector_size = sector
        self.size = sectors * sector
        self.cluster_size: int = sector * per_cluster
        self._fat = reserved * sector
        self._root = self._fat + fats * fat_sectors * sector
        # Some FAT32 states root entries: firmware goes by its 16 bits.
        self._root_size = 0 if is_fat32 else root_entries * _ENTRY_SIZE
        self._root_cluster = root_cluster if is_fat32 else None
        self._data: int = self._root + -(-self._root_size // sector) * sector
        # Firmware counts without a sign.
        self.clusters = (
            (sectors - self._data // sector) % 2 ** 64 // per_cluster)
        if is_fat32 and self.clusters < FAT16_LIMIT:
            raise TooFewClusters(f'FAT32 of {self.clusters} clusters')
        if not is_fat32 and self.clusters >= FAT16_LIMIT:
            raise NotFat(f'FAT16 of {self.clusters} clusters')
        self._bits = (
            32 if is_fat32 else 16 if self.clusters >= _FAT12_LIMIT else 12)
        self._pages: dict[int, bytes] = {}

    def read_cluster(self, cluster: int, start: int, length: int) -> bytes:
        data = self._disk.read(self._offset(cluster) + start, length)
        if len(data) < length:
            raise Damaged(f'cluster {cluster} lies behind the partition')
        return data

    def _offset(self, cluster: int) -> int:
        return self._data + (cluster - 2) * self.cluster_size

    def find(self, *names: str) -> Entry | None:
        """Find a file or a directory by its path.

        :raises Damaged: a directory on the way cannot be read.
        """
        found: Entry | None = None
        for depth, name in enumerate(names):
            if depth and (found is None or not found.is_directory):
                return None
            found = next((entry for entry in self.entries(found)
                          if entry.matches(name)), None)
        return found

    def entries(self, directory: Entry | None = None) -> Iterator[Entry]:
        """The entries of a directory; None is the root.

        :raises Damaged: it cannot be read.
        """
        parts: list[bytes] = []
        for data in self._directory(directory):
            self._budget.spend(len(data) // _ENTRY_SIZE)
            for at in range(0, len(data) - _ENTRY_SIZE + 1, _ENTRY_SIZE):
                raw = data[at:at + _ENTRY_SIZE]
                if not raw[0]:
                    return
                name, attributes, high, low, size = _ENTRY.unpack(raw)
                if raw[0] == _DELETED:
                    parts.clear()
                elif attributes & 0x3f == _LONG_NAME:
                    parts.append(raw)
                elif attributes & _VOLUME_ID:
                    parts.clear()
                else:
                    short = _short_name(name)
                    yield Entry(
                        _long_name(parts, name) or short, short,
                        bool(attributes & _DIRECTORY),
                        low | (high << 16 if self._bits == 32 else 0), size)
                    parts.clear()

    def _directory(self, directory: Entry | None) -> Iterator[bytes]:
        """The clusters of a directory, none of them twice."""
        if directory is None and self._root_cluster is None:
            yield self._read_root()
            return
        cluster = (self._root_cluster or 0 if directory is None
                   else directory.cluster)
        seen: set[int] = set()
        while cluster < _END_OF_CHAIN[self._bits]:
            if cluster in seen:
                raise Damaged('a directory runs in a circle')
            if len(seen) * self.cluster_size >= _MAX_DIRECTORY:
                raise Damaged('a directory has more entries than FAT allows')
            self._check(cluster, 'a directory')
            seen.add(cluster)
            yield self.read_cluster(cluster, 0, self.cluster_size)
            cluster = self._next(cluster)

    def _read_root(self) -> bytes:
        # The largest takes up twice as much as comes in one piece.
        data = b''.join(
            self._disk.read(self._root + at,
                            min(reader.MAX_READ, self._root_size - at))
            for at in range(0, self._root_size, reader.MAX_READ))
        if len(data) < self._root_size:
            raise Damaged('the root directory lies behind the partition')
        return data

    def open(self, entry: Entry) -> File:
        """Open a file, all of whose clusters must be there.

        :raises Damaged: they are not, or the file is larger than
            :data:`MAX_FILE`.
        """
        if entry.size > MAX_FILE:
            raise Damaged(f'{entry.name} has {entry.size} bytes')
        clusters = array.array('I')
        cluster = entry.cluster
        count = -(-entry.size // self.cluster_size)
        self._budget.spend(count // 4)
        for _ in range(count):
            self._check(cluster, entry.name)
            clusters.append(cluster)
            cluster = self._next(cluster)
        if len(set(clusters)) < count:
            raise Damaged(f'the clusters of {entry.name} run in a circle')
        if clusters:
            # The one that may reach over the end of the partition.
            highest = max(clusters)
            used = entry.size % self.cluster_size
            end = self._offset(highest) + (
                used if used and highest == clusters[-1]
                else self.cluster_size)
            if end > self._disk.size:
                raise Damaged(f'cluster {highest} of {entry.name} lies '
                              'behind the partition')
        return File(self, clusters, entry.size)

    def _check(self, cluster: int, whose: str) -> None:
        if not 2 <= cluster <= self.clusters + 1:
            raise Damaged(
                f'the clusters of {whose} end early, with {cluster}')

    def _next(self, cluster: int) -> int:
        """What the table says comes after a cluster."""
        at = cluster * self._bits // 8
        width = 4 if self._bits == 32 else 2
        value = int.from_bytes(
            self._fat_bytes(at, width), 'little')
        if self._bits == 12 and cluster & 1:
            value >>= 4
        return value & _MASKS[self._bits]

    def _fat_bytes(self, at: int, width: int) -> bytes:
        number, start = divmod(at, _PAGE)
        data = self._page(number)[start:start + width]
        if len(data) < width:
            data += self._page(number + 1)[:width - len(data)]
        return data.ljust(width, b'\xff')

    def _page(self, number: int) -> bytes:
        page = self._pages.get(number)
        if page is None:
            if len(self._pages) > 256:
                self._pages.clear()
            self._budget.spend(_PAGE // _ENTRY_SIZE)
            page = self._pages[number] = self._disk.read(
                self._fat + number * _PAGE, _PAGE)
        return page


def _upper(name: str) -> bytes:
    # Of bytes, ASCII only: of text, a dotless i or a ligature would become
    # letters that firmware does not take it for.
    return name.encode().upper()


def _short_name(name: bytes) -> str:
    text = name.decode('cp437')
    base, extension = text[:8].rstrip(' '), text[8:].rstrip(' ')
    return f'{base}.{extension}' if extension else base


def _long_name(parts: list[bytes], name: bytes) -> str | None:
    """The long name in entries that belong to a short one, else None."""
    if not parts:
        return None
    checksum = 0
    for byte in name:
        checksum = ((checksum >> 1) + (checksum << 7 & 0xff) + byte) & 0xff
    text = b''
    for ordinal, raw in enumerate(reversed(parts), 1):
        if (raw[0] & ~_LAST_LONG_NAME != ordinal or raw[12]
                or raw[13] != checksum or ordinal > _MAX_LONG_NAMES):
            return None
        text += b''.join(raw[start:end] for start, end in _LONG_NAME_PARTS)
        if raw[0] & _LAST_LONG_NAME:
            return text.decode('utf-16-le', 'replace').partition('\0')[0]
    return None
