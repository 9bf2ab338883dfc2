# SPDX-License-Identifier: Apache-2.0
"""The GUID partition table, as firmware reads it (UEFI 2.10, 5.3).

Header, in LBA 1, with a backup in the last LBA, little endian:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    8 signature ``EFI PART``
    12    4 size of the header, which the checksum covers
    16    4 CRC-32 of the header
    24    8 LBA of this header
    32    8 LBA of the other header
    40    8 first LBA for partitions
    48    8 last LBA for partitions
    72    8 LBA of the entries
    80    4 number of entries
    84    4 size of an entry
    88    4 CRC-32 of the entries
====== ==== ==========================================================

Entry:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0   16 type GUID
    16   16 GUID of the partition
    32    8 first LBA
    40    8 last LBA
    48    8 attributes
====== ==== ==========================================================

Where the specification is open, this module does what EDK II's PartitionDxe
(Gpt.c) does, which the firmware of Hyper-V is built with.
"""

from __future__ import annotations

import dataclasses
import struct
import typing
import uuid
import zlib

from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk

SIGNATURE = b'EFI PART'

ESP = uuid.UUID('c12a7328-f81f-11d2-ba4b-00a0c93ec93b').bytes_le
#: Type of the partition from which GRUB starts by BIOS.
GRUB_BIOS_BOOT = '21686148-6449-6e6f-744e-656564454649'
#: Types that a BIOS boots from: GRUB's, freebsd-boot, illumos' boot.
BIOS_BOOT = frozenset(uuid.UUID(guid).bytes_le for guid in (
    GRUB_BIOS_BOOT,
    '83bd6b9d-7f41-11dc-be0b-001560b84f0f',
    '6a82cb45-1dd2-11b2-99a6-080020736631'))

_SIZE_AND_CHECKSUM = struct.Struct('<12xII')
_CHECKSUM = slice(16, 20)
_HEADER = struct.Struct('<24xQQQQ16xQIII')
_ENTRY = struct.Struct('<16s16sQQQ')
_MIN_ENTRY_SIZE = 128
_NO_BLOCK_IO = 2
_LEGACY_BOOTABLE = 4

#: Firmware allocates the entries in one piece; real tables take 16 KiB.
_MAX_ENTRIES_SIZE = 16 * 1024 ** 2
#: Firmware compares each used entry with all entries: more take hours.
_MAX_USED = 4096
#: Steps of work for an entry in use.
_USED_ENTRY_STEPS = 12
#: Comparisons that take firmware half a minute.
_SLOW_COMPARISONS = 1024 ** 2


class GPTError(Exception):
    """An LBA has no valid GPT header, or its entries are invalid."""


class InvalidHeaderError(GPTError):
    """The checksum of a header is right, and its values are invalid."""


class GPTHeader(typing.NamedTuple):
    """The values of a header."""

    own_lba: int
    other_lba: int
    first_usable: int
    last_usable: int
    entries_lba: int
    entry_count: int
    entry_size: int
    entries_crc: int


class Table(typing.NamedTuple):
    """A valid header with its entries."""

    header: GPTHeader
    entries: bytes


@dataclasses.dataclass
class GPTEntry:
    """An entry in use; the first and the last LBA are in the partition."""

    number: int
    type: bytes
    first: int
    last: int
    attributes: int
    in_range: bool
    overlaps: int = 0
    """The number of a partition with a common LBA; firmware skips both."""

    @property
    def hidden(self) -> bool:
        """Whether firmware ignores the partition (attribute bit 1)."""
        return bool(self.attributes & _NO_BLOCK_IO)

    @property
    def legacy_bootable(self) -> bool:
        """Whether a BIOS boots the partition (attribute bit 2)."""
        return bool(self.attributes & _LEGACY_BOOTABLE)


def read(disk: virtual_disk.Disk, lba: int) -> Table:
    """Read a header and its entries, as far as firmware checks them.

    :raises GPTError: firmware does not use the table.
    """
    header = _read_header(disk, lba)
    entries = _read_entries(disk, header)
    if zlib.crc32(entries) != header.entries_crc:
        raise GPTError('wrong checksum of the entries')
    return Table(header, entries)


