# SPDX-License-Identifier: Apache-2.0

import io

from hyperv_sched.disk import reader
from tests.unit.disk import base

MIB = 1048576


class Endless:
    """A source of zeros that counts the bytes that are read."""

    size = 1024 * MIB
    bytes_read = 0

    def read(self, offset, length):
        self.bytes_read += length
        return bytes(length)


class ReadTestCase(base.TestCase):

    def test_at_most_1_mib_is_read_at_once(self):
        source = Endless()
        image = reader.Reader(source)
        self.assertEqual(1048576, len(image.read(0, 1048577)))
        self.assertEqual(1048576, len(image.read(0, 1048576)))
        self.assertEqual(2097152, source.bytes_read)
        self.assertEqual(2097152, image.bytes_read)

    def test_range_outside_of_the_file_is_empty(self):
        image = reader.Reader(base.Bytes(b'0123456789'))
        for offset, length, expected in (
                (0, 10, b'0123456789'), (9, 2, b'9'), (10, 1, b''),
                (-1, 1, b''), (0, 0, b''), (5, -1, b'')):
            self.assertEqual(expected, image.read(offset, length))
        self.assertEqual(11, image.bytes_read)

    def test_source_that_became_shorter(self):
        source = base.Bytes(b'0123456789')
        image = reader.Reader(source)
        source.data = source.data[:4]
        error = self.assertRaises(OSError, image.read, 2, 6)
        self.assertEqual('4 bytes are missing at 4', str(error))

    def test_exception_of_the_source_is_kept(self):
        class FailingSource:
            size = 1

            def read(self, offset, length):
                raise ValueError('no such range')

        image = reader.Reader(FailingSource())
        error = self.assertRaises(ValueError, image.read, 0, 1)
        self.assertIs(error, image.source_error)


class BudgetTestCase(base.TestCase):

    def test_64_mib_of_reads(self):
        image = reader.Reader(Endless())
        for _ in range(64):
            image.read(0, MIB)
        error = self.assertRaises(
            reader.ExhaustedError, image.read, 0, 1)
        self.assertEqual('it takes more than 64 MiB of reads', str(error))

    def test_bytes_that_are_allowed_are_not_charged(self):
        image = reader.Reader(Endless())
        image.allow(1)
        image.spend(0, 64 * MIB + 1)
        self.assertRaises(reader.ExhaustedError, image.spend, 0, 1)

    def test_400000_steps(self):
        image = reader.Reader(Endless())
        image.spend(400000)
        error = self.assertRaises(reader.ExhaustedError, image.spend, 1)
        self.assertIn('more than 400000 steps', str(error))

    def test_a_read_takes_8_steps_and_an_empty_read_1(self):
        image = reader.Reader(Endless())
        image.read(0, 1)
        self.assertEqual(8, image.steps)
        image.read(-1, 1)
        image.read(0, 0)
        self.assertEqual(10, image.steps)


class FileSourceTestCase(base.TestCase):

    def test_short_reads_are_completed(self):
        class Slow(io.BytesIO):
            def read(self, size=-1):
                return super().read(min(size, 3))

        source = reader.FileSource(Slow(b'0123456789'))
        self.assertEqual(10, source.size)
        self.assertEqual(b'12345678', source.read(1, 8))
        self.assertEqual(b'89', source.read(8, 8))
