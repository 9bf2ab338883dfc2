# SPDX-License-Identifier: Apache-2.0
"""Decompression within limits."""

import sys
from unittest import mock
import zlib

from hyperv_sched.disk import compression
from tests.compressors import deflate
from tests.compressors import zstd
from tests.unit import base

MIB = 1024 ** 2


class DecompressTestCase(base.TestCase):

    def test_each_returns_the_data_and_ignores_what_follows(self):
        for decompress, data in (
                (compression.inflate, deflate(b'abc' * 1000)),
                (compression.inflate_zlib, zlib.compress(b'abc' * 1000)),
                (compression.decompress_zstd, zstd.compress(b'abc' * 1000))):
            self.assertEqual(
                b'abc' * 1000, decompress(data + bytes(512), 3000))
            self.assertEqual(
                b'abc' * 1000, decompress(data + bytes(512), 4096))

    def test_output_is_limited(self):
        for decompress, data in (
                (compression.inflate, deflate(bytes(64 * MIB))),
                (compression.inflate_zlib, zlib.compress(bytes(64 * MIB)))):
            self.assertEqual(65536, len(decompress(data, 65536)))

    def test_other_data_are_corrupt(self):
        for decompress in (compression.inflate, compression.inflate_zlib,
                           compression.decompress_zstd):
            self.assertRaises(
                compression.CorruptError, decompress, b'\xff' * 512, 4096)

    def test_cut_off_data_are_short(self):
        data = zlib.compress(bytes(range(256)) * 16)
        self.assertLess(
            len(compression.inflate_zlib(data[:100], 4096)), 4096)

    def test_zstd_window_is_limited(self):
        window = zstd.CompressionParameter.window_log
        for log, accepted in ((21, True), (22, False)):
            compressor = zstd.ZstdCompressor(options={window: log})
            data = (compressor.compress(bytes(8 * MIB))
                    + compressor.flush())
            if accepted:
                self.assertEqual(bytes(512), compression.decompress_zstd(
                    data, 512))
            else:
                self.assertRaises(compression.CorruptError,
                                  compression.decompress_zstd, data, 512)

    def test_without_zstd_the_message_says_what_to_install(self):
        missing = {'backports': None, 'backports.zstd': None,
                   'compression': None, 'compression.zstd': None}
        with mock.patch.dict(sys.modules, missing):
            error = self.assertRaises(
                compression.MissingError, compression.decompress_zstd,
                zstd.compress(b'abc'), 512)
        self.assertIn('pip install backports.zstd', str(error))


class CacheTestCase(base.TestCase):

    def test_data_are_read_once(self):
        cache = compression.Cache()
        self.assertEqual(b'a', cache.get(1, lambda: b'a'))
        self.assertEqual(b'a', cache.get(1, lambda: b'b'))

    def test_oldest_of_more_than_8_mib_are_read_again(self):
        cache = compression.Cache()
        for offset in range(8):
            cache.get(offset, lambda: bytes(MIB))
        cache.get(0, lambda: b'not read')
        cache.get(8, lambda: b'a')
        self.assertEqual(b'b', cache.get(1, lambda: b'b'))
        self.assertEqual(bytes(MIB), cache.get(0, lambda: b'not read'))
