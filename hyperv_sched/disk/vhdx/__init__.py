# SPDX-License-Identifier: Apache-2.0
"""VHDX files (MS-VHDX), read in the order in which they build on another.

A defect that hides what lies behind it ends the reading, so that nothing is
reported of what only seems to be wrong.
"""

from __future__ import annotations

from hyperv_sched.disk import content
from hyperv_sched.disk import reader
from hyperv_sched.disk import vhd
from hyperv_sched.disk.vhdx import blocks
from hyperv_sched.disk.vhdx import headers
from hyperv_sched.disk.vhdx import metadata
from hyperv_sched.disk.vhdx import regions

SIGNATURE = b'vhdxfile'


def read(image: reader.Reader,
         found: content.Content) -> blocks.BlockTable:
    """Read a file that begins with the signature of a VHDX.

    :returns: the virtual disk
    :raises content.Damaged: there is none to be had.
    """
    if vhd.ends(image):
        found.note('trailing-vhd-footer', f'at {image.size - 512}')
    header = headers.read(image, found)
    table = regions.read(image, header, found)
    disk = metadata.read(image, table[regions.METADATA], found)
    guest = blocks.BlockTable(image, table[regions.BAT], disk)
    guest.check([*table.values(), regions.Region(
        'the log', header.log_offset, header.log_length)])
    return guest
