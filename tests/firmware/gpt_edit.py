# SPDX-License-Identifier: Apache-2.0
"""Change a GPT as no tool does (UEFI specification, 5.3).

Checksums are made right again, so that each edit makes one error.
"""

from collections.abc import Callable
from collections.abc import Iterable
import struct
import typing
import zlib

from tests.firmware import images

PRIMARY = 1
BACKUP = -1
BOTH = (PRIMARY, BACKUP)

_HEADER = struct.Struct('<8sIIIIQQQQ16sQIII')
_FIELDS = ('signature', 'revision', 'size', 'checksum', 'reserved', 'own',
           'other', 'first', 'last', 'guid', 'table', 'count', 'entry_size',
           'table_checksum')
_ENTRY_SIZE = 128


class Copy:
    """One of the two copies of the table."""

    def __init__(self, file: typing.BinaryIO, sector_size: int,
                 lba: int) -> None:
        self._file = file
        self._sector_size = sector_size
        self._lba = lba
        self.fields = dict(zip(
            _FIELDS, _HEADER.unpack(self.read(lba, _HEADER.size)),
            strict=True))
        self.entries = self.read(
            self.fields['table'],
            self.fields['count'] * self.fields['entry_size'])

    def read(self, lba: int, size: int) -> bytes:
        self._file.seek(lba * self._sector_size)
        return self._file.read(size)

    def write(self) -> None:
        fields = self.fields
        # Sizes that are too large are not read.
        covered = min(fields['count'] * fields['entry_size'], images.MIB)
        entries = self.entries[:covered].ljust(covered, b'\0')
        fields['table_checksum'] = zlib.crc32(entries)
        fields['checksum'] = 0
        blank = _HEADER.pack(*fields.values()).ljust(
            min(fields['size'], self._sector_size), b'\0')
        fields['checksum'] = zlib.crc32(blank[:fields['size']])
        for lba, data in ((fields['table'], entries),
                          (self._lba, _HEADER.pack(*fields.values()))):
            self._file.seek(lba * self._sector_size)
            self._file.write(data)


def _change(copies: Iterable[int], change: Callable[[Copy], None]
            ) -> images.Step:
    def step(image: images.Image) -> None:
        sectors = image.disk.stat().st_size // image.sector_size
        with open(image.disk, 'r+b') as file:
            for lba in copies:
                table = Copy(file, image.sector_size, lba % sectors)
                change(table)
                table.write()
    return step


def header(copies: Iterable[int] = BOTH, **fields: int) -> images.Step:
    """Set fields of the header."""
    return _change(copies, lambda table: table.fields.update(fields))


def entry(index: int, layout: str, offset: int, value: object,
          copies: Iterable[int] = BOTH) -> images.Step:
    """Set a field of an entry."""
    def change(table: Copy) -> None:
        entries = bytearray(table.entries)
        struct.pack_into(
            layout, entries, index * _ENTRY_SIZE + offset, value)
        table.entries = bytes(entries)
    return _change(copies, change)


def attributes(value: int) -> images.Step:
    """Set the attributes of the first partition."""
    return entry(0, '<Q', 48, value)


def first_lba(value: int, index: int = 0) -> images.Step:
    """Set the first LBA of a partition."""
    return entry(index, '<Q', 32, value)


def last_lba(value: int, index: int = 0) -> images.Step:
    """Set the last LBA of a partition."""
    return entry(index, '<Q', 40, value)


def layout(count: int, entry_size: int) -> images.Step:
    """Write the entries with another number and size, in both copies."""
    def change(table: Copy) -> None:
        table.entries = b''.join(
            table.entries[at:at + _ENTRY_SIZE].ljust(entry_size, b'\0')
            for at in range(0, len(table.entries), _ENTRY_SIZE))
        table.fields.update(count=count, entry_size=entry_size)
        if table.fields['own'] != PRIMARY:
            sectors = -(-count * entry_size // 512)
            table.fields['table'] = table.fields['own'] - sectors
    return _change(BOTH, change)


def small(count: int) -> images.Step:
    """Add a number of partitions of one sector, from slot 1."""
    def change(table: Copy) -> None:
        # They are before the first partition.
        start = struct.unpack_from('<Q', table.entries, 32)[0] - count
        table.entries = table.entries[:_ENTRY_SIZE] + b''.join(
            table.entries[:16] + bytes(12) + struct.pack('<I', n + 1)
            + struct.pack('<QQ', start + n, start + n)
            + bytes(_ENTRY_SIZE - 48)
            for n in range(count))
    return _change(BOTH, change)
