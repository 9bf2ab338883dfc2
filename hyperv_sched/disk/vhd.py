# SPDX-License-Identifier: Apache-2.0
"""The VHD footer (Virtual Hard Disk Image Format Specification 1.0).

===== ==== =======================================================
 at   size
===== ==== =======================================================
   0    8  cookie, ``conectix``
  48    8  current size of the disk in bytes
  60    4  disk type: 2 fixed, 3 dynamic, 4 differencing
===== ==== =======================================================

Big endian. It ends the file; all but fixed disks begin with a copy.
"""

from __future__ import annotations

import struct

from hyperv_sched.disk import content
from hyperv_sched.disk import reader

FOOTER_SIZE = 512
COOKIE = b'conectix'

_SUBFORMATS = {2: 'fixed', 3: 'dynamic', 4: 'differencing'}
_FIELDS = struct.Struct('>48xQ4xI')
_SECTOR_SIZE = 512


def read(image: reader.Reader) -> content.Content | None:
    """Read a VHD by its footer, or by the copy where that is gone.

    :returns: None where the file is no VHD.
    """
    for offset in (image.size - FOOTER_SIZE, 0):
        footer = image.read(offset, FOOTER_SIZE)
        if footer.startswith(COOKIE) and len(footer) == FOOTER_SIZE:
            break
    else:
        return None
    size, disk_type = _FIELDS.unpack_from(footer)
    subformat = _SUBFORMATS.get(disk_type)
    return content.Content(
        format='vhd', subformat=subformat, virtual_size=size,
        logical_sector_size=_SECTOR_SIZE, physical_sector_size=_SECTOR_SIZE,
        has_parent=None if subformat is None else subformat == 'differencing')
