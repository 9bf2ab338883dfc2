# SPDX-License-Identifier: Apache-2.0
"""Structures of which a VHDX has two copies (MS-VHDX 2.2).

Each copy begins with a signature of four bytes and the CRC-32C of the whole
copy.
"""

from __future__ import annotations

from collections.abc import Callable
import struct
import typing

from hyperv_sched.disk import crc32c
from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from hyperv_sched.disk.defects import Defect

_CHECKSUM_OFFSET = 4
#: Bytes of a checksum that take one step of work.
_BYTES_PER_STEP = 12


class Structure(typing.NamedTuple):
    """A kind of structure of which there are two copies."""

    offsets: tuple[int, int]
    size: int
    signature: bytes
    none_valid: Defect
    one_damaged: Defect
    check: Callable[[bytes], str | None] = lambda _: None
    """Returns the error in the content of a copy, or None."""

    def read(self, image: reader.Reader,
             result: inspection.Inspection) -> list[bytes]:
        """Return the valid copies, in the order of their offsets.

        :raises inspection.DefectError: neither copy is valid.
        """
        copies = [image.read(offset, self.size) for offset in self.offsets]
        # The checksum of zeros at the end takes no time.
        image.spend(sum(len(copy.rstrip(b'\0')) for copy in copies)
                    // _BYTES_PER_STEP)
        errors = [self._error(copy) for copy in copies]
        if all(errors):
            raise inspection.DefectError(
                self.none_valid,
                f'copy 1: {errors[0]}; copy 2: {errors[1]}')
        for number, error in enumerate(errors, 1):
            if error:
                result.add_defect(
                    self.one_damaged, f'copy {number}: {error}')
        return [copy for copy, error in zip(copies, errors, strict=True)
                if not error]

    def _error(self, copy: bytes) -> str | None:
        if len(copy) < self.size:
            return 'past the end of the file'
        if not copy.startswith(self.signature):
            return 'no signature'
        stored_checksum, = struct.unpack_from('<I', copy, _CHECKSUM_OFFSET)
        if crc32c.checksum(copy, _CHECKSUM_OFFSET) != stored_checksum:
            return 'wrong checksum'
        return self.check(copy)
