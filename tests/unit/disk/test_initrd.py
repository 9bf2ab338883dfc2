# SPDX-License-Identifier: Apache-2.0

import bz2
import contextlib
import gzip
import lzma
from unittest import mock

import hypothesis
from hypothesis import strategies

from hyperv_sched.disk import initrd
from tests import initrds
from tests.compressors import zstd
from tests.unit import base

FILES = {'a': b'1', 'directory/b': b'1234', 'c' * 200: b'x' * 70000}


def read(data, wanted=lambda name: True, size=1000):
    """Return the files of an initrd that is read in pieces of some size."""
    return list(initrd.files(
        (data[start:start + size] for start in range(0, len(data), size)),
        wanted))


class FilesTestCase(base.TestCase):

    def test_compressions(self):
        plain = initrds.archive(FILES)
        for compress in (
                bytes, gzip.compress, bz2.compress, lzma.compress,
                zstd.compress,
                lambda data: lzma.compress(data, lzma.FORMAT_ALONE)):
            for size in (1, 4096, 10 ** 6):
                if size == 1 and compress is bytes:
                    continue
                self.assertEqual([*FILES.items()],
                                 read(compress(plain), size=size))

    def test_archives_follow_each_other(self):
        first, second, third = (
            initrds.archive({name: b'12345'}) for name in 'abc')
        for data in (first + bytes(8) + gzip.compress(second + bytes(4)
                                                      + third),
                     gzip.compress(first) + bytes(512)
                     + lzma.compress(second) + third):
            self.assertEqual([('a', b'12345'), ('b', b'12345'),
                              ('c', b'12345')], read(data))

    def test_content_is_read_where_it_is_wanted(self):
        self.assertEqual(
            [('a', b'1'), ('directory/b', b''), ('c' * 200, b'')],
            read(initrds.archive(FILES), lambda name: name == 'a'))

    def test_content_of_all_files_is_limited(self):
        data = initrds.archive({'a': b'12345', 'b': b'678', 'c': b''})
        with mock.patch.object(initrd, 'MAX_CONTENT', 8):
            self.assertEqual(
                [('a', b'12345'), ('b', b'678'), ('c', b'')], read(data))
        with mock.patch.object(initrd, 'MAX_CONTENT', 7):
            self.refused(data, 'too large')
            self.assertEqual(
                3, len(read(data, lambda name: name != 'b')))

    def test_no_data_has_no_files(self):
        for data in (b'', bytes(1000)):
            self.assertEqual([], read(data))

    def refused(self, data, words):
        error = self.assertRaises(initrd.UnreadableError, read, data)
        self.assertIn(words, str(error))

    def test_cut_off(self):
        plain = initrds.archive(FILES)
        for data in (plain[:50], plain[:-130], gzip.compress(plain)[:-20],
                     lzma.compress(plain)[:-20]):
            self.refused(data, 'cut off')

    def test_damaged(self):
        plain = initrds.archive(FILES)
        for data in (
                plain[:54] + b'zzzzzzzz' + plain[62:],
                plain[:94] + b'00010000' + plain[102:],
                plain[:54] + b'-0000001' + plain[62:],
                plain[:94] + b'-0000001' + plain[102:],
                gzip.compress(b'text'),
                b'\x1f\x8b' + bytes(100), b'BZh9' + bytes(100),
                b'\xfd7zXZ\0' + bytes(100),
                b'\x28\xb5\x2f\xfd' + b'\xff' * 100):
            self.refused(data, 'damaged')

    def test_other_compression(self):
        self.refused(b'\x02\x21\x4c\x18' + bytes(100),
                     'its compression is unknown: 02214c180000')

    def test_size_after_decompression_is_limited(self):
        data = gzip.compress(initrds.archive({'a': bytes(10 ** 6)}))
        with mock.patch.object(initrd, 'MAX_EXPANDED', 10 ** 6):
            self.refused(data, 'too large')
        with mock.patch.object(initrd, 'MAX_EXPANDED', 10 ** 6 + 1000):
            self.assertEqual(1, len(read(data)))

    def test_number_of_files_is_limited(self):
        data = initrds.archive({str(number): b'' for number in range(9)})
        with mock.patch.object(initrd, 'MAX_FILES', 9):
            self.refused(data, 'too large')
        with mock.patch.object(initrd, 'MAX_FILES', 10):
            self.assertEqual(9, len(read(data)))

    def test_number_of_archives_is_limited(self):
        for archive in (initrds.archive({}), gzip.compress(b''),
                        bz2.compress(b'') + bytes(4)):
            with mock.patch.object(initrd, 'MAX_ARCHIVES', 9):
                self.assertEqual([], read(9 * archive))
                self.refused(10 * archive, 'too large')

    def test_zeros_are_not_read_one_by_one(self):
        zeros = bytes(10 ** 6)
        for data in (zeros, gzip.compress(zeros)):
            with mock.patch.object(initrd._Stream, 'peek', autospec=True,
                                   side_effect=initrd._Stream.peek) as peek:
                self.assertEqual([], read(data, size=256 * 1024))
            self.assertLess(peek.call_count, 50)

    def test_memory_of_xz_is_limited(self):
        data = lzma.compress(initrds.archive(FILES), filters=[
            {'id': lzma.FILTER_LZMA2, 'dict_size': 512 * 1024 ** 2}])
        self.refused(data, 'damaged')

    @hypothesis.given(strategies.data())
    def test_changed_bytes_raise_nothing_else(self, data):
        plain = initrds.archive({'a': b'1', 'b': b'12345'})
        image = bytearray(data.draw(strategies.sampled_from([
            plain, plain + gzip.compress(plain), lzma.compress(plain)])))
        for _ in range(data.draw(strategies.integers(1, 4))):
            image[data.draw(strategies.integers(0, len(image) - 1))] = (
                data.draw(strategies.integers(0, 255)))
        with contextlib.suppress(initrd.UnreadableError):
            read(bytes(image))
