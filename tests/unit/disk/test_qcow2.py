# SPDX-License-Identifier: Apache-2.0
"""qcow2 images."""

import io
import struct
import sys
from unittest import mock

from hyperv_sched.disk import inspection
from hyperv_sched.disk import qcow2
from hyperv_sched.disk import reader
from tests import guests
from tests import samples
from tests.compressors import deflate
from tests.compressors import zstd
from tests.unit.disk import base

KIB = 1024
MIB = samples.MIB
GUEST = guests.bootable()
L1, L2, DATA = 2 * 65536, 3 * 65536, 4 * 65536


def changed(*fields, **options):
    """Return a qcow2 that boots, with fields of 64 bits."""
    data = bytearray(samples.qcow2(guest=GUEST, **options))
    for offset, value in fields:
        struct.pack_into('>Q', data, offset, value)
    return bytes(data)


def header(offset, layout, value, **options):
    return samples.qcow2(
        guest=GUEST, fields=[(offset, layout, value)], **options)


def with_backing_file(name):
    """Return a qcow2 that names a backing file, in bytes."""
    return samples.qcow2(guest=GUEST, fields=[
        (8, '>Q', 512), (16, '>I', len(name)),
        (512, f'{len(name)}s', name)])


class FormatTestCase(base.TestCase):

    def test_each_variant_boots(self):
        for options in (
                {}, {'version': 2}, {'cluster_bits': 9}, {'cluster_bits': 21},
                {'compress': deflate}, {'compress': deflate, 'version': 2},
                {'compress': deflate, 'cluster_bits': 9},
                {'compress': deflate, 'cluster_bits': 21},
                {'compress': zstd.compress, 'compression': 1},
                {'compress': zstd.compress, 'compression': 1,
                 'cluster_bits': 21},
                {'extended': True}, {'extended': True, 'cluster_bits': 14},
                {'extended': True, 'compress': deflate}):
            result = self.assertBoots(samples.qcow2(guest=GUEST, **options))
            self.assertEqual(
                ('qcow2', MIB, 1 << options.get('cluster_bits', 16),
                 'hyperv-gen2', False),
                (result.format, result.virtual_size, result.block_size,
                 result.generation, result.has_parent), options)

    def test_gpt_of_4096_byte_sectors(self):
        volume = guests.fat(
            {'EFI/BOOT/BOOTX64.EFI': guests.program()}, sector=4096)
        disk = guests.gpt([(guests.ESP, 64, volume)], sector=4096,
                          size=4 * MIB, first_usable=7)
        result = base.inspect(samples.qcow2(guest=disk))
        self.assertEqual((4096, 'uefi'), (
            result.logical_sector_size, result.firmware))

    def test_clusters_that_read_as_zeros(self):
        for entry in (0, 1, DATA | 1, 1 << 63 | DATA | 1):
            result = base.inspect(changed((L2, entry)))
            # The backup GPT is in another cluster.
            self.assertEqual(['gpt-no-protective-mbr'], [*result.defects])

    def test_zeros_of_version_3_are_none_of_version_2(self):
        self.assertDefects(
            ['container-malformed'], changed((L2, DATA | 1), version=2))

    def test_subclusters(self):
        for bitmap, defects in (
                (0xffffffff, []), (0, ['gpt-no-protective-mbr']),
                # Read as zeros.
                (0xffffffff << 32, ['gpt-no-protective-mbr']),
                # The first subcluster has the MBR.
                (0xfffffffe, ['gpt-no-protective-mbr']),
                (0x00ffffff, []),
                # Present, and reads as zeros.
                (1 << 32 | 1, ['container-malformed'])):
            result = base.inspect(changed((L2 + 8, bitmap), extended=True))
            self.assertEqual(defects, [*result.defects], hex(bitmap))

    def test_subclusters_need_an_offset(self):
        self.assertDefects(['container-malformed'], changed(
            (L2, 0), (L2 + 8, 1), extended=True))

    def test_end_of_the_last_cluster_may_be_missing(self):
        disk = b'a' * 65537
        data = samples.qcow2(guest=disk)
        for size in (len(data), len(data) - 65535):
            result = self.open(data[:size])
            self.assertEqual(disk[:65536], result.read(0, 65536))
        self.assertDefects(
            ['container-truncated'], data[:len(data) - 65536])

    def open(self, data):
        from hyperv_sched import disk
        from hyperv_sched.disk import inspection
        return disk.open_virtual_disk(
            reader.Reader(base.Bytes(data)), inspection.Inspection())

    def test_size_is_rounded_down_to_sectors(self):
        disk = self.open(samples.qcow2(virtual_size=1023))
        self.assertEqual((512, bytes(512)), (disk.size, disk.read(0, 1024)))

    def test_empty_disk(self):
        self.assertDefects(['no-partition-table'], header(24, '>Q', 0))


