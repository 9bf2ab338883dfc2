# SPDX-License-Identifier: Apache-2.0
"""Change a VHDX of qemu-img as no tool does (MS-VHDX, 2.1-2.6).

Checksums are made right again, so that each edit makes one error.
"""

from collections.abc import Callable
from collections.abc import Iterable
import os
import struct
import typing
import uuid

from tests.firmware import images

MIB = images.MIB

#: Offsets of the copies of the header and of the region table.
HEADERS = (64 * 1024, 128 * 1024)
REGION_TABLES = (192 * 1024, 256 * 1024)
_TABLE_SIZE = 64 * 1024

BAT = uuid.UUID('2dc27766-f623-4200-9d64-115e9bfd4a08')
METADATA = uuid.UUID('8b7ca206-4790-4b9a-b8fe-575f050f886e')

FILE_PARAMETERS = uuid.UUID('caa16737-fa36-4d43-b3b6-33f0aa44e76b')
DISK_SIZE = uuid.UUID('2fa54224-cd1b-4876-b211-5dbed83bf4b8')
LOGICAL_SECTOR_SIZE = uuid.UUID('8141bf1d-a96f-4709-ba47-f233a8faab5f')
PHYSICAL_SECTOR_SIZE = uuid.UUID('cda348c7-445d-4471-9cc9-e9885251c556')
#: Marks an incomplete file for Microsoft's reader (openvmm,
#: vm/devices/storage/vhdx).
INCOMPLETE = uuid.UUID('71cc85f0-1b69-4e28-9558-c3bf83ae75d3')
#: No region or item has it.
UNKNOWN = uuid.UUID('00112233-4455-6677-8899-aabbccddeeff')

USER, VIRTUAL_DISK, REQUIRED = 1, 2, 4
HAS_PARENT = 2

_HEADER = struct.Struct('<4sIQ16s16s16sHHIQ')
_HEADER_SIZE = 4096
_HEADER_FIELDS = ('signature', 'checksum', 'sequence', 'file_guid',
                  'data_guid', 'log_guid', 'log_version', 'version',
                  'log_length', 'log_offset')


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC32C = _crc32c_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes (RFC 3720, B.4)."""
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def _sealed(data: bytes) -> bytes:
    """Return a structure with its checksum, at offset 4."""
    blank = data[:4] + bytes(4) + data[8:]
    return data[:4] + struct.pack('<I', crc32c(blank)) + data[8:]


class Vhdx:
    """The structures of a file."""

    def __init__(self, file: typing.BinaryIO) -> None:
        self._file = file

    def size(self) -> int:
        return self._file.seek(0, os.SEEK_END)

    def read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def write(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        self._file.write(data)

    def region(self, guid: uuid.UUID) -> int:
        """Return the offset of a region, from the first copy of the table."""
        entries = self.read(REGION_TABLES[0], _TABLE_SIZE)
        return struct.unpack_from(
            '<Q', entries, entries.index(guid.bytes_le) + 16)[0]

    def item(self, guid: uuid.UUID) -> int:
        """Return the offset of the entry of a metadata item."""
        table = self.region(METADATA)
        return table + self.read(table, _TABLE_SIZE).index(guid.bytes_le)

    def value(self, guid: uuid.UUID) -> int:
        """Return the offset of the value of a metadata item."""
        entry = self.item(guid)
        return self.region(METADATA) + struct.unpack(
            '<I', self.read(entry + 16, 4))[0]


def edit(change: Callable[[Vhdx], None]) -> images.Step:
    def step(image: images.Image) -> None:
        with open(image.path, 'r+b') as file:
            change(Vhdx(file))
    return step


# Headers.

def header(copies: Iterable[int] = HEADERS, **fields: object) -> images.Step:
    """Set fields of the header."""
    def change(file: Vhdx) -> None:
        for copy in copies:
            old = file.read(copy, _HEADER_SIZE)
            values = dict(zip(_HEADER_FIELDS, _HEADER.unpack_from(old),
                              strict=True))
            values.update(fields)
            file.write(copy, _sealed(
                _HEADER.pack(*values.values()) + old[_HEADER.size:]))
    return edit(change)


def poke(offset: int, data: bytes) -> images.Step:
    """Write to the file without an update of checksums."""
    return edit(lambda file: file.write(offset, data))


def dirty_log(content: bytes = b'', offset: int = 0
              ) -> tuple[images.Step, ...]:
    """Write an entry to the log that must be replayed (2.3).

    :param content: 4096 bytes that the entry writes; by default zeros where
        there are zeros, which must be replayed all the same
    :param offset: of the content in the first block of the disk
    """
    guid = uuid.UUID(int=1).bytes_le

    def change(file: Vhdx) -> None:
        size = file.size()
        if content:
            entry = struct.unpack('<Q', file.read(file.region(BAT), 8))[0]
            descriptor = struct.pack(
                '<4s4s8sQQ', b'desc', content[-4:], content[:8],
                (entry >> 20) * MIB + offset, 1)
            data = struct.pack('<4sI4084sI', b'data', 0, content[8:-4], 1)
        else:
            descriptor = struct.pack('<4sIQQQ', b'zero', 0, 4096, MIB // 2, 1)
            data = b''
        head = struct.pack('<4sIIIQII16sQQ', b'loge', 0, 4096 + len(data), 0,
                           1, 1, 0, guid, size, size)
        file.write(MIB, _sealed(
            (head + descriptor).ljust(4096, b'\0') + data))
    return edit(change), header(log_guid=guid)


# The region table.

def regions(change: Callable[[bytearray], None]) -> images.Step:
    """Change both copies of the region table."""
    def apply(file: Vhdx) -> None:
        for copy in REGION_TABLES:
            table = bytearray(file.read(copy, _TABLE_SIZE))
            change(table)
            file.write(copy, _sealed(bytes(table)))
    return edit(apply)


def region(guid: uuid.UUID, layout: str, offset: int,
           value: object) -> images.Step:
    """Set a field of a region's entry."""
    return regions(lambda table: struct.pack_into(
        layout, table, table.index(guid.bytes_le) + offset, value))


