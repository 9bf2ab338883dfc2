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
from hyperv_sched.disk import crc32c
from hyperv_sched.disk import reader

MIB = 1024 ** 2

_OFFSETS = (64 * 1024, 128 * 1024)
_SIZE = 4096
_FIELDS = struct.Struct('<4sIQ32x16sHHIQ')
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
    copies = [image.read(offset, _SIZE) for offset in _OFFSETS]
    faults = [_fault(copy) for copy in copies]
    valid = [copy for copy, fault in zip(copies, faults, strict=True)
             if fault is None]
    if not valid:
        raise content.Damaged(
            'vhdx-no-valid-header',
            f'copy 1: {faults[0]}; copy 2: {faults[1]}')
    for number, fault in enumerate(faults, 1):
        if fault:
            found.note('vhdx-header-copy-damaged', f'copy {number}: {fault}')
    headers = [_parse(copy) for copy in valid]
    if len(headers) == 2 and headers[0].sequence == headers[1].sequence:
        equal = f'both copies have sequence number {headers[0].sequence}'
        if copies[0] != copies[1]:
            # Neither is current (2.2.2), and they do not agree.
            raise content.Damaged(
                'vhdx-no-valid-header', f'{equal} and differ')
        found.note('vhdx-header-equal-sequence', equal)
    return max(headers, key=lambda header: header.sequence)


def _fault(copy: bytes) -> str | None:
    if len(copy) < _SIZE:
        return 'past the end of the file'
    if not copy.startswith(_SIGNATURE):
        return 'no signature'
    if crc32c.checksum(copy, hole=4) != _FIELDS.unpack_from(copy)[1]:
        return 'wrong checksum'
    return None


def _parse(copy: bytes) -> Header:
    return Header(*_FIELDS.unpack_from(copy)[2:])


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