class OtherFileTestCase(base.TestCase):

    def test_backing_file_is_named_and_not_opened(self):
        for name in (b'/etc/passwd', b'json:{"driver":"nbd"}', b'\xff', b''):
            data = with_backing_file(name)
            with mock.patch('builtins.open', side_effect=AssertionError):
                result = self.assertDefects(
                    ['container-needs-other-file'], data)
            self.assertTrue(result.has_parent)
            self.assertEqual(
                'the backing file is ' + (
                    name.decode('utf-8', 'replace') or 'not named'),
                result.defects['container-needs-other-file'])

    def test_name_of_a_backing_file_is_bounded(self):
        result = self.assertDefects(
            ['container-needs-other-file'], samples.qcow2(
                guest=GUEST, fields=[(8, '>Q', 512), (16, '>I', 2 ** 32 - 1),
                                     (512, '2000s', b'a' * 2000)]))
        self.assertEqual(
            'the backing file is ' + 'a' * 1023,
            result.defects['container-needs-other-file'])

    def test_data_file_is_named_and_not_opened(self):
        name = b'/dev/sda'
        for before in (b'', struct.pack('>II', 0xe2792aca, 3) + b'raw'.ljust(
                8, b'\0')):
            extensions = before + struct.pack(
                '>II', 0x44415441, len(name)) + name
            result = self.assertDefects(
                ['container-needs-other-file'], samples.qcow2(
                    guest=GUEST, features=4,
                    fields=[(112, f'{len(extensions)}s', extensions)]))
            self.assertEqual(
                {'container-needs-other-file': 'the data file is /dev/sda'},
                result.defects)

    def test_data_file_without_a_name(self):
        for extensions in (
                bytes(16), struct.pack('>II', 1, 2 ** 32 - 1),
                struct.pack('>II', 1, 0) * 1000):
            result = self.assertDefects(
                ['container-needs-other-file'], samples.qcow2(
                    guest=GUEST, features=4,
                    fields=[(112, f'{len(extensions)}s', extensions)]))
            self.assertEqual('the data file is not named', result.defects[
                'container-needs-other-file'])

    def test_encryption_is_named(self):
        for method, name in ((1, 'AES'), (2, 'LUKS')):
            result = self.assertDefects(
                ['container-encrypted'], header(32, '>I', method))
            self.assertEqual({'container-encrypted': name}, result.defects)
        self.assertDefects(['container-malformed'], header(32, '>I', 3))


class HeaderTestCase(base.TestCase):

    def test_marks_of_the_header(self):
        for feature, defect in ((1, 'container-not-closed'),
                                (2, 'container-malformed')):
            self.assertBoots(
                samples.qcow2(guest=GUEST, features=feature), defect)

    def test_snapshots_are_counted(self):
        result = self.assertBoots(
            header(60, '>I', 2), 'container-snapshots')
        self.assertEqual({'container-snapshots': '2'}, result.defects)
        self.assertBoots(header(60, '>I', 65536), 'container-snapshots')
        self.assertDefects(['container-malformed'], header(60, '>I', 65537))

    def test_versions_that_are_not_read(self):
        for version in (0, 1, 4):
            self.assertDefects(
                ['container-not-read'], header(4, '>I', version))

    def test_features_that_are_not_read(self):
        self.assertDefects(['container-not-read'], samples.qcow2(
            guest=GUEST, features=32))
        self.assertDefects(['container-not-read'], samples.qcow2(
            guest=GUEST, compression=2))

    def test_compression_type_has_a_feature_bit(self):
        self.assertDefects(['container-malformed'], header(104, 'B', 1))
        self.assertDefects(['container-malformed'], samples.qcow2(
            guest=GUEST, features=8))
        # In a header of 104 bytes there is none.
        data = samples.qcow2(guest=GUEST, fields=[
            (100, '>I', 104), (104, 'B', 1)])
        self.assertBoots(data)

    def test_limits_of_fields(self):
        for offset, layout, right, wrong in (
                (20, '>I', (), (0, 8, 22, 2 ** 32 - 1)),
                (36, '>I', (1, 2, 4194304), (0, 4194305)),
                (40, '>Q', (L1,), (0, L1 + 512, 2 ** 63)),
                (48, '>Q', (65536, 0), (65537,)),
                (56, '>I', (1, 128), (0, 129)),
                (96, '>I', (0, 6), (7,)),
                (100, '>I', (104, 112, 65536), (103, 65537))):
            for value in right:
                self.assertBoots(header(offset, layout, value))
            for value in wrong:
                result = base.inspect(header(offset, layout, value))
                self.assertIn([*result.defects], (
                    ['container-malformed'], ['container-truncated']),
                    (offset, value))

    def test_disk_is_not_larger_than_that_of_a_vhdx(self):
        for size, defects in (
                (64 * 1024 ** 4 + 512, ['container-malformed']),
                (64 * 1024 ** 4, ['no-partition-table'])):
            result = base.inspect(samples.qcow2(size))
            self.assertEqual(defects, [*result.defects])

    def test_subclusters_need_clusters_of_16_kib(self):
        self.assertDefects(['container-malformed'], samples.qcow2(
            guest=GUEST, extended=True, cluster_bits=13))

    def test_header_that_is_cut_off(self):
        data = samples.qcow2(guest=GUEST)
        for size in (4, 71, 72, 103):
            self.assertDefects(['container-truncated'], data[:size])
        self.assertDefects(
            ['container-truncated'],
            samples.qcow2(guest=GUEST, version=2)[:72])


