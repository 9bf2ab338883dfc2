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

    def test_footer_of_511_bytes(self):
        image = samples.fixed_vhd(guest=GUEST)
        found = self.assertDefects(['vhd-malformed'], image[:-1])
        self.assertEqual(('vhd', 'fixed', 2 * MIB),
                         (found.format, found.subformat, found.virtual_size))
        self.assertIn('511', found.defects['vhd-malformed'])
        self.assertEqual('raw', base.inspect(image[:-2]).format)

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
        for name, expected in (('base.vhd', 'base.vhd'), ('', 'not named'),
                               ('\u00fc' * 256, '\u00fc' * 256)):
            image = samples.dynamic_vhd(2 * MIB, disk_type=4, parent=name)
            found = self.assertDefects(['vhdx-has-parent'], image)
            self.assertEqual(f'the parent is {expected}',
                             found.defects['vhdx-has-parent'])
            self.assertTrue(found.has_parent)
            self.assertEqual(('differencing', 2 * MIB, 2 * MIB), (
                found.subformat, found.virtual_size, found.block_size))

    def test_differencing_without_header(self):
        image = samples.dynamic_vhd(disk_type=4)
        found = self.assertDefects(
            ['vhdx-has-parent'], image[:HEADER] + image[-512:])
        self.assertEqual('the parent is not named',
                         found.defects['vhdx-has-parent'])

    def copied(self, offset, data, summed=False):
        """DYNAMIC with other bytes in the copy of its footer."""
        copy = bytearray(DYNAMIC[:512])
        copy[offset:offset + len(data)] = data
        if summed:
            copy[64:68] = bytes(4)
            copy = samples.vhd_summed(copy, 64)
        return bytes(copy) + DYNAMIC[512:]

    def test_copy_of_the_footer(self):
        for text, image in (
                ('the copy is missing', self.copied(0, bytes(512))),
                ('the copy is missing', self.copied(0, b'conectiX')),
                ('the copy has a wrong checksum', self.copied(20, b'\1')),
                ('the copy says 1048576 bytes, the footer 2097152',
                 self.copied(48, MIB.to_bytes(8, 'big'), True)),
                ('the copy has other values than the footer',
                 self.copied(68, bytes(16), True)),
                ('the copy has other values than the footer',
                 self.copied(63, b'\2', True))):
            found = self.assertStarts(image, 'vhd-footer-copy')
            self.assertEqual(text, found.defects['vhd-footer-copy'])
            self.assertEqual(2 * MIB, found.virtual_size)

    def test_copy_of_another_time_is_a_copy(self):
        self.assertStarts(self.copied(24, b'\1\2\3\4', True))

    def test_header_in_place_of_the_copy(self):
        image = bytearray(DYNAMIC)
        image[:1024] = image[HEADER:HEADER + 1024]
        footer = bytearray(image[-512:])
        footer[16:24] = bytes(8)
        footer[64:68] = bytes(4)
        image[-512:] = samples.vhd_summed(footer, 64)
        self.assertDefects(['vhd-malformed'], bytes(image))

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
