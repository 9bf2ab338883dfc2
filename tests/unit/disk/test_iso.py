# SPDX-License-Identifier: Apache-2.0

import struct

from hyperv_sched.disk import iso
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from tests import guests
from tests import samples
from tests.unit.disk import base

CATALOG, IMAGE = 20, 24


def entry(sector, indicator=0x88, media=0, count=0):
    return struct.pack('<BB4xHI20x', indicator, media, count, sector)


def medium(content=b'', entries=None, size=400, record=None, claimed=None,
           validation=1, platform=0):
    """Return an ISO in sectors of 2048 bytes with one boot image."""
    disk = bytearray(size * 2048)
    if record is not None:
        disk[:512] = record
    struct.pack_into('<B5s', disk, 16 * 2048, 1, b'CD001')
    struct.pack_into('<I', disk, 16 * 2048 + 80,
                     size if claimed is None else claimed)
    struct.pack_into('<B5sB23s41xI', disk, 17 * 2048, 0, b'CD001', 1,
                     b'EL TORITO SPECIFICATION', CATALOG)
    struct.pack_into('<B5s', disk, 18 * 2048, 255, b'CD001')
    first = bytearray(struct.pack(
        '<BB26xH2s', validation, platform, 0, b'\x55\xaa'))
    struct.pack_into('<H', first, 28, -sum(
        struct.unpack('<16H', first)) & 0xffff)
    catalog = bytes(first) + b''.join(
        [entry(IMAGE)] if entries is None else entries)
    disk[CATALOG * 2048:CATALOG * 2048 + len(catalog)] = catalog
    disk[IMAGE * 2048:IMAGE * 2048 + len(content)] = content
    return bytes(disk)


def on_disk(*args, **options):
    return base.vhdx(medium(*args, **options).ljust(samples.MIB, b'\0'))


class ISOTestCase(base.TestCase):

    def test_boots_from_a_boot_image(self):
        result = self.assertBoots(on_disk(guests.loader()), 'iso-not-a-disk')
        self.assertEqual('hyperv-gen2', result.generation)

    def test_each_entry_of_the_catalog_is_tried(self):
        entries = [entry(30), entry(IMAGE, 0), entry(0), entry(IMAGE)]
        self.assertBoots(on_disk(guests.loader(), entries), 'iso-not-a-disk')
        # A sector of the disk has room for 15 entries.
        entries = [entry(30)] * 14
        self.assertBoots(on_disk(
            guests.loader(), [*entries, entry(IMAGE)]), 'iso-not-a-disk')
        self.assertDefects(['iso-not-a-disk', 'loader-missing'], on_disk(
            guests.loader(), [*entries, entry(30), entry(IMAGE)]))

    def test_does_not_boot(self):
        for name, content, options in (
                ('loader-missing', guests.fat({}), {}),
                ('loader-wrong-arch', guests.loader(machine=0xaa64), {}),
                ('no-partition-table', guests.loader(), {'entries': []}),
                ('no-partition-table', guests.loader(), {'validation': 2})):
            result = self.assertDefects(
                ['iso-not-a-disk', name], on_disk(content, **options))
            self.assertEqual('none', result.firmware)

    def test_damaged_catalog_is_ignored(self):
        for offset in (28, 30, 31):
            image = bytearray(medium(guests.loader()))
            image[CATALOG * 2048 + offset] ^= 1
            self.assertDefects(
                ['iso-not-a-disk', 'no-partition-table'],
                base.vhdx(bytes(image).ljust(samples.MIB, b'\0')))

    def test_boot_images_come_before_the_partitions_of_an_mbr(self):
        record = guests.mbr([(0x0c, 4 * IMAGE, 1000)])
        self.assertBoots(on_disk(guests.loader(), record=record),
                         'iso-not-a-disk')
        self.assertDefects(
            ['iso-not-a-disk', 'loader-missing'],
            on_disk(guests.loader(), [entry(30)], record=record))
        # Without boot images, firmware boots the MBR.
        self.assertBoots(on_disk(guests.loader(), [], record=record),
                         'iso-not-a-disk', 'mbr-partitioned')

    def test_disk_that_was_partitioned_anew_is_not_an_iso(self):
        # The disk has 4 MiB, 2048 sectors of 2048 bytes.
        for sectors, defects in ((1023, []), (1024, ['iso-not-a-disk'])):
            disk = bytearray(guests.gpt(
                [(guests.ESP, 200, guests.loader())], size=4 * samples.MIB))
            descriptors = slice(16 * 2048, 19 * 2048)
            disk[descriptors] = medium(claimed=sectors)[descriptors]
            self.assertBoots(base.vhdx(bytes(disk)), *defects)

    def test_sectors_of_4096_bytes_are_not_those_of_an_iso(self):
        result = base.inspect(base.vhdx(medium(
            guests.loader()).ljust(samples.MIB, b'\0'),
            logical_sector_size=4096))
        self.assertEqual('none', result.firmware)


class BootImageTestCase(base.TestCase):
    """The end of a boot image, which has a file system of 204 sectors."""

    def images(self, data, sector_size=2048):
        disk = virtual_disk.RawDisk(reader.Reader(base.Bytes(data)),
                                    sector_size)
        return [(image.offset // 2048, image.size)
                for image in iso.boot_images(disk)]

    def test_size(self):
        rest = (400 - IMAGE) * 2048
        for media, count, on_dvd, on_disk in (
                (0, 0, rest, rest), (0, 1, rest, rest),
                (0, 2, 4096, 4096), (0, 7, 14336, 14336),
                (1, 1, 1228800, 4915200), (2, 1, 1474560, 5898240),
                (3, 1, 2949120, 11796480),
                (4, 1, rest, rest), (4, 4, 2048, 8192), (4, 5, 4096, 10240),
                (5, 7, rest, rest)):
            data = medium(entries=[entry(IMAGE, 0x88, media, count)])
            self.assertEqual([(IMAGE, on_dvd)], self.images(data), media)
            self.assertEqual([(IMAGE, on_disk)], self.images(data, 512))

    def test_rest_of_the_medium(self):
        for claimed, size in ((IMAGE - 1, 376), (IMAGE, 0), (IMAGE + 1, 1),
                              (399, 375), (400, 376), (401, 376)):
            self.assertEqual(
                [(IMAGE, size * 2048)], self.images(medium(claimed=claimed)))

    def test_platform(self):
        disk = virtual_disk.RawDisk(reader.Reader(base.Bytes(medium(
            entries=[entry(30), entry(0, 0x91, 0xef), entry(31),
                     entry(0, 0x90, 0), entry(32)], platform=0xef))), 2048)
        self.assertEqual(
            [True, True, False],
            [image.is_uefi for image in iso.boot_images(disk)])

    def test_image_too_small_for_its_file_system(self):
        self.assertDefects(
            ['iso-without-uefi'],
            medium(guests.loader(), [entry(IMAGE, 0x88, 0, 2)]))
        self.assertBoots(medium(guests.loader(), [entry(IMAGE, 0x88, 0, 4)]))

    def test_damaged_gpt_leaves_the_boot_images(self):
        record = guests.mbr([guests.PROTECTIVE])
        self.assertBoots(on_disk(guests.loader(), record=record),
                         'iso-not-a-disk', 'gpt-missing')
