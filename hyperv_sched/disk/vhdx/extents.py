# SPDX-License-Identifier: Apache-2.0
"""Ranges of a VHDX file that hold the log and the regions."""

from __future__ import annotations

from collections.abc import Iterable
import typing

from hyperv_sched.disk import inspection
from hyperv_sched.disk.defects import Defect

MIB = 1024 ** 2


class Extent(typing.NamedTuple):
    """A named range of the file, in bytes."""

    name: str
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset of the first byte behind the range."""
        return self.offset + self.length

    def check(self, file_size: int) -> None:
        """Check the alignment, and that the file has all of the range.

        :raises inspection.DefectError: a check fails.
        """
        if (self.offset % MIB or self.length % MIB or self.offset < MIB
                or not self.length):
            raise inspection.DefectError(
                Defect.VHDX_MALFORMED,
                f'{self.name} is at {self.offset}, {self.length} bytes; both '
                'must be multiples of 1 MiB, from 1 MiB')
        if self.end > file_size:
            raise inspection.DefectError(
                Defect.VHDX_TRUNCATED, f'{self.name} ends at {self.end}, the '
                f'file at {file_size}')


def check_overlaps(extents: Iterable[Extent]) -> None:
    """Check that no two ranges share a byte.

    :raises inspection.DefectError: two ranges do.
    """
    ordered = sorted((extent for extent in extents if extent.length),
                     key=lambda extent: extent.offset)
    for first, second in zip(ordered, ordered[1:], strict=False):
        if first.end > second.offset:
            raise inspection.DefectError(
                Defect.VHDX_MALFORMED,
                f'{first.name} and {second.name} overlap')
