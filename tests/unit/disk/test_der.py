# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies

from hyperv_sched.disk import der
from tests.unit import base


class ReadTestCase(base.TestCase):

    def test_short_and_long_lengths(self):
        for expected, data in (
                (b'', b'\x04\x00'), (b'ab', b'\x04\x02ab'),
                (b'ab', b'\x04\x81\x02ab'), (b'ab', b'\x04\x82\x00\x02abc'),
                (b'x' * 128, b'\x04\x81\x80' + b'x' * 128)):
            self.assertEqual(expected, der.read(data).content)

    def test_the_element_ends_where_its_content_does(self):
        element = der.read(b'\x04\x01ab')
        self.assertEqual((4, b'\x04\x01a', b'a'), element)

    def test_no_elements(self):
        for data in (b'', b'\x04', b'\x04\x01', b'\x04\x80\x00\x00',
                     b'\x1f\x81\x01\x00', b'\x04\x85\x00\x00\x00\x00\x01a',
                     b'\x04\x82\x01', b'\x04\xff'):
            self.assertRaises(der.DERError, der.read, data)

    def test_another_tag(self):
        self.assertRaises(der.DERError, der.read, b'\x04\x00', der.OID)

    def test_children(self):
        element = der.read(b'\x30\x05\x02\x01\x05\x05\x00')
        self.assertEqual([2, 5], [e.tag for e in element.children()])
        self.assertEqual(5, element.fields(der.INTEGER)[0].integer())
        self.assertRaises(der.DERError, element.fields, der.OID)
        self.assertRaises(
            der.DERError, element.fields, der.INTEGER, 5, der.OID)

    def test_the_number_of_children_is_limited(self):
        self.assertEqual(128, len(der.Element(
            der.SET, b'', b'\x05\x00' * 128).children()))
        self.assertRaises(der.DERError, der.Element(
            der.SET, b'', b'\x05\x00' * 129).children)

    def test_integers_have_a_sign(self):
        for expected, content in ((127, b'\x7f'), (-1, b'\xff'),
                                  (255, b'\x00\xff')):
            self.assertEqual(
                expected, der.Element(der.INTEGER, b'', content).integer())

    @hypothesis.given(strategies.binary(max_size=300))
    def test_any_bytes_are_an_element_or_an_error(self, data):
        try:
            element = der.read(data)
            element.children()
        except der.DERError:
            return
        self.assertTrue(data.startswith(element.encoded))
        self.assertTrue(element.encoded.endswith(element.content))
