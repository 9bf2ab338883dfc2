# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.disk import mbr
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from tests import guests
from tests import samples
from tests.unit.disk import base

LOADER = guests.loader()
MIB = samples.MIB


def mbr_disk(*partitions, code=b'', at=64):
    """Return a disk of 1 MiB with an MBR, and a loader at a sector."""
    disk = bytearray(MIB)
    disk[:512] = guests.mbr(partitions, code)
    disk[at * 512:at * 512 + len(LOADER)] = LOADER
    return disk


def add_record(disk, sector, *partitions):
    """Add an extended boot record."""
    disk[sector * 512:(sector + 1) * 512] = guests.mbr(partitions)


class PartitionTableTestCase(base.TestCase):

    def test_firmware_boots_partitions_of_any_type(self):
        for type_ in (0xef, 0x0c, 0x83):
            result = self.assertBoots(
                mbr_disk((type_, 64, 256)), 'mbr-partitioned')
            self.assertEqual('mbr', result.partition_table)

    def test_nothing_boots(self):
        self.assertDoesNotBoot(
            'mbr-partitioned', mbr_disk((0x07, 500, 256)))

    def test_partitions_end_with_the_disk(self):
        # The disk has 2048 sectors.
        self.assertBoots(mbr_disk((0x0c, 64, 1984)), 'mbr-partitioned')
        self.assertDoesNotBoot(
            'partition-cut-off', mbr_disk((0x0c, 64, 1985)))

    def test_partitions_do_not_overlap(self):
        self.assertBoots(mbr_disk((0x0c, 64, 256), (0x83, 320, 100)),
                         'mbr-partitioned')
        self.assertDoesNotBoot('no-partition-table', mbr_disk(
            (0x0c, 64, 257), (0x83, 320, 100)))

    def test_partition_of_the_largest_size_wraps_around(self):
        # Firmware computes the last sector of the second as 0.
        disk = virtual_disk.RawDisk(reader.Reader(base.Bytes(bytes(MIB))))
        for first, count, valid in ((1, 0xffffffff, False),
                                    (2, 0xffffffff, True)):
            sector = guests.mbr([(0x83, first, count)])
            record = mbr.read(virtual_disk.RawDisk(
                reader.Reader(base.Bytes(sector))))
            self.assertEqual(valid, mbr.is_valid(record, disk))

    def test_record_without_signature_is_no_table(self):
        disk = mbr_disk((0x0c, 64, 256))
        disk[510:512] = bytes(2)
        record = mbr.read(virtual_disk.RawDisk(
            reader.Reader(base.Bytes(bytes(disk)))))
        self.assertFalse(record.signed)
        self.assertFalse(mbr.is_valid(record, virtual_disk.RawDisk(
            reader.Reader(base.Bytes(bytes(disk))))))


class LogicalPartitionTestCase(base.TestCase):

    def test_numbers_are_those_of_sfdisk(self):
        disk = mbr_disk((0x83, 16, 8), (0, 0, 0), (0x05, 32, 1000),
                        (0x0c, 1500, 10))
        add_record(disk, 32, (0x83, 1, 10), (0x05, 100, 90))
        add_record(disk, 132, (0x83, 1, 10))
        self.assertEqual(
            [(1, 16), (5, 33), (6, 133), (4, 1500)],
            [(partition.number, partition.offset // 512)
             for partition in base.inspect(bytes(disk)).partitions])

    def test_boots(self):
        disk = mbr_disk((0x05, 32, 1000))
        add_record(disk, 32, (0x0c, 32, 256))
        self.assertBoots(disk, 'mbr-partitioned')

    def test_boots_from_the_next_record(self):
        disk = mbr_disk((0x0f, 32, 2000 - 32), at=600)
        add_record(disk, 32, (0x83, 1, 10), (0x05, 500, 400))
        add_record(disk, 532, (0x0c, 68, 256))
        self.assertBoots(disk, 'mbr-partitioned')

    def test_loop_of_records_ends(self):
        disk = mbr_disk((0x05, 32, 1000))
        add_record(disk, 32, (0x83, 1, 10), (0x05, 16, 9))
        add_record(disk, 48, (0x83, 1, 10), (0x05, 16, 9))
        self.assertDoesNotBoot('mbr-partitioned', disk)

    def test_at_most_128_records(self):
        disk = mbr_disk((0x05, 100, 900))
        for index in range(129):
            add_record(disk, 100 + index, (0x83, 500, 1),
                       (0x05, index + 1, 1))
        raw = virtual_disk.RawDisk(reader.Reader(base.Bytes(bytes(disk))))
        self.assertEqual(
            list(range(5, 133)), [
                entry.number for entry in mbr.partitions(
                    mbr.read(raw), raw)])
