# SPDX-License-Identifier: Apache-2.0
"""The two headers of a VHDX (MS-VHDX 2.2.2).

At 64 KiB and at 128 KiB, 4 KiB each, little endian:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 signature ``head``
     4    4 CRC-32C of the 4 KiB
     8    8 sequence number; the valid header with the larger is current
    48   16 log GUID; zero: no log to replay
    64    2 log version, 0
    66    2 version, 1
    68    4 length of the log, a multiple of 1 MiB
    72    8 offset of the log, a multiple of 1 MiB
====== ==== ==========================================================
"""

from __future__ import annotations

import struct
import typing

from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.vhdx import extents
from hyperv_sched.disk.vhdx import redundant

_STRUCTURE = redundant.Structure(
    (64 * 1024, 128 * 1024), 4096, b'head',
    Defect.VHDX_NO_VALID_HEADER, Defect.VHDX_HEADER_COPY_DAMAGED)
_FIELDS = struct.Struct('<8xQ32x16sHHIQ')
_VERSION = 1
_LOG_VERSION = 0


class VHDXHeader(typing.NamedTuple):
    """The values of a header."""

    sequence: int
    log_guid: bytes
    log_version: int
    version: int
    log_length: int
    log_offset: int

    @property
    def log(self) -> extents.Extent:
        """The range of the log in the file."""
        return extents.Extent('the log', self.log_offset, self.log_length)


def read(image: reader.Reader, result: inspection.Inspection) -> VHDXHeader:
    """Return the current header.

    :raises inspection.DefectError: there is no valid header, its version is
        unknown, or the log must be replayed.
    """
    header = _read_current(image, result)
    result.log_dirty = any(header.log_guid)
    if header.version != _VERSION:
        raise inspection.DefectError(
            Defect.VHDX_UNSUPPORTED_VERSION, f'version {header.version}')
    if result.log_dirty:
        if header.log_version != _LOG_VERSION:
            raise inspection.DefectError(
                Defect.VHDX_UNSUPPORTED_VERSION,
                f'log version {header.log_version}')
        raise inspection.DefectError(
            Defect.VHDX_DIRTY_LOG, 'the header names a log')
    if header.log_length:
        header.log.check(image.size)
    else:
        result.add_defect(
            Defect.VHDX_NO_LOG_REGION, 'the log has a length of 0')
    return header


def _read_current(image: reader.Reader,
                  result: inspection.Inspection) -> VHDXHeader:
    copies = _STRUCTURE.read(image, result)
    headers = [VHDXHeader(*_FIELDS.unpack_from(copy)) for copy in copies]
    if len(headers) == 2 and headers[0].sequence == headers[1].sequence:
        detail = f'both copies have sequence number {headers[0].sequence}'
        if copies[0] != copies[1]:
            # By 2.2.2 neither is current, and they disagree.
            raise inspection.DefectError(
                Defect.VHDX_NO_VALID_HEADER, f'{detail} and differ')
        result.add_defect(Defect.VHDX_HEADER_EQUAL_SEQUENCE, detail)
    return max(headers, key=lambda header: header.sequence)
