# SPDX-License-Identifier: Apache-2.0

import io
import struct
import tarfile

from tests import samples
from tests.unit.disk import base


def sector(*marks, size=8192):
    """Zeros with marks at offsets."""
    data = bytearray(size)
    for offset, mark in marks:
        data[offset:offset + len(mark)] = mark
    return bytes(data)


class FormatTestCase(base.TestCase):

    def test_is_told_by_content(self):
        for expected, data in {
                'vhdx': samples.vhdx(),
                'vhd': samples.dynamic_vhd(),
                'qcow2': samples.qcow2(),
                'qed': sector((0, b'QED\0')),
                'vmdk': sector((0, b'KDMV')),
                'vdi': sector((64, b'\x7f\x10\xda\xbe')),
                'parallels': sector((0, b'WithoutFreeSpace')),
                'luks': sector((0, b'LUKS\xba\xbe')),
                'iso': sector((32769, b'CD001'), size=65536),
                'gzip': sector((0, b'\x1f\x8b\x08')),
                'xz': sector((0, b'\xfd7zXZ\0')),
                'bzip2': sector((0, b'BZh9')),
                'zstd': sector((0, b'\x28\xb5\x2f\xfd')),
                '7z': sector((0, b'7z\xbc\xaf\x27\x1c')),
                'zip': sector((0, b'PK\x03\x04')),
                'wim': sector((0, b'MSWIM\0\0\0')),
                'tar': sector((0, b'disk.vhdx'), (257, b'ustar\x0000')),
                'ova': sector((0, b'VM.OVF'), (257, b'ustar  \0')),
                'raw': sector((510, b'\x55\xaa')),
                'unknown': sector()}.items():
            self.assertEqual(expected, base.inspect(data).format)

    def test_virtual_size(self):
        for data in (samples.qcow2(samples.GIB),
                     sector((0, b'QED\0'),
                            (40, struct.pack('<Q', samples.GIB))),
                     sector((0, b'KDMV'), (
                         12, struct.pack('<Q', samples.GIB // 512))),
                     sector((64, b'\x7f\x10\xda\xbe'),
                            (368, struct.pack('<Q', samples.GIB)))):
            self.assertEqual(samples.GIB, base.inspect(data).virtual_size)

    def test_virtual_size_is_unknown_where_the_head_is_cut_off(self):
        for data in (b'QFI\xfb', b'KDMV', b'QED\0'):
            self.assertIsNone(base.inspect(data).virtual_size)

    def test_vmdk_descriptor(self):
        self.assertEqual(
            'vmdk', base.inspect(b'# Disk DescriptorFile\nversion=1\n').format)

    def test_raw_gpt_of_either_sector_size(self):
        for offset in (512, 4096):
            self.assertEqual(
                'raw', base.inspect(sector((offset, b'EFI PART'))).format)

    def test_tar_of_either_kind_that_is_written(self):
        for kind in (tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT,
                     tarfile.PAX_FORMAT):
            for name, expected in (('disk.vhdx', 'tar'), ('vm.ovf', 'ova')):
                file = io.BytesIO()
                with tarfile.open(fileobj=file, mode='w', format=kind) as tar:
                    member = tarfile.TarInfo(name)
                    member.size = 4
                    tar.addfile(member, io.BytesIO(b'data'))
                self.assertEqual(
                    expected, base.inspect(file.getvalue()).format)

    def test_empty_file_is_unknown(self):
        found = base.inspect(b'')
        self.assertEqual(('unknown', 0), (found.format, found.file_size))
