# SPDX-License-Identifier: Apache-2.0
"""VHDX files (MS-VHDX), read in the order in which structures depend.

A defect that makes the structures behind it meaningless ends the reading, so
that its consequences are not reported as causes.
"""

from __future__ import annotations

from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from hyperv_sched.disk import vhd
from hyperv_sched.disk.defects import Defect
from hyperv_sched.disk.vhdx import blocks
from hyperv_sched.disk.vhdx import headers
from hyperv_sched.disk.vhdx import metadata
from hyperv_sched.disk.vhdx import regions

SIGNATURE = b'vhdxfile'


def read(image: reader.Reader,
         result: inspection.Inspection) -> blocks.BlockTable:
    """Open the virtual disk of a file that has the signature of a VHDX.

    :raises inspection.DefectError: the disk cannot be read.
    """
    if vhd.has_footer(image):
        result.add_defect(Defect.TRAILING_VHD_FOOTER, f'at {image.size - 512}')
    header = headers.read(image, result)
    table = regions.read(image, header, result)
    parameters = metadata.read(image, table[regions.METADATA], result)
    disk = blocks.BlockTable(image, table[regions.BAT], parameters)
    disk.check([*table.values(), header.log])
    return disk