def _read_header(disk: virtual_disk.Disk, lba: int) -> GPTHeader:
    data = disk.read(lba * disk.sector_size, disk.sector_size)
    if not data.startswith(SIGNATURE) or len(data) != disk.sector_size:
        raise GPTError('no signature')
    size, checksum = _SIZE_AND_CHECKSUM.unpack_from(data)
    if not 0 < size <= len(data):
        raise InvalidHeaderError(f'a header of {size} bytes')
    covered = bytearray(data[:size])
    covered[_CHECKSUM] = bytes(4)
    if zlib.crc32(covered[:size]) != checksum:
        raise GPTError('wrong checksum')
    header = GPTHeader(*_HEADER.unpack_from(data))
    if header.own_lba != lba:
        raise InvalidHeaderError(f'the header is for LBA {header.own_lba}')
    entries_size = header.entry_count * header.entry_size
    if header.entry_size < _MIN_ENTRY_SIZE or not (
            0 < entries_size <= _MAX_ENTRIES_SIZE):
        raise InvalidHeaderError(
            f'{header.entry_count} entries of {header.entry_size} bytes')
    return header


def _read_entries(disk: virtual_disk.Disk, header: GPTHeader) -> bytes:
    start = header.entries_lba * disk.sector_size
    end = start + header.entry_count * header.entry_size
    if end > disk.size:
        raise InvalidHeaderError('the entries end past the end of the disk')
    return b''.join(
        disk.read(offset, min(reader.MAX_READ, end - offset))
        for offset in range(start, end, reader.MAX_READ))


def is_slow(table: Table, used: list[GPTEntry]) -> bool:
    """Return whether firmware takes long to compare the entries in use."""
    return len(used) * table.header.entry_count > _SLOW_COMPARISONS


def used_entries(table: Table, disk: virtual_disk.Disk) -> list[GPTEntry]:
    """Return the entries in use, marked where firmware skips them.

    :param disk: the disk to charge the work to
    :raises InvalidHeaderError: firmware would take hours for the entries.
    """
    used: list[GPTEntry] = []
    header, entries = table.header, table.entries
    disk.spend(header.entry_count // 2)
    for number in range(header.entry_count):
        type_, _, first, last, attributes = _ENTRY.unpack_from(
            entries, number * header.entry_size)
        if not any(type_):
            continue
        disk.spend(_USED_ENTRY_STEPS)
        if len(used) == _MAX_USED:
            raise InvalidHeaderError(f'more than {_MAX_USED} partitions')
        used.append(GPTEntry(
            number + 1, type_, first, last, attributes,
            header.first_usable <= first <= last <= header.last_usable))
    in_range = sorted((entry for entry in used if entry.in_range),
                      key=lambda entry: entry.first)
    _mark_overlaps(in_range)
    for entry in used:
        if not entry.in_range:
            disk.spend(len(in_range) // 8)
            _mark_overlaps_before(entry, in_range)
    return used


def _mark_overlaps(ordered: list[GPTEntry]) -> None:
    """Mark partitions that have a common LBA.

    :param ordered: partitions in range, by their first LBA
    """
    furthest = None
    for entry in ordered:
        if furthest is not None and furthest.last >= entry.first:
            entry.overlaps = furthest.number
            furthest.overlaps = furthest.overlaps or entry.number
        if furthest is None or entry.last > furthest.last:
            furthest = entry


def _mark_overlaps_before(outside: GPTEntry,
                          in_range: list[GPTEntry]) -> None:
    """Mark partitions that a later entry overlaps which is out of range.

    Firmware compares a partition with all later entries, and an entry that
    is out of range with none.
    """
    for entry in in_range:
        if (entry.number < outside.number and outside.last >= entry.first
                and outside.first <= entry.last):
            entry.overlaps = entry.overlaps or outside.number
