# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies as st
from oslo_utils import versionutils

from hyperv_sched import versions
from tests.unit import base

_NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(
    lambda parts: '.'.join(map(str, parts)))
_BLANKS = st.sampled_from(['', ' ', '  ', '\t'])
_PARTS = st.tuples(
    _BLANKS, st.sampled_from(['<', '<=', '==', '!=', '>=', '>']), _BLANKS,
    _NUMBERS, _BLANKS).map(''.join)
REQUIREMENTS = st.lists(_PARTS, min_size=1, max_size=4).map(','.join)


class ParseRequirementTestCase(base.TestCase):

    @hypothesis.given(REQUIREMENTS, _NUMBERS)
    def test_agrees_with_nova_on_every_version(self, text, version):
        novas = versionutils.VersionPredicate(text)
        ours = versions.parse_requirement(text)
        self.assertEqual(
            novas.satisfied_by(version),
            versions.satisfies(versions.Version(version), ours))

    @hypothesis.given(st.text(alphabet='<>=!~.,* 0123456789vrc-_', max_size=9))
    def test_accepts_what_nova_accepts_and_nothing_else(self, text):
        try:
            versionutils.VersionPredicate(text)
        except ValueError:
            self.assertRaises(versions.InvalidRequirement,
                              versions.parse_requirement, text)
        else:
            versions.parse_requirement(text)

    def test_refuses_what_packaging_alone_would_take(self):
        for text in ('', '~=6.3', '==6.*', '===6.3', '>=6.3,', '6.3'):
            self.assertRaises(versions.InvalidRequirement,
                              versions.parse_requirement, text)

    def test_refuses_more_than_nova_stores(self):
        text = ','.join(['>=6.3'] * 50)
        self.assertRaises(versions.InvalidRequirement,
                          versions.parse_requirement, text)


class FromNovaTestCase(base.TestCase):

    def test_reads_major_and_minor(self):
        for number, text in ((6002, '6.2'), (6003, '6.3'), (10000, '10.0')):
            self.assertEqual(versions.Version(text),
                             versions.from_nova(number))

    @hypothesis.given(st.one_of(
        st.none(), st.booleans(), st.text(), st.floats(),
        st.integers(max_value=999), st.integers(min_value=2**31),
        st.lists(st.integers())))
    def test_anything_else_is_unknown(self, number):
        self.assertIsNone(versions.from_nova(number))
