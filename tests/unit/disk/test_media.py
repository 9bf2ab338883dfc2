# SPDX-License-Identifier: Apache-2.0

import struct

from tests import guests
from tests.unit.disk import base
from tests.unit.disk import test_iso
from tests.unit.disk.test_iso import entry
from tests.unit.disk.test_iso import medium

BIOS_IMAGE = 22
NO_LOADER = ('no boot image of the ISO has a FAT with '
             '\\EFI\\BOOT\\BOOTX64.EFI')
NO_IMAGE = 'no boot image (El Torito)'


def for_bios(entries=None, code=guests.CODE, **options):
    """Return an ISO whose second entry of the catalog is for a BIOS."""
    disk = bytearray(medium(
        guests.loader(), entries or [entry(BIOS_IMAGE)], **options))
    disk[BIOS_IMAGE * 2048:BIOS_IMAGE * 2048 + len(code)] = code
    return bytes(disk)


def hybrid(entries=None):
    """Return an ISO with a GPT for a disk of 512-byte sectors."""
    disk = bytearray(medium(guests.loader(), entries))
    disk[:512] = guests.mbr([guests.PROTECTIVE])
    table = guests.gpt([(guests.ESP, 4 * test_iso.IMAGE, b'')])
    disk[512:34 * 512] = table[512:34 * 512]
    return bytes(disk)


class MediaTestCase(base.TestCase):

    def check(self, firmware, generation, data, reason=None):
        result = base.inspect(data)
        self.assertEqual('iso', result.format)
        self.assertEqual(
            {} if reason is None else {'iso-without-uefi': reason},
            result.defects)
        self.assertEqual((firmware, generation),
                         (result.firmware, result.generation))
        return result

    def test_uefi(self):
        result = self.check('uefi', 'hyperv-gen2', medium(guests.loader()))
        self.assertEqual(
            [(0, '\\EFI\\BOOT\\BOOTX64.EFI')],
            [(loader.partition, loader.path) for loader in result.loaders])
        self.assertIsNone(result.partition_table)
        self.assertIsNone(result.partitions)

    def test_bios(self):
        self.check('bios', 'hyperv-gen1', for_bios(), NO_LOADER)

    def test_both(self):
        self.check('both', None, for_bios(
            [entry(BIOS_IMAGE), entry(test_iso.IMAGE)]))

    def test_neither(self):
        for data, reason in (
                (medium(entries=[]), NO_IMAGE),
                (medium(entries=[entry(test_iso.IMAGE, 0)]), NO_IMAGE),
                (medium(guests.loader(machine=0xaa64)),
                 '\\EFI\\BOOT\\BOOTX64.EFI is for aa64'),
                (medium(guests.fat({
                    'EFI/BOOT/BOOTAA64.EFI': guests.program(0xaa64)})),
                 'no \\EFI\\BOOT\\BOOTX64.EFI, but '
                 '\\EFI\\BOOT\\BOOTAA64.EFI')):
            self.check('none', None, data, reason)

    def test_only_an_image_with_code_is_for_a_bios(self):
        for code in (bytes(512), guests.CODE + guests.INERT):
            self.check('none', None, for_bios(code=code), NO_LOADER)

    def test_catalog_that_a_bios_refuses(self):
        for offset, value, reason in (
                (0, 2, NO_IMAGE),
                (1, 0xef, 'the boot image: the boot sector is not one of '
                          'FAT'),
                (30, 0, NO_IMAGE), (31, 0, NO_IMAGE), (32, 0, NO_IMAGE)):
            disk = bytearray(for_bios())
            catalog = test_iso.CATALOG * 2048
            disk[catalog + offset] = value
            if offset == 1:
                disk[catalog + 28:catalog + 30] = bytes(2)
                struct.pack_into('<H', disk, catalog + 28, -sum(
                    struct.unpack_from('<16H', disk, catalog)) & 0xffff)
            result = base.inspect(bytes(disk))
            self.assertEqual('none', result.firmware, offset)
            self.assertEqual(reason, result.defects['iso-without-uefi'])

    def test_a_bios_takes_the_second_entry_only(self):
        self.check('uefi', 'hyperv-gen2', for_bios(
            [entry(test_iso.IMAGE), entry(BIOS_IMAGE)]))

    def test_a_bios_takes_the_second_descriptor_only(self):
        disk = bytearray(for_bios())
        disk[18 * 2048:19 * 2048] = disk[17 * 2048:18 * 2048]
        disk[17 * 2048] = 2
        disk[17 * 2048 + 7:17 * 2048 + 30] = bytes(23)
        self.check('none', None, bytes(disk), NO_LOADER)

    def test_uefi_reads_each_entry_in_a_sector_of_2048_bytes(self):
        entries = [entry(30)] * 62
        self.check('uefi', 'hyperv-gen2', medium(
            guests.loader(), [*entries, entry(test_iso.IMAGE)]))
        self.check('none', None, medium(
            guests.loader(), [*entries, entry(30), entry(test_iso.IMAGE)]),
            NO_LOADER)

    def test_reason_is_that_of_an_image_for_uefi(self):
        damaged = medium(b'noise', [entry(test_iso.IMAGE)], platform=0xef)
        self.check('none', None, damaged,
                   'the boot image: the boot sector is not one of FAT')

    def test_partition_table_of_a_copy_on_a_disk_is_not_read(self):
        self.check('uefi', 'hyperv-gen2', hybrid())
        self.check('none', None, hybrid([entry(30)]), NO_LOADER)
        self.check('none', None, hybrid([]), NO_IMAGE)

    def test_mbr_is_not_read(self):
        record = guests.mbr([(0xef, 4 * test_iso.IMAGE, 1000)])
        self.check('none', None, medium(
            guests.loader(), [], record=record), NO_IMAGE)
        self.check('none', None, medium(
            guests.loader(), [entry(30)], record=record), NO_LOADER)

    def test_gpt_for_sectors_of_2048_bytes_is_read(self):
        disk = bytearray(guests.gpt(
            [(guests.ESP, test_iso.IMAGE, guests.loader())], sector=2048,
            first_usable=20))
        descriptors = slice(16 * 2048, 19 * 2048)
        disk[descriptors] = medium(entries=[])[descriptors]
        self.check('uefi', 'hyperv-gen2', bytes(disk))

    def test_type_of_the_boot_record(self):
        disk = bytearray(for_bios([entry(BIOS_IMAGE), entry(test_iso.IMAGE)]))
        disk[17 * 2048] = 1
        self.check('uefi', 'hyperv-gen2', bytes(disk))

    def test_truncated_media(self):
        whole = medium(guests.loader())
        for size in (32774, 17 * 2048, 18 * 2048 - 1, 18 * 2048,
                     test_iso.CATALOG * 2048 + 64, 24 * 2048):
            result = base.inspect(whole[:size])
            self.assertEqual(('iso', 'none'),
                             (result.format, result.firmware), size)
