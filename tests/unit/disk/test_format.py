# SPDX-License-Identifier: Apache-2.0

import io

from hyperv_sched import disk
from tests import guests
from tests import samples
from tests.unit.disk import base

#: Bytes of an upload that are enough for each format but a fixed VHD.
HEAD = 32774


class CountingFile(io.BytesIO):
    """A file that counts the bytes that are read."""

    bytes_read = 0

    def read(self, size=-1):
        data = super().read(size)
        self.bytes_read += len(data)
        return data


class ReadFormatTestCase(base.TestCase):

    def files(self):
        return {
            ('vhdx', None): samples.vhdx(),
            ('vhd', 'dynamic'): samples.dynamic_vhd(),
            ('vhd', 'differencing'): samples.dynamic_vhd(disk_type=4),
            ('vhd', None): samples.dynamic_vhd(disk_type=9),
            ('qcow2', None): samples.qcow2(),
            ('iso', None): bytes(32769) + b'CD001',
            ('raw', None): guests.bootable(),
            ('unknown', None): bytes(HEAD)}

    def test_whole_files_and_first_bytes(self):
        for expected, data in self.files().items():
            for part in (data, data[:HEAD]):
                self.assertEqual(
                    expected, disk.read_format(io.BytesIO(part)))
            self.assertEqual(expected[0], base.inspect(data).format)

    def test_first_bytes_of_an_iso(self):
        data = bytes(32769) + b'CD001'
        self.assertEqual(HEAD, len(data))
        self.assertEqual(
            ('unknown', None), disk.read_format(io.BytesIO(data[:-1])))

    def test_fixed_vhd_is_recognized_by_its_footer(self):
        data = samples.fixed_vhd(guest=guests.bootable())
        self.assertEqual(
            ('vhd', 'fixed'), disk.read_format(io.BytesIO(data)))
        self.assertEqual(
            ('raw', None), disk.read_format(io.BytesIO(data[:HEAD])))

    def test_empty_and_short_files(self):
        for data in (b'', b'vhdxfil', b'conecti', b'A'):
            self.assertEqual(
                ('unknown', None), disk.read_format(io.BytesIO(data)))
        self.assertEqual(
            ('vhd', None), disk.read_format(io.BytesIO(b'conectix')))

    def test_less_than_8_kib_are_read(self):
        for data in self.files().values():
            file = CountingFile(data)
            disk.read_format(file)
            self.assertLess(file.bytes_read, 8192)
