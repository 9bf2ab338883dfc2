# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from tests.unit.disk import base

DATA = bytes(range(256)) * 4


class Blocks(virtual_disk.BlockDisk):
    """Blocks of 256 bytes; the file has them in reverse, and lacks 1."""

    def __init__(self, data):
        super().__init__(
            reader.Reader(base.Bytes(data)), 1000, 512, 256)

    def _block_offset(self, block):
        return None if block == 1 else 256 * (3 - block)


def raw(data=DATA, **options):
    return virtual_disk.RawDisk(reader.Reader(base.Bytes(data)), **options)


class BlockDiskTestCase(base.TestCase):

    def test_blocks_are_read_from_their_offsets(self):
        data = b''.join(bytes([number]) * 256 for number in range(4))
        disk = Blocks(data)
        expected = (
            b'\3' * 256 + bytes(256) + b'\1' * 256 + b'\0' * 232)
        for offset, length in ((0, 1000), (0, 256), (0, 257), (255, 2),
                               (511, 2), (700, 400), (999, 1), (1000, 1),
                               (-1, 1)):
            self.assertEqual(
                expected[offset:offset + length] if offset >= 0 else b'',
                disk.read(offset, length))

    def test_zeros_of_missing_blocks_are_charged(self):
        disk = Blocks(DATA)
        disk.spend(0, 64 * 1048576 - 256)
        disk.read(256, 256)
        self.assertRaises(reader.ExhaustedError, disk.read, 256, 1)

    def test_at_most_1_mib_is_read_at_once(self):
        class Empty(virtual_disk.BlockDisk):
            def _block_offset(self, block):
                return None

        disk = Empty(reader.Reader(base.Bytes(b'')), 2 ** 40, 512, 4096)
        self.assertEqual(1048576, len(disk.read(1, 1048577)))


class SliceTestCase(base.TestCase):

    def test_range_of_a_disk(self):
        part = virtual_disk.Slice(raw(sector_size=4096), 16, 32)
        self.assertEqual((32, 4096), (part.size, part.sector_size))
        for offset, length, expected in (
                (0, 32, DATA[16:48]), (0, 33, DATA[16:48]),
                (31, 1, DATA[47:48]), (31, 2, DATA[47:48]), (32, 1, b''),
                (-1, 1, b''), (0, 0, b'')):
            self.assertEqual(expected, part.read(offset, length))

    def test_end_of_the_disk_cuts_it_off(self):
        for offset, size, expected in (
                (1000, 24, 24), (1000, 25, 24), (1024, 1, 0), (1025, 1, 0)):
            part = virtual_disk.Slice(raw(), offset, size)
            self.assertEqual(expected, part.size)
            self.assertEqual(DATA[offset:], part.read(0, 100))
