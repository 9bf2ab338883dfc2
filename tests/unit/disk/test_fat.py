# SPDX-License-Identifier: Apache-2.0

import struct

import hypothesis
from hypothesis import strategies as st

from hyperv_sched.disk import fat
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from tests import guests
from tests.unit.disk import base

PATH = 'EFI/BOOT/BOOTX64.EFI'
FILES = {PATH: guests.program()}

names = st.from_regex(r'[A-Za-z0-9_-]{1,30}(\.[A-Za-z]{1,4})?',
                      fullmatch=True)


def volume(data):
    """Return the volume of a disk without partitions."""
    return fat.Volume(virtual_disk.RawDisk(reader.Reader(base.Bytes(data))))


def patched(offset, data, files=FILES, **options):
    """Return a file system with bytes at an offset."""
    image = bytearray(guests.fat(files, **options))
    image[offset:offset + len(data)] = data
    return bytes(image)


def looping_directory():
    """Return a file system whose \\EFI is full and continues with itself."""
    image = bytearray(guests.fat(FILES))
    offset = image.index(b'BOOT       ')
    image[offset:offset + 512] = (b'OTHER      \x20' + bytes(20)) * 16
    cluster, = struct.unpack_from(
        '<H', image, image.index(b'EFI        ') + 26)
    value = cluster << 4 if cluster & 1 else cluster
    struct.pack_into('<H', image, 512 + cluster * 12 // 8, value)
    return bytes(image)


class FilesTestCase(base.TestCase):

    @hypothesis.given(
        st.dictionaries(names, st.binary(max_size=3000), max_size=6),
        st.sampled_from((512, 1024, 4096)), st.sampled_from((1, 2, 4)),
        st.integers(1, 3))
    def test_content_is_read(self, files, sector, per_cluster, scatter):
        files = {name.upper().partition('.')[0][:8]: data
                 for name, data in files.items()}
        opened = volume(guests.fat(
            {f'DIR/{name}': data for name, data in files.items()},
            clusters=300, sector=sector, per_cluster=per_cluster,
            scatter=scatter, root_entries=128))
        for name, data in files.items():
            entry = opened.find('dir', name.lower())
            self.assertEqual(
                data, opened.open(entry).read(0, len(data) + 1))
            self.assertEqual(data[7:19], opened.open(entry).read(7, 12))

    @hypothesis.given(names)
    def test_long_names_match_in_any_case(self, name):
        opened = volume(guests.fat({'EFI/' + name: b'content'}))
        self.assertIsNotNone(opened.find('EFI', name.swapcase()))

    def test_spaces_and_dots_around_a_name_do_not_matter(self):
        opened = volume(guests.fat({'EFI/A.EFI': b''}))
        for name in ('  a.efi', 'a.efi ', 'a.efi. .', 'a.efi..'):
            self.assertIsNotNone(opened.find('EFI', name), name)
        for name in ('.a.efi', 'a .efi', '.', '..', ' ', ''):
            self.assertIsNone(opened.find('EFI', name), name)

    def test_letters_outside_of_ascii_do_not_match(self):
        for name in ('BOOTX64.EF\u0131', 'BOOTX64.E\ufb01'):
            entry = fat.DirectoryEntry(name, 'BOOTX6~1.EFI', False, 2, 1024)
            self.assertFalse(entry.matches('BOOTX64.EFI'), name)

    def test_long_name_of_another_entry_is_ignored(self):
        image = bytearray(guests.fat({'a long name.efi': b''}))
        offset = image.index(b'A LONG N')
        image[offset] = ord('B')
        self.assertEqual(
            ['B LONG N.EFI'],
            [entry.name for entry in volume(bytes(image)).entries()])

    def test_short_name_in_lower_case(self):
        for flags, name in ((0, 'BOOT.CSV'), (0x08, 'boot.CSV'),
                            (0x10, 'BOOT.csv'), (0x18, 'boot.csv')):
            image = bytearray(guests.fat({'BOOT.CSV': b''}))
            image[image.index(b'BOOT    CSV') + 12] = flags
            self.assertEqual(
                [name], [entry.name for entry in volume(
                    bytes(image)).entries()])

    def test_deleted_entries_and_volume_labels_are_skipped(self):
        image = bytearray(guests.fat({'ONE': b'', 'TWO': b'', 'SIX': b''}))
        image[image.index(b'ONE     ')] = 0xe5
        image[image.index(b'TWO     ') + 11] = 0x08
        self.assertEqual(
            ['SIX'], [entry.name for entry in volume(bytes(image)).entries()])

    def test_file_has_no_entries(self):
        self.assertIsNone(volume(guests.fat({'EFI': b''})).find('EFI', 'X'))

    def test_each_type_is_read(self):
        for options in ({'bits': 12}, {'bits': 16, 'clusters': 5000},
                        {'bits': 12, 'sector': 4096, 'clusters': 60},
                        {'bits': 12, 'per_cluster': 8}):
            self.assertIsNotNone(
                volume(guests.fat(FILES, **options)).find(*PATH.split('/')))


class LimitsTestCase(base.TestCase):

    def test_largest_root_directory(self):
        self.assertBoots(guests.gpt([(guests.ESP, 64, guests.fat(
            FILES, clusters=5000, bits=16, root_entries=65520))],
            size=8 * 1024 ** 2))

    def test_fat32_has_at_least_65525_clusters(self):
        self.assertTrue(volume(
            guests.fat(FILES, 65524, bits=32)).too_few_clusters)
        opened = volume(guests.fat(FILES, 65525, bits=32))
        self.assertFalse(opened.too_few_clusters)
        self.assertEqual(65525, opened.clusters)
        self.assertIsNotNone(opened.find(*PATH.split('/')))

    def test_fat12_has_fewer_than_4085_clusters(self):
        for clusters, bits in ((4084, 12), (4085, 16)):
            opened = volume(guests.fat(FILES, clusters, bits=bits))
            self.assertEqual(clusters, opened.clusters)
            entry = opened.find(*PATH.split('/'))
            self.assertEqual(
                FILES[PATH], opened.open(entry).read(0, 2000))

    def test_fat16_has_fewer_than_65525_clusters(self):
        self.assertIsNotNone(volume(guests.fat(FILES, 65524, bits=16)))
        self.assertRaises(fat.NotFATError, volume,
                          guests.fat(FILES, 65525, bits=16))

    def test_boot_sector_that_firmware_refuses(self):
        for offset, data in ((11, b'\0\1'), (11, b'\1\2'), (11, b'\0\x20'),
                             (13, b'\0'), (13, b'\3'), (14, b'\0\0'),
                             (16, b'\0'), (17, b'\0\0'), (19, b'\0\0'),
                             (21, b'\xf7'), (21, b'\x02')):
            self.assertRaises(fat.NotFATError, volume, patched(offset, data))

    def test_fat32_that_firmware_refuses(self):
        good = bytearray(guests.fat(FILES, 65525, bits=32))
        for offset, data in ((40, b'\x80'), (42, b'\1'), (36, bytes(4))):
            bad = bytearray(good)
            bad[offset:offset + len(data)] = data
            self.assertRaises(fat.NotFATError, volume, bytes(bad))


class ClustersTestCase(base.TestCase):

    def test_last_cluster_of_the_volume(self):
        # The only cluster has the number 2.
        for cluster, detail in (
                (1, 'the clusters of A end early, with 1'), (2, None),
                (3, 'the clusters of A end early, with 3')):
            image = bytearray(guests.fat({'A': b'content'}, clusters=1))
            offset = image.index(b'A          ')
            struct.pack_into('<H', image, offset + 26, cluster)
            opened = volume(bytes(image))
            if detail is None:
                file = opened.open(opened.find('A'))
                self.assertEqual(b'content', file.read(0, 100))
            else:
                error = self.assertRaises(
                    fat.DamagedFATError, opened.open, opened.find('A'))
                self.assertEqual(detail, str(error))

    def test_end_of_the_chain_of_a_directory(self):
        # 16 entries fill the only cluster.
        image = bytearray(guests.fat(
            {f'DIR/F{number}': b'' for number in range(16)}))
        cluster, = struct.unpack_from(
            '<H', image, image.index(b'DIR        ') + 26)
        self.assertEqual(0, cluster % 2)
        for value, detail in (
                (0xff8, None),
                (0xff7, 'the clusters of a directory end early, with 4087')):
            struct.pack_into('<H', image, 512 + cluster * 3 // 2, value)
            opened = volume(bytes(image))
            if detail is None:
                self.assertIsNone(opened.find('DIR', 'F16'))
            else:
                error = self.assertRaises(
                    fat.DamagedFATError, opened.find, 'DIR', 'F16')
                self.assertEqual(detail, str(error))

    def test_partition_ends_with_the_last_byte_of_a_file(self):
        image = guests.fat({'A': bytes(700)}, clusters=2)
        end = len(image) - 1024 + 700
        opened = volume(image[:end])
        self.assertEqual(
            bytes(700), opened.open(opened.find('A')).read(0, 1000))
        opened = volume(image[:end - 1])
        error = self.assertRaises(
            fat.DamagedFATError, opened.open, opened.find('A'))
        self.assertEqual(
            'cluster 3 of A is past the end of the partition', str(error))

    def test_file_with_a_cluster_twice(self):
        # Clusters 2 and 3, then 2 again; FAT12 has two entries in 3 bytes.
        image = bytearray(guests.fat({'A': bytes(1536)}, clusters=4))
        image[512 + 3:512 + 6] = (3 | 2 << 12).to_bytes(3, 'little')
        opened = volume(bytes(image))
        error = self.assertRaises(
            fat.DamagedFATError, opened.open, opened.find('A'))
        self.assertEqual('the clusters of A are a loop', str(error))


class SystemPartitionTestCase(base.TestCase):

    def test_not_fat(self):
        self.assertDoesNotBoot('esp-not-fat', base.esp(bytes(4096)))

    def test_fat32_too_small(self):
        self.assertDoesNotBoot('fat32-too-few-clusters', base.esp(
            guests.fat(FILES, bits=32)))

    def test_sector_size(self):
        self.assertBoots(base.esp(guests.fat(
            FILES, sector=4096, clusters=60)), 'fat-sector-size')

    def test_larger_than_its_partition(self):
        self.assertBoots(guests.gpt(
            [(guests.ESP, 64, guests.loader(), 64 + 200)]),
            'fat-larger-than-partition')

    def test_loader_past_the_end_of_the_partition(self):
        self.assertDoesNotBoot('fat-damaged', guests.gpt(
            [(guests.ESP, 64, guests.loader(), 64 + 8)]))

    def test_directory_whose_clusters_are_a_loop(self):
        self.assertDoesNotBoot(
            'fat-damaged', base.esp(looping_directory()))

    def test_file_whose_clusters_end_early(self):
        image = bytearray(guests.fat({PATH: guests.program(size=4096)}))
        offset = image.index(b'BOOTX64 EFI') + 28
        image[offset:offset + 4] = struct.pack('<I', 100000)
        self.assertDoesNotBoot('fat-damaged', base.esp(bytes(image)))

    def test_file_larger_than_256_mib(self):
        for size, detail in (
                (2 ** 28, 'the clusters of BOOTX64.EFI end early, with 4095'),
                (2 ** 28 + 1, 'BOOTX64.EFI has 268435457 bytes')):
            image = bytearray(guests.fat(FILES))
            offset = image.index(b'BOOTX64 EFI') + 28
            image[offset:offset + 4] = struct.pack('<I', size)
            result = self.assertDoesNotBoot(
                'fat-damaged', base.esp(bytes(image)))
            self.assertEqual(detail, result.defects['fat-damaged'])
