# SPDX-License-Identifier: Apache-2.0
"""VHDX headers, region table and metadata (MS-VHDX 2.1 to 2.6).

File, little endian throughout:

======== ====== ====================================================
 at       size
======== ====== ====================================================
   0          8  signature ``vhdxfile`` (2.2.1)
  64 KiB   4096  header, copy 1 (2.2.2)
 128 KiB   4096  header, copy 2
 192 KiB   64Ki  region table, copy 1 (2.2.3)
 256 KiB   64Ki  region table, copy 2
======== ====== ====================================================

Header: ``head``, checksum, sequence number u64 at 8, log GUID at 48.
Region table: ``regi``, checksum, count u32 at 8, entries of 32 bytes at 16:
GUID, file offset u64, length u32, flags u32.
Metadata table: ``metadata``, count u16 at 10, entries of 32 bytes at 32:
GUID, offset u32 in the region, length u32, flags u32 (2.6.1).
"""

from __future__ import annotations

from collections.abc import Iterator
import struct
import uuid

from hyperv_sched.disk import content
from hyperv_sched.disk import reader

SIGNATURE = b'vhdxfile'
HEADER_OFFSETS = (64 * 1024, 128 * 1024)
HEADER_SIZE = 4096
REGION_TABLE_OFFSETS = (192 * 1024, 256 * 1024)
TABLE_SIZE = 64 * 1024
#: Of entries in a region or a metadata table (2.2.3.1, 2.6.1.1).
MAX_ENTRIES = 2047

_METADATA_REGION = uuid.UUID('8b7ca206-4790-4b9a-b8fe-575f050f886e')
_FILE_PARAMETERS = uuid.UUID('caa16737-fa36-4d43-b3b6-33f0aa44e76b')
_VIRTUAL_DISK_SIZE = uuid.UUID('2fa54224-cd1b-4876-b211-5dbed83bf4b8')
_LOGICAL_SECTOR_SIZE = uuid.UUID('8141bf1d-a96f-4709-ba47-f233a8faab5f')
_PHYSICAL_SECTOR_SIZE = uuid.UUID('cda348c7-445d-4471-9cc9-e9885251c556')

_LEAVE_BLOCKS_ALLOCATED = 1
_HAS_PARENT = 2

_REGION_ENTRY = struct.Struct('<16sQII')
_METADATA_ENTRY = struct.Struct('<16sIII')
_U32 = struct.Struct('<I')
_U64 = struct.Struct('<Q')


def read(image: reader.Reader) -> content.Content | None:
    """Read what the metadata says; checksums are not looked at.

    :returns: None where the file is no VHDX.
    """
    if image.read(0, len(SIGNATURE)) != SIGNATURE:
        return None
    found = content.Content(format='vhdx', log_dirty=_log_dirty(image))
    items = _metadata(image)
    parameters = items.get(_FILE_PARAMETERS, b'')
    if len(parameters) == 8:
        found.block_size, flags = struct.unpack('<II', parameters)
        found.has_parent = bool(flags & _HAS_PARENT)
        found.subformat = (
            'differencing' if found.has_parent
            else 'fixed' if flags & _LEAVE_BLOCKS_ALLOCATED else 'dynamic')
    found.virtual_size = _number(items, _VIRTUAL_DISK_SIZE, _U64)
    found.logical_sector_size = _number(items, _LOGICAL_SECTOR_SIZE, _U32)
    found.physical_sector_size = _number(items, _PHYSICAL_SECTOR_SIZE, _U32)
    return found


def _number(items: dict[uuid.UUID, bytes], item: uuid.UUID,
            kind: struct.Struct) -> int | None:
    data = items.get(item, b'')
    return kind.unpack(data)[0] if len(data) == kind.size else None


def _log_dirty(image: reader.Reader) -> bool | None:
    """Whether the current header, the newer of the two, names a log."""
    current = None
    for offset in HEADER_OFFSETS:
        header = image.read(offset, HEADER_SIZE)
        if header.startswith(b'head') and len(header) == HEADER_SIZE:
            sequence = _U64.unpack_from(header, 8)[0]
            if current is None or sequence > current[0]:
                current = sequence, any(header[48:64])
    return None if current is None else current[1]


def _metadata(image: reader.Reader) -> dict[uuid.UUID, bytes]:
    """The small items of the metadata region, by their GUID."""
    for table_offset in REGION_TABLE_OFFSETS:
        table = image.read(table_offset, TABLE_SIZE)
        if table.startswith(b'regi') and len(table) == TABLE_SIZE:
            break
    else:
        return {}
    count = _U32.unpack_from(table, 8)[0]
    for guid, offset, _, _ in _entries(table, _REGION_ENTRY, 16, count):
        if guid == _METADATA_REGION:
            return _items(image, offset)
    return {}


def _items(image: reader.Reader, region: int) -> dict[uuid.UUID, bytes]:
    table = image.read(region, TABLE_SIZE)
    if not table.startswith(b'metadata') or len(table) != TABLE_SIZE:
        return {}
    count = struct.unpack_from('<H', table, 10)[0]
    return {
        guid: image.read(region + offset, length)
        for guid, offset, length, _ in _entries(
            table, _METADATA_ENTRY, 32, count)
        if length <= _U64.size}


def _entries(table: bytes, entry: struct.Struct, start: int,
             count: int) -> Iterator[tuple[uuid.UUID, int, int, int]]:
    """Entries of a table: both kinds take up 32 bytes."""
    for index in range(min(count, MAX_ENTRIES)):
        guid, offset, length, flags = entry.unpack_from(
            table, start + 32 * index)
        yield uuid.UUID(bytes_le=guid), offset, length, flags
