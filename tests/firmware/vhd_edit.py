# SPDX-License-Identifier: Apache-2.0
"""Change a dynamic VHD that qemu-img made, where no tool would.

Source: Virtual Hard Disk Image Format Specification, version 1.0.
"""

import struct

from tests.firmware import images

_SIZE = 512
_CHECKSUM = 64


def footer(layout: str, offset: int, value: object,
           sealed: bool = True) -> images.Step:
    """Set a field of the footer, at both ends of the file.

    :param sealed: make its checksum right again.
    """
    def step(image: images.Image) -> None:
        with open(image.path, 'r+b') as file:
            for start in (0, image.path.stat().st_size - _SIZE):
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
