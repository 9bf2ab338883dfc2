# SPDX-License-Identifier: Apache-2.0
"""Structures that a VHDX has twice, each with a checksum (MS-VHDX 2.2).

Both begin with a signature of four bytes and the CRC-32C of the whole.
"""

from __future__ import annotations

from collections.abc import Callable
import struct

from hyperv_sched.disk import content
from hyperv_sched.disk import crc32c
from hyperv_sched.disk import reader

_CHECKSUM_OFFSET = 4


def read(image: reader.Reader, offsets: tuple[int, int], size: int,
         signature: bytes, names: tuple[str, str], found: content.Content,
         fault: Callable[[bytes], str | None] = lambda _: None,
         ) -> list[bytes]:
    """Read the copies that are valid, the first one first.

    :param names: of the defects that both copies are damaged, and that one
        is
    :param fault: what else may be wrong with a copy
    :raises content.Damaged: neither is valid.
    """
    copies = [image.read(offset, size) for offset in offsets]
    # A checksum of nothing but zeros is had for nothing.
    image.spend(sum(len(copy.rstrip(b'\0')) for copy in copies) // 12)
    faults = [_fault(copy, size, signature) or fault(copy)
              for copy in copies]
    if all(faults):
        raise content.Damaged(
            names[0], f'copy 1: {faults[0]}; copy 2: {faults[1]}')
    for number, wrong in enumerate(faults, 1):
        if wrong:
            found.note(names[1], f'copy {number}: {wrong}')
    return [copy for copy, wrong in zip(copies, faults, strict=True)
            if not wrong]


def _fault(copy: bytes, size: int, signature: bytes) -> str | None:
    if len(copy) < size:
        return 'past the end of the file'
    if not copy.startswith(signature):
        return 'no signature'
    said, = struct.unpack_from('<I', copy, _CHECKSUM_OFFSET)
    if crc32c.checksum(copy, hole=_CHECKSUM_OFFSET) != said:
        return 'wrong checksum'
    return None
