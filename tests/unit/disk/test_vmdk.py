# SPDX-License-Identifier: Apache-2.0
"""VMDK images."""

import io
import struct
from unittest import mock
import zlib

from hyperv_sched import disk
from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from tests import guests
from tests import samples
from tests.unit.disk import base

MIB = samples.MIB
GUEST = guests.bootable()
DIRECTORY, TABLE, GRAINS = 21 * 512, 22 * 512, 26 * 512


def changed(*fields, **options):
    """Return a VMDK that boots, with fields of 32 bits."""
    data = bytearray(samples.vmdk(guest=GUEST, **options))
    for offset, value in fields:
        struct.pack_into('<I', data, offset, value)
    return bytes(data)


def header(offset, layout, value, **options):
    return samples.vmdk(
        guest=GUEST, fields=[(offset, layout, value)], **options)


def descriptor(text, **options):
    return samples.vmdk(guest=GUEST, descriptor=text, **options)


class FormatTestCase(base.TestCase):

    def test_each_variant_boots(self):
        for compressed, subformat in ((False, 'monolithicSparse'),
                                      (True, 'streamOptimized')):
            result = self.assertBoots(
                samples.vmdk(guest=GUEST, compressed=compressed))
            self.assertEqual(
                ('vmdk', subformat, MIB, 65536, 'hyperv-gen2', False),
                (result.format, result.subformat, result.virtual_size,
                 result.block_size, result.generation, result.has_parent))

    def test_grains_that_read_as_zeros(self):
        for flags, sector, defects in (
                (1, 0, ['gpt-no-protective-mbr']),
                (5, 1, ['gpt-no-protective-mbr']),
                # Without the flag, the grain begins with the descriptor.
                (1, 1, ['gpt-no-protective-mbr'])):
            data = changed((TABLE, sector), fields=[(8, '<I', flags)])
            self.assertDefects(defects, data)

    def test_table_that_is_not_there_reads_as_zeros(self):
        self.assertDefects(
            ['no-partition-table'], changed(
                (DIRECTORY, 0), virtual_size=MIB))

    def test_file_that_was_not_closed(self):
        self.assertBoots(header(72, 'B', 1), 'container-not-closed')


class OtherFileTestCase(base.TestCase):

    def assertOtherFile(self, detail, data):
        with mock.patch('builtins.open', side_effect=AssertionError):
            result = self.assertDefects(
                ['container-needs-other-file'], data)
        self.assertEqual(
            {'container-needs-other-file': detail}, result.defects)
        return result

    def test_descriptor_alone(self):
        for extents, detail in (
                (b'RW 100 FLAT "/dev/sda" 0', '/dev/sda'),
                (b'RW 100 FLAT "../../etc/passwd" 0', '../../etc/passwd'),
                (b'RW 100 SPARSE "a.vmdk"\nRW 100 SPARSE "b.vmdk"',
                 'a.vmdk and 1 more'),
                (b'', 'not named')):
            result = self.assertOtherFile(
                f'the data are in {detail}',
                b'# Disk DescriptorFile\ncreateType="monolithicFlat"\n'
                + extents)
            self.assertEqual('monolithicFlat', result.subformat)

    def test_descriptor_in_a_sparse_extent(self):
        text = samples.vmdk_descriptor(MIB)
        flat = text.replace(b'SPARSE "disk.vmdk"', b'FLAT "/dev/sda" 0')
        self.assertOtherFile('the data are in /dev/sda', descriptor(flat))
        two = text + b'RW 8 SPARSE "/etc/passwd"\n'
        self.assertOtherFile('the data are in disk.vmdk and 1 more',
                             descriptor(two))
        # Without a capacity, QEMU opens the extents.
        self.assertOtherFile('the data are in disk.vmdk',
                             header(12, '<Q', 0))

    def test_extent_without_a_descriptor(self):
        self.assertOtherFile(
            'the descriptor is in another file, and may name more extents',
            descriptor(b''))

    def test_parent(self):
        text = samples.vmdk_descriptor(MIB)
        self.assertOtherFile('the parent is /etc/passwd', descriptor(
            text + b'parentFileNameHint="/etc/passwd"\n'))
        self.assertOtherFile('the parent is not named', descriptor(
            text.replace(b'ffffffff', b'12345678')))

    def test_name_is_bounded(self):
        result = base.inspect(
            b'# Disk DescriptorFile\nRW 1 FLAT "' + b'a' * 5000)
        self.assertEqual(
            'the data are in ' + 'a' * 255,
            result.defects['container-needs-other-file'])


