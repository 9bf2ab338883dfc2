# SPDX-License-Identifier: Apache-2.0

import struct

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import disk
from tests import guests
from tests import samples
from tests.fuzz import sparse
from tests.unit.disk import base

MIB = samples.MIB
GUEST = guests.bootable(size=2 * MIB)
DYNAMIC = samples.dynamic_vhd(2 * MIB, guest=GUEST)
HEADER = 512
TABLE = 1536


def with_header(*fields, image=DYNAMIC):
    """Return a dynamic VHD with other fields in its header."""
    image = bytearray(image)
    for layout, offset, number in fields:
        struct.pack_into(layout, image, HEADER + offset, number)
    struct.pack_into('>I', image, HEADER + 36, 0)
    image[HEADER:HEADER + 1024] = samples.vhd_summed(
        image[HEADER:HEADER + 1024], 36)
    return bytes(image)


def with_copy(offset, data, summed=False, image=DYNAMIC):
    """Return a dynamic VHD with other bytes in the copy of its footer."""
    copy = bytearray(image[:512])
    copy[offset:offset + len(data)] = data
    if summed:
        copy[64:68] = bytes(4)
        copy = samples.vhd_summed(copy, 64)
    return bytes(copy) + image[512:]


class TestCase(base.TestCase):

    def assertMalformed(self, detail, image):
        result = self.assertDefects(['vhd-malformed'], image)
        self.assertEqual(detail, result.defects['vhd-malformed'])
        return result


class FixedTestCase(TestCase):

    def test_footer_at_the_end(self):
        result = self.assertBoots(samples.fixed_vhd(guest=GUEST))
        self.assertEqual(
            ('vhd', 'fixed', 2097152, 512),
            (result.format, result.subformat, result.virtual_size,
             result.logical_sector_size))
        self.assertIs(False, result.has_parent)

    def test_footer_of_511_bytes(self):
        image = samples.fixed_vhd(guest=GUEST)
        result = self.assertMalformed(
            'the footer has 511 bytes, which Virtual PC wrote before 2004',
            image[:-1])
        self.assertEqual(
            ('vhd', 'fixed', 2097152),
            (result.format, result.subformat, result.virtual_size))
        self.assertEqual('raw', base.inspect(image[:-2]).format)

    def test_disk_is_as_long_as_its_size(self):
        image = samples.fixed_vhd(guest=GUEST)
        self.assertMalformed(
            'the disk of 2097152 bytes is cut off', image[1:])
        self.assertEqual({}, base.inspect(image).defects)

    def test_bytes_behind_the_disk_are_not_read(self):
        # Of the GPT, only the backup in the last LBA of the disk is left.
        data = GUEST[:512] + bytes(512) + GUEST[1024:] + bytes(512)
        self.assertBoots(
            samples.fixed_vhd(guest=data, claimed_size=len(GUEST)),
            'gpt-primary-damaged')
        self.assertDoesNotBoot('gpt-missing', samples.fixed_vhd(guest=data))

    def test_virtual_size(self):
        for size in (0, 513, 1023, 2040 * samples.GIB + 512):
            self.assertMalformed(
                f'a virtual size of {size} bytes',
                samples.fixed_vhd(1024, claimed_size=size))
        self.assertDefects(['no-partition-table'], samples.fixed_vhd(512))

    def test_largest_disk_has_2040_gib(self):
        size = 2190433320960
        self.assertDefects(
            ['no-partition-table'], samples.dynamic_vhd(size))
        file = sparse.Sparse(
            size + 512,
            [(size, samples.fixed_vhd(512, claimed_size=size)[-512:])])
        result = disk.inspect_source(file)
        self.assertEqual(['no-partition-table'], list(result.defects))
        self.assertEqual(size, result.virtual_size)


