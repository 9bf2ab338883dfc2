# SPDX-License-Identifier: Apache-2.0
"""Work is bounded for a whole file, whatever is multiplied in it."""

import io
import struct
import sys
import tracemalloc

from hyperv_sched import disk
from hyperv_sched import validators
from tests import guests
from tests import hostile
from tests import samples
from tests.fuzz import sparse
from tests.unit.disk import base

#: Bytes of the file, and calls of Python and of C, that no inspection makes
#: more of: 64 MiB, and less than a second.
MAX_BYTES = 64 * 1024 * 1024
MAX_CALLS = 2_500_000
#: Of memory, next to which an image of a disk is large.
MAX_MEMORY = 24 * 1024 * 1024


class TooMuchWork(BaseException):
    """Not an exception that the reader may take for a mistake of its own."""


class Counted(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    bytes_read = 0

    def read(self, size=-1):
        data = super().read(size)
        self.bytes_read += len(data)
        if self.bytes_read > MAX_BYTES:
            raise TooMuchWork(f'{self.bytes_read} bytes')
        return data


def count_calls(function, *args):
    """Call a function; return its result and how many calls that made."""
    calls = 0

    def count(_frame, event, _arg):
        nonlocal calls
        calls += event in ('call', 'c_call')
        if calls > MAX_CALLS:
            raise TooMuchWork(f'{calls} calls')

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        result = function(*args)
    finally:
        sys.setprofile(before)
    return result, calls


class WorkTestCase(base.TestCase):

    def assertBounded(self, name, data):
        """Assert how much work a file makes, counted by others."""
        try:
            found, _ = count_calls(disk.inspect_file, Counted(data))
        except TooMuchWork as exc:
            self.fail(f'{name}: {exc}')
        return found

    def test_of_each_kind(self):
        for name, data in hostile.disks():
            self.assertBounded(name, data)

    def test_product_of_all_limits(self):
        data = hostile.product()
        size = -(-len(data) // samples.MIB) * samples.MIB
        for file in (data, base.vhdx(data.ljust(size, b'\0'))):
            found = self.assertBounded('product', file)
            self.assertEqual(['inspection-stopped'], list(found.defects))
            self.assertEqual(('unknown', None),
                             (found.firmware, found.generation))

    def test_memory(self):
        data = hostile.product()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        disk.inspect_file(io.BytesIO(data))
        _, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, MAX_MEMORY)

    def test_zeros_that_no_block_holds(self):
        data = hostile.shared(hostile.volume(hostile.program(
            1, bytes(3 * samples.MIB), relocations=samples.MIB,
            resources=samples.MIB), clusters=7000, bits=16), distinct=True)
        size = -(-len(data) // samples.MIB) * samples.MIB
        image = bytearray(base.vhdx(data.ljust(size, b'\0')))
        empty = [block for block in range(size // samples.MIB)
                 if not any(data[block * samples.MIB:][:samples.MIB])]
        self.assertEqual(2, len(empty))
        for block in empty:
            struct.pack_into('<Q', image, 3 * samples.MIB + 8 * block, 0)
        found = self.assertBounded('zeros', bytes(image))
        self.assertEqual(
            {'inspection-stopped': 'it takes more than 64 MiB of reads'},
            found.defects)

    def test_blocks_in_the_file(self):
        # Of 1 MiB each, in a file of 5 TiB.
        blocks = 4 * 1024 ** 2 + 1
        file = sparse.Sparse.of(samples.vhdx(
            5 * 1024 * samples.GIB, samples.MIB, bat_size=64 * samples.MIB))
        file.size = 5 * 1024 * samples.GIB
        table = bytearray(8 * (blocks + blocks // 4096))
        for chunk in range(0, blocks, 4096):
            places = range(100 + chunk, 100 + min(chunk + 4096, blocks))
            struct.pack_into(
                f'<{len(places)}Q', table, 8 * (chunk + chunk // 4096),
                *(place << 20 | 6 for place in places))
        file.runs.append((3 * samples.MIB, table))
        found, _ = count_calls(disk.inspect_source, file)
        self.assertEqual(
            {'inspection-stopped': 'the BAT has more than 4194304 blocks in '
             'the file'}, found.defects)


class VerdictTestCase(base.TestCase):

    def test_is_unknown_with_the_reason(self):
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
    """What real disks take is far from the limits."""

    def test_kernel_of_a_hundred_mebibytes_in_the_smallest_clusters(self):
        loader = guests.program(size=100 * samples.MIB)
        data = guests.gpt([(guests.ESP, 64, large_fat32(loader))],
                          size=104 * samples.MIB)
        found, calls = count_calls(disk.inspect_file, io.BytesIO(data))
        self.assertEqual('uefi', found.firmware)
        self.assertLess(calls, MAX_CALLS // 20)
        self.assertLess(found.bytes_read, MAX_BYTES // 20)


def large_fat32(loader):
    """A FAT32 of clusters of 512 bytes, the file in one run of them."""
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
