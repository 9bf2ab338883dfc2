# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies

from hyperv_sched.disk import signature_lists
from tests import signing
from tests.unit import base


class ReadTestCase(base.TestCase):

    def test_certificates_and_hashes(self):
        ca = signing.signer('CA', ca=True).encoded
        hashes = [b'1' * 32, b'2' * 32]
        lists = signature_lists.read(
            signing.signature_list(signing.X509, ca)
            + signing.signature_list(signing.SHA256, *hashes))
        self.assertEqual([ca], [c.encoded for c in lists.certificates])
        self.assertEqual({*hashes}, lists.hashes)

    def test_other_types_and_undecodable_certificates_are_left_out(self):
        lists = signature_lists.read(
            signing.signature_list(
                '826ca512-cf10-4ac9-b187-be01496631bd', b'1' * 20)
            + signing.signature_list(signing.X509, b'garbage')
            + signing.signature_list(signing.SHA256, b'1' * 32))
        self.assertEqual((), lists.certificates)
        self.assertEqual({b'1' * 32}, lists.hashes)

    def test_no_lists(self):
        for data in (b'', bytes(27), bytes(100), signing.signature_list(
                signing.SHA256, b'1' * 32)[:-1]):
            self.assertEqual(
                signature_lists.Signatures(), signature_lists.read(data))

    def test_the_number_of_certificates_is_limited(self):
        ca = signing.signer('CA', ca=True).encoded
        lists = signature_lists.read(
            signing.signature_list(signing.X509, *[ca] * 65))
        self.assertEqual(64, len(lists.certificates))

    @hypothesis.given(strategies.binary(max_size=200))
    def test_any_bytes_can_be_read(self, data):
        signature_lists.read(data)
