# SPDX-License-Identifier: Apache-2.0

import copy

import hypothesis
from hypothesis import strategies as st
from oslo_utils import versionutils

from hyperv_sched import versions
from tests.unit import base

# Few numbers, so that versions are often equal or next to each other.
_NUMBERS = st.lists(st.sampled_from(['0', '2', '3', '03', '6', '10', '9600']),
                    min_size=1, max_size=4).map('.'.join)
_BLANKS = st.sampled_from(['', ' ', '  ', '\t'])
_VERSIONS = st.tuples(
    st.sampled_from(['', 'v', '1!']), _NUMBERS, st.sampled_from(
        ['', 'a1', 'rc2', '.post1', '.dev3', '+local', '-1', 'rc1+x'])).map(
            ''.join)
_PARTS = st.tuples(
    _BLANKS, st.sampled_from(['<', '<=', '==', '!=', '>=', '>']), _BLANKS,
    _VERSIONS, _BLANKS).map(''.join)
REQUIREMENTS = st.lists(_PARTS, min_size=1, max_size=4).map(','.join)


class ParseRequirementTestCase(base.TestCase):

    @hypothesis.settings(max_examples=1000)
    @hypothesis.given(REQUIREMENTS, st.sampled_from(
        [2000, 3000, 3003, 6000, 6002, 6003, 6010, 10000, 10003]))
    @hypothesis.example('>=6.3+x', 6003)
    @hypothesis.example('<6.3+x', 6003)
    def test_agrees_with_nova_on_every_host(self, text, number):
        novas = versionutils.VersionPredicate(text)
        ours = versions.parse_requirement(text)
        self.assertEqual(
            novas.satisfied_by(versionutils.convert_version_to_str(number)),
            versions.satisfies(versions.from_nova(number), ours))

    @hypothesis.given(st.text(
        alphabet='<>=!~.,* 0123456789vrc-_+\xa0\n', max_size=12))
    def test_accepts_what_nova_accepts_and_nothing_else(self, text):
        try:
            versionutils.VersionPredicate(text)
        except ValueError:
            self.assertRaises(versions.InvalidRequirementError,
                              versions.parse_requirement, text)
        else:
            versions.parse_requirement(text)

    def test_refuses_what_packaging_alone_would_take(self):
        for text in ('', '~=6.3', '==6.*', '===6.3', '>=6.3,', '6.3'):
            self.assertRaises(versions.InvalidRequirementError,
                              versions.parse_requirement, text)

    def test_refuses_more_than_nova_stores(self):
        text = ','.join(['>=6.3'] * 50)
        self.assertRaises(versions.InvalidRequirementError,
                          versions.parse_requirement, text)


class SpecifiersTestCase(base.TestCase):

    def test_shown_in_the_order_of_its_parts(self):
        for text in ('>=10.0,<6.3', '<6.3,>=10.0', '>=6.3'):
            requirement = versions.parse_requirement(text)
            for same in (requirement, copy.copy(requirement),
                         copy.deepcopy(requirement)):
                self.assertEqual(text, str(same))
                self.assertEqual(requirement, same)

    def test_order_makes_no_difference(self):
        one, other = map(versions.parse_requirement,
                         ('>=10.0,<6.3', '<6.3,>=10.0'))
        self.assertEqual(one, other)
        self.assertEqual(hash(one), hash(other))


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
