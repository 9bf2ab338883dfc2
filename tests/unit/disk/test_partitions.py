# SPDX-License-Identifier: Apache-2.0

import struct
import zlib

import hypothesis
from hypothesis import strategies as st

from tests import guests
from tests import samples
from tests.unit.disk import base

LOADER = guests.loader()
END = 64 + len(LOADER) // 512
MIB = samples.MIB
LAST = MIB // 512 - 1


def header(offset, data, lba=1, disk=None):
    """A GPT with a header changed, and its checksum right again."""
    disk = bytearray(guests.bootable() if disk is None else disk)
    at = lba * 512
    disk[at + offset:at + offset + len(data)] = data
    disk[at + 16:at + 20] = bytes(4)
    disk[at + 16:at + 20] = struct.pack('<I', zlib.crc32(disk[at:at + 92]))
    return bytes(disk)


def both(offset, data):
    return header(offset, data, LAST, header(offset, data))


def wiped(*lbas, disk=None):
    disk = bytearray(guests.bootable() if disk is None else disk)
    for lba in lbas:
        disk[lba * 512:lba * 512 + 512] = bytes(512)
    return bytes(disk)


def u32(number):
    return struct.pack('<I', number)


def u64(number):
    return struct.pack('<Q', number)


class GPTTestCase(base.TestCase):

    def test_facts(self):
        found = self.assertStarts(guests.bootable())
        self.assertEqual('gpt', found.partition_table)
        self.assertEqual(
            [{'number': 1, 'type': guests.ESP, 'offset': 64 * 512,
              'size': len(LOADER)}], found.as_dict()['partitions'])

    def test_primary_damaged(self):
        for disk in (wiped(1), wiped(2)):
            self.assertStarts(disk, 'gpt-primary-damaged')

    def test_backup_damaged(self):
        for disk in (wiped(LAST), wiped(LAST - 32)):
            self.assertStarts(disk, 'gpt-backup-damaged')

    def test_none(self):
        self.assertDoesNotStart('gpt-missing', wiped(1, LAST))
        self.assertDoesNotStart('gpt-missing', wiped(2, LAST - 32))

    def test_other_sector_size(self):
        disk = guests.gpt([(guests.ESP, 8, LOADER)], sector=4096,
                          first_usable=6)
        self.assertDoesNotStart('gpt-missing', base.vhdx(disk))
        self.assertStarts(
            base.vhdx(disk, logical_sector_size=4096), 'fat-sector-size')

    def test_raw_disk_shows_its_sector_size_by_the_place_of_the_gpt(self):
        found = self.assertStarts(guests.gpt(
            [(guests.ESP, 8, LOADER)], sector=4096, first_usable=6),
            'fat-sector-size')
        self.assertEqual(4096, found.logical_sector_size)
        self.assertEqual(
            512, base.inspect(guests.bootable()).logical_sector_size)
        self.assertIsNone(
            base.inspect(guests.bios_bootable()).logical_sector_size)

    def test_numbers_that_cannot_be(self):
        for offset, data in ((84, u32(64)), (84, u32(0)), (80, u32(0)),
                             (80, u32(2 ** 32 - 1)), (72, u64(2 ** 60)),
                             (24, u64(7))):
            self.assertDoesNotStart('gpt-damaged', both(offset, data))

    def test_larger_entries(self):
        entries = bytearray(256 * 4)
        entries[:128] = guests.bootable()[1024:1024 + 128]
        disk = bytearray(guests.bootable())
        disk[1024:1024 + len(entries)] = entries
        guests.gpt_header(disk, 1, LAST, 2, entries, 4, entry_size=256)
        self.assertStarts(bytes(disk))

    def test_backup_that_belongs_nowhere(self):
        disk = header(32, u64(2 ** 40), LAST, wiped(1))
        self.assertDoesNotStart('gpt-damaged', disk)

    def test_grown_disk(self):
        self.assertStarts(guests.bootable() + bytes(MIB))
        self.assertDoesNotStart(
            'gpt-missing', wiped(1) + bytes(MIB))

    def test_shrunk_disk(self):
        self.assertStarts(guests.bootable()[:-64 * 512], 'gpt-beyond-disk')

    def test_protective_mbr(self):
        for partitions in ([], [(0xee, 2, 100)], [(0x0c, 64, 256)]):
            self.assertDoesNotStart('gpt-no-protective-mbr', guests.bootable(
                record=guests.mbr(partitions, signature=b'\0\0')))

    def test_gpt_that_firmware_does_not_look_for(self):
        # Firmware starts from the MBR: the GPT is no reason for anything.
        found = self.assertStarts(guests.bootable(
            record=guests.mbr([(0x0c, 64, 256)])), 'mbr-partitioned')
        self.assertEqual('mbr', found.partition_table)
        # Nothing starts from the MBR, and the GPT has partitions.
        self.assertDoesNotStart('gpt-no-protective-mbr', guests.bootable(
            record=guests.mbr([(0x83, 1500, 100)])))
        # The GPT is empty, so the MBR is what the disk is partitioned by.
        self.assertDoesNotStart('mbr-partitioned', guests.gpt(
            [], record=guests.mbr([(0x83, 1500, 100)])))
        self.assertDoesNotStart('no-partition-table', guests.gpt(
            [], record=guests.mbr()))

    def test_what_firmware_puts_up_with_in_the_mbr(self):
        for defect, record in (
                ('gpt-pmbr-active', guests.mbr([(0xee, 1, 2047, 0x80)])),
                ('gpt-pmbr-signature',
                 guests.mbr([guests.PROTECTIVE], signature=b'\0\0')),
                ('hybrid-mbr', guests.mbr(
                    [(0x0c, 64, 256), (0xee, 1, 63)]))):
            self.assertStarts(guests.bootable(record=record), defect)

    def test_hybrid_mbr_stands_in_for_a_lost_gpt(self):
        record = guests.mbr([(0x0c, 64, 256), (0xee, 1, 63)])
        disk = wiped(1, LAST, disk=guests.bootable(record=record))
        self.assertStarts(disk, 'hybrid-mbr', 'gpt-missing')

    def test_many_entries(self):
        data = [(guests.BASIC_DATA, 400 + index, b'', 400 + index)
                for index in range(1600)]
        disk = guests.gpt([(guests.ESP, 2100, LOADER), *data], size=4 * MIB,
                          count=2048, first_usable=400)
        self.assertStarts(disk, 'gpt-many-entries')

    def test_more_partitions_than_firmware_gets_through(self):
        data = [(guests.BASIC_DATA, 3000, b'', 3000)] * 4097
        self.assertDoesNotStart(
            'gpt-damaged', guests.gpt(data, size=4 * MIB, count=4100))


