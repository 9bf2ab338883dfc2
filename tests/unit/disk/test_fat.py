# SPDX-License-Identifier: Apache-2.0

import struct

import hypothesis
from hypothesis import strategies as st

from hyperv_sched.disk import fat
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from tests import guests
from tests.unit.disk import base
from tests.unit.disk.test_partitions import Bytes

PATH = 'EFI/BOOT/BOOTX64.EFI'
FILES = {PATH: guests.program()}

names = st.from_regex(r'[A-Za-z0-9_-]{1,30}(\.[A-Za-z]{1,4})?',
                      fullmatch=True)


def volume(data):
    return fat.Volume(virtual_disk.RawDisk(reader.Reader(Bytes(data))))


def patched(offset, data, files=FILES, **options):
    image = bytearray(guests.fat(files, **options))
    image[offset:offset + len(data)] = data
    return bytes(image)


def system(data):
    return guests.gpt([(guests.ESP, 64, data)])


class FilesTestCase(base.TestCase):

    @hypothesis.given(
        st.dictionaries(names, st.binary(max_size=3000), max_size=6),
        st.sampled_from((512, 1024, 4096)), st.sampled_from((1, 2, 4)),
        st.integers(1, 3))
    def test_are_read_back(self, files, sector, per_cluster, scatter):
        files = {name.upper().partition('.')[0][:8]: data
                 for name, data in files.items()}
        found = volume(guests.fat(
            {f'DIR/{name}': data for name, data in files.items()},
            clusters=300, sector=sector, per_cluster=per_cluster,
            scatter=scatter, root_entries=128))
        for name, data in files.items():
            entry = found.find('dir', name.lower())
            self.assertEqual(
                data, found.open(entry).read(0, len(data) + 1))
            self.assertEqual(data[7:19], found.open(entry).read(7, 12))

    @hypothesis.given(names)
    def test_are_found_by_long_names_in_any_case(self, name):
        found = volume(guests.fat({'EFI/' + name: b'content'}))
        self.assertIsNotNone(found.find('EFI', name.swapcase()))

    def test_are_not_found_by_letters_that_become_theirs(self):
        for name in ('BOOTX64.EF\u0131', 'BOOTX64.E\ufb01'):
            entry = fat.DirectoryEntry(name, 'BOOTX6~1.EFI', False, 2, 1024)
            self.assertFalse(entry.matches('BOOTX64.EFI'), name)

    def test_long_name_of_another_entry_is_none(self):
        image = bytearray(guests.fat({'a long name.efi': b''}))
        at = image.index(b'A LONG N')
        image[at] = ord('B')
        self.assertEqual(
            ['B LONG N.EFI'],
            [entry.name for entry in volume(bytes(image)).entries()])

    def test_deleted_and_volume_labels_are_passed_over(self):
        image = bytearray(guests.fat({'ONE': b'', 'TWO': b'', 'SIX': b''}))
        image[image.index(b'ONE     ')] = 0xe5
        image[image.index(b'TWO     ') + 11] = 0x08
        self.assertEqual(
            ['SIX'], [entry.name for entry in volume(bytes(image)).entries()])

    def test_file_is_no_directory(self):
        self.assertIsNone(volume(guests.fat({'EFI': b''})).find('EFI', 'X'))

    def test_each_type_starts(self):
        for options in ({'bits': 12}, {'bits': 16, 'clusters': 5000},
                        {'bits': 12, 'sector': 4096, 'clusters': 60},
                        {'bits': 12, 'per_cluster': 8}):
            self.assertIsNotNone(
                volume(guests.fat(FILES, **options)).find(*PATH.split('/')))


