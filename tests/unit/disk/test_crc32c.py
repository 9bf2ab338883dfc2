# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies as st

from hyperv_sched.disk import crc32c
from tests import samples
from tests.unit.disk import base


class ChecksumTestCase(base.TestCase):

    def test_example_of_the_standard(self):
        # RFC 3720, B.4: 32 bytes of zeros.
        self.assertEqual(0x8a9136aa, crc32c.checksum(bytes(32), 0))

    @hypothesis.given(st.binary(min_size=8, max_size=64),
                      st.integers(0, 70000), st.binary(max_size=8))
    def test_zeros_at_the_end_are_processed(self, head, zeros, tail):
        data = head + bytes(zeros) + tail
        self.assertEqual(
            samples.crc32c(data[:4] + bytes(4) + data[8:]),
            crc32c.checksum(data, 4))