class PartitionTestCase(base.TestCase):

    def test_no_partition(self):
        self.assertDoesNotStart('esp-missing', guests.gpt([]))

    def test_no_system_partition(self):
        self.assertDoesNotStart('esp-missing', guests.gpt(
            [(guests.BASIC_DATA, 64, guests.fat({'README': b'.'}))]))

    def test_type_does_not_matter_to_firmware(self):
        self.assertStarts(
            guests.gpt([(guests.BASIC_DATA, 64, LOADER)]), 'esp-type-missing')

    def test_attribute_bit_1(self):
        for attributes in (1, 4, 2 ** 63):
            self.assertStarts(guests.bootable(attributes=attributes))
        self.assertDoesNotStart(
            'esp-hidden-from-firmware', guests.bootable(attributes=2))

    def test_out_of_range(self):
        for options in ({'first_usable': 65}, {'last_usable': END - 2}):
            self.assertDoesNotStart(
                'gpt-partition-out-of-range', guests.bootable(**options))
        self.assertStarts(
            guests.bootable(first_usable=64, last_usable=END - 1))

    def test_backwards(self):
        self.assertDoesNotStart('gpt-partition-out-of-range', guests.gpt(
            [(guests.ESP, 64, LOADER, 63)]))

    def test_behind_the_end_of_a_shrunk_disk(self):
        disk = guests.gpt([(guests.ESP, 1200, LOADER)])[:1000 * 512]
        self.assertDoesNotStart('partition-cut-off', disk)

    def test_overlap(self):
        for first, last, starts in ((END, END, True), (END - 1, END, False),
                                    (63, 64, False), (60, 63, True)):
            disk = guests.gpt([(guests.ESP, 64, LOADER),
                               (guests.BASIC_DATA, first, b'', last)])
            if starts:
                self.assertStarts(disk)
            else:
                self.assertDoesNotStart('gpt-overlap', disk)

    def test_overlap_with_what_is_out_of_range(self):
        # Firmware compares each partition with those behind it.
        esp = (guests.ESP, 64, LOADER)
        stray = (guests.BASIC_DATA, 10, b'', 70)
        self.assertDoesNotStart('gpt-overlap', guests.gpt([esp, stray]))
        self.assertStarts(guests.gpt([stray, esp]))

    @hypothesis.given(st.lists(
        st.tuples(st.integers(30, 120), st.integers(30, 120)), max_size=12))
    def test_overlaps_as_firmware_finds_them(self, others):
        from hyperv_sched.disk import gpt
        from hyperv_sched.disk import reader
        from hyperv_sched.disk import virtual_disk

        disk = guests.gpt(
            [(guests.ESP, first, b'', last) for first, last in others])
        raw = virtual_disk.RawDisk(reader.Reader(Bytes(disk)))
        found = gpt.used_entries(gpt.read(raw, 1), raw)
        expected = [False] * len(others)
        for one, (first, last) in enumerate(others):
            if not 34 <= first <= last:
                continue
            for other in range(one + 1, len(others)):
                if others[other][1] >= first and others[other][0] <= last:
                    expected[one] = expected[other] = True
        self.assertEqual(
            [overlaps and entry.in_range
             for overlaps, entry in zip(expected, found, strict=True)],
            [bool(entry.overlaps) for entry in found])

    def test_second_system_partition_counts(self):
        disk = guests.gpt([(guests.ESP, 64, b'\0' * 512),
                           (guests.ESP, 128, LOADER)])
        found = self.assertStarts(disk)
        self.assertEqual([2], [loader.partition for loader in found.loaders])

    def test_the_one_that_comes_furthest_tells_why(self):
        self.assertDoesNotStart('loader-wrong-arch', guests.gpt(
            [(guests.ESP, 64, b'\0' * 512),
             (guests.ESP, 128, guests.loader(machine=0xaa64)),
             (guests.ESP, 512, guests.fat({}))]))


