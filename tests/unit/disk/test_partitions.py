# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies as st

from tests import guests
from tests import samples
from tests.unit.disk import base
from tests.unit.disk.base import u64
from tests.unit.disk.test_gpt import LAST
from tests.unit.disk.test_gpt import with_header
from tests.unit.disk.test_gpt import without
from tests.unit.disk.test_mbr import add_record
from tests.unit.disk.test_mbr import mbr_disk

LOADER = guests.loader()
#: The end of an ESP with the loader, as an LBA.
END = 64 + len(LOADER) // 512
MIB = samples.MIB


class GPTTestCase(base.TestCase):

    def test_facts(self):
        result = self.assertBoots(guests.bootable())
        self.assertEqual('gpt', result.partition_table)
        self.assertEqual(
            [{'number': 1, 'type': guests.ESP, 'offset': 64 * 512,
              'size': len(LOADER)}], result.as_dict()['partitions'])

    def test_sector_size_is_that_of_the_virtual_disk(self):
        disk = guests.gpt([(guests.ESP, 8, LOADER)], sector=4096,
                          first_usable=6)
        self.assertDoesNotBoot('gpt-missing', base.vhdx(disk))
        self.assertBoots(
            base.vhdx(disk, logical_sector_size=4096), 'fat-sector-size')

    def test_sector_size_of_a_raw_disk_is_that_of_its_gpt(self):
        result = self.assertBoots(guests.gpt(
            [(guests.ESP, 8, LOADER)], sector=4096, first_usable=6),
            'fat-sector-size')
        self.assertEqual(4096, result.logical_sector_size)
        self.assertEqual(
            512, base.inspect(guests.bootable()).logical_sector_size)
        self.assertIsNone(
            base.inspect(guests.bios_bootable()).logical_sector_size)

    def test_backup_of_a_primary_table_past_the_end_of_the_disk(self):
        for lba, name, detail in (
                (LAST, 'gpt-primary-damaged', 'no signature'),
                (LAST + 1, 'gpt-damaged', 'LBA 1: no signature; the backup '
                 'in LBA 2047 is for a primary table in LBA 2048')):
            disk = with_header(32, u64(lba), LAST, without(1))
            self.assertEqual({name: detail}, base.inspect(disk).defects)

    def test_disk_that_was_enlarged(self):
        self.assertBoots(guests.bootable() + bytes(MIB))
        self.assertDoesNotBoot('gpt-missing', without(1) + bytes(MIB))

    def test_disk_that_was_shrunk(self):
        for size, detail in (
                (2047, 'the GPT ends with LBA 2047, the disk with LBA 2046'),
                (1984, 'the GPT ends with LBA 2047, the disk with LBA 1983')):
            result = self.assertBoots(
                guests.bootable()[:size * 512], 'gpt-beyond-disk')
            self.assertEqual(detail, result.defects['gpt-beyond-disk'])

    def test_protective_mbr_is_needed(self):
        for partitions, beside in (
                ([], ''), ([(0xee, 2, 100)], ''),
                ([(0x0c, 64, 256)],
                 '; the MBR has partitions of its own')):
            result = self.assertDoesNotBoot(
                'gpt-no-protective-mbr', guests.bootable(
                    record=guests.mbr(partitions, signature=b'\0\0')))
            self.assertEqual(
                'a GPT in LBA 1, but no partition of type 0xee from LBA 1'
                + beside,
                result.defects['gpt-no-protective-mbr'])

    def test_mbr_takes_the_place_of_a_gpt_that_it_does_not_announce(self):
        result = self.assertBoots(guests.bootable(
            record=guests.mbr([(0x0c, 64, 256)])), 'mbr-partitioned')
        self.assertEqual('mbr', result.partition_table)
        # No partition of the MBR boots, and the GPT has partitions.
        self.assertDoesNotBoot('gpt-no-protective-mbr', guests.bootable(
            record=guests.mbr([(0x83, 1500, 100)])))
        # A GPT without partitions is of no interest.
        self.assertDoesNotBoot('mbr-partitioned', guests.gpt(
            [], record=guests.mbr([(0x83, 1500, 100)])))
        self.assertDoesNotBoot('no-partition-table', guests.gpt(
            [], record=guests.mbr()))

    def test_protective_mbr_that_firmware_tolerates(self):
        for defect, record in (
                ('gpt-pmbr-active', guests.mbr([(0xee, 1, 2047, 0x80)])),
                ('gpt-pmbr-signature',
                 guests.mbr([guests.PROTECTIVE], signature=b'\0\0')),
                ('hybrid-mbr', guests.mbr(
                    [(0x0c, 64, 256), (0xee, 1, 63)]))):
            self.assertBoots(guests.bootable(record=record), defect)

    def test_hybrid_mbr_takes_the_place_of_a_damaged_gpt(self):
        record = guests.mbr([(0x0c, 64, 256), (0xee, 1, 63)])
        disk = without(1, LAST, disk=guests.bootable(record=record))
        self.assertBoots(disk, 'hybrid-mbr', 'gpt-missing')


