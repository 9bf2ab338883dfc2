# SPDX-License-Identifier: Apache-2.0
"""Files of every kind with something wrong in one of their structures."""

import hypothesis
from hypothesis import strategies as st

from tests.fuzz import promises
from tests.fuzz import repair
from tests.fuzz import seeds
from tests.fuzz import sparse
from tests.unit import base

ENCODED = [file.encode() for file in seeds.files() if file.runs]

#: Numbers that end of ranges and loops are made of.
NUMBERS = st.one_of(
    st.sampled_from((0, 1, 2, 0xff, 0xffff, 2 ** 31, 2 ** 32 - 1,
                     2 ** 63, 2 ** 64 - 1)),
    st.integers(0, 2 ** 64 - 1))


class MutationsTestCase(base.TestCase):

    @hypothesis.settings(max_examples=300)
    @hypothesis.given(
        st.sampled_from(range(len(ENCODED))),
        st.lists(st.tuples(
            st.integers(0, 2 ** 32), st.integers(0, 511),
            st.sampled_from((1, 2, 4, 8)), NUMBERS), min_size=1, max_size=4),
        st.booleans())
    def test_no_number_in_no_structure_breaks_a_promise(
            self, seed, changes, sealed):
        file = sparse.Sparse.decode(ENCODED[seed])
        for place, at, width, number in changes:
            # What is not zero is some structure; all have the same chance.
            _, run = file.runs[place % len(file.runs)]
            sectors = -(-len(run) // 512)
            start = min(place // len(file.runs) % sectors * 512 + at,
                        max(0, len(run) - width))
            run[start:start + width] = (
                number % (1 << 8 * width)).to_bytes(width, 'little')
        if sealed:
            repair.checksums(file, 512)
        promises.keeps(file)