class LimitsTestCase(base.TestCase):

    def test_largest_root_directory(self):
        self.assertStarts(guests.gpt([(guests.ESP, 64, guests.fat(
            FILES, clusters=5000, bits=16, root_entries=65520))],
            size=8 * 1024 ** 2))

    def test_fat32_has_at_least_65525_clusters(self):
        self.assertTrue(volume(
            guests.fat(FILES, 65524, bits=32)).too_few_clusters)
        found = volume(guests.fat(FILES, 65525, bits=32))
        self.assertFalse(found.too_few_clusters)
        self.assertEqual(65525, found.clusters)
        self.assertIsNotNone(found.find(*PATH.split('/')))

    def test_fat12_has_fewer_than_4085_clusters(self):
        # The type decides on how the table is read.
        for clusters, bits in ((4084, 12), (4085, 16)):
            found = volume(guests.fat(FILES, clusters, bits=bits))
            self.assertEqual(clusters, found.clusters)
            entry = found.find(*PATH.split('/'))
            self.assertEqual(
                FILES[PATH], found.open(entry).read(0, 2000))

    def test_fat16_has_fewer_than_65525_clusters(self):
        self.assertIsNotNone(volume(guests.fat(FILES, 65524, bits=16)))
        self.assertRaises(fat.NotFATError, volume,
                          guests.fat(FILES, 65525, bits=16))

    def test_boot_sector_that_firmware_does_not_take(self):
        for offset, data in ((11, b'\0\1'), (11, b'\1\2'), (11, b'\0\x20'),
                             (13, b'\0'), (13, b'\3'), (14, b'\0\0'),
                             (16, b'\0'), (17, b'\0\0'), (19, b'\0\0'),
                             (21, b'\xf7'), (21, b'\x02')):
            self.assertRaises(fat.NotFATError, volume, patched(offset, data))

    def test_fat32_that_firmware_does_not_take(self):
        good = bytearray(guests.fat(FILES, 65525, bits=32))
        for offset, data in ((40, b'\x80'), (42, b'\1'), (36, bytes(4))):
            bad = bytearray(good)
            bad[offset:offset + len(data)] = data
            self.assertRaises(fat.NotFATError, volume, bytes(bad))


class SystemPartitionTestCase(base.TestCase):

    def test_not_fat(self):
        self.assertDoesNotStart('esp-not-fat', system(bytes(4096)))

    def test_fat32_too_small(self):
        self.assertDoesNotStart('fat32-too-few-clusters', system(
            guests.fat(FILES, bits=32)))

    def test_sector_size(self):
        self.assertStarts(system(guests.fat(
            FILES, sector=4096, clusters=60)), 'fat-sector-size')

    def test_larger_than_its_partition(self):
        self.assertStarts(guests.gpt(
            [(guests.ESP, 64, guests.loader(), 64 + 200)]),
            'fat-larger-than-partition')

    def test_loader_behind_the_partition(self):
        self.assertDoesNotStart('fat-damaged', guests.gpt(
            [(guests.ESP, 64, guests.loader(), 64 + 8)]))

    def test_directory_in_a_circle(self):
        # Cluster 4 holds \\EFI, full of entries, and names itself.
        image = bytearray(guests.fat(FILES))
        at = image.index(b'BOOT       ')
        image[at:at + 512] = (b'OTHER      \x20' + bytes(20)) * 16
        cluster = struct.unpack_from('<H', image, image.index(
            b'EFI        ') + 26)[0]
        value = cluster << 4 if cluster & 1 else cluster
        entry = 512 + cluster * 12 // 8
        image[entry:entry + 2] = struct.pack('<H', value)
        self.assertDoesNotStart('fat-damaged', system(bytes(image)))

    def test_file_whose_clusters_end_early(self):
        image = bytearray(guests.fat({PATH: guests.program(size=4096)}))
        at = image.index(b'BOOTX64 EFI') + 28
        image[at:at + 4] = struct.pack('<I', 100000)
        self.assertDoesNotStart('fat-damaged', system(bytes(image)))

    def test_file_without_end(self):
        image = bytearray(guests.fat(FILES))
        at = image.index(b'BOOTX64 EFI') + 28
        image[at:at + 4] = b'\xff' * 4
        self.assertDoesNotStart('fat-damaged', system(bytes(image)))
