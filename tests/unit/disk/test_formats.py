# SPDX-License-Identifier: Apache-2.0

import io
import struct
import tarfile

from tests import samples
from tests.unit.disk import base


def file(*patches, size=8192):
    """Return zeros with bytes at offsets."""
    data = bytearray(size)
    for offset, signature in patches:
        data[offset:offset + len(signature)] = signature
    return bytes(data)


class FormatTestCase(base.TestCase):

    def test_format_is_that_of_the_content(self):
        for expected, data in {
                'vhdx': samples.vhdx(),
                'vhd': samples.dynamic_vhd(),
                'qcow2': samples.qcow2(),
                'qed': file((0, b'QED\0')),
                'vmdk': file((0, b'KDMV')),
                'vdi': file((64, b'\x7f\x10\xda\xbe')),
                'parallels': file((0, b'WithoutFreeSpace')),
                'luks': file((0, b'LUKS\xba\xbe')),
                'iso': file((32769, b'CD001'), size=65536),
                'gzip': file((0, b'\x1f\x8b\x08')),
                'xz': file((0, b'\xfd7zXZ\0')),
                'bzip2': file((0, b'BZh9')),
                'zstd': file((0, b'\x28\xb5\x2f\xfd')),
                '7z': file((0, b'7z\xbc\xaf\x27\x1c')),
                'zip': file((0, b'PK\x03\x04')),
                'wim': file((0, b'MSWIM\0\0\0')),
                'tar': file((0, b'disk.vhdx'), (257, b'ustar\x0000')),
                'ova': file((0, b'VM.OVF'), (257, b'ustar  \0')),
                'raw': file((510, b'\x55\xaa')),
                'unknown': file()}.items():
            self.assertEqual(expected, base.inspect(data).format)

    def test_virtual_size(self):
        for data in (samples.qcow2(samples.GIB),
                     file((0, b'QED\0'),
                          (40, struct.pack('<Q', samples.GIB))),
                     file((0, b'KDMV'), (
                         12, struct.pack('<Q', samples.GIB // 512))),
                     file((64, b'\x7f\x10\xda\xbe'),
                          (368, struct.pack('<Q', samples.GIB)))):
            self.assertEqual(samples.GIB, base.inspect(data).virtual_size)

    def test_virtual_size_of_a_header_that_is_cut_off_is_unknown(self):
        for data in (b'QFI\xfb', b'KDMV', b'QED\0'):
            self.assertIsNone(base.inspect(data).virtual_size)

    def test_vmdk_descriptor(self):
        self.assertEqual(
            'vmdk', base.inspect(b'# Disk DescriptorFile\nversion=1\n').format)

    def test_raw_gpt_of_either_sector_size(self):
        for offset in (512, 4096):
            self.assertEqual(
                'raw', base.inspect(file((offset, b'EFI PART'))).format)

    def test_tar_in_each_format_that_is_in_use(self):
        for kind in (tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT,
                     tarfile.PAX_FORMAT):
            for name, expected in (('disk.vhdx', 'tar'), ('vm.ovf', 'ova')):
                output = io.BytesIO()
                with tarfile.open(
                        fileobj=output, mode='w', format=kind) as tar:
                    member = tarfile.TarInfo(name)
                    member.size = 4
                    tar.addfile(member, io.BytesIO(b'data'))
                self.assertEqual(
                    expected, base.inspect(output.getvalue()).format)

    def test_header_needs_all_bytes_of_the_virtual_size(self):
        data = samples.qcow2(samples.GIB)
        self.assertEqual(
            1073741824, base.inspect(data[:32]).virtual_size)
        self.assertIsNone(base.inspect(data[:31]).virtual_size)

    def test_empty_file_is_unknown(self):
        result = base.inspect(b'')
        self.assertEqual(('unknown', 0), (result.format, result.file_size))