class Bytes:
    """A source of ranges."""

    def __init__(self, data):
        self.data = data
        self.size = len(data)

    def read(self, offset, length):
        return self.data[offset:offset + length]


class CutOffTestCase(base.TestCase):
    """A partition that ends past the end of the disk, of whatever table."""

    def assertCutOff(self, text, disk, firmware='none'):
        found = self.assertDefects(['partition-cut-off'], bytes(disk))
        self.assertEqual(text, found.defects['partition-cut-off'])
        self.assertEqual(firmware, found.firmware)
        return found

    def gpt(self, size):
        """A disk of which the last partition ends with LBA 1999."""
        return guests.gpt([(guests.ESP, 64, LOADER),
                           (guests.BASIC_DATA, 1500, b'', 1999)])[:size * 512]

    def test_gpt(self):
        self.assertStarts(self.gpt(2000), 'gpt-beyond-disk')
        self.assertCutOff('partition 2 ends with LBA 1999, the disk with LBA '
                          '1998', self.gpt(1999), 'uefi')

    def test_system_partition_alone_tells_no_other_reason(self):
        for size in (65, 66, 67):
            self.assertCutOff(
                f'partition 1 ends with LBA {END - 1}, the disk with LBA '
                f'{size - 1}', guests.bootable()[:size * 512])

    def test_reason_of_another_partition_is_told_beside_it(self):
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
                ([(0x0c, 64, 2047 - 64 + 1 + 1)], 1, 2048),
                ([(0x83, 64, 9), (0, 0, 0), (0x07, 100, 5000)], 3, 5099),
                ([(0x83, 64, 9), (0x07, 9000, 1)], 2, 9000)):
            found = self.assertCutOff(
                f'partition {number} ends with LBA {last}, the disk with LBA '
                '2047', self.mbr(*partitions))
            self.assertEqual('mbr', found.partition_table)
        self.assertDoesNotStart(
            'mbr-partitioned', self.mbr((0x0c, 64, 2048 - 64)))

    def test_logical(self):
        # The extended partition ends past the disk, and one in it.
        disk = self.mbr((0x05, 32, 5000))
        disk[32 * 512:33 * 512] = guests.mbr([(0x83, 1, 10), (5, 100, 4000)])
        disk[132 * 512:133 * 512] = guests.mbr([(0x83, 1, 3999)])
        self.assertCutOff('partition 6 ends with LBA 4131, the disk with LBA '
                          '2047', disk)
        # The one in it is whole.
        disk[132 * 512:133 * 512] = guests.mbr([(0x83, 1, 10)])
        self.assertCutOff('partition 1 ends with LBA 5031, the disk with LBA '
                          '2047', disk)
        # The extended partition says less than what is in it.
        disk = self.mbr((0x05, 32, 1000))
        disk[32 * 512:33 * 512] = guests.mbr([(0x83, 1, 4000)])
        self.assertDefects(['partition-cut-off', 'mbr-partitioned'],
                           bytes(disk))

    @hypothesis.given(st.lists(st.tuples(
        st.sampled_from((0x07, 0x0c, 0x83, 0xef)), st.integers(1, 3000),
        st.integers(1, 3000)), min_size=1, max_size=4), st.data())
    def test_any_mbr_of_partitions_apart(self, partitions, data):
        apart, at = [], 0
        for kind, gap, count in partitions:
            apart.append((kind, at + gap, count))
            at += gap + count
        end = data.draw(st.integers(apart[0][1] + 1, at + 9))
        found = base.inspect(bytes(self.mbr(*apart, size=end)))
        self.assertEqual(at > end, 'partition-cut-off' in found.defects)

    @hypothesis.given(st.binary(min_size=64, max_size=64).filter(
        lambda table: any(byte & 0x7f for byte in table[::16])))
    def test_code_in_place_of_partitions_is_no_table(self, table):
        sector = b'\xeb\x52\x90' + bytes(443) + table + b'\x55\xaa'
        self.assertNotIn('partition-cut-off', base.inspect(
            sector.ljust(MIB, b'\0')).defects)


