# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies as st

from tests.unit.disk import base as disk_base
from tests.unit.disk.vhdx import base
from tests.unit.disk.vhdx.base import CHECKED
from tests.unit.disk.vhdx.base import HEADERS
from tests.unit.disk.vhdx.base import REGION_TABLES
from tests.unit.disk.vhdx.base import VHDX


class RedundantTestCase(base.TestCase):

    def test_one_damaged_copy_is_tolerated(self):
        for copies, offset, defect in (
                (HEADERS, 100, 'vhdx-header-copy-damaged'),
                (REGION_TABLES, 60000, 'vhdx-region-copy-damaged')):
            for number, copy in enumerate(copies, 1):
                result = self.assertBoots(base.damaged(copy + offset), defect)
                self.assertEqual(f'copy {number}: wrong checksum',
                                 result.defects[defect])

    def test_two_damaged_copies_are_not_tolerated(self):
        self.assertDetail(
            'vhdx-no-valid-header',
            'copy 1: wrong checksum; copy 2: no signature',
            base.damaged(HEADERS[0] + 4095, HEADERS[1]))
        self.assertDetail(
            'vhdx-no-valid-region-table',
            'copy 1: no signature; copy 2: wrong checksum',
            base.damaged(REGION_TABLES[0], REGION_TABLES[1] + 4))

    def test_copies_past_the_end_of_the_file(self):
        # The second header ends at 132 KiB.
        for size, detail in (
                (132 * 1024 - 1, 'copy 2: past the end of the file'),
                (132 * 1024, None)):
            result = disk_base.inspect(VHDX[:size])
            self.assertEqual(
                detail, result.defects.get('vhdx-header-copy-damaged'))

    @hypothesis.given(st.data())
    def test_damage_to_any_byte_is_a_defect(self, data):
        start, size = data.draw(st.sampled_from(CHECKED))
        result = disk_base.inspect(base.damaged(
            start + data.draw(st.integers(0, size - 1))))
        self.assertTrue(result.defects)