class TablesTestCase(base.TestCase):

    def test_entries_of_the_l1_table(self):
        for entry, defect in (
                (1 << 63 | 2 ** 40, 'container-truncated'),
                (L2 + 512, 'container-malformed'),
                # The header; the L1 table itself.
                (512, 'container-malformed'), (L1, 'container-malformed')):
            self.assertDefects([defect], changed((L1, entry)))

    def test_two_entries_with_one_table(self):
        self.assertDefects(['container-malformed'], changed(
            (L1 + 8, L2), virtual_size=samples.GIB))

    def test_entries_of_the_l2_table(self):
        for entry, defect in (
                (2 ** 40, 'container-truncated'),
                (DATA + 512, 'container-malformed'),
                (512, 'container-malformed'),
                # Compressed: past the end, and in the header.
                (1 << 62 | 2 ** 40, 'container-truncated'),
                (1 << 62 | 512, 'container-malformed')):
            self.assertDefects([defect], changed((L2 + 8, entry)))

    def test_limits_of_the_offset_of_a_compressed_cluster(self):
        for version, extended in ((2, False), (3, False), (3, True)):
            data = changed(version=version, extended=extended)
            entry = L2 + (32 if extended else 16)
            for offset, defects in (
                    (65535, ['container-malformed']), (65536, []),
                    (len(data) - 1, []),
                    (len(data), ['container-truncated'])):
                self.assertDefects(defects, changed(
                    (entry, 1 << 62 | offset), version=version,
                    extended=extended))

    def test_table_of_compressed_clusters_takes_few_steps(self):
        for version in (2, 3):
            data = bytearray(changed(version=version))
            struct.pack_into('>8192Q', data, L2, *(
                1 << 62 | 65536 + cluster for cluster in range(8192)))
            image = reader.Reader(reader.FileSource(io.BytesIO(data)))
            qcow2.read(image, inspection.Inspection())
            self.assertLess(image.steps, 1024)
            # The last one is in the header.
            struct.pack_into('>Q', data, L2 + 8191 * 8, 1 << 62)
            image = reader.Reader(reader.FileSource(io.BytesIO(data)))
            self.assertRaises(inspection.DefectError, qcow2.read, image,
                              inspection.Inspection())
            self.assertGreater(image.steps, 8192)

    def test_offset_of_the_cluster_that_is_cut_off(self):
        result = base.inspect(changed((L2 + 8, 2 ** 40)))
        self.assertEqual(
            'cluster 1 is at 1099511627776, the file ends at '
            f'{len(changed())}', result.defects['container-truncated'])

    def test_tables_that_are_cut_off(self):
        data = changed()
        self.assertDefects(['container-truncated'], data[:L2 + 65535])
        self.assertDefects(['container-truncated'], data[:L1 + 7])

    def test_largest_l1_table_is_read_within_the_limits(self):
        data = changed((L1, 0))
        struct_data = bytearray(data)
        # 512-byte clusters: 64 entries a table, 128 GiB.
        struct.pack_into('>I', struct_data, 20, 9)
        struct.pack_into('>Q', struct_data, 24, 128 * 1024 ** 3)
        struct.pack_into('>I', struct_data, 36, 4194304)
        self.assertDefects(['container-truncated'], bytes(struct_data))


class CompressionTestCase(base.TestCase):

    def entry(self, data):
        return struct.unpack_from('>Q', data, L2)[0]

    def test_cluster_that_is_not_a_stream(self):
        for compress, compression in ((deflate, 0), (zstd.compress, 1)):
            data = bytearray(samples.qcow2(
                guest=GUEST, compress=compress, compression=compression))
            start = self.entry(data) & 0xffffffff
            data[start:start + 64] = b'\xff' * 64
            self.assertDefects(['container-malformed'], bytes(data))

    def test_cluster_that_is_too_short(self):
        for compress, compression in ((deflate, 0), (zstd.compress, 1)):
            self.assertDefects(['container-malformed'], samples.qcow2(
                guest=GUEST, compression=compression,
                compress=lambda data, f=compress: f(data[:-1])))

    def test_cluster_that_is_too_long_is_cut(self):
        for compress, compression in ((deflate, 0), (zstd.compress, 1)):
            self.assertBoots(samples.qcow2(
                guest=GUEST, compression=compression,
                compress=lambda data, f=compress: f(data + bytes(8 * MIB))))

    def test_without_zstd_the_disk_is_not_read(self):
        data = samples.qcow2(guest=GUEST, compress=zstd.compress,
                             compression=1)
        missing = {'backports': None, 'backports.zstd': None,
                   'compression': None, 'compression.zstd': None}
        with mock.patch.dict(sys.modules, missing):
            result = self.assertDefects(['container-not-read'], data)
        self.assertIn('pip install', result.defects['container-not-read'])
        self.assertEqual('unknown', result.firmware)
