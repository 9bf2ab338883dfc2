# SPDX-License-Identifier: Apache-2.0
"""The two headers of a VHDX (MS-VHDX 2.2.2).

At 64 KiB and at 128 KiB, 4 KiB each, little endian:

==== ===== ==========================================================
 at  size
==== ===== ==========================================================
  0    4   signature ``head``
  4    4   CRC-32C of the 4 KiB
  8    8   sequence number; the valid header with the larger is current
 48   16   log GUID; zero says that there is nothing to replay
 64    2   log version, 0
 66    2   version, 1
 68    4   length of the log, in MiB steps
 72    8   offset of the log, in MiB steps
==== ===== ==========================================================
"""

from __future__ import annotations

import dataclasses
import struct

from hyperv_sched.disk import content
from hyperv_sched.disk import reader
from hyperv_sched.disk.vhdx import copies

MIB = 1024 ** 2

_OFFSETS = (64 * 1024, 128 * 1024)
_SIZE = 4096
_FIELDS = struct.Struct('<8xQ32x16sHHIQ')
_SIGNATURE = b'head'
_VERSION = 1
_LOG_VERSION = 0


@dataclasses.dataclass(frozen=True)
class Header:
    sequence: int
    log_guid: bytes
    log_version: int
    version: int
    log_length: int
    log_offset: int


def read(image: reader.Reader, found: content.Content) -> Header:
    """Read the current header, and whether the log is empty.

    :raises content.Damaged: there is none, it is of another version, or
        the log must be replayed before anything else is read.
    """
    header = _current(image, found)
    found.log_dirty = any(header.log_guid)
    if header.version != _VERSION:
        raise content.Damaged(
            'vhdx-unsupported-version', f'version {header.version}')
    if found.log_dirty:
        if header.log_version != _LOG_VERSION:
            raise content.Damaged('vhdx-unsupported-version',
                                  f'log version {header.log_version}')
        raise content.Damaged('vhdx-dirty-log', 'the header names a log')
    _check_log(header, image.size, found)
    return header


def _current(image: reader.Reader, found: content.Content) -> Header:
    valid = copies.read(
        image, _OFFSETS, _SIZE, _SIGNATURE,
        ('vhdx-no-valid-header', 'vhdx-header-copy-damaged'), found)
    headers = [_parse(copy) for copy in valid]
    if len(headers) == 2 and headers[0].sequence == headers[1].sequence:
        equal = f'both copies have sequence number {headers[0].sequence}'
        if valid[0] != valid[1]:
            # Neither is current (2.2.2), and they do not agree.
            raise content.Damaged(
                'vhdx-no-valid-header', f'{equal} and differ')
        found.note('vhdx-header-equal-sequence', equal)
    return max(headers, key=lambda header: header.sequence)


def _parse(copy: bytes) -> Header:
    return Header(*_FIELDS.unpack_from(copy))


def _check_log(header: Header, file_size: int,
               found: content.Content) -> None:
    offset, length = header.log_offset, header.log_length
    if length == 0:
        found.note('vhdx-no-log-region', 'the header gives the log no room')
        return
    if offset % MIB or length % MIB or offset < MIB:
        raise content.Damaged(
            'vhdx-malformed', f'the log lies at {offset}, {length} bytes, '
            'which is not in steps of 1 MiB behind the first')
    if offset + length > file_size:
        raise content.Damaged(
            'vhdx-truncated',
            f'the log ends at {offset + length}, the file at {file_size}')
