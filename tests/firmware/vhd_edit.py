# SPDX-License-Identifier: Apache-2.0
"""Change a dynamic VHD of qemu-img as no tool does.

Source: Virtual Hard Disk Image Format Specification, version 1.0.
"""

import struct

from tests.firmware import images

_SIZE = 512
_CHECKSUM = 64


def wipe_copy() -> images.Step:
    """Erase the copy of the footer at the start of the file."""
    def step(image: images.Image) -> None:
        with open(image.path, 'r+b') as file:
            file.write(bytes(_SIZE))
    return step


def footer(layout: str, offset: int, value: object,
           sealed: bool = True, copy: bool = True) -> images.Step:
    """Set a field of the footer.

    :param sealed: make its checksum right again.
    :param copy: set it at both ends of the file.
    """
    def step(image: images.Image) -> None:
        with open(image.path, 'r+b') as file:
            end = image.path.stat().st_size - _SIZE
            for start in (0, end) if copy else (end,):
                file.seek(start)
                data = bytearray(file.read(_SIZE))
                struct.pack_into(layout, data, offset, value)
                if sealed:
                    struct.pack_into('>I', data, _CHECKSUM, 0)
                    struct.pack_into(
                        '>I', data, _CHECKSUM, ~sum(data) & 0xffffffff)
                file.seek(start)
                file.write(data)
    return step


def damage_copy(layout: str, offset: int, value: object,
                sealed: bool = True) -> images.Step:
    """Set a field of the copy of the footer only."""
    def step(image: images.Image) -> None:
        with open(image.path, 'rb') as file:
            file.seek(-_SIZE, 2)
            end = file.read()
        footer(layout, offset, value, sealed)(image)
        with open(image.path, 'r+b') as file:
            file.seek(-_SIZE, 2)
            file.write(end)
    return step


def created_by(application: bytes) -> images.Step:
    """Set the name of the program that made the file, and the geometry.

    Cylinders, heads and sectors seldom make up the current size, which is
    the one that Hyper-V takes.
    """
    def step(image: images.Image) -> None:
        with open(image.path, 'rb') as file:
            copy = file.read(8) == b'conectix'
        geometry = _geometry(image.disk.stat().st_size // _SIZE)
        footer('4s', 28, application, copy=copy)(image)
        footer('4s', 56, struct.pack('>HBB', *geometry), copy=copy)(image)
    return step


def _geometry(sectors: int) -> tuple[int, int, int]:
    """Return cylinders, heads and sectors (appendix, CHS Calculation)."""
    if sectors >= 65535 * 16 * 63:
        return 65535, 16, 255
    per_track = 17
    heads = max((sectors // per_track + 1023) // 1024, 4)
    if sectors // per_track >= heads * 1024 or heads > 16:
        per_track, heads = 31, 16
    if sectors // per_track >= heads * 1024:
        per_track, heads = 63, 16
    return sectors // per_track // heads, heads, per_track
