# SPDX-License-Identifier: Apache-2.0

from tests import guests
from tests import samples
from tests.unit.disk import base

#: Boot code that needs an active partition, or one of a type for a BIOS.
NEEDS_PARTITION = tuple(b'\x33\xc0' + bytes(40) + text for text in (
    b'Missing operating system', b'Invalid partition table', b'Missing OS',
    b'Missing boot loader', bytes.fromhex('bebe07380475'),
    bytes.fromhex('bdbe07386e007c'), bytes.fromhex('bdbe07807e00007c')))


class FirmwareTestCase(base.TestCase):

    def test_bios(self):
        result = self.assertDefects(
            ['mbr-partitioned'], guests.bios_bootable())
        self.assertEqual(('bios', 'hyperv-gen1'),
                         (result.firmware, result.generation))

    def test_uefi(self):
        result = base.inspect(guests.bootable())
        self.assertEqual(('uefi', 'hyperv-gen2'),
                         (result.firmware, result.generation))

    def test_both(self):
        record = guests.mbr([guests.PROTECTIVE], guests.CODE)
        result = base.inspect(guests.gpt(
            [(guests.ESP, 64, guests.loader()),
             (guests.BIOS_BOOT, 512, guests.CODE.ljust(512))],
            record=record))
        self.assertEqual(('both', None),
                         (result.firmware, result.generation))

    def test_none(self):
        result = base.inspect(samples.vhdx())
        self.assertEqual(('none', None),
                         (result.firmware, result.generation))

    def test_unknown_without_a_virtual_disk(self):
        for data in (samples.qcow2()[:512], samples.vhdx(flags=2), b''):
            self.assertEqual('unknown', base.inspect(data).firmware)


class BIOSTestCase(base.TestCase):

    def test_grub_in_the_mbr_needs_no_active_partition(self):
        for name in (b'GRUB \0', b'LILO'):
            disk = guests.mbr([(0x83, 64, 128)], guests.CODE.ljust(
                384, b'\x90') + name).ljust(samples.MIB, b'\0')
            self.assertEqual('bios', base.inspect(disk).firmware)

    def test_known_boot_code_without_a_partition_to_boot(self):
        for code in (*NEEDS_PARTITION, b'', b'\0\0MSWIN4.1'):
            for partition in ((7, 64, 128), (7, 64, 128, 0x80)):
                self.assertEqual('none', base.inspect(guests.mbr(
                    [partition], code).ljust(samples.MIB, b'\0')).firmware)
            # A BIOS does not boot the protective partition.
            result = base.inspect(guests.bootable(record=guests.mbr(
                [(0xee, 1, 2047, 0x80)], code)))
            self.assertEqual(('uefi', 'hyperv-gen2'),
                             (result.firmware, result.generation))

    def test_unknown_boot_code_is_no_evidence(self):
        self.assertEqual('unknown', base.inspect(guests.mbr(
            [(7, 64, 128)], guests.CODE).ljust(samples.MIB, b'\0')).firmware)
        result = base.inspect(guests.bootable(record=guests.mbr(
            [guests.PROTECTIVE], guests.CODE)))
        self.assertEqual(('uefi', None), (result.firmware, result.generation))

    def test_boot_code_without_signature_is_not_run(self):
        record = guests.mbr(
            [(0x83, 64, 128)], guests.CODE + b'GRUB', signature=b'\0\0')
        # A VHDX, since the signature makes a file a raw disk.
        self.assertEqual('none', base.inspect(base.vhdx(
            record.ljust(samples.MIB, b'\0'))).firmware)

    def test_partition_types_for_a_bios(self):
        for type_ in (guests.BIOS_BOOT,
                      '83bd6b9d-7f41-11dc-be0b-001560b84f0f',
                      '6a82cb45-1dd2-11b2-99a6-080020736631'):
            for code in (guests.CODE, *NEEDS_PARTITION):
                result = base.inspect(guests.gpt(
                    [(guests.ESP, 64, guests.loader()),
                     (type_, 512, guests.CODE.ljust(512))],
                    record=guests.mbr([guests.PROTECTIVE], code)))
                self.assertEqual('both', result.firmware)

    def test_legacy_bootable_attribute(self):
        for attributes, firmware in ((4, 'both'), (1, 'uefi')):
            result = base.inspect(guests.bootable(
                attributes=attributes, record=guests.mbr(
                    [guests.PROTECTIVE], NEEDS_PARTITION[0])))
            # The boot sector of a FAT of mkfs.fat does not boot.
            self.assertEqual('uefi', result.firmware)
            result = base.inspect(guests.gpt(
                [(guests.ESP, 64, guests.loader()),
                 (guests.BASIC_DATA, 512, guests.CODE.ljust(512))],
                attributes=attributes, record=guests.mbr(
                    [guests.PROTECTIVE], NEEDS_PARTITION[0])))
            self.assertEqual(firmware, result.firmware)

    def test_active_entry_of_type_0(self):
        for code in (guests.CODE, *NEEDS_PARTITION):
            result = base.inspect(guests.bootable(record=guests.mbr(
                [guests.PROTECTIVE, (0, 0, 2048, 0x80)], code)))
            self.assertEqual('both', result.firmware)

    def test_boot_sector_of_mkfs_fat_does_not_boot(self):
        inert = b'\xeb\x3c\x90' + bytes(90) + b'This is not a bootable disk'
        disk = bytearray(guests.mbr([(0x0c, 64, 128, 0x80)], NEEDS_PARTITION[
            0]).ljust(samples.MIB, b'\0'))
        disk[64 * 512:65 * 512] = inert.ljust(512, b'\0')
        self.assertEqual('none', base.inspect(bytes(disk)).firmware)
        disk[:512] = inert.ljust(510, b'\0') + b'\x55\xaa'
        self.assertEqual('none', base.inspect(bytes(disk)).firmware)


class ListTestCase(base.TestCase):

    def test_at_most_128_partitions_are_listed(self):
        for count in (128, 129):
            result = base.inspect(guests.gpt(
                [(guests.BASIC_DATA, 600 + index, b'', 600 + index)
                 for index in range(count)], count=256, first_usable=600))
            self.assertEqual(128, len(result.partitions))

    def test_hidden_partitions_are_not_listed(self):
        result = base.inspect(guests.bootable(attributes=2))
        self.assertEqual([], result.partitions)
