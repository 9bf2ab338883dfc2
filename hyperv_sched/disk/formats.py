# SPDX-License-Identifier: Apache-2.0
r"""Formats that Hyper-V does not run, recognized by their signatures.

========= ======================================== =======================
format    signature                                virtual size
========= ======================================== =======================
qcow2     ``QFI\xfb`` at 0                         u64 at 24, big endian
qed       ``QED\0`` at 0                           u64 at 40
vmdk      ``KDMV``, ``COWD`` or a descriptor at 0  sectors, u64 at 12
vdi       0xbeda107f, little endian, at 64         u64 at 368
parallels ``WithoutFreeSpace`` or                  sectors, u64 at 36
          ``WithouFreSpacExt`` at 0
luks      ``LUKS\xba\xbe`` at 0
gzip      1f 8b 08 at 0
xz        fd ``7zXZ`` 00 at 0
bzip2     ``BZh`` at 0
zstd      28 b5 2f fd at 0
7z        ``7z`` bc af 27 1c at 0
zip       ``PK`` 03 04 at 0
wim       ``MSWIM`` 00 00 00 at 0
tar       ``ustar`` at 257
ova       as tar; its first file is an OVF descriptor
iso       ``CD001`` at 32769 (ECMA-119 8.1)        size of the file
raw       55 aa at 510, or ``EFI PART`` in LBA 1   size of the file
========= ======================================== =======================
"""

from __future__ import annotations

import struct
import typing

from hyperv_sched.disk import gpt
from hyperv_sched.disk import iso
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk import vmdk

_SECTOR_SIZE = 512
_HEAD_SIZE = 4096 + 8
_ISO_OFFSET = 32769


class _SizeField(typing.NamedTuple):
    """The field of a header that states the virtual size."""

    layout: str
    offset: int
    unit: int
    """The number of bytes that the field counts in."""


#: Signature at the start of the file, format, and field of the virtual size.
_SIGNATURES: tuple[tuple[bytes, str, _SizeField | None], ...] = (
    (b'QFI\xfb', 'qcow2', _SizeField('>Q', 24, 1)),
    (b'QED\0', 'qed', _SizeField('<Q', 40, 1)),
    (vmdk.SIGNATURE, 'vmdk', _SizeField('<Q', 12, _SECTOR_SIZE)),
    (b'COWD', 'vmdk', None),
    (vmdk.DESCRIPTOR, 'vmdk', None),
    (b'WithoutFreeSpace', 'parallels', _SizeField('<Q', 36, _SECTOR_SIZE)),
    (b'WithouFreSpacExt', 'parallels', _SizeField('<Q', 36, _SECTOR_SIZE)),
    (b'LUKS\xba\xbe', 'luks', None),
    (b'\x1f\x8b\x08', 'gzip', None),
    (b'\xfd7zXZ\0', 'xz', None),
    (b'BZh', 'bzip2', None),
    (b'\x28\xb5\x2f\xfd', 'zstd', None),
    (b'7z\xbc\xaf\x27\x1c', '7z', None),
    (b'PK\x03\x04', 'zip', None),
    (b'MSWIM\0\0\0', 'wim', None))
_VDI = b'\x7f\x10\xda\xbe'
_VDI_OFFSET = 64
_VDI_SIZE = _SizeField('<Q', 368, 1)
_TAR = b'ustar'
_TAR_OFFSET = 257
_TAR_NAME = slice(0, 100)
_BOOT = b'\x55\xaa'
_BOOT_OFFSET = 510
_SECTOR_SIZES = (512, 4096)


def recognize(image: reader.Reader) -> tuple[str, int | None]:
    """Return the format and the virtual size of a file.

    :returns: 'unknown' for a file without a known signature; None for the
        size where the header of the format does not state one
    """
    head = image.read(0, _HEAD_SIZE)
    for signature, name, field in _SIGNATURES:
        if head.startswith(signature):
            return name, field and _virtual_size(head, field)
    if head.startswith(_VDI, _VDI_OFFSET):
        return 'vdi', _virtual_size(head, _VDI_SIZE)
    if image.read(_ISO_OFFSET, len(iso.IDENTIFIER)) == iso.IDENTIFIER:
        return 'iso', image.size
    if head.startswith(_TAR, _TAR_OFFSET):
        name_of_first_file, _, _ = head[_TAR_NAME].partition(b'\0')
        is_ova = name_of_first_file.lower().endswith(b'.ovf')
        return 'ova' if is_ova else 'tar', None
    if head.startswith(_BOOT, _BOOT_OFFSET) or _gpt_sector_size(head):
        return 'raw', image.size
    return 'unknown', None


def sector_size(disk: virtual_disk.Disk) -> int | None:
    """Return the sector size of a disk by its GPT; None without one."""
    return _gpt_sector_size(disk.read(0, _HEAD_SIZE))


def _gpt_sector_size(head: bytes) -> int | None:
    """Return the sector size with which a GPT header is in LBA 1."""
    return next((size for size in _SECTOR_SIZES
                 if head.startswith(gpt.SIGNATURE, size)), None)


def _virtual_size(head: bytes, field: _SizeField) -> int | None:
    layout = struct.Struct(field.layout)
    if len(head) < field.offset + layout.size:
        return None
    number: int = layout.unpack_from(head, field.offset)[0]
    return number * field.unit
