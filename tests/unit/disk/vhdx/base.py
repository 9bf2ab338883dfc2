# SPDX-License-Identifier: Apache-2.0
"""A VHDX that boots, and changes of it."""

import io

from hyperv_sched import disk
from tests import guests
from tests import samples
from tests.fuzz import sparse
from tests.unit.disk import base
from tests.unit.disk.base import u32
from tests.unit.disk.base import u64

MIB = samples.MIB
KIB = 1024
HEADERS = (64 * KIB, 128 * KIB)
REGION_TABLES = (192 * KIB, 256 * KIB)
#: Offsets and sizes of structures with a checksum.
CHECKED = (*((offset, 4 * KIB) for offset in HEADERS),
           *((offset, 64 * KIB) for offset in REGION_TABLES))
METADATA = 2 * MIB
ITEMS = METADATA + 64 * KIB
BAT = 3 * MIB
FIRST_BLOCK = 4 * MIB
PRESENT = 6
#: Two blocks of 1 MiB.
GUEST = guests.bootable(size=2 * MIB)
VHDX = base.vhdx(GUEST)


def changed(*patches, image=VHDX):
    """Return a file with bytes at offsets, and valid checksums."""
    image = bytearray(image)
    for offset, data in patches:
        image[offset:offset + len(data)] = data
    for start, size in CHECKED:
        if any(start <= offset < start + size for offset, _ in patches):
            image[start:start + size] = samples.summed(
                image[start:start + size])
    return bytes(image)


def in_both(copies, offset, data):
    """Return the patches of a field of both copies of a structure."""
    return [(copy + offset, data) for copy in copies]


def damaged(*offsets):
    """Return a file with inverted bytes, and invalid checksums."""
    image = bytearray(VHDX)
    for offset in offsets:
        image[offset] ^= 0xff
    return bytes(image)


def bat(*entries):
    """Return a file with other first entries of the BAT."""
    return changed((BAT, b''.join(map(u64, entries))))


def inspect_sparse(image, size):
    """Inspect a file with zeros added up to a size."""
    file = sparse.Sparse.of(image)
    file.size = size
    return disk.inspect_source(file)


def with_metadata_region(length, **options):
    """Return a file whose metadata region is its last 1 MiB steps."""
    image = base.vhdx(GUEST, **options)
    entry = 16 + 32
    moved = changed(*in_both(REGION_TABLES, entry + 16, u64(len(image))),
                    *in_both(REGION_TABLES, entry + 24, u32(length)),
                    image=image)
    return moved + image[METADATA:METADATA + MIB]


class TestCase(base.TestCase):

    def assertDetail(self, defect, detail, data):
        """Assert the only defect of a file, with its detail."""
        result = (data if isinstance(data, disk.Inspection)
                  else disk.inspect_file(io.BytesIO(data)))
        self.assertEqual({defect: detail}, result.defects)
