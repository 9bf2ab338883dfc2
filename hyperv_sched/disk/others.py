# SPDX-License-Identifier: Apache-2.0
"""Formats that Hyper-V does not run, recognised so that a finding can say so.

======= ===================================== ==========================
format  mark                                  virtual size
======= ===================================== ==========================
qcow2   ``QFI\\xfb`` at 0                      u64 at 24, big endian
vmdk    ``KDMV`` or the descriptor's title    sectors, u64 at 12
vdi     0xbeda107f, little endian, at 64      u64 at 368
gzip    1f 8b 08 at 0
iso     ``CD001`` at 32769 (ECMA-119 8.1)     the file's size
raw     55 aa at 510, ``EFI PART`` in LBA 1   the file's size
======= ===================================== ==========================
"""

from __future__ import annotations

import struct

from hyperv_sched.disk import content
from hyperv_sched.disk import reader

_SECTOR_SIZE = 512
_HEAD_SIZE = 4096 + 8
_ISO_MARK_OFFSET = 32769


def _size(head: bytes, layout: str, offset: int) -> int | None:
    field = struct.Struct(layout)
    if len(head) < offset + field.size:
        return None
    number: int = field.unpack_from(head, offset)[0]
    return number


def read(image: reader.Reader) -> content.Content:
    """Recognise a file that is neither VHDX nor VHD."""
    head = image.read(0, _HEAD_SIZE)
    if head.startswith(b'QFI\xfb'):
        return content.Content(
            format='qcow2', virtual_size=_size(head, '>Q', 24))
    if head.startswith(b'KDMV'):
        sectors = _size(head, '<Q', 12)
        return content.Content(
            format='vmdk', virtual_size=sectors and sectors * _SECTOR_SIZE)
    if head.startswith((b'# Disk DescriptorFile', b'COWD')):
        return content.Content(format='vmdk')
    if head[64:68] == b'\x7f\x10\xda\xbe':
        return content.Content(
            format='vdi', virtual_size=_size(head, '<Q', 368))
    if head.startswith(b'\x1f\x8b\x08'):
        return content.Content(format='gzip')
    if image.read(_ISO_MARK_OFFSET, 5) == b'CD001':
        return content.Content(format='iso', virtual_size=image.size)
    if (head[510:512] == b'\x55\xaa'
            or b'EFI PART' in (head[512:520], head[4096:4104])):
        return content.Content(format='raw', virtual_size=image.size)
    return content.Content()
