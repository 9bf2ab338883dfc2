# SPDX-License-Identifier: Apache-2.0

import struct

from tests import guests
from tests import samples
from tests.unit.disk import base

CATALOG, IMAGE = 20, 24


def entry(sector, indicator=0x88):
    return struct.pack('<BB6xI20x', indicator, 0, sector)


def medium(content=b'', entries=None, size=400, record=None, claimed=None,
           identifier=1):
    """An ISO of sectors of 2048 bytes whose boot image is a file system."""
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
        '<BB26xH2s', identifier, 0, 0, b'\x55\xaa'))
    struct.pack_into('<H', first, 28, -sum(
        struct.unpack('<16H', first)) & 0xffff)
    catalog = bytes(first) + b''.join(
        [entry(IMAGE)] if entries is None else entries)
    disk[CATALOG * 2048:CATALOG * 2048 + len(catalog)] = catalog
    disk[IMAGE * 2048:IMAGE * 2048 + len(content)] = content
    return bytes(disk)


def on_disk(*args, **options):
    return base.vhdx(medium(*args, **options).ljust(samples.MIB, b'\0'))


class MediumOnDiskTestCase(base.TestCase):

    def test_starts_from_a_boot_image(self):
        found = self.assertStarts(on_disk(guests.loader()), 'iso-not-a-disk')
        self.assertEqual('hyperv-gen2', found.generation)

    def test_each_entry_of_the_catalog_is_tried(self):
        entries = [entry(30), entry(IMAGE, 0), entry(0), entry(IMAGE)]
        self.assertStarts(on_disk(guests.loader(), entries),
                          'iso-not-a-disk')
        # As many as a sector of the disk has room for.
        entries = [entry(30)] * 14
        self.assertStarts(on_disk(
            guests.loader(), [*entries, entry(IMAGE)]), 'iso-not-a-disk')
        self.assertDefects(['iso-not-a-disk', 'loader-missing'], on_disk(
            guests.loader(), [*entries, entry(30), entry(IMAGE)]))

    def test_does_not_start(self):
        for name, content, options in (
                ('loader-missing', guests.fat({}), {}),
                ('loader-wrong-arch', guests.loader(machine=0xaa64), {}),
                ('no-partition-table', guests.loader(), {'entries': []}),
                ('no-partition-table', guests.loader(), {'identifier': 2})):
            found = self.assertDefects(
                ['iso-not-a-disk', name], on_disk(content, **options))
            self.assertEqual('none', found.firmware)

    def test_boot_images_come_before_the_partitions_of_an_mbr(self):
        record = guests.mbr([(0x0c, 4 * IMAGE, 1000)])
        self.assertStarts(on_disk(guests.loader(), record=record),
                          'iso-not-a-disk')
        self.assertDefects(
            ['iso-not-a-disk', 'loader-missing'],
            on_disk(guests.loader(), [entry(30)], record=record))
        # Without boot images the MBR counts.
        self.assertStarts(on_disk(guests.loader(), [], record=record),
                          'iso-not-a-disk', 'mbr-partitioned')

    def test_what_an_installed_disk_keeps_of_a_medium(self):
        disk = bytearray(guests.bootable(size=4 * samples.MIB))
        rest = medium(claimed=400)[16 * 2048:19 * 2048]
        disk = bytearray(guests.gpt(
            [(guests.ESP, 200, guests.loader())], size=4 * samples.MIB))
        disk[16 * 2048:19 * 2048] = rest
        self.assertStarts(base.vhdx(bytes(disk)))

    def test_sectors_of_4096_bytes_are_none_of_a_cd(self):
        found = base.inspect(base.vhdx(medium(
            guests.loader()).ljust(samples.MIB, b'\0'),
            logical_sector_size=4096))
        self.assertEqual('none', found.firmware)
