# SPDX-License-Identifier: Apache-2.0
"""The GUID partition table, as firmware reads it (UEFI 2.10, 5.3).

Header, in LBA 1 and once more in the last, little endian:

===== ==== ==========================================================
 at   size
===== ==== ==========================================================
   0    8  signature ``EFI PART``
  12    4  size of the header, which the checksum covers
  16    4  CRC-32 of the header
  24    8  LBA of this header
  32    8  LBA of the other one
  40    8  first LBA for partitions
  48    8  last LBA for partitions
  72    8  LBA of the entries
  80    4  number of entries
  84    4  size of an entry
  88    4  CRC-32 of the entries
===== ==== ==========================================================

Entry: type GUID, GUID of its own at 16, first LBA u64 at 32, last LBA u64
at 40, attributes u64 at 48.

Where the specification leaves room, EDK2's PartitionDxe (Gpt.c), which the
firmware of Hyper-V is built with, decides.
"""

from __future__ import annotations

import dataclasses
import struct
import uuid
import zlib

from hyperv_sched.disk import guest
from hyperv_sched.disk import reader

ESP = uuid.UUID('c12a7328-f81f-11d2-ba4b-00a0c93ec93b').bytes_le
#: What a BIOS starts from: of GRUB, of FreeBSD (freebsd-boot), of illumos.
BIOS_BOOT = frozenset(uuid.UUID(guid).bytes_le for guid in (
    '21686148-6449-6e6f-744e-656564454649',
    '83bd6b9d-7f41-11dc-be0b-001560b84f0f',
    '6a82cb45-1dd2-11b2-99a6-080020736631'))

_SIGNATURE = b'EFI PART'
_HEADER = struct.Struct('<8s4xIIxxxxQQQQ16xQIII')
_CHECKSUM = slice(16, 20)
_ENTRY = struct.Struct('<16s16sQQQ')
_ENTRY_SIZE = 128
_NO_BLOCK_IO = 2
_LEGACY_BOOTABLE = 4

#: What firmware would allocate in one piece; real tables take up 16 KiB.
_MAX_ARRAY = 16 * 1024 ** 2
#: Firmware compares each with all others: more would take it hours.
_MAX_USED = 4096
#: Of work: what an entry in use is made into here and by its readers.
_USED_STEPS = 12
#: Comparisons that take it half a minute.
_MANY = 1024 ** 2


class Invalid(Exception):
    """This is no table, and why."""


class Absurd(Invalid):
    """The checksum holds, the numbers do not."""


@dataclasses.dataclass(frozen=True)
class Header:
    own_lba: int
    other_lba: int
    first_usable: int
    last_usable: int
    entries_lba: int
    entry_count: int
    entry_size: int
    entries_crc: int


@dataclasses.dataclass(frozen=True)
class Table:
    header: Header
    entries: bytes


@dataclasses.dataclass
class Partition:
    number: int
    type: bytes
    first: int
    last: int
    """Both in LBAs, and part of the partition."""
    attributes: int
    in_range: bool
    overlaps: int = 0
    """The number of another partition, for firmware sees neither."""

    @property
    def hidden(self) -> bool:
        """Told apart as the operating system's own (attribute bit 1)."""
        return bool(self.attributes & _NO_BLOCK_IO)

    @property
    def legacy_bootable(self) -> bool:
        return bool(self.attributes & _LEGACY_BOOTABLE)


def read(disk: guest.Disk, lba: int) -> Table:
    """Read and check one header and its entries.

    :raises Invalid: firmware does not take it.
    """
    data = disk.read(lba * disk.sector_size, disk.sector_size)
    if not data.startswith(_SIGNATURE) or len(data) != disk.sector_size:
        raise Invalid('no signature')
    _, size, checksum, *numbers = _HEADER.unpack_from(data)
    if not 0 < size <= len(data):
        raise Absurd(f'a header of {size} bytes')
    covered = bytearray(data[:size])
    covered[_CHECKSUM] = bytes(4)
    if zlib.crc32(covered[:size]) != checksum:
        raise Invalid('wrong checksum')
    found = Header(*numbers)
    if found.own_lba != lba:
        raise Absurd(f'it says that it lies in LBA {found.own_lba}')
    if found.entry_size < _ENTRY_SIZE or not (
            0 < found.entry_count * found.entry_size <= _MAX_ARRAY):
        raise Absurd(
            f'{found.entry_count} entries of {found.entry_size} bytes')
    entries = _entries(disk, found)
    if zlib.crc32(entries) != found.entries_crc:
        raise Invalid('wrong checksum of the entries')
    return Table(found, entries)


def _entries(disk: guest.Disk, header: Header) -> bytes:
    start = header.entries_lba * disk.sector_size
    size = header.entry_count * header.entry_size
    if start + size > disk.size:
        raise Absurd('the entries lie behind the end of the disk')
    return b''.join(
        disk.read(at, min(reader.MAX_READ, start + size - at))
        for at in range(start, start + size, reader.MAX_READ))


def is_slow(table: Table, used: list[Partition]) -> bool:
    """Whether firmware is long at comparing the entries in use."""
    return len(used) * table.header.entry_count > _MANY


def partitions(table: Table, disk: guest.Disk) -> list[Partition]:
    """The entries in use, as firmware sees them.

    :param disk: charged for the work
    :raises Absurd: there are more than firmware gets through.
    """
    found: list[Partition] = []
    header, entries = table.header, table.entries
    disk.spend(header.entry_count // 2)
    for number in range(header.entry_count):
        kind, _, first, last, attributes = _ENTRY.unpack_from(
            entries, number * header.entry_size)
        if not any(kind):
            continue
        disk.spend(_USED_STEPS)
        if len(found) == _MAX_USED:
            raise Absurd(f'more than {_MAX_USED} partitions')
        found.append(Partition(
            number + 1, kind, first, last, attributes,
            header.first_usable <= first <= last <= header.last_usable))
    _find_overlaps(found, disk)
    return found


def _find_overlaps(entries: list[Partition], disk: guest.Disk) -> None:
    """Mark partitions that share an LBA.

    One that is out of range hides those before it, not those behind it:
    that is how firmware compares them.
    """
    ordered = sorted((entry for entry in entries if entry.in_range),
                     key=lambda entry: entry.first)
    furthest = None
    for entry in ordered:
        if furthest is not None and furthest.last >= entry.first:
            entry.overlaps = furthest.number
            furthest.overlaps = furthest.overlaps or entry.number
        if furthest is None or entry.last > furthest.last:
            furthest = entry
    for stray in entries:
        if stray.in_range:
            continue
        disk.spend(len(ordered) // 8)
        for entry in ordered:
            if (entry.number < stray.number and stray.last >= entry.first
                    and stray.first <= entry.last):
                entry.overlaps = entry.overlaps or stray.number
