# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import subprocess
import sys
import tempfile
import tracemalloc

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import disk
from tests import files
from tests import guests
from tests import samples
from tests.unit.disk import base

BOOTABLE = base.vhdx(guests.bootable())

#: Standard library that Windows does not have.
WITHOUT_POSIX = """
import os, sys
for name in ('fcntl', 'resource', 'pwd', 'grp', 'termios', 'posix'):
    sys.modules[name] = None
for name in ('pread', 'preadv', 'posix_fadvise', 'sendfile', 'openat'):
    if hasattr(os, name):
        delattr(os, name)
from hyperv_sched import disk
print(disk.inspect(sys.argv[1]).generation)
"""


class InspectTestCase(base.TestCase):

    def test_good_disk_has_no_defects(self):
        found = self.assertStarts(BOOTABLE)
        self.assertEqual('vhdx', found.format)
        self.assertEqual('hyperv-gen2', found.generation)

    def test_damaged_container_has_no_partition_findings(self):
        found = self.assertDefects(
            ['vhdx-has-parent'], base.vhdx(guests.bootable(), flags=2))
        self.assertIsNone(found.partition_table)
        self.assertEqual('unknown', found.firmware)

    def test_any_source_of_ranges_will_do(self):
        class Served:
            size = len(BOOTABLE)
            asked = []

            def read(self, offset, length):
                self.asked.append((offset, length))
                return BOOTABLE[offset:offset + length]

        found = disk.inspect_source(Served())
        self.assertEqual('uefi', found.firmware)
        self.assertEqual(found.bytes_read, sum(n for _, n in Served.asked))
        for offset, length in Served.asked:
            self.assertTrue(0 <= offset < offset + length <= Served.size)

    def test_file_that_becomes_shorter_meanwhile_cannot_be_read(self):
        class Shrinking:
            size = len(BOOTABLE)

            def read(self, offset, length):
                return BOOTABLE[offset:offset + length][:-1]

        self.assertRaises(OSError, disk.inspect_source, Shrinking())

    def test_runs_where_there_is_no_posix(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, 'disk.vhdx')
            path.write_bytes(BOOTABLE)
            self.assertEqual('hyperv-gen2\n', subprocess.check_output(
                [sys.executable, '-c', WITHOUT_POSIX, path], text=True))


class PathTestCase(files.FilesMixin, base.TestCase):

    def test_name_does_not_matter(self):
        path = self.directory / 'disk.vhd'
        path.write_bytes(BOOTABLE)
        self.assertEqual('vhdx', disk.inspect(path).format)

    def test_what_is_no_file_is_refused_at_once(self):
        pipe = self.directory / 'pipe'
        os.mkfifo(pipe)
        for path in (pipe, self.directory, self.directory / 'missing'):
            self.assertRaises(OSError, disk.inspect, path)

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
        found = disk.inspect(path)
        self.assertEqual(['no-partition-table'], list(found.defects))
        self.assertGreater(found.bytes_read, 512 * samples.MIB)
        self.assertLess(tracemalloc.get_traced_memory()[1], 16 * samples.MIB)


class HostileTestCase(base.TestCase):

    @hypothesis.given(st.binary(max_size=1024), st.sampled_from(
        (b'', b'vhdxfile', b'conectix', b'QFI\xfb', b'KDMV')))
    def test_any_bytes_end_in_facts(self, data, magic):
        found = base.inspect(magic + data)
        self.assertEqual(len(magic + data), found.file_size)

    @hypothesis.given(st.integers(0, len(BOOTABLE)))
    def test_cut_off_anywhere_is_a_defect(self, size):
        found = base.inspect(BOOTABLE[:size])
        hypothesis.assume(size >= 8)
        self.assertEqual('vhdx', found.format)
        self.assertTrue(found.defects or size == len(BOOTABLE))

    @hypothesis.given(st.data())
    def test_any_damage_to_the_disk_ends_in_a_start_or_a_reason(self, data):
        disk_image = bytearray(guests.bootable())
        for _ in range(data.draw(st.integers(1, 6))):
            start = data.draw(st.sampled_from(
                # MBR, GPT, entries, BPB, FAT, root, directories, program.
                (446, 512, 1024, 64 * 512, 65 * 512, 66 * 512, 67 * 512,
                 70 * 512, 71 * 512, 72 * 512)))
            at = start + data.draw(st.integers(0, 128))
            disk_image[at] = data.draw(st.integers(0, 255))
        found = base.inspect(bytes(disk_image))
        if found.format == 'raw':
            self.assertTrue(found.firmware == 'uefi' or found.defects)
