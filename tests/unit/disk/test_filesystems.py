# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.disk import filesystems
from hyperv_sched.disk import reader
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk.filesystems import FileSystem
from tests import guests
from tests.unit import base as unit_base
from tests.unit.disk import base

UUID = bytes(range(16))
TEXT = '00010203-0405-0607-0809-0a0b0c0d0e0f'
SIZE = 0x20000


def partition(*parts, size=SIZE):
    data = bytearray(size)
    for offset, content in parts:
        data[offset:offset + len(content)] = content
    return virtual_disk.RawDisk(reader.Reader(base.Bytes(bytes(data))))


class FileSystemTestCase(unit_base.TestCase):

    def test_superblocks(self):
        for parts, expected in (
                (((0x438, b'\x53\xef'), (0x468, UUID)),
                 FileSystem('ext', TEXT)),
                (((0, b'XFSB'), (32, UUID)), FileSystem('xfs', TEXT)),
                (((0x10040, b'_BHRfS_M'), (0x10020, UUID)),
                 FileSystem('btrfs', TEXT)),
                (((3, b'NTFS    '), (0x48, UUID[1:9])),
                 FileSystem('ntfs', '0807060504030201')),
                (((0, guests.fat({})), (39, UUID[1:5])),
                 FileSystem('fat', '0403-0201')),
                (((0, guests.fat({}, bits=32)), (67, UUID[1:5])),
                 FileSystem('fat', '0403-0201')),
                (((4086, b'SWAPSPACE2'),), FileSystem('swap')),
                ((), FileSystem('empty'))):
            self.assertEqual(expected, filesystems.read(partition(*parts)))

    def test_content_that_may_hide_a_file_system(self):
        for offset, content in ((0, b'LUKS\xba\xbe'), (512, b'LABELONE'),
                                (4096, b'\xfc\x4e\x2b\xa9'), (0, b'\1'),
                                (0x10fff, b'\1')):
            self.assertIsNone(filesystems.read(partition((offset, content))))
        self.assertIsNone(filesystems.read(
            partition((0x438, b'\x53\xef'), size=0x470)))

    def test_partition_that_is_small_or_outside_of_the_disk(self):
        for size in (0, 1, 512, 0x10000):
            self.assertEqual(
                FileSystem('empty'), filesystems.read(partition(size=size)))