class CandidateTestCase(base.TestCase):

    def test_no_partition(self):
        self.assertDoesNotBoot('esp-missing', guests.gpt([]))

    def test_no_system_partition(self):
        self.assertDoesNotBoot('esp-missing', guests.gpt(
            [(guests.BASIC_DATA, 64, guests.fat({'README': b'.'}))]))

    def test_firmware_ignores_the_type(self):
        self.assertBoots(
            guests.gpt([(guests.BASIC_DATA, 64, LOADER)]), 'esp-type-missing')

    def test_attribute_bit_1_hides_a_partition(self):
        for attributes in (1, 4, 2 ** 63):
            self.assertBoots(guests.bootable(attributes=attributes))
        self.assertDoesNotBoot(
            'esp-hidden-from-firmware', guests.bootable(attributes=2))

    def test_range_of_the_header(self):
        for options in ({'first_usable': 65}, {'last_usable': END - 2}):
            self.assertDoesNotBoot(
                'gpt-partition-out-of-range', guests.bootable(**options))
        self.assertBoots(
            guests.bootable(first_usable=64, last_usable=END - 1))

    def test_partition_ends_before_it_begins(self):
        self.assertDoesNotBoot('gpt-partition-out-of-range', guests.gpt(
            [(guests.ESP, 64, LOADER, 63)]))

    def test_partition_past_the_end_of_the_disk(self):
        disk = guests.gpt([(guests.ESP, 1200, LOADER)])[:1000 * 512]
        self.assertDoesNotBoot('partition-cut-off', disk)

    def test_second_system_partition_is_tried(self):
        disk = guests.gpt([(guests.ESP, 64, b'\0' * 512),
                           (guests.ESP, 128, LOADER)])
        result = self.assertBoots(disk)
        self.assertEqual(
            [2], [loader.partition for loader in result.loaders])

    def test_reason_is_of_the_latest_boot_stage(self):
        self.assertDoesNotBoot('loader-wrong-arch', guests.gpt(
            [(guests.ESP, 64, b'\0' * 512),
             (guests.ESP, 128, guests.loader(machine=0xaa64)),
             (guests.ESP, 512, guests.fat({}))]))

    def test_reason_is_of_a_partition_of_the_mbr(self):
        for name, type_, content in (
                ('loader-missing', 0xef, guests.fat({'README': b''})),
                ('loader-wrong-arch', 0x0c, guests.loader(machine=0xaa64)),
                ('esp-not-fat', 0xef, b'\1' * 512)):
            disk = mbr_disk((type_, 64, 256))
            disk[64 * 512:64 * 512 + len(content)] = content
            self.assertDoesNotBoot(name, disk)
        # A partition for data is no reason.
        disk = mbr_disk((0x0c, 64, 256))
        disk[64 * 512:320 * 512] = guests.fat(
            {'README': b''}).ljust(256 * 512, b'\0')[:256 * 512]
        self.assertDoesNotBoot('mbr-partitioned', disk)

    def test_fat32_with_too_few_clusters(self):
        for files, name in (
                ({'EFI/BOOT/BOOTX64.EFI': guests.program()},
                 'fat32-too-few-clusters'),
                ({'README': b''}, 'mbr-partitioned')):
            disk = mbr_disk((0x0c, 64, 1900))
            content = guests.fat(files, 800, bits=32)
            disk[64 * 512:64 * 512 + len(content)] = content
            self.assertDoesNotBoot(name, disk)

    def test_whole_disk(self):
        self.assertBoots(LOADER, 'no-partition-table')
        self.assertDoesNotBoot('no-partition-table', guests.fat({}))
        self.assertDoesNotBoot(
            'no-partition-table', guests.fat({'README': b''}))
        self.assertDoesNotBoot(
            'loader-wrong-arch', guests.loader(machine=0xaa64))


