# SPDX-License-Identifier: Apache-2.0
"""The work for one file is bounded, whatever its structures multiply."""

import io
import struct
import sys
import tracemalloc

from hyperv_sched import disk
from hyperv_sched import validators
from tests import files
from tests import guests
from tests import hostile
from tests import samples
from tests.fuzz import sparse
from tests.unit.disk import base

#: Limits on bytes that are read, and on calls of Python and C functions,
#: which take less than a second.
MAX_BYTES = 64 * 1024 * 1024
MAX_CALLS = 2_500_000
#: Limit on memory.
MAX_MEMORY = 24 * 1024 * 1024


class TooMuchWork(BaseException):
    """A limit is exceeded; no Exception, since the reader catches those."""


class LimitedFile(files.CountingFile):
    """A file of which no more than MAX_BYTES can be read."""

    def read(self, size=-1):
        data = super().read(size)
        if self.bytes_read > MAX_BYTES:
            raise TooMuchWork(f'{self.bytes_read} bytes')
        return data


def count_calls(function, *args):
    """Call a function; return its result and the number of calls."""
    calls = 0

    def count(_frame, event, _arg):
        nonlocal calls
        calls += event in ('call', 'c_call')
        if calls > MAX_CALLS:
            raise TooMuchWork(f'{calls} calls')

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        returned = function(*args)
    finally:
        sys.setprofile(before)
    return returned, calls


def without_zeros():
    """Return a VHDX that lacks the blocks of zeros which are read."""
    data = hostile.shared(hostile.volume(hostile.program(
        1, bytes(3 * samples.MIB), relocations=samples.MIB,
        resources=samples.MIB), clusters=7000, bits=16), distinct=True)
    size = -(-len(data) // samples.MIB) * samples.MIB
    image = bytearray(base.vhdx(data.ljust(size, b'\0')))
    empty = [block for block in range(size // samples.MIB)
             if not any(data[block * samples.MIB:][:samples.MIB])]
    assert len(empty) == 2
    for block in empty:
        struct.pack_into('<Q', image, 3 * samples.MIB + 8 * block, 0)
    return bytes(image)


class WorkTestCase(base.TestCase):

    def assertBounded(self, name, data):
        """Assert the limits, without the reader's own counters."""
        try:
            result, self.calls = count_calls(
                disk.inspect_file, LimitedFile(data))
        except TooMuchWork as exc:
            self.fail(f'{name}: {exc}')
        return result

    def test_each_kind_of_hostile_disk(self):
        for name, data in hostile.disks():
            self.assertBounded(name, data)
            # An ordinary disk takes 1,500.
            self.assertGreater(self.calls, 20_000, name)

    def test_each_kind_of_hostile_container(self):
        for name, data in hostile.containers():
            result = self.assertBounded(name, data)
            self.assertTrue(result.defects, name)

    def test_product_of_all_limits(self):
        data = hostile.product()
        size = -(-len(data) // samples.MIB) * samples.MIB
        for file in (data, base.vhdx(data.ljust(size, b'\0'))):
            result = self.assertBounded('product', file)
            self.assertEqual(['inspection-stopped'], list(result.defects))
            self.assertEqual(('unknown', None),
                             (result.firmware, result.generation))

    def test_memory(self):
        data = hostile.product()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        disk.inspect_file(io.BytesIO(data))
        _, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, MAX_MEMORY)

    def test_zeros_of_blocks_that_the_file_lacks(self):
        result = self.assertBounded('zeros', without_zeros())
        self.assertEqual(
            {'inspection-stopped': 'it takes more than 64 MiB of reads'},
            result.defects)

    def test_blocks_in_the_file(self):
        # Blocks of 1 MiB, in a file of 5 TiB.
        blocks = 4 * 1024 ** 2 + 1
        file = sparse.Sparse.of(samples.vhdx(
            5 * 1024 * samples.GIB, samples.MIB, bat_size=64 * samples.MIB))
        file.size = 5 * 1024 * samples.GIB
        table = bytearray(8 * (blocks + blocks // 4096))
        for chunk in range(0, blocks, 4096):
            offsets = range(100 + chunk, 100 + min(chunk + 4096, blocks))
            struct.pack_into(
                f'<{len(offsets)}Q', table, 8 * (chunk + chunk // 4096),
                *(offset << 20 | 6 for offset in offsets))
        file.runs.append((3 * samples.MIB, table))
        result, _ = count_calls(disk.inspect_source, file)
        self.assertEqual(
            {'inspection-stopped': 'the BAT has more than 4194304 blocks in '
             'the file'}, result.defects)


class FindingTestCase(base.TestCase):

    def test_inspection_that_was_stopped_is_unknown(self):
        content = base.inspect(hostile.product()).as_dict()
        for properties in ({}, {'hw_machine_type': 'hyperv-gen1'},
                           {'hw_machine_type': 'hyperv-gen2',
                            'hypervisor_type': 'hyperv'}):
            findings = validators.validate({**properties, 'content': {
                **content, 'format': 'vhdx'}})
            undecided, = (finding for finding in findings
                          if finding.severity == 'unknown')
            self.assertEqual('HV228', undecided.code)
            self.assertIn('more than 400000 steps', undecided.message)
            self.assertEqual([], [
                finding.code for finding in findings
                if finding.code.startswith('HV3')])


class RealDisksTestCase(base.TestCase):
    """Real disks are far below the limits."""

    def test_kernel_of_a_hundred_mebibytes_in_the_smallest_clusters(self):
        loader = guests.program(size=100 * samples.MIB)
        data = guests.gpt([(guests.ESP, 64, large_fat32(loader))],
                          size=104 * samples.MIB)
        result, calls = count_calls(disk.inspect_file, io.BytesIO(data))
        self.assertEqual('uefi', result.firmware)
        self.assertLess(calls, MAX_CALLS // 20)
        self.assertLess(result.bytes_read, MAX_BYTES // 20)


def large_fat32(loader):
    """Return a FAT32 with clusters of 512 bytes and one loader."""
    clusters = len(loader) // 512 + 100
    head = bytearray(guests.fat({}, clusters=65600, bits=32)[:512])
    fat_sectors = -(-(clusters + 2) * 4 // 512)
    struct.pack_into('<I', head, 32, 1 + fat_sectors + clusters)
    struct.pack_into('<I', head, 36, fat_sectors)
    table = bytearray(struct.pack(
        f'<{clusters + 2}I', *range(1, clusters + 3)))
    last = 5 + len(loader) // 512 - 1
    for cluster in (2, 3, 4, last):
        struct.pack_into('<I', table, 4 * cluster, 0x0fffffff)

    def entry(name, attributes, cluster, size=0):
        return struct.pack('<11sB8xH4xHI', name, attributes, 0, cluster, size)

    directories = b''.join(listing.ljust(512, b'\0') for listing in (
        entry(b'EFI        ', 0x10, 3), entry(b'BOOT       ', 0x10, 4),
        entry(b'BOOTX64 EFI', 0x20, 5, len(loader))))
    return b''.join((head, table.ljust(512 * fat_sectors, b'\0'),
                     directories, loader, bytes(512 * 90)))
