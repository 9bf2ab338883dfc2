# SPDX-License-Identifier: Apache-2.0

import itertools
import random

import hypothesis
from hypothesis import strategies

from hyperv_sched.disk import ranges
from tests.unit import base

MIB = 1048576
HEAD = 320 * 1024
BYTES = random.Random(1).randbytes(2 * MIB)  # noqa: S311


class Server:
    """Serves ranges, and records the requests."""

    def __init__(self, data):
        self.data = data
        self.requests = []

    def fetch(self, offset, length):
        self.requests.append((offset, length))
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
    @hypothesis.example((HEAD, [(0, 1), (HEAD - 1, HEAD)]))
    @hypothesis.example((HEAD + 1, [(HEAD, HEAD + 1)]))
    def test_reads_return_the_bytes_of_the_file(self, drawn):
        size, reads = drawn
        source = Server(BYTES[:size]).source()
        for start, end in reads:
            self.assertEqual(BYTES[start:end],
                             source.read(start, end - start))

    @hypothesis.given(sizes_and_reads())
    @hypothesis.example((len(BYTES), [(MIB, MIB + 1),
                                      (MIB // 2, 3 * MIB // 2)]))
    def test_bytes_are_fetched_once_and_from_inside(self, drawn):
        size, reads = drawn
        server = Server(BYTES[:size])
        source = server.source()
        for start, end in reads:
            source.read(start, end - start)
        fetched = sorted(server.requests)
        for (offset, length), (following, _) in itertools.pairwise(
                [*fetched, (size, 0)]):
            self.assertGreater(length, 0)
            self.assertLessEqual(offset + length, following)
        self.assertEqual(
            (len(fetched), sum(length for _, length in fetched)),
            (source.requests, source.fetched))

    def test_first_structures_of_a_vhdx_are_one_request(self):
        server = Server(BYTES)
        source = server.source()
        for offset, length in ((0, 8), (64, 4), (128, 4), (192, 64),
                               (256, 64)):
            source.read(offset * 1024, length * 1024)
        self.assertEqual([(0, 327680)], server.requests)

    def test_range_behind_the_first_request_is_fetched_in_pages(self):
        server = Server(BYTES)
        server.source().read(HEAD, 1)
        server.source().read(HEAD + 32767, 2)
        self.assertEqual([(HEAD, 32768), (HEAD, 65536)], server.requests)

    def test_at_most_4_mib_are_fetched(self):
        server = Server(bytes(16 * MIB))
        source = server.source()
        source.read(MIB, 4 * MIB)
        self.assertRaises(
            ranges.BudgetExceededError, source.read, 5 * MIB, 1)
        self.assertEqual([(MIB, 4 * MIB)], server.requests)
        self.assertRaises(
            ranges.BudgetExceededError, server.source().read, MIB,
            4 * MIB + 1)

    def test_at_most_32_requests_are_sent(self):
        server = Server(bytes(100 * HEAD))
        source = server.source()
        for number in range(1, 33):
            source.read(number * HEAD, 1)
        error = self.assertRaises(
            ranges.BudgetExceededError, source.read, 40 * HEAD, 1)
        self.assertEqual('inspecting it takes more than 32 requests or 4 MiB',
                         str(error))
        self.assertEqual(32, len(server.requests))
        # Pages that are fetched cost nothing.
        source.read(HEAD, 1)

    def test_response_that_is_too_short(self):
        source = ranges.RangeSource(
            MIB, lambda offset, length: bytes(length - 1))
        error = self.assertRaises(OSError, source.read, 0, 8)
        self.assertEqual(
            'the server sent 327679 bytes instead of 327680', str(error))
