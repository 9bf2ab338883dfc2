# SPDX-License-Identifier: Apache-2.0
"""Formats that Hyper-V does not run, recognized so that a finding can say so.

========= ================================== ==========================
format    mark                               virtual size
========= ================================== ==========================
qcow2     ``QFI\\xfb`` at 0, version 2 or 3   u64 at 24, big endian
qed       ``QED\\0`` at 0                     u64 at 40
vmdk      ``KDMV`` or the descriptor's title sectors, u64 at 12
vdi       0xbeda107f, little endian, at 64   u64 at 368
parallels ``WithoutFreeSpace`` and the like  sectors, u64 at 36
luks      ``LUKS\\xba\\xbe`` at 0
gzip      1f 8b 08 at 0
xz        fd ``7zXZ`` 00 at 0
bzip2     ``BZh`` at 0
zstd      28 b5 2f fd at 0
7z        ``7z`` bc af 27 1c at 0
zip       ``PK`` 03 04 at 0
wim       ``MSWIM`` 00 00 00 at 0
tar       ``ustar`` at 257
ova       as tar; the first file in it is an OVF descriptor
iso       ``CD001`` at 32769 (ECMA-119 8.1)  the file's size
raw       55 aa at 510, ``EFI PART`` in LBA 1 the file's size
========= ================================== ==========================
"""

from __future__ import annotations

import struct

from hyperv_sched.disk import reader

_SECTOR_SIZE = 512
_HEAD_SIZE = 4096 + 8
_ISO_MARK_OFFSET = 32769
_ISO_MARK = b'CD001'

#: Mark at the start of the file, format, and where its virtual size lies:
#: layout, offset, unit.
_MARKS: tuple[tuple[bytes, str, tuple[str, int, int] | None], ...] = (
    (b'QFI\xfb', 'qcow2', ('>Q', 24, 1)),
    (b'QED\0', 'qed', ('<Q', 40, 1)),
    (b'KDMV', 'vmdk', ('<Q', 12, _SECTOR_SIZE)),
    (b'COWD', 'vmdk', None),
    (b'# Disk DescriptorFile', 'vmdk', None),
    (b'WithoutFreeSpace', 'parallels', ('<Q', 36, _SECTOR_SIZE)),
    (b'WithouFreSpacExt', 'parallels', ('<Q', 36, _SECTOR_SIZE)),
    (b'LUKS\xba\xbe', 'luks', None),
    (b'\x1f\x8b\x08', 'gzip', None),
    (b'\xfd7zXZ\0', 'xz', None),
    (b'BZh', 'bzip2', None),
    (b'\x28\xb5\x2f\xfd', 'zstd', None),
    (b'7z\xbc\xaf\x27\x1c', '7z', None),
    (b'PK\x03\x04', 'zip', None),
    (b'MSWIM\0\0\0', 'wim', None))
_VDI_MARK = b'\x7f\x10\xda\xbe'
_TAR_MARK = b'ustar'
_TAR_MARK_OFFSET = 257
_TAR_NAME = slice(0, 100)
_GPT_MARK = b'EFI PART'
_SECTOR_SIZES = (512, 4096)


def recognize(image: reader.Reader) -> tuple[str, int | None]:
    """Read the format and the virtual size of a file.

    :returns: 'unknown' for a file without a mark; no size where the format
        states none
    """
    head = image.read(0, _HEAD_SIZE)
    for mark, name, size in _MARKS:
        if head.startswith(mark):
            return name, size and _size(head, *size)
    if head[64:68] == _VDI_MARK:
        return 'vdi', _size(head, '<Q', 368, 1)
    if image.read(_ISO_MARK_OFFSET, len(_ISO_MARK)) == _ISO_MARK:
        return 'iso', image.size
    if head.startswith(_TAR_MARK, _TAR_MARK_OFFSET):
        first, _, _ = head[_TAR_NAME].partition(b'\0')
        return 'ova' if first.lower().endswith(b'.ovf') else 'tar', None
    if head[510:512] == b'\x55\xaa' or _gpt_sector_size(head):
        return 'raw', image.size
    return 'unknown', None


def sector_size(image: reader.Reader) -> int | None:
    """Return the sector size of a raw disk; None if no GPT shows it."""
    return _gpt_sector_size(image.read(0, _HEAD_SIZE))


def _gpt_sector_size(head: bytes) -> int | None:
    """Return the sector size by which a GPT is in LBA 1."""
    return next((size for size in _SECTOR_SIZES
                 if head.startswith(_GPT_MARK, size)), None)


def _size(head: bytes, layout: str, offset: int, unit: int) -> int | None:
    field = struct.Struct(layout)
    if len(head) < offset + field.size:
        return None
    number: int = field.unpack_from(head, offset)[0]
    return number * unit
