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
import bisect
from collections.abc import Iterator
from collections.abc import Sequence
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
#: Of an entry of FAT32, whose upper bits are reserved.
_MASK = 0x0fffffff
#: From here on an entry of the table ends the chain.
_END_OF_CHAIN = {12: 0xff8, 16: 0xfff8, 32: 0x0ffffff8}
#: Entries of the table that are read at once, an even number; pages that
#: are kept.
_PAGE = 512
_MAX_PAGES = 256
#: Of work: what it takes to decode a page, to follow a chain from one run of
#: adjacent clusters to the next, and to make an entry of a directory.
_PAGE_STEPS = 40
_RUN_STEPS = 2
_ENTRY_STEPS = 4

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


class Damaged(Exception):
    """The file system contradicts itself, and where."""


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
    """The bytes of a file whose chain of clusters is whole.

    :param runs: adjacent clusters: the first of each run, by its number in
        the file
    """

    def __init__(self, volume: Volume, runs: dict[int, int],
                 size: int) -> None:
        self.size = size
        self.spend = volume.spend
        self._volume = volume
        self._indexes = array.array('I', runs)
        self._clusters = array.array('I', runs.values())

    def read(self, offset: int, length: int) -> bytes:
        """Read a range, less at the end of the file."""
        length = min(length, reader.MAX_READ, self.size - offset)
        cluster_size = self._volume.cluster_size
        pieces = []
        while length > 0:
            run = bisect.bisect_right(
                self._indexes, offset // cluster_size) - 1
            start = offset - self._indexes[run] * cluster_size
            size = length
            if run + 1 < len(self._indexes):
                size = min(length, (
                    self._indexes[run + 1] * cluster_size - offset))
            pieces.append(self._volume.read_clusters(
                self._clusters[run], start, size))
            offset += size
            length -= size
        return b''.join(pieces)


class _Page(typing.NamedTuple):
    """Some entries of the file allocation table."""

    following: Sequence[int]
    """The entries."""
    breaks: list[int]
    """Which of them do not name the cluster behind their own."""


class Volume:
    """A FAT file system that firmware opens.

    One of :attr:`too_few_clusters` it does not open.

    :raises NotFat: it is none.
    """

    def __init__(self, disk: guest.Disk) -> None:
        self.spend = disk.spend
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
        #: FAT32 by its layout, which Linux reads and firmware does not.
        self.too_few_clusters = is_fat32 and self.clusters < FAT16_LIMIT
        if not is_fat32 and self.clusters >= FAT16_LIMIT:
            raise NotFat(f'FAT16 of {self.clusters} clusters')
        self._bits = (
            32 if is_fat32 else 16 if self.clusters >= _FAT12_LIMIT else 12)
        self._pages: dict[int, _Page] = {}

    def read_clusters(self, cluster: int, start: int, length: int) -> bytes:
        """Read a range that begins in a cluster, of clusters side by side.

        :raises Damaged: it ends behind the partition.
        """
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
            for at in range(0, len(data) - _ENTRY_SIZE + 1, _ENTRY_SIZE):
                raw = data[at:at + _ENTRY_SIZE]
                if not raw[0]:
                    return
                self.spend(1)
                name, attributes, high, low, size = _ENTRY.unpack(raw)
                if raw[0] == _DELETED:
                    parts.clear()
                elif attributes & 0x3f == _LONG_NAME:
                    parts.append(raw)
                elif attributes & _VOLUME_ID:
                    parts.clear()
                else:
                    self.spend(_ENTRY_STEPS)
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
            yield self.read_clusters(cluster, 0, self.cluster_size)
            _, cluster = self._run(cluster, 1)

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
        runs: dict[int, int] = {}
        ends: list[int] = []
        cluster = entry.cluster
        count = -(-entry.size // self.cluster_size)
        index = 0
        while index < count:
            self.spend(_RUN_STEPS)
            self._check(cluster, entry.name)
            length, following = self._run(cluster, count - index)
            self._check(cluster + length - 1, entry.name)
            if ends and ends[-1] == cluster:
                ends[-1] += length
            else:
                runs[index] = cluster
                ends.append(cluster + length)
            index += length
            cluster = following
        self._check_place(entry, sorted(
            zip(runs.values(), ends, strict=True)), ends)
        return File(self, runs, entry.size)

    def _check_place(self, entry: Entry, ordered: list[tuple[int, int]],
                     ends: list[int]) -> None:
        """Check that a file has each cluster once, within the partition.

        :param ordered: its runs, in the order of the clusters
        :param ends: of its runs, in the order of the file
        """
        for (_, end), (first, _) in zip(ordered, ordered[1:], strict=False):
            if first < end:
                raise Damaged(
                    f'the clusters of {entry.name} run in a circle')
        if not ordered:
            return
        # The one that may reach over the end of the partition.
        highest = ordered[-1][1] - 1
        used = entry.size % self.cluster_size
        end = self._offset(highest) + (
            used if used and highest == ends[-1] - 1
            else self.cluster_size)
        if end > self._disk.size:
            raise Damaged(f'cluster {highest} of {entry.name} lies '
                          'behind the partition')

    def _check(self, cluster: int, whose: str) -> None:
        if not 2 <= cluster <= self.clusters + 1:
            raise Damaged(
                f'the clusters of {whose} end early, with {cluster}')

    def _run(self, cluster: int, limit: int) -> tuple[int, int]:
        """Return how many clusters of a chain are adjacent, and the next.

        :param cluster: the first
        :param limit: of their number, which ends where a page ends, too
        """
        number, index = divmod(cluster, _PAGE)
        page = self._page(number)
        last = page.breaks[bisect.bisect_left(page.breaks, index)]
        last = min(last, index + limit - 1)
        return last - index + 1, page.following[last]

    def _page(self, number: int) -> _Page:
        page = self._pages.get(number)
        if page is None:
            if len(self._pages) >= _MAX_PAGES:
                self._pages.clear()
            self.spend(_PAGE_STEPS)
            size = _PAGE * self._bits // 8
            following = _table_entries(self._disk.read(
                self._fat + number * size, size).ljust(size, b'\xff'),
                self._bits)
            first = number * _PAGE + 1
            breaks = [index for index, (entry, adjacent) in enumerate(zip(
                following, range(first, first + _PAGE), strict=True))
                if entry != adjacent]
            if not breaks or breaks[-1] != _PAGE - 1:
                breaks.append(_PAGE - 1)
            page = self._pages[number] = _Page(following, breaks)
        return page


def _table_entries(data: bytes, bits: int) -> Sequence[int]:
    """Decode entries of the table, of which there is an even number."""
    if bits == 16:
        return struct.unpack(f'<{len(data) // 2}H', data)
    if bits == 32:
        return [entry & _MASK for entry in struct.unpack(
            f'<{len(data) // 4}I', data)]
    # Two entries in three bytes.
    pairs = [low | middle << 8 | high << 16 for low, middle, high in zip(
        data[::3], data[1::3], data[2::3], strict=True)]
    return [entry for pair in pairs for entry in (pair & 0xfff, pair >> 12)]


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