class DynamicTestCase(TestCase):

    def test_disk_is_read_from_its_blocks(self):
        result = self.assertBoots(DYNAMIC)
        self.assertEqual(
            ('vhd', 'dynamic', 2097152),
            (result.format, result.subformat, result.block_size))

    def test_copy_of_the_footer_without_the_footer(self):
        result = self.assertMalformed(
            'the file does not end with a footer', DYNAMIC[:-512])
        self.assertEqual('vhd', result.format)

    def test_footer_that_is_cut_off(self):
        self.assertMalformed('the footer is cut off', DYNAMIC[:511])

    def test_differencing(self):
        for name, expected in (('base.vhd', 'base.vhd'), ('', 'not named'),
                               ('\u00fc' * 256, '\u00fc' * 256)):
            image = samples.dynamic_vhd(2 * MIB, disk_type=4, parent=name)
            result = self.assertDefects(['vhdx-has-parent'], image)
            self.assertEqual(f'the parent is {expected}',
                             result.defects['vhdx-has-parent'])
            self.assertIs(True, result.has_parent)
            self.assertEqual(
                ('differencing', 2097152, 2097152),
                (result.subformat, result.virtual_size, result.block_size))

    def test_differencing_without_header(self):
        image = samples.dynamic_vhd(disk_type=4)
        result = self.assertDefects(
            ['vhdx-has-parent'], image[:HEADER] + image[-512:])
        self.assertEqual('the parent is not named',
                         result.defects['vhdx-has-parent'])
        self.assertIsNone(result.block_size)

    def test_copy_of_the_footer_with_other_values(self):
        for detail, image in (
                ('the copy is missing', with_copy(0, bytes(512))),
                ('the copy is missing', with_copy(0, b'conectiX')),
                ('the copy has a wrong checksum', with_copy(20, b'\1')),
                ('the size is 1048576 bytes in the copy, 2097152 in the '
                 'footer',
                 with_copy(48, MIB.to_bytes(8, 'big'), True)),
                ('the copy has other values than the footer',
                 with_copy(68, bytes(16), True)),
                ('the copy has other values than the footer',
                 with_copy(63, b'\2', True)),
                ('the copy has other values than the footer',
                 with_copy(16, bytes(8), True))):
            result = self.assertBoots(image, 'vhd-footer-copy')
            self.assertEqual(detail, result.defects['vhd-footer-copy'])
            self.assertEqual(2097152, result.virtual_size)

    def test_copy_of_the_footer_may_have_another_time(self):
        self.assertBoots(with_copy(24, b'\1\2\3\4', True))

    def test_header_is_behind_the_copy_of_the_footer(self):
        image = bytearray(DYNAMIC)
        image[:1024] = image[HEADER:HEADER + 1024]
        footer = bytearray(image[-512:])
        footer[16:24] = bytes(8)
        footer[64:68] = bytes(4)
        image[-512:] = samples.vhd_summed(footer, 64)
        self.assertMalformed('no dynamic disk header', bytes(image))

    def test_unknown_disk_type(self):
        self.assertMalformed(
            'unknown disk type 5', samples.dynamic_vhd(disk_type=5))

    @hypothesis.given(st.one_of(
        st.integers(len(DYNAMIC) - 512, len(DYNAMIC) - 1),
        st.integers(HEADER, HEADER + 1023)))
    def test_damage_to_any_byte_of_footer_and_header(self, offset):
        image = bytearray(DYNAMIC)
        image[offset] ^= 1
        self.assertDefects(['vhd-malformed'], bytes(image))

    def test_block_size(self):
        for size in (0, 513, 3 * MIB, 512 * MIB):
            self.assertMalformed(
                f'blocks of {size} bytes', with_header(('>I', 32, size)))
        self.assertMalformed(
            'block 0 at 2048 ends past the end of the file',
            with_header(('>I', 32, 256 * MIB), image=samples.dynamic_vhd(
                256 * MIB, guest=GUEST)))
        self.assertDefects(['no-partition-table'], with_header(
            ('>I', 32, 256 * MIB), image=samples.dynamic_vhd(256 * MIB)))

    def test_number_of_blocks(self):
        # 4177920 blocks of 512 KiB make up 2040 GiB.
        image = samples.dynamic_vhd(2040 * samples.GIB)
        self.assertMalformed(
            'the BAT has no room for 4177920 blocks, or is cut off',
            with_header(('>I', 32, 512 * 1024), image=image))
        self.assertMalformed(
            '8355840 blocks of 262144 bytes',
            with_header(('>I', 32, 256 * 1024), image=image))

    def test_table_has_an_entry_for_each_block(self):
        self.assertBoots(with_header(('>I', 28, 1)))
        detail = 'the BAT has no room for 1 blocks, or is cut off'
        self.assertMalformed(detail, with_header(('>I', 28, 0)))
        # The file ends with the entry, or one byte earlier.
        self.assertMalformed(
            detail, with_header(('>Q', 16, len(DYNAMIC) - 3)))
        result = base.inspect(with_header(('>Q', 16, len(DYNAMIC) - 4)))
        self.assertNotIn('BAT', str(result.defects))

    def test_block_ends_with_the_file(self):
        # From sector 5, the bitmap and the block take the rest of the file.
        self.assertEqual(5 * 512 + 512 + 2 * MIB, len(DYNAMIC))
        for sector, malformed in ((5, False), (6, True)):
            image = bytearray(DYNAMIC)
            struct.pack_into('>I', image, TABLE, sector)
            self.assertEqual(
                malformed,
                'vhd-malformed' in base.inspect(bytes(image)).defects)

    def test_last_block_ends_with_the_disk(self):
        # A disk of 3 MiB, in blocks of 2 MiB; the second is one of 1 MiB.
        image = bytearray(samples.dynamic_vhd(
            3 * MIB, guest=guests.bootable(size=MIB)))
        last = (len(image) - 512 - MIB) // 512
        for sector, malformed in ((last, False), (last + 1, True)):
            struct.pack_into('>I', image, TABLE + 4, sector)
            self.assertEqual(
                malformed,
                'vhd-malformed' in base.inspect(bytes(image)).defects)
