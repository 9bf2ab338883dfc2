# SPDX-License-Identifier: Apache-2.0

import uuid

from tests import samples
from tests.unit.disk import base as disk_base
from tests.unit.disk.base import u16
from tests.unit.disk.base import u32
from tests.unit.disk.base import u64
from tests.unit.disk.vhdx import base
from tests.unit.disk.vhdx.base import GUEST
from tests.unit.disk.vhdx.base import HEADERS
from tests.unit.disk.vhdx.base import MIB
from tests.unit.disk.vhdx.base import VHDX


class HeaderTestCase(base.TestCase):

    def test_newer_header_is_current(self):
        image = samples.vhdx(log_guid=uuid.uuid4())
        # The second is newer, and names no log.
        clean = base.changed((HEADERS[1] + 48, bytes(16)), image=image)
        self.assertFalse(disk_base.inspect(clean).log_dirty)
        self.assertTrue(disk_base.inspect(image).log_dirty)

    def test_headers_with_equal_sequence_numbers_are_valid_if_identical(self):
        sequence = VHDX[HEADERS[0] + 8:HEADERS[0] + 16]
        self.assertDetail(
            'vhdx-no-valid-header',
            'both copies have sequence number 1 and differ',
            base.changed((HEADERS[1] + 8, sequence)))
        identical = base.changed((HEADERS[1], VHDX[HEADERS[0]:][:4096]))
        self.assertBoots(identical, 'vhdx-header-equal-sequence')

    def test_unknown_version_is_unsupported(self):
        for version in (0, 2):
            self.assertDetail(
                'vhdx-unsupported-version', f'version {version}',
                base.changed(*base.in_both(HEADERS, 66, u16(version))))

    def test_dirty_log_is_the_only_defect(self):
        self.assertDefects(['vhdx-dirty-log'], disk_base.vhdx(
            GUEST, log_guid=uuid.uuid4(), flags=2))

    def test_dirty_log_of_unknown_version_is_unsupported(self):
        self.assertDetail(
            'vhdx-unsupported-version', 'log version 1',
            base.changed(*base.in_both(HEADERS, 64, u16(1)),
                         image=samples.vhdx(log_guid=uuid.uuid4())))

    def test_log_is_aligned_and_not_in_the_first_mebibyte(self):
        for offset, data in ((72, u64(MIB + 512)), (72, u64(0)),
                             (68, u32(4096)), (68, u32(MIB + 4096))):
            self.assertDefects(['vhdx-malformed'], base.changed(
                *base.in_both(HEADERS, offset, data)))

    def test_log_ends_with_the_file(self):
        # The file has 6 MiB.
        image = base.changed(*base.in_both(HEADERS, 72, u64(6 * MIB)))
        self.assertBoots(image + bytes(MIB))
        self.assertDetail(
            'vhdx-truncated', 'the log ends at 7340032, the file at 7340031',
            image + bytes(MIB - 1))
        self.assertDetail(
            'vhdx-truncated', 'the log ends at 7340032, the file at 6291456',
            image)

    def test_log_that_begins_inside_and_ends_outside_of_the_file(self):
        self.assertDetail(
            'vhdx-truncated', 'the log ends at 7340032, the file at 6291456',
            base.changed(*base.in_both(HEADERS, 72, u64(5 * MIB)),
                         *base.in_both(HEADERS, 68, u32(2 * MIB))))

    def test_log_without_length_is_tolerated(self):
        self.assertBoots(base.changed(*base.in_both(HEADERS, 68, u32(0))),
                         'vhdx-no-log-region')
