# SPDX-License-Identifier: Apache-2.0
"""References of a disk image to other files.

A program that opens such an image opens the other file, too, whatever its
name is: ``/etc/passwd``, or the disk of another server. Sources: QEMU,
``docs/interop/qcow2.txt`` and ``block/qed.h``; the Virtual Disk Format 5.0
of VMware, and what ``block/vmdk.c`` of QEMU reads of it.

========= ======================================== =======================
format    reference                                where
========= ======================================== =======================
qcow2     backing file                             u64 at 8, big endian
qcow2     data file                                bit 2 of u64 at 72
qed       backing file                             bit 0 of u64 at 16
vmdk      extents, of a descriptor without data    ``# Disk Descriptor`` at
                                                   0, or a capacity of 0
vmdk      parent                                   ``parentFileNameHint``
========= ======================================== =======================

VHD and VHDX name their parents in structures that their own readers read.

The readers of qcow2 and VMDK report most of these as defects, with the names.
They stop at the first defect, for example an unknown version, and read what
the format says. This module must not miss what QEMU opens, so that it reads
these few fields whatever else is in the file.
"""

from __future__ import annotations

import struct

from hyperv_sched.disk import reader
from hyperv_sched.disk import vmdk

_QCOW2 = struct.Struct('>4xIQ')
_QCOW2_FEATURES = struct.Struct('>72xQ')
_QCOW2_DATA_FILE = 1 << 2
_QED_FEATURES = struct.Struct('<16xQ')
_QED_BACKING_FILE = 1
_VMDK_CAPACITY = struct.Struct('<12xQ')
_VMDK_PARENT = b'parentfilenamehint'
#: QEMU reads the descriptor in these bytes of a sparse extent.
_VMDK_DESCRIPTOR_RANGE = 512, 20 * 512
_HEAD_SIZE = 112


def find(image: reader.Reader, image_format: str) -> str | None:
    """Return the kind of file that an image names; None if it names none.

    :param image_format: from :func:`hyperv_sched.disk.read_format`
    """
    head = image.read(0, _HEAD_SIZE).ljust(_HEAD_SIZE, b'\0')
    if image_format == 'qcow2':
        return _find_in_qcow2(head)
    if image_format == 'qed' and (
            _QED_FEATURES.unpack_from(head)[0] & _QED_BACKING_FILE):
        return 'a backing file'
    if image_format == 'vmdk':
        return _find_in_vmdk(image, head)
    return None


def _find_in_qcow2(head: bytes) -> str | None:
    version, backing_file = _QCOW2.unpack_from(head)
    if backing_file:
        return 'a backing file'
    features, = _QCOW2_FEATURES.unpack_from(head)
    if version != 2 and features & _QCOW2_DATA_FILE:
        return 'a data file'
    return None


def _find_in_vmdk(image: reader.Reader, head: bytes) -> str | None:
    capacity, = _VMDK_CAPACITY.unpack_from(head)
    if head.startswith(vmdk.DESCRIPTOR) or (
            head.startswith(vmdk.SIGNATURE) and not capacity):
        return 'files with its data'
    if _VMDK_PARENT in image.read(*_VMDK_DESCRIPTOR_RANGE).lower():
        return 'a parent'
    return None