class CutOffTestCase(base.TestCase):
    """Partitions that end past the end of the disk."""

    def assertCutOff(self, detail, disk, firmware='none'):
        result = self.assertDefects(['partition-cut-off'], bytes(disk))
        self.assertEqual(detail, result.defects['partition-cut-off'])
        self.assertEqual(firmware, result.firmware)
        return result

    def gpt(self, size):
        """Return a disk whose last partition ends with LBA 1999."""
        return guests.gpt([(guests.ESP, 64, LOADER),
                           (guests.BASIC_DATA, 1500, b'', 1999)])[:size * 512]

    def test_gpt(self):
        self.assertBoots(self.gpt(2000), 'gpt-beyond-disk')
        self.assertCutOff('partition 2 ends with LBA 1999, the disk with LBA '
                          '1998', self.gpt(1999), 'uefi')

    def test_gpt_partition_of_one_lba(self):
        disk = guests.gpt([(guests.ESP, 64, LOADER),
                           (guests.BASIC_DATA, 1999, b'', 1999)])
        self.assertBoots(disk[:2000 * 512], 'gpt-beyond-disk')
        self.assertCutOff('partition 2 ends with LBA 1999, the disk with LBA '
                          '1998', disk[:1999 * 512], 'uefi')

    def test_system_partition_has_no_other_defect(self):
        for size in (65, 66, 67):
            self.assertCutOff(
                f'partition 1 ends with LBA {END - 1}, the disk with LBA '
                f'{size - 1}', guests.bootable()[:size * 512])

    def test_defect_of_another_partition_is_added(self):
        disk = guests.gpt([(guests.ESP, 64, guests.fat({})),
                           (guests.BASIC_DATA, 1500, b'', 1999)])
        self.assertDefects(['partition-cut-off', 'loader-missing'],
                           disk[:1999 * 512])

    def mbr(self, *partitions, size=2048):
        disk = bytearray(size * 512)
        disk[:512] = guests.mbr(partitions)
        return disk

    def test_mbr(self):
        for partitions, number, last in (
                ([(0x0c, 64, 1985)], 1, 2048),
                ([(0x83, 64, 9), (0, 0, 0), (0x07, 100, 5000)], 3, 5099),
                ([(0x83, 64, 9), (0x07, 9000, 1)], 2, 9000)):
            result = self.assertCutOff(
                f'partition {number} ends with LBA {last}, the disk with LBA '
                '2047', self.mbr(*partitions))
            self.assertEqual('mbr', result.partition_table)
        self.assertDoesNotBoot(
            'mbr-partitioned', self.mbr((0x0c, 64, 1984)))

    def test_first_partition_past_the_end_is_no_partition(self):
        self.assertCutOff('partition 1 ends with LBA 2048, the disk with LBA '
                          '2047', self.mbr((0x0c, 2047, 2)))
        self.assertDoesNotBoot(
            'no-partition-table', self.mbr((0x0c, 2048, 1)))

    def test_partition_that_ends_with_the_disk_is_whole(self):
        self.assertCutOff(
            'partition 2 ends with LBA 2057, the disk with LBA 2047',
            self.mbr((0x83, 64, 1984), (0x07, 2048, 10)))

    def test_partition_from_sector_0_is_no_partition(self):
        self.assertDoesNotBoot(
            'no-partition-table', self.mbr((0x0c, 0, 5000)))

    def test_logical(self):
        # The extended partition ends past the disk, as one in it does.
        disk = self.mbr((0x05, 32, 5000))
        add_record(disk, 32, (0x83, 1, 10), (5, 100, 4000))
        add_record(disk, 132, (0x83, 1, 3999))
        self.assertCutOff('partition 6 ends with LBA 4131, the disk with LBA '
                          '2047', disk)
        # The logical partition is whole.
        add_record(disk, 132, (0x83, 1, 10))
        self.assertCutOff('partition 1 ends with LBA 5031, the disk with LBA '
                          '2047', disk)
        # The extended partition is smaller than a partition in it.
        disk = self.mbr((0x05, 32, 1000))
        add_record(disk, 32, (0x83, 1, 4000))
        self.assertDefects(['partition-cut-off', 'mbr-partitioned'],
                           bytes(disk))

    @hypothesis.given(st.lists(st.tuples(
        st.sampled_from((0x07, 0x0c, 0x83, 0xef)), st.integers(1, 3000),
        st.integers(1, 3000)), min_size=1, max_size=4), st.data())
    def test_any_mbr_of_partitions_that_do_not_overlap(self, drawn, data):
        partitions, end = [], 0
        for type_, gap, count in drawn:
            partitions.append((type_, end + gap, count))
            end += gap + count
        size = data.draw(st.integers(partitions[0][1] + 1, end + 9))
        result = base.inspect(bytes(self.mbr(*partitions, size=size)))
        self.assertEqual(
            end > size, 'partition-cut-off' in result.defects)

    @hypothesis.given(st.binary(min_size=64, max_size=64).filter(
        lambda table: any(byte & 0x7f for byte in table[::16])))
    def test_code_in_place_of_partition_entries(self, table):
        sector = b'\xeb\x52\x90' + bytes(443) + table + b'\x55\xaa'
        self.assertNotIn('partition-cut-off', base.inspect(
            sector.ljust(MIB, b'\0')).defects)
