# SPDX-License-Identifier: Apache-2.0
"""The disk reader beside two others: qemu's, and libvhdi for VHD and VHDX.

A disk with data in some places is converted by qemu-img into each kind of
file; all readers must see the same size and the same bytes.
"""

import contextlib
import json
import pathlib
import random
import subprocess

import fixtures
import pyvhdi
import testtools

from hyperv_sched import disk
from hyperv_sched.disk import inspection
from hyperv_sched.disk import reader
from tests import samples
from tests.programs import qemu_img

KIB = 1024
MIB = samples.MIB
GIB = samples.GIB

#: Size of the disk, kind of file, options of qemu-img.
SMALL = (
    (8 * MIB, 'vhdx', 'block_size=1M'),
    # Ends within a block, within a cluster and after an odd sector.
    (13 * MIB + 5 * KIB + 512, 'vhdx', 'block_size=2M,log_size=2M'),
    (13 * MIB + 512, 'vhdx', 'block_size=1M,block_state_zero=off'),
    (512, 'vhdx', 'block_size=1M'),
    (40 * MIB, 'vhdx', 'log_size=17M'),
    (40 * MIB + 512, 'vhdx', 'block_size=32M'),
    (6 * MIB, 'vhdx', 'block_size=256M'),
    (9 * MIB + 512, 'vhdx', 'subformat=fixed,block_size=2M'),
    (8 * MIB, 'vpc', 'force_size=on'),
    (13 * MIB + 512, 'vpc', 'force_size=on'),
    (13 * MIB + 5 * KIB, 'vpc', ''),
    (7 * MIB + 512, 'vpc', 'force_size=on,subformat=fixed'),
    (7 * MIB, 'vpc', 'subformat=fixed'))
#: The same for formats that Hyper-V does not run, and whether clusters are
#: compressed.
OTHERS = (
    (13 * MIB + 512, 'qcow2', '', False),
    (13 * MIB + 512, 'qcow2', '', True),
    (512, 'qcow2', 'compat=0.10', False),
    (5 * MIB + 512, 'qcow2', 'compat=0.10', True),
    (3 * MIB + 512, 'qcow2', 'cluster_size=512', False),
    (3 * MIB + 512, 'qcow2', 'cluster_size=512', True),
    (13 * MIB, 'qcow2', 'cluster_size=4k,refcount_bits=1', False),
    (13 * MIB + 512, 'qcow2', 'cluster_size=2M', False),
    (13 * MIB + 512, 'qcow2', 'cluster_size=2M', True),
    (13 * MIB + 512, 'qcow2', 'extended_l2=on', False),
    (13 * MIB + 512, 'qcow2', 'extended_l2=on', True),
    (5 * MIB + 512, 'qcow2', 'extended_l2=on,cluster_size=16k', False),
    (5 * MIB, 'qcow2', 'extended_l2=on,cluster_size=2M', False),
    (13 * MIB + 512, 'qcow2', 'compression_type=zstd', True),
    (5 * MIB, 'qcow2', 'compression_type=zstd,cluster_size=512', True),
    (5 * MIB, 'qcow2', 'compression_type=zstd,cluster_size=2M', True),
    (5 * MIB, 'qcow2', 'refcount_bits=64,lazy_refcounts=on', False),
    *((3 * MIB + 512, 'qcow2', f'preallocation={kind}', False)
      for kind in ('metadata', 'falloc', 'full')),
    (3 * MIB, 'qcow2', 'extended_l2=on,preallocation=metadata', False),
    *((13 * MIB + 512, 'vmdk', f'subformat=monolithicSparse{options}', False)
      for options in ('', ',adapter_type=lsilogic', ',compat6=on',
                      ',zeroed_grain=on')),
    (40 * MIB, 'vmdk', 'subformat=streamOptimized', False),
    (13 * MIB + 512, 'vmdk', 'subformat=streamOptimized', False))
