# SPDX-License-Identifier: Apache-2.0

import struct
import zlib

import hypothesis
from hypothesis import strategies as st

from hyperv_sched.disk import gpt
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from tests import guests
from tests import hostile
from tests import samples
from tests.unit.disk import base
from tests.unit.disk.base import u32
from tests.unit.disk.base import u64

LOADER = guests.loader()
MIB = samples.MIB
LAST = MIB // 512 - 1


def with_header(offset, data, lba=1, disk=None):
    """Return a disk with bytes in a GPT header, and a valid checksum."""
    disk = bytearray(guests.bootable() if disk is None else disk)
    start = lba * 512
    disk[start + offset:start + offset + len(data)] = data
    disk[start + 16:start + 20] = bytes(4)
    disk[start + 16:start + 20] = u32(zlib.crc32(disk[start:start + 92]))
    return bytes(disk)


def with_both_headers(offset, data):
    return with_header(offset, data, LAST, with_header(offset, data))


def without(*lbas, disk=None):
    """Return a disk with zeros in some LBAs."""
    disk = bytearray(guests.bootable() if disk is None else disk)
    for lba in lbas:
        disk[lba * 512:lba * 512 + 512] = bytes(512)
    return bytes(disk)


def crowded(used, count):
    """Return a disk that boots, with many entries in its GPT.

    :param used: the number of partitions
    :param count: the number of entries
    """
    others = [(guests.BASIC_DATA, 400 + index, b'', 400 + index)
              for index in range(used - 1)]
    return guests.gpt([(guests.ESP, 2500, LOADER), *others], size=4 * MIB,
                      count=count, first_usable=400)


def open_raw(data):
    return virtual_disk.RawDisk(reader.Reader(base.Bytes(data)))


class HeaderTestCase(base.TestCase):

    def test_primary_is_damaged(self):
        for disk, detail in ((without(1), 'no signature'),
                             (without(2), 'wrong checksum of the entries')):
            result = self.assertBoots(disk, 'gpt-primary-damaged')
            self.assertEqual(detail, result.defects['gpt-primary-damaged'])

    def test_backup_is_damaged(self):
        for disk in (without(LAST), without(LAST - 32)):
            self.assertBoots(disk, 'gpt-backup-damaged')

    def test_both_are_damaged(self):
        result = self.assertDoesNotBoot('gpt-missing', without(1, LAST))
        self.assertEqual('LBA 1: no signature; LBA 2047: no signature',
                         result.defects['gpt-missing'])
        self.assertDoesNotBoot('gpt-missing', without(2, LAST - 32))

    def test_size_of_the_header(self):
        for size, detail in ((0, 'a header of 0 bytes'),
                             (513, 'a header of 513 bytes')):
            result = self.assertDoesNotBoot(
                'gpt-damaged', with_both_headers(12, u32(size)))
            self.assertEqual(
                f'LBA 1: {detail}; LBA 2047: {detail}',
                result.defects['gpt-damaged'])
        disk = bytearray(guests.bootable())
        struct.pack_into('<II', disk, 512 + 12, 512, 0)
        struct.pack_into('<I', disk, 512 + 16, zlib.crc32(disk[512:1024]))
        self.assertBoots(bytes(disk))

    def test_values_that_are_invalid(self):
        for offset, data in ((84, u32(64)), (84, u32(127)), (84, u32(0)),
                             (80, u32(0)), (80, u32(2 ** 32 - 1)),
                             (72, u64(2 ** 60)), (24, u64(7))):
            self.assertDoesNotBoot(
                'gpt-damaged', with_both_headers(offset, data))

    def test_entries_end_with_the_disk(self):
        # The entries have 32 sectors, the disk ends with LBA 2047.
        for lba, detail in (
                (2016, 'wrong checksum of the entries'),
                (2017, 'the entries end past the end of the disk')):
            result = self.assertBoots(
                with_header(72, u64(lba)), 'gpt-primary-damaged')
            self.assertEqual(detail, result.defects['gpt-primary-damaged'])

    def test_entries_have_at_most_16_mib(self):
        for count, detail in (
                (131072, 'the entries end past the end of the disk'),
                (131073, '131073 entries of 128 bytes')):
            result = self.assertBoots(
                with_header(80, u32(count)), 'gpt-primary-damaged')
            self.assertEqual(detail, result.defects['gpt-primary-damaged'])

    def test_entries_of_16_mib(self):
        table = gpt.read(open_raw(hostile.crowded_table(used=2)), 1)
        self.assertEqual(16 * MIB, len(table.entries))

    def test_entries_may_be_larger(self):
        entries = bytearray(256 * 4)
        entries[:128] = guests.bootable()[1024:1024 + 128]
        disk = bytearray(guests.bootable())
        disk[1024:1024 + len(entries)] = entries
        guests.gpt_header(disk, 1, LAST, 2, entries, 4, entry_size=256)
        self.assertBoots(bytes(disk))


