# SPDX-License-Identifier: Apache-2.0

import struct
import uuid

from tests.unit.disk import base as disk_base
from tests.unit.disk.base import u32
from tests.unit.disk.base import u64
from tests.unit.disk.vhdx import base
from tests.unit.disk.vhdx.base import GUEST
from tests.unit.disk.vhdx.base import MIB
from tests.unit.disk.vhdx.base import REGION_TABLES
from tests.unit.disk.vhdx.base import VHDX


class RegionTableTestCase(base.TestCase):

    def test_unknown_region_is_refused_if_it_is_required(self):
        unknown = str(uuid.UUID(int=1))
        for required, defects in ((0, []), (1, ['vhdx-unknown-required'])):
            self.assertDefects(defects, disk_base.vhdx(
                GUEST, regions=[(unknown, 6 * MIB, MIB, required)])
                + bytes(MIB))

    def test_bat_is_aligned_in_the_file_and_apart_from_the_rest(self):
        for defect, offset, data in (
                ('vhdx-malformed', 16, u64(3 * MIB + 512)),
                ('vhdx-malformed', 16, u64(0)),
                ('vhdx-malformed', 24, u32(0)),
                ('vhdx-malformed', 16, u64(2 * MIB)),
                ('vhdx-malformed', 16, u64(MIB)),
                ('vhdx-truncated', 16, u64(1024 * MIB))):
            self.assertDefects([defect], base.changed(
                *base.in_both(REGION_TABLES, 16 + offset, data)))

    def test_missing_region(self):
        self.assertDetail(
            'vhdx-malformed', 'the metadata region is missing',
            base.changed(*base.in_both(REGION_TABLES, 8, u32(1))))

    def test_region_with_two_entries(self):
        metadata = VHDX[REGION_TABLES[0] + 48:REGION_TABLES[0] + 64]
        self.assertDetail(
            'vhdx-malformed', 'the metadata region has two entries',
            base.changed(*base.in_both(REGION_TABLES, 16, metadata)))

    def test_table_has_at_most_2047_entries(self):
        def table(count):
            first = REGION_TABLES[0] + 16
            unknown = b''.join(struct.pack(
                '<16sQII', uuid.UUID(int=number).bytes_le,
                (10 + number) * MIB, MIB, 0) for number in range(2, count))
            return VHDX[first:first + 64] + unknown

        for count, defects in (
                (2047, {}),
                (2048, {'vhdx-no-valid-region-table':
                        'copy 1: 2048 entries, at most 2047 are allowed; '
                        'copy 2: 2048 entries, at most 2047 are allowed'})):
            image = base.changed(
                *base.in_both(REGION_TABLES, 8, u32(count)),
                *base.in_both(REGION_TABLES, 16, table(count)[:65536 - 16]))
            self.assertEqual(defects, base.inspect_sparse(
                image, 3000 * MIB).defects)
