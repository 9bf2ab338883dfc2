# SPDX-License-Identifier: Apache-2.0

import itertools
import random

import hypothesis
from hypothesis import strategies

from hyperv_sched.disk import ranges
from tests.unit import base

MIB = 1024 ** 2
BYTES = random.Random(1).randbytes(2 * MIB)  # noqa: S311


class Server:
    """Hands out ranges, and remembers which."""

    def __init__(self, data):
        self.data = data
        self.asked = []

    def fetch(self, offset, length):
        self.asked.append((offset, length))
        return self.data[offset:offset + length]

    def source(self):
        return ranges.RangeSource(len(self.data), self.fetch)


@strategies.composite
def sizes_and_reads(draw):
    size = draw(strategies.integers(1, len(BYTES)))
    offsets = strategies.integers(0, size)
    return size, [
        sorted(pair) for pair in draw(strategies.lists(
            strategies.tuples(offsets, offsets), max_size=8))]


class RangeSourceTestCase(base.TestCase):

    @hypothesis.given(sizes_and_reads())
    @hypothesis.example((ranges.HEAD, [(0, 1), (ranges.HEAD - 1,
                                                ranges.HEAD)]))
    @hypothesis.example((ranges.HEAD + 1, [(ranges.HEAD, ranges.HEAD + 1)]))
    def test_any_reads_are_the_bytes(self, drawn):
        size, reads = drawn
        source = Server(BYTES[:size]).source()
        for start, end in reads:
            self.assertEqual(BYTES[start:end],
                             source.read(start, end - start))

    @hypothesis.given(sizes_and_reads())
    @hypothesis.example((len(BYTES), [(MIB, MIB + 1),
                                      (MIB // 2, 3 * MIB // 2)]))
    def test_no_byte_is_fetched_twice_or_from_outside(self, drawn):
        size, reads = drawn
        server = Server(BYTES[:size])
        source = server.source()
        for start, end in reads:
            source.read(start, end - start)
        fetched = sorted(server.asked)
        for (offset, length), (following, _) in itertools.pairwise(
                [*fetched, (size, 0)]):
            self.assertGreater(length, 0)
            self.assertLessEqual(offset + length, following)
        self.assertEqual((len(fetched), sum(n for _, n in fetched)),
                         (source.requests, source.fetched))

    def test_head_of_a_vhdx_is_one_request(self):
        server = Server(BYTES)
        source = server.source()
        for offset, length in ((0, 8), (64, 4), (128, 4), (192, 64),
                               (256, 64)):
            source.read(offset * 1024, length * 1024)
        self.assertEqual([(0, 320 * 1024)], server.asked)

    def test_costly_image_is_given_up_before_it_costs(self):
        server = Server(bytes(2 * ranges.MAX_BYTES))
        source = server.source()
        self.assertRaises(
            ranges.BudgetExceededError, self.read_all, source, MIB)
        self.assertLessEqual(sum(n for _, n in server.asked),
                             ranges.MAX_BYTES)

    def test_scattered_image_is_given_up_before_it_costs(self):
        server = Server(bytes(100 * ranges.HEAD))
        source = server.source()
        self.assertRaises(
            ranges.BudgetExceededError, self.read_all, source, 1, ranges.HEAD)
        self.assertEqual(ranges.MAX_REQUESTS, len(server.asked))

    def read_all(self, source, length, step=MIB):
        for offset in range(0, source.size, step):
            source.read(offset, length)

    def test_server_that_hands_out_too_little_is_found_out(self):
        source = ranges.RangeSource(
            MIB, lambda offset, length: bytes(length - 1))
        self.assertRaises(OSError, source.read, 0, 8)
