# SPDX-License-Identifier: Apache-2.0

import io
import os
import pathlib
import tempfile
import uuid

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import disk
from tests import samples
from tests.unit import base

VHDX = samples.vhdx()


def inspect(data):
    return disk.inspect_file(io.BytesIO(data))


def sector(*marks, size=8192):
    """Zeros with marks at offsets."""
    data = bytearray(size)
    for offset, mark in marks:
        data[offset:offset + len(mark)] = mark
    return bytes(data)


class FormatTestCase(base.TestCase):

    def test_is_told_by_content(self):
        for expected, data in {
                'vhdx': VHDX,
                'vhd': samples.dynamic_vhd(),
                'qcow2': samples.qcow2(),
                'vmdk': sector((0, b'KDMV')),
                'vdi': sector((64, b'\x7f\x10\xda\xbe')),
                'iso': sector((32769, b'CD001'), size=65536),
                'gzip': sector((0, b'\x1f\x8b\x08')),
                'raw': sector((510, b'\x55\xaa')),
                'unknown': sector()}.items():
            self.assertEqual(expected, inspect(data).format)

    def test_vmdk_descriptor(self):
        self.assertEqual(
            'vmdk', inspect(b'# Disk DescriptorFile\nversion=1\n').format)

    def test_raw_gpt_of_either_sector_size(self):
        for offset in (512, 4096):
            self.assertEqual(
                'raw', inspect(sector((offset, b'EFI PART'))).format)

    def test_fixed_vhd_is_told_by_its_end(self):
        found = inspect(samples.fixed_vhd(samples.MIB))
        self.assertEqual(('vhd', 'fixed', samples.MIB),
                         (found.format, found.subformat, found.virtual_size))

    def test_vhdx_that_ends_like_a_vhd_is_a_vhdx(self):
        self.assertEqual(
            'vhdx', inspect(VHDX + samples.fixed_vhd(512)[-512:]).format)

    def test_dynamic_vhd_without_its_footer_is_told_by_the_copy(self):
        self.assertEqual('vhd', inspect(samples.dynamic_vhd()[:-512]).format)

    def test_empty_file_is_unknown(self):
        found = inspect(b'')
        self.assertEqual(('unknown', 0), (found.format, found.file_size))


class VHDXTestCase(base.TestCase):

    def test_metadata(self):
        found = inspect(samples.vhdx(
            virtual_size=40 * samples.GIB, block_size=samples.MIB,
            logical_sector_size=4096))
        self.assertEqual(40 * samples.GIB, found.virtual_size)
        self.assertEqual(samples.MIB, found.block_size)
        self.assertEqual(4096, found.logical_sector_size)
        self.assertEqual(4096, found.physical_sector_size)
        self.assertEqual('dynamic', found.subformat)
        self.assertFalse(found.has_parent)
        self.assertFalse(found.log_dirty)

    def test_fixed_and_differencing(self):
        self.assertEqual('fixed', inspect(samples.vhdx(flags=1)).subformat)
        differencing = inspect(samples.vhdx(flags=2))
        self.assertEqual('differencing', differencing.subformat)
        self.assertTrue(differencing.has_parent)

    def test_dirty_log(self):
        self.assertTrue(
            inspect(samples.vhdx(log_guid=uuid.uuid4())).log_dirty)

    def test_newer_header_counts(self):
        image = bytearray(samples.vhdx(log_guid=uuid.uuid4()))
        # The second is the newer: it has no log to replay.
        image[131072 + 48:131072 + 64] = bytes(16)
        self.assertFalse(inspect(bytes(image)).log_dirty)

    def test_second_region_table_stands_in_for_the_first(self):
        image = bytearray(VHDX)
        image[196608:196612] = b'junk'
        self.assertEqual(samples.GIB, inspect(bytes(image)).virtual_size)

    def test_truncated_anywhere_tells_what_is_left(self):
        for size in (8, 65536, 200000, 300000, 2 * samples.MIB + 40):
            found = inspect(VHDX[:size])
            self.assertEqual('vhdx', found.format)
            self.assertIsNone(found.virtual_size)

    @hypothesis.given(st.data())
    def test_any_damage_ends_in_facts(self, data):
        image = bytearray(VHDX)
        for _ in range(data.draw(st.integers(1, 8))):
            start = data.draw(st.sampled_from(
                (0, 65536, 131072, 196608, 2 * samples.MIB,
                 2 * samples.MIB + 65536)))
            at = start + data.draw(st.integers(0, 200))
            image[at] = data.draw(st.integers(0, 255))
        found = inspect(bytes(image))
        self.assertLess(found.bytes_read, 512 * 1024)


class HostileTestCase(base.TestCase):

    @hypothesis.given(st.binary(max_size=1024), st.sampled_from(
        (b'', b'vhdxfile', b'conectix', b'QFI\xfb', b'KDMV')))
    def test_any_bytes_end_in_facts(self, data, magic):
        found = inspect(magic + data)
        self.assertEqual(len(magic + data), found.file_size)


class PathTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def test_name_does_not_matter(self):
        path = self.directory / 'disk.vhd'
        path.write_bytes(VHDX)
        self.assertEqual('vhdx', disk.inspect(path).format)

    def test_what_is_no_file_is_refused_at_once(self):
        pipe = self.directory / 'pipe'
        os.mkfifo(pipe)
        for path in (pipe, self.directory, self.directory / 'missing'):
            self.assertRaises(OSError, disk.inspect, path)