class EntriesTestCase(base.TestCase):

    def test_many_entries_are_slow(self):
        # 512 entries in use are compared with 2048: 1048576 comparisons.
        self.assertBoots(crowded(512, 2048))
        result = self.assertBoots(crowded(513, 2048), 'gpt-many-entries')
        self.assertEqual('513 partitions in 2048 entries',
                         result.defects['gpt-many-entries'])

    def test_at_most_4096_partitions(self):
        def disk(used):
            return guests.gpt([(guests.BASIC_DATA, 3000, b'', 3000)] * used,
                              size=4 * MIB, count=4100)

        self.assertEqual(
            4096, len(gpt.used_entries(gpt.read(open_raw(disk(4096)), 1),
                                       open_raw(disk(4096)))))
        result = self.assertDoesNotBoot('gpt-damaged', disk(4097))
        self.assertEqual('more than 4096 partitions',
                         result.defects['gpt-damaged'])

    def test_overlaps(self):
        end = 64 + len(LOADER) // 512
        for first, last, boots in (
                (end, end, True), (end - 1, end, False), (63, 64, False),
                (60, 63, True)):
            disk = guests.gpt([(guests.ESP, 64, LOADER),
                               (guests.BASIC_DATA, first, b'', last)])
            if boots:
                self.assertBoots(disk)
            else:
                self.assertDoesNotBoot('gpt-overlap', disk)

    def test_overlaps_with_later_entries_that_are_out_of_range(self):
        esp = (guests.ESP, 64, LOADER)
        outside = (guests.BASIC_DATA, 10, b'', 70)
        self.assertDoesNotBoot('gpt-overlap', guests.gpt([esp, outside]))
        self.assertBoots(guests.gpt([outside, esp]))
        # It ends before the partition begins, or with its first LBA.
        for last, boots in ((63, True), (64, False)):
            disk = guests.gpt([esp, (guests.BASIC_DATA, 10, b'', last)])
            self.assertEqual(
                {} if boots else {'gpt-overlap': 'partitions 1 and 2'},
                base.inspect(disk).defects)

    def test_overlap_with_the_last_lba(self):
        # The last usable LBA is 2014.
        end = 64 + len(LOADER) // 512
        for first, boots in ((end - 1, False), (end, True)):
            disk = guests.gpt([(guests.ESP, 64, LOADER),
                               (guests.BASIC_DATA, first, b'', 2015)])
            self.assertEqual(
                {} if boots else {'gpt-overlap': 'partitions 1 and 2'},
                base.inspect(disk).defects)

    def test_partition_of_one_lba_is_in_range(self):
        disk = open_raw(guests.gpt([(guests.ESP, 64, b'', 64)]))
        entry, = gpt.used_entries(gpt.read(disk, 1), disk)
        self.assertTrue(entry.in_range)

    @hypothesis.given(st.lists(
        st.tuples(st.integers(30, 120), st.integers(30, 120)), max_size=12))
    def test_overlaps_are_those_of_firmware(self, ranges):
        disk = open_raw(guests.gpt(
            [(guests.ESP, first, b'', last) for first, last in ranges]))
        entries = gpt.used_entries(gpt.read(disk, 1), disk)
        expected = [False] * len(ranges)
        for one, (first, last) in enumerate(ranges):
            if not 34 <= first <= last:
                continue
            for other in range(one + 1, len(ranges)):
                if ranges[other][1] >= first and ranges[other][0] <= last:
                    expected[one] = expected[other] = True
        self.assertEqual(
            [overlaps and entry.in_range
             for overlaps, entry in zip(expected, entries, strict=True)],
            [bool(entry.overlaps) for entry in entries])