def add_region(guid: uuid.UUID, offset: int, length: int = MIB,
               required: bool = False) -> images.Step:
    def change(table: bytearray) -> None:
        count = struct.unpack_from('<I', table, 8)[0]
        struct.pack_into('<I', table, 8, count + 1)
        struct.pack_into('<16sQII', table, 16 + 32 * count, guid.bytes_le,
                         offset, length, required)
    return regions(change)


# Metadata.

def value(guid: uuid.UUID, layout: str, *values: object) -> images.Step:
    """Set the value of a metadata item."""
    return edit(lambda file: file.write(
        file.value(guid), struct.pack(layout, *values)))


def item(guid: uuid.UUID, layout: str, offset: int,
         value: object) -> images.Step:
    """Set a field of a metadata item's entry."""
    return edit(lambda file: file.write(
        file.item(guid) + offset, struct.pack(layout, value)))


def add_item(guid: uuid.UUID, flags: int, offset: int = 0x18000,
             data: bytes = bytes(8)) -> images.Step:
    """Add a metadata item, with its value at an offset in the region."""
    def change(file: Vhdx) -> None:
        table = file.region(METADATA)
        count = struct.unpack('<H', file.read(table + 10, 2))[0]
        file.write(table + 10, struct.pack('<H', count + 1))
        file.write(table + 32 + 32 * count, struct.pack(
            '<16sIIII', guid.bytes_le, offset, len(data), flags, 0))
        file.write(table + offset, data)
    return edit(change)


# The block allocation table.

def block(index: int, change: Callable[[int], int]) -> images.Step:
    """Change the entry of a block: bits 0-2 its state, 20-63 its MiB."""
    def apply(file: Vhdx) -> None:
        at = file.region(BAT) + 8 * index
        old = struct.unpack('<Q', file.read(at, 8))[0]
        file.write(at, struct.pack('<Q', change(old)))
    return edit(apply)


def state(index: int, value: int) -> images.Step:
    """Set the state of a block."""
    return block(index, lambda entry: entry & ~7 | value)


def place(index: int, mib: int) -> images.Step:
    """Make a block present, at an offset in MiB."""
    return block(index, lambda entry: mib << 20 | 6)


# The end of the file.

def append(data: bytes) -> images.Step:
    return edit(lambda file: file.write(file.size(), data))


def grow(size: int) -> images.Step:
    """Add zeros up to a size."""
    return edit(lambda file: file.write(size - 1, b'\0'))