class MBRTestCase(base.TestCase):

    def disk(self, *partitions, code=b'', at=64):
        disk = bytearray(MIB)
        disk[:512] = guests.mbr(partitions, code)
        disk[at * 512:at * 512 + len(LOADER)] = LOADER
        return disk

    def test_firmware_starts_from_it(self):
        for kind in (0xef, 0x0c, 0x83):
            found = self.assertStarts(
                self.disk((kind, 64, 256)), 'mbr-partitioned')
            self.assertEqual('mbr', found.partition_table)

    def test_nothing_to_start(self):
        self.assertDoesNotStart(
            'mbr-partitioned', self.disk((0x07, 500, 256)))

    def test_partitions_that_overlap_are_none(self):
        self.assertDoesNotStart('no-partition-table', self.disk(
            (0x0c, 64, 256), (0x83, 300, 100)))

    def test_reason_is_that_of_a_partition(self):
        for name, kind, content in (
                ('loader-missing', 0xef, guests.fat({'README': b''})),
                ('loader-wrong-arch', 0x0c, guests.loader(machine=0xaa64)),
                ('esp-not-fat', 0xef, b'\1' * 512)):
            disk = self.disk((kind, 64, 256))
            disk[64 * 512:64 * 512 + len(content)] = content
            self.assertDoesNotStart(name, disk)
        # A file system for data is no attempt to start.
        disk = self.disk((0x0c, 64, 256))
        disk[64 * 512:320 * 512] = guests.fat(
            {'README': b''}).ljust(256 * 512, b'\0')[:256 * 512]
        self.assertDoesNotStart('mbr-partitioned', disk)

    def test_reason_on_a_disk_without_partitions(self):
        self.assertDoesNotStart(
            'loader-wrong-arch', guests.loader(machine=0xaa64))
        self.assertDoesNotStart(
            'no-partition-table', guests.fat({'README': b''}))

    def test_fat32_too_small_for_firmware(self):
        for files, name in (
                ({'EFI/BOOT/BOOTX64.EFI': guests.program()},
                 'fat32-too-few-clusters'),
                ({'README': b''}, 'mbr-partitioned')):
            disk = self.disk((0x0c, 64, 1900))
            content = guests.fat(files, 800, bits=32)
            disk[64 * 512:64 * 512 + len(content)] = content
            self.assertDoesNotStart(name, disk)

    def test_numbers_are_those_of_sfdisk(self):
        disk = self.disk((0x83, 16, 8), (0, 0, 0), (0x05, 32, 1000),
                         (0x0c, 1500, 10))
        disk[32 * 512:33 * 512] = guests.mbr([(0x83, 1, 10), (0x05, 100, 90)])
        disk[132 * 512:133 * 512] = guests.mbr([(0x83, 1, 10)])
        self.assertEqual(
            [(1, 16), (5, 33), (6, 133), (4, 1500)],
            [(p.number, p.offset // 512)
             for p in base.inspect(bytes(disk)).partitions])

    def test_logical_partition(self):
        disk = self.disk((0x05, 32, 1000))
        disk[32 * 512:33 * 512] = guests.mbr([(0x0c, 32, 256)])
        self.assertStarts(disk, 'mbr-partitioned')

    def test_logical_partition_further_on(self):
        disk = self.disk((0x0f, 32, 2000 - 32), at=600)
        disk[32 * 512:33 * 512] = guests.mbr(
            [(0x83, 1, 10), (0x05, 500, 400)])
        disk[532 * 512:533 * 512] = guests.mbr([(0x0c, 68, 256)])
        self.assertStarts(disk, 'mbr-partitioned')

    def test_chain_in_a_circle_ends(self):
        disk = self.disk((0x05, 32, 1000))
        disk[32 * 512:33 * 512] = guests.mbr([(0x83, 1, 10), (0x05, 16, 9)])
        disk[48 * 512:49 * 512] = guests.mbr([(0x83, 1, 10), (0x05, 16, 9)])
        self.assertDoesNotStart('mbr-partitioned', disk)

    def test_whole_disk(self):
        self.assertStarts(LOADER, 'no-partition-table')
        self.assertDoesNotStart('no-partition-table', guests.fat({}))
