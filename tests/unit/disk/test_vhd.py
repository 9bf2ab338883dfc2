# SPDX-License-Identifier: Apache-2.0

import struct

import hypothesis
from hypothesis import strategies as st

from tests import guests
from tests import samples
from tests.unit.disk import base

MIB = samples.MIB
GUEST = guests.bootable(size=2 * MIB)
DYNAMIC = samples.dynamic_vhd(2 * MIB, guest=GUEST)
HEADER = 512
TABLE = 1536


class FixedTestCase(base.TestCase):

    def test_is_told_by_its_end(self):
        found = self.assertStarts(samples.fixed_vhd(guest=GUEST))
        self.assertEqual(('vhd', 'fixed', 2 * MIB),
                         (found.format, found.subformat, found.virtual_size))
        self.assertFalse(found.has_parent)

    def test_cut_off(self):
        image = samples.fixed_vhd(guest=GUEST)
        self.assertDefects(['vhd-malformed'], image[512:])


class DynamicTestCase(base.TestCase):

    def test_disk_is_read_through_its_blocks(self):
        found = self.assertStarts(DYNAMIC)
        self.assertEqual(('vhd', 'dynamic', 2 * MIB), (
            found.format, found.subformat, found.block_size))

    def test_without_its_footer_it_is_told_by_the_copy(self):
        found = self.assertDefects(['vhd-malformed'], DYNAMIC[:-512])
        self.assertEqual('vhd', found.format)

    def test_differencing(self):
        found = self.assertDefects(
            ['vhd-malformed'], samples.dynamic_vhd(disk_type=4))
        self.assertTrue(found.has_parent)

    def test_other_type(self):
        self.assertDefects(
            ['vhd-malformed'], samples.dynamic_vhd(disk_type=5))

    @hypothesis.given(st.one_of(
        st.integers(len(DYNAMIC) - 512, len(DYNAMIC) - 1),
        st.integers(HEADER, HEADER + 1023)))
    def test_any_byte_of_footer_and_header_counts(self, offset):
        image = bytearray(DYNAMIC)
        image[offset] ^= 1
        self.assertDefects(['vhd-malformed'], bytes(image))

    def test_header_that_cannot_be(self):
        for offset, number in ((16, 2 ** 40), (28, 0), (32, 0), (32, 513),
                               (32, 3 * MIB)):
            image = bytearray(DYNAMIC)
            struct.pack_into('>Q' if offset == 16 else '>I', image,
                             HEADER + offset, number)
            struct.pack_into('>I', image, HEADER + 36, 0)
            image[HEADER:HEADER + 1024] = samples.vhd_summed(
                image[HEADER:HEADER + 1024], 36)
            self.assertDefects(['vhd-malformed'], bytes(image))

    def test_block_behind_the_end(self):
        image = bytearray(DYNAMIC)
        struct.pack_into('>I', image, TABLE, len(DYNAMIC) // 512)
        self.assertDefects(['vhd-malformed'], bytes(image))

    def test_size_that_no_vhd_has(self):
        for size in (0, 513, 2041 * samples.GIB):
            self.assertDefects(['vhd-malformed'], samples.fixed_vhd(
                1024, claimed_size=size))