#: Of several chunks, and with a BAT of several pieces.
LARGE = (
    (13 * GIB + 512, 'vhdx', 'block_size=1M'),
    (9 * GIB + MIB, 'vhdx', 'block_size=2M,log_size=4M'),
    (300 * GIB, 'vhdx', 'block_size=16M'),
    (1000 * GIB + 512, 'vpc', 'force_size=on'))


class Recorder:
    """A file that remembers which range was read last."""

    def __init__(self, file):
        self._source = reader.FileSource(file)
        self.size = self._source.size
        self.last = None

    def read(self, offset, length):
        self.last = offset, length
        return self._source.read(offset, length)


class DiskReaderTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.directory = pathlib.Path(directory)
        self.raw = self.directory / 'raw'
        self.image = self.directory / 'image'

    def make(self, size, kind, options, edges, compress=False):
        """Make an image with data in places, by chance and at edges.

        :returns: the places: offset and length
        """
        choose = random.Random(f'{size} {kind} {options}')
        places = []
        with open(self.raw, 'wb') as raw:
            raw.truncate(size)
            starts = [choose.randrange(size) for _ in range(8)]
            for start in (*starts, *edges, size - 1):
                if not 0 <= start < size:
                    continue
                length = min(choose.randrange(1, 70 * KIB), size - start)
                raw.seek(start)
                raw.write(choose.randbytes(length).replace(b'\0', b'\1'))
                places.append((start, length))
        qemu_img('convert', '-f', 'raw', '-O', kind,
                 *(('-o', options) if options else ()),
                 *(('-c',) if compress else ()), self.raw, self.image)
        return places

    def open(self):
        """Open the disk; return it and the recorder of its reads."""
        file = self.stack.enter_context(self.image.open('rb', buffering=0))
        recorder = Recorder(file)
        found = inspection.Inspection()
        guest = disk.open_virtual_disk(reader.Reader(recorder), found)
        self.assertEqual({}, found.defects)
        return guest, recorder

    def info(self, kind):
        return json.loads(qemu_img(
            'info', '-f', kind, '--output', 'json', self.image))

    def qemu_bytes(self, kind, offset, length):
        """Read a range of the disk with qemu-img."""
        window = self.directory / 'window'
        qemu_img('convert', '-O', 'raw', '--image-opts',
                 f'driver=raw,offset={offset},size={length},'
                 f'file.driver={kind},file.file.driver=file,'
                 f'file.file.filename={self.image}', window)
        return window.read_bytes()

    def libvhdi(self):
        file = pyvhdi.file()
        file.open(str(self.image))
        self.stack.callback(file.close)
        return file

    def assertSame(self, size, kind, options):
        """All of a small image."""
        self.make(size, kind, options, (0, MIB - 700, 2 * MIB - 1))
        guest, _ = self.open()
        # Without force_size qemu makes a disk of whole cylinders.
        self.assertEqual(self.info(kind)['virtual-size'], guest.size)
        ours = b''.join(guest.read(at, MIB)
                        for at in range(0, guest.size, MIB))
        self.assertTrue(ours.startswith(self.raw.read_bytes()))
        self.assertTrue(self.qemu_bytes(kind, 0, guest.size) == ours)
        other = self.libvhdi()
        self.assertEqual(other.get_media_size(), guest.size)
        self.assertTrue(
            other.read_buffer_at_offset(guest.size, 0) == ours)

    def test_small_images_as_a_whole(self):
        for size, kind, options in SMALL:
            with self.subTest(f'{size} {kind} {options}'):
                self.assertSame(size, kind, options)

    def test_other_formats_as_a_whole(self):
        for size, kind, options, compress in OTHERS:
            with self.subTest(f'{size} {kind} {options} {compress}'):
                self.make(size, kind, options, (0, MIB - 700, 2 * MIB - 1),
                          compress)
                self.assertDisk(self.raw.read_bytes())

    def assertDisk(self, expected):
        guest, _ = self.open()
        self.assertEqual(len(expected), guest.size)
        for at in range(0, guest.size, MIB):
            self.assertTrue(
                guest.read(at, MIB) == expected[at:at + MIB], at)
        # Ranges that cross clusters and subclusters.
        choose = random.Random(guest.size)
        for _ in range(50):
            at, length = choose.randrange(guest.size), choose.randrange(9999)
            self.assertTrue(
                guest.read(at, length) == expected[at:at + length], at)

    def qemu_io(self, kind, *commands):
        subprocess.run(
            ['qemu-io', '-f', kind, *(word for command in commands
                                      for word in ('-c', command)),
             self.image], check=True, stdout=subprocess.DEVNULL)

    def assertWritten(self, kind, options, commands):
        """Write an empty image in place, and compare the disk."""
        qemu_img('create', '-q', '-f', kind, '-o', options, self.image,
                 '3M')
        self.qemu_io(kind, *commands)
        self.assertDisk(self.qemu_bytes(kind, 0, 3 * MIB))

    def test_images_that_are_written_in_place(self):
        for kind, options, commands in (
                # Zeros that are allocated, data over zeros, and discards.
                *(('qcow2', options, (
                    'write -P 1 1k 300k', 'write -z 64k 64k',
                    'write -z -u 128k 128k', 'write -P 2 150k 512',
                    'write -P 3 1M 200k', 'discard 1M 128k',
                    'write -c -P 4 2M 64k', 'write -P 5 3071k 1k'))
                  for options in ('cluster_size=64k', 'compat=0.10',
                                  'cluster_size=64k,extended_l2=on',
                                  'lazy_refcounts=on')),
                ('vmdk', 'subformat=monolithicSparse,zeroed_grain=on', (
                    'write -P 1 1k 300k', 'write -z 64k 64k',
                    'write -P 5 3071k 1k'))):
            with self.subTest(f'{kind} {options}'):
                self.assertWritten(kind, options, commands)

    def test_current_disk_of_a_qcow2_with_snapshots(self):
        qemu_img('create', '-q', '-f', 'qcow2', self.image, '3M')
        self.qemu_io('qcow2', 'write -P 1 0 200k')
        qemu_img('snapshot', '-c', 'before', self.image)
        self.qemu_io('qcow2', 'write -P 2 64k 64k')
        self.assertEqual(
            {'container-snapshots': '1'}, disk.inspect(self.image).defects
            and {k: v for k, v in disk.inspect(self.image).defects.items()
                 if k == 'container-snapshots'})
        file = self.stack.enter_context(self.image.open('rb', buffering=0))
        guest = disk.open_virtual_disk(
            reader.Reader(reader.FileSource(file)), inspection.Inspection())
        self.assertTrue(
            guest.read(0, MIB) == self.qemu_bytes('qcow2', 0, MIB))

    def test_files_that_are_not_whole(self):
        other = self.directory / 'other'
        for defect, args in (
                ('container-encrypted', (
                    '-f', 'qcow2', '--object', 'secret,id=a,data=b', '-o',
                    'encrypt.format=luks,encrypt.key-secret=a,'
                    'encrypt.iter-time=10')),
                ('container-needs-other-file', (
                    '-f', 'qcow2', '-o', f'data_file={other}')),
                ('container-needs-other-file', (
                    '-f', 'qcow2', '-b', self.raw, '-F', 'raw')),
                ('container-needs-other-file', (
                    '-f', 'vmdk', '-o', 'subformat=monolithicFlat')),
                ('container-needs-other-file', (
                    '-f', 'vmdk', '-o', 'subformat=twoGbMaxExtentSparse')),
                ('container-needs-other-file', (
                    '-f', 'vmdk', '-o', 'subformat=twoGbMaxExtentFlat'))):
            with self.subTest(args):
                self.raw.write_bytes(bytes(MIB))
                qemu_img('create', '-q', *args, self.image, '1M')
                result = disk.inspect(self.image)
                self.assertEqual([defect], [*result.defects])

    def test_large_images_where_there_is_data(self):
        for size, kind, options in LARGE:
            with self.subTest(f'{size} {kind} {options}'):
                self.assertSameWhereData(size, kind, options)

    def assertSameWhereData(self, size, kind, options):
        """Yield ranges around all data of an image."""
        places = self.make(size, kind, options, [
            chunk * 4 * GIB + delta for chunk in (0, 1, 2)
            for delta in (-MIB - 600, -300, 3 * MIB + 77)])
        guest, _ = self.open()
        self.assertEqual(size, guest.size)
        self.assertEqual(size, self.info(kind)['virtual-size'])
        other = self.libvhdi()
        self.assertEqual(size, other.get_media_size())
        with open(self.raw, 'rb') as raw:
            for start, length in places:
                start = max(start // 512 * 512 - 64 * KIB, 0)
                length = min(length // 512 * 512 + 192 * KIB, size - start)
                ours = guest.read(start, length)
                raw.seek(start)
                self.assertTrue(raw.read(length) == ours, start)
                self.assertTrue(other.read_buffer_at_offset(
                    length, start) == ours, start)
                self.assertTrue(
                    self.qemu_bytes(kind, start, length) == ours, start)

    def test_vhd_blocks_lie_where_qemu_finds_them(self):
        for size in (100 * MIB + 512, 1000 * GIB):
            with self.subTest(size):
                self.make(size, 'vpc', 'force_size=on', (0, 5 * MIB))
                self.assertMapped(json.loads(qemu_img(
                    'map', '-f', 'vpc', '--output', 'json', self.image)))

    def assertMapped(self, extents):
        guest, recorder = self.open()
        self.assertEqual({True, False}, {e['data'] for e in extents})
        for extent in extents:
            for delta in (0, extent['length'] - 512):
                guest.read(extent['start'] + delta, 512)
                # What is no data is read from the BAT alone.
                expected = ((extent['offset'] + delta, 512)
                            if extent['data'] else (recorder.last[0], 4))
                self.assertEqual(expected, recorder.last, extent)

    def test_vhdx_blocks_without_data_are_not_there(self):
        # qemu-img map takes all of a VHDX for data.
        for size, kind, options in (*SMALL, *LARGE):
            if kind == 'vhdx' and 'fixed' not in options:
                with self.subTest(f'{size} {options}'):
                    places = self.make(size, kind, options, (0, 5 * MIB))
                    self.assertPresent(places)

    def assertPresent(self, places):
        guest, recorder = self.open()
        block_size = disk.inspect(self.image).block_size
        with_data = {
            block for start, length in places for block in range(
                start // block_size, (start + length - 1) // block_size + 1)}
        last = (guest.size - 1) // block_size
        near = {block + delta for block in with_data for delta in (-1, 0, 1)}
        for block in near & set(range(last + 1)):
            guest.read(block * block_size, 512)
            self.assertEqual(
                512 if block in with_data else 8, recorder.last[1], block)

    def test_chunks_of_4096_byte_sectors_as_libvhdi_counts_them(self):
        # No qemu opens such a disk; a chunk has 32 GiB.
        block = 32 * 1024 + 5
        data = bytearray(samples.vhdx(
            virtual_size=40 * GIB, block_size=MIB, logical_sector_size=4096,
            bat_size=MIB))
        at = 3 * MIB + 8 * (block + 1)
        data[at:at + 8] = (4 * MIB | 6).to_bytes(8, 'little')
        data += b'in the second chunk'.ljust(MIB)
        self.image.write_bytes(data)
        guest, _ = self.open()
        ours = guest.read(block * MIB, MIB)
        self.assertStartsWith(b'in the second chunk', ours)
        self.assertTrue(self.libvhdi().read_buffer_at_offset(
            MIB, block * MIB) == ours)

    def assertStartsWith(self, start, data):
        self.assertEqual(start, data[:len(start)])