class HeaderTestCase(base.TestCase):

    def test_types_that_are_not_read(self):
        self.assertDefects(['container-not-read'], b'COWD' + bytes(508))
        self.assertDefects(['container-not-read'], descriptor(
            samples.vmdk_descriptor(MIB, 'vmfsSparse')))

    def test_fields_that_are_not_read(self):
        for offset, layout, value in (
                (4, '<I', 0), (4, '<I', 4), (77, '<H', 2),
                # Compressed without markers; grains of 4 MiB.
                (8, '<I', 0x10001), (20, '<Q', 8192)):
            data = header(offset, layout, value, compressed=True)
            self.assertDefects(['container-not-read'], data)

    def test_limits_of_fields(self):
        for offset, layout, wrong in (
                (12, '<Q', 64 * 1024 ** 4 // 512 + 1), (20, '<Q', 0),
                (20, '<Q', 3), (44, '<I', 0), (44, '<I', 513),
                (56, '<Q', 0)):
            self.assertDefects(
                ['container-malformed'], header(offset, layout, wrong))

    def test_header_that_is_cut_off(self):
        data = samples.vmdk(guest=GUEST)
        for size in (4, 78):
            self.assertDefects(['container-truncated'], data[:size])

    def test_footer_that_is_missing(self):
        data = samples.vmdk(guest=GUEST, compressed=True)
        for size in (len(data) - 512, len(data) - 1536):
            self.assertDefects(['container-truncated'], data[:size])

    def test_footer_that_names_another_footer(self):
        self.assertDefects(['container-truncated'], header(
            56, '<Q', 2 ** 64 - 1, compressed=True))


class TablesTestCase(base.TestCase):

    def test_entries_of_the_directory(self):
        for sector, defect in ((2 ** 32 - 1, 'container-truncated'),
                               (21, 'container-malformed')):
            self.assertDefects([defect], changed((DIRECTORY, sector)))

    def test_two_entries_with_one_table(self):
        self.assertDefects(['container-malformed'], changed(
            (DIRECTORY + 4, 22), virtual_size=64 * MIB))

    def test_grain_past_the_end(self):
        result = self.assertDefects(
            ['container-truncated'], changed((TABLE + 8, 2 ** 32 - 1)))
        self.assertEqual(
            'grain 2 is at 2199023255040, the file ends at '
            f'{len(changed())}', result.defects['container-truncated'])
        # The first one is named, with its own place.
        result = self.assertDefects(
            ['container-truncated'],
            changed((TABLE + 8, 2 ** 31), (TABLE + 12, 2 ** 32 - 1)))
        self.assertIn('grain 2 is at 1099511627776, ',
                      result.defects['container-truncated'])

    def test_directory_past_the_end(self):
        for sector in (2 ** 40, 2 ** 63):
            self.assertDefects(
                ['container-truncated'], header(56, '<Q', sector))

    def test_cut_off_file(self):
        for compressed in (False, True):
            data = samples.vmdk(guest=GUEST, compressed=compressed)
            self.assertDefects(
                ['container-truncated'], data[:TABLE + 1000])


class MarkerTestCase(base.TestCase):

    def with_marker(self, sector=0, size=None, data=None):
        image = bytearray(samples.vmdk(guest=GUEST, compressed=True))
        if size is not None:
            struct.pack_into('<I', image, GRAINS + 8, size)
        struct.pack_into('<Q', image, GRAINS, sector)
        if data is not None:
            image[GRAINS + 12:GRAINS + 12 + len(data)] = data
        return bytes(image)

    def test_right_marker(self):
        self.assertBoots(self.with_marker())

    def test_two_entries_with_one_grain_have_one_marker(self):
        data = bytearray(samples.vmdk(guest=GUEST, compressed=True))
        data[TABLE + 4:TABLE + 8] = data[TABLE:TABLE + 4]
        grain = 128 * 512
        for order in ((0, grain), (grain, 0)):
            disk_ = disk.open_virtual_disk(
                reader.Reader(reader.FileSource(io.BytesIO(data))),
                inspection.Inspection())

            def read(disk_=disk_, order=order):
                for offset in order:
                    disk_.read(offset, 512)

            self.assertRaises(inspection.DefectError, read)

    def test_markers_that_lie(self):
        for options, defect in (
                ({'sector': 128}, 'container-malformed'),
                ({'size': 0}, 'container-malformed'),
                ({'size': 131073}, 'container-malformed'),
                ({'size': 131072}, 'container-truncated'),
                ({'size': 20}, 'container-malformed'),
                ({'data': b'\xff' * 20}, 'container-malformed')):
            self.assertDefects([defect], self.with_marker(**options))

    def test_grain_that_is_too_long_is_cut(self):
        with mock.patch.object(
                samples.zlib, 'compress',
                lambda data, f=zlib.compress: f(data + bytes(8 * MIB))):
            data = samples.vmdk(guest=GUEST, compressed=True)
        self.assertBoots(data)
