# SPDX-License-Identifier: Apache-2.0
"""Checksums put right, so that what is wrong behind them is reached."""

import struct
import zlib

from hyperv_sched.disk import crc32c

_VHDX = ((64 * 1024, 4096, b'head'), (128 * 1024, 4096, b'head'),
         (192 * 1024, 65536, b'regi'), (256 * 1024, 65536, b'regi'))
_MAX_ARRAY = 1024 * 1024


def checksums(file, sector=512):
    """Put right all the checksums of a sparse file that can be found.

    :param sector: what a GPT counts in
    """
    for offset, length, signature in _VHDX:
        data = file.peek(offset, length)
        if data.startswith(signature):
            file.poke(offset + 4, struct.pack(
                '<I', crc32c.checksum(data, 4)))
    for start, run in list(file.runs):
        for at in range(-start % 512, len(run), 512):
            _structure(file, start + at, sector)


def _structure(file, at, sector):
    data = file.peek(at, 1024)
    if data.startswith(b'conectix'):
        _vhd(file, at, data[:512], 64)
    elif data.startswith(b'cxsparse'):
        _vhd(file, at, data, 36)
    elif data.startswith(b'EFI PART'):
        _gpt(file, at, bytearray(data[:512]), sector)


def _vhd(file, at, data, hole):
    total = sum(data) - sum(data[hole:hole + 4])
    file.poke(at + hole, struct.pack('>I', ~total & 0xffffffff))


def _gpt(file, at, header, sector):
    """Of a disk whose blocks lie in the file in order."""
    size, = struct.unpack_from('<I', header, 12)
    own, = struct.unpack_from('<Q', header, 24)
    first, count, entry_size = struct.unpack_from('<QII', header, 72)
    length = count * entry_size
    disk = at - own * sector
    if not 0 < size <= 512 or length > _MAX_ARRAY or disk < 0:
        return
    struct.pack_into('<I', header, 88, zlib.crc32(
        file.peek(disk + first * sector, length)))
    header[16:20] = bytes(4)
    struct.pack_into('<I', header, 16, zlib.crc32(header[:size]))
    file.poke(at, header)
