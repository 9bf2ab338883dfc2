# SPDX-License-Identifier: Apache-2.0
"""Repair checksums, so that the reader gets to the fields they cover."""

import struct
import zlib

from hyperv_sched.disk import crc32c

_VHDX = ((64 * 1024, 4096, b'head'), (128 * 1024, 4096, b'head'),
         (192 * 1024, 65536, b'regi'), (256 * 1024, 65536, b'regi'))
_MAX_ARRAY = 1024 * 1024


def checksums(file, sector=512):
    """Repair the checksums of a sparse file.

    :param sector: the sector size of the disk
    """
    for offset, length, signature in _VHDX:
        data = file.peek(offset, length)
        if data.startswith(signature):
            file.poke(offset + 4, struct.pack(
                '<I', crc32c.checksum(data, 4)))
    for start, run in list(file.runs):
        for offset in range(-start % 512, len(run), 512):
            _repair_structure(file, start + offset, sector)


def _repair_structure(file, offset, sector):
    data = file.peek(offset, 1024)
    if data.startswith(b'conectix'):
        _repair_vhd(file, offset, data[:512], 64)
    elif data.startswith(b'cxsparse'):
        _repair_vhd(file, offset, data, 36)
    elif data.startswith(b'EFI PART'):
        _repair_gpt(file, offset, bytearray(data[:512]), sector)


def _repair_vhd(file, offset, data, checksum):
    total = sum(data) - sum(data[checksum:checksum + 4])
    file.poke(offset + checksum, struct.pack('>I', ~total & 0xffffffff))


def _repair_gpt(file, offset, header, sector):
    """Repair a GPT header of a disk whose blocks are in order."""
    size, = struct.unpack_from('<I', header, 12)
    own, = struct.unpack_from('<Q', header, 24)
    first, count, entry_size = struct.unpack_from('<QII', header, 72)
    length = count * entry_size
    disk = offset - own * sector
    if not 0 < size <= 512 or length > _MAX_ARRAY or disk < 0:
        return
    struct.pack_into('<I', header, 88, zlib.crc32(
        file.peek(disk + first * sector, length)))
    header[16:20] = bytes(4)
    struct.pack_into('<I', header, 16, zlib.crc32(header[:size]))
    file.poke(offset, header)
