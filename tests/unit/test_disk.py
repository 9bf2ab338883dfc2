# SPDX-License-Identifier: Apache-2.0

import io
import os
import pathlib
import tempfile
import tracemalloc
from unittest import mock

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import disk
from hyperv_sched.disk import boot
from hyperv_sched.disk import ranges
from tests import files
from tests import guests
from tests import portability
from tests import samples
from tests.unit import base as unit_base
from tests.unit.disk import base

BOOTABLE = base.vhdx(guests.bootable())
#: Bytes of an upload that are enough for each format but a fixed VHD.
HEAD = 32774


class InspectTestCase(base.TestCase):

    def test_good_disk_has_no_defects(self):
        result = self.assertBoots(BOOTABLE)
        self.assertEqual('vhdx', result.format)
        self.assertEqual('hyperv-gen2', result.generation)

    def test_disk_in_a_damaged_container_is_not_read(self):
        result = self.assertDefects(
            ['vhdx-has-parent'], base.vhdx(guests.bootable(), flags=2))
        self.assertIsNone(result.partition_table)
        self.assertEqual('unknown', result.firmware)

    def test_reads_are_inside_of_the_source_and_counted(self):
        class Recorder(base.Bytes):
            reads = []

            def read(self, offset, length):
                self.reads.append((offset, length))
                return super().read(offset, length)

        source = Recorder(BOOTABLE)
        result = disk.inspect_source(source)
        self.assertEqual('uefi', result.firmware)
        self.assertEqual(
            result.bytes_read, sum(length for _, length in source.reads))
        for offset, length in source.reads:
            self.assertTrue(0 <= offset < offset + length <= source.size)

    def test_runs_without_posix(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, 'disk.vhdx')
            path.write_bytes(BOOTABLE)
            self.assertEqual('hyperv-gen2\n', portability.imports(
                (), ('hyperv_sched.disk',), 'print(sys.modules['
                f'"hyperv_sched.disk"].inspect({str(path)!r}).generation)'))


class ErrorTestCase(base.TestCase):

    def test_source_that_became_shorter(self):
        class Shrinking(base.Bytes):
            def read(self, offset, length):
                return super().read(offset, length)[:-1]

        error = self.assertRaises(
            OSError, disk.inspect_source, Shrinking(BOOTABLE))
        self.assertNotIsInstance(error, disk.InspectionError)

    def test_exceptions_of_the_source_are_passed_on(self):
        for raised in (ranges.BudgetExceededError('too much'),
                       ValueError('closed'), OSError('lost')):
            class FailingSource(base.Bytes):
                def read(self, offset, length, raised=raised):
                    raise raised

            self.assertIs(raised, self.assertRaises(
                type(raised), disk.inspect_source, FailingSource(BOOTABLE)))

    def test_other_exceptions_are_bugs_of_the_reader(self):
        for raised in (RuntimeError('no'), EOFError('no'), KeyError('no'),
                       MemoryError('no'), RecursionError('no')):
            with mock.patch.object(boot, 'inspect', side_effect=raised):
                error = self.assertRaises(
                    disk.InspectionError, base.inspect, BOOTABLE)
            self.assertIn(type(raised).__name__, str(error))

    def test_interrupt_is_passed_on(self):
        with mock.patch.object(boot, 'inspect',
                               side_effect=KeyboardInterrupt):
            self.assertRaises(KeyboardInterrupt, base.inspect, BOOTABLE)


class PathTestCase(files.FilesMixin, base.TestCase):

    def test_name_of_the_file_is_ignored(self):
        path = self.directory / 'disk.vhd'
        path.write_bytes(BOOTABLE)
        self.assertEqual('vhdx', disk.inspect(path).format)

    @unit_base.without_windows('FIFOs')
    def test_pipes_and_devices_are_refused(self):
        pipe = self.directory / 'pipe'
        os.mkfifo(pipe)
        for path in (pipe, '/dev/null', '/dev/zero'):
            error = self.assertRaises(OSError, disk.inspect, path)
            self.assertEqual('not a regular file', str(error))

    def test_directories_are_refused(self):
        self.assertRaises(IsADirectoryError, disk.inspect, self.directory)

    @unit_base.without_windows('FIFOs')
    def test_pipe_that_replaces_a_file_is_refused(self):
        path = self.directory / 'disk.vhdx'
        path.write_bytes(BOOTABLE)
        status = os.stat(path)
        path.unlink()
        os.mkfifo(path)
        with mock.patch.object(os, 'stat', return_value=status):
            error = self.assertRaises(OSError, disk.open_file, path)
        self.assertEqual('not a regular file', str(error))

    def test_missing_file(self):
        self.assertRaises(
            FileNotFoundError, disk.inspect, self.directory / 'missing')

    def test_largest_disk_takes_little_memory(self):
        path = self.directory / 'huge.vhdx'
        table = 513 * samples.MIB
        with path.open('wb') as file:
            file.write(samples.vhdx(
                virtual_size=64 * 1024 ** 4, block_size=samples.MIB,
                bat_size=table))
            file.truncate(3 * samples.MIB + table)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        result = disk.inspect(path)
        self.assertEqual(['no-partition-table'], list(result.defects))
        self.assertGreater(result.bytes_read, 512 * samples.MIB)
        self.assertLess(tracemalloc.get_traced_memory()[1], 16 * samples.MIB)


class HostileTestCase(base.TestCase):

    @hypothesis.given(st.binary(max_size=1024), st.sampled_from(
        (b'', b'vhdxfile', b'conectix', b'QFI\xfb', b'KDMV')))
    def test_any_bytes_are_inspected(self, data, signature):
        result = base.inspect(signature + data)
        self.assertEqual(len(signature + data), result.file_size)

    @hypothesis.given(st.integers(8, len(BOOTABLE) - 1))
    @hypothesis.example(len(BOOTABLE) - 1)
    def test_file_cut_off_anywhere_has_a_defect(self, size):
        result = base.inspect(BOOTABLE[:size])
        self.assertEqual('vhdx', result.format)
        self.assertTrue(result.defects)

    @hypothesis.given(st.data())
    def test_damaged_disk_boots_or_has_a_defect(self, data):
        image = bytearray(guests.bootable())
        for _ in range(data.draw(st.integers(1, 6))):
            start = data.draw(st.sampled_from(
                # MBR, GPT, entries, BPB, FAT, root, directories, program.
                (446, 512, 1024, 64 * 512, 65 * 512, 66 * 512, 67 * 512,
                 70 * 512, 71 * 512, 72 * 512)))
            offset = start + data.draw(st.integers(0, 128))
            image[offset] = data.draw(st.integers(0, 255))
        result = base.inspect(bytes(image))
        if result.format == 'raw':
            self.assertTrue(result.firmware == 'uefi' or result.defects)


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
            file = files.CountingFile(data)
            disk.read_format(file)
            self.assertLess(file.bytes_read, 8192)
