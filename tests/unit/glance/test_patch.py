# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies as st

from hyperv_sched.glance import patch
from tests.unit import base

V21 = 'application/openstack-images-v2.1-json-patch'
V20 = 'application/openstack-images-v2.0-json-patch'


class ApplyTestCase(base.TestCase):

    def test_both_media_types(self):
        before = {'a': '1', 'b': '2', 'c/d': '3', 'e~f': '4'}
        after = {'a': '5', 'c/d': '6', 'new': '7'}
        self.assertEqual(after, patch.apply(before, [
            {'op': 'replace', 'path': '/a', 'value': '5'},
            {'op': 'remove', 'path': '/b'},
            {'op': 'replace', 'path': '/c~1d', 'value': '6'},
            {'op': 'remove', 'path': '/e~0f'},
            {'op': 'add', 'path': '/new', 'value': '7'}], V21))
        self.assertEqual(after, patch.apply(before, [
            {'replace': '/a', 'value': '5'}, {'remove': '/b'},
            {'replace': '/c~1d', 'value': '6'}, {'remove': '/e~0f'},
            {'add': '/new', 'value': '7'}], V20))

    def test_record_is_not_changed(self):
        before = {'a': '1'}
        patch.apply(before, [{'op': 'remove', 'path': '/a'}], V21)
        self.assertEqual({'a': '1'}, before)

    def test_pointers_are_parsed_as_glance_does(self):
        for pointer in ('//a', '/ a', '/a\t', '/\u00a0a', '///a '):
            self.assertEqual({'a': 'x'}, patch.apply({}, [
                {'op': 'add', 'path': pointer, 'value': 'x'}], V21))

    def test_escapes_of_pointers(self):
        """RFC 6901 replaces ~1 before ~0, so that ~01 is ~1 and not /."""
        for pointer, name in (
                ('/a~01b', 'a~1b'), ('/a~10b', 'a/0b'), ('/a~00b', 'a~0b'),
                ('/a~1~0b', 'a/~b')):
            self.assertEqual({name: 'x'}, patch.apply({}, [
                {'op': 'add', 'path': pointer, 'value': 'x'}], V21))

    def test_parts_of_members_are_ignored(self):
        self.assertEqual({}, patch.apply({}, [
            {'op': 'add', 'path': '/tags/-', 'value': 'x'},
            {'op': 'add', 'path': '/locations/0', 'value': {}}], V21))

    def test_invalid_patch(self):
        for changes in ({}, 'x', [1], [{}], [{'op': 'move', 'path': '/a'}],
                        [{'op': 'add', 'path': '/a'}],
                        [{'op': 'add', 'path': 2, 'value': ''}]):
            for media_type in (V21, V20):
                self.assertRaises(patch.InvalidPatchError, patch.apply, {},
                                  changes, media_type)
        self.assertRaises(
            patch.InvalidPatchError, patch.apply, {}, [], 'application/json')

    @hypothesis.given(
        st.recursive(st.none() | st.integers() | st.text(max_size=5),
                     lambda inner: st.lists(inner) | st.dictionaries(
                         st.sampled_from(['op', 'path', 'value', 'add']),
                         inner)),
        st.sampled_from([V21, V20]))
    def test_any_json_is_applied_or_refused(self, changes, media_type):
        try:
            self.assertIsInstance(
                patch.apply({}, changes, media_type), dict)
        except patch.InvalidPatchError as exc:
            self.assertTrue(str(exc))
