# SPDX-License-Identifier: Apache-2.0

import hashlib
import itertools

from cryptography.hazmat.primitives.asymmetric import padding
import hypothesis
from hypothesis import strategies

from hyperv_sched.disk import certificates
from hyperv_sched.disk import der
from tests import signing
from tests.unit import base


def spend(_steps):
    pass


def read(signer):
    return certificates.read(signer.encoded)


class CertificateTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.ca = signing.signer('CA', ca=True)
        self.leaf = signing.signer('Leaf', self.ca)

    def test_fields(self):
        leaf = read(self.leaf)
        numbers = self.leaf.key.public_key().public_numbers()
        self.assertEqual('Leaf', leaf.name)
        self.assertEqual('CA', leaf.issuer_name)
        self.assertEqual('sha256', leaf.hash)
        self.assertEqual(certificates.Key(numbers.n, 65537), leaf.key)
        self.assertEqual(self.leaf.certificate.tbs_certificate_bytes,
                         leaf.signed)
        self.assertEqual(self.leaf.certificate.signature, leaf.signature)
        self.assertFalse(leaf.is_ca)
        self.assertTrue(read(self.ca).is_ca)

    def test_the_issuer_signed_it(self):
        self.assertTrue(read(self.ca).issued(read(self.leaf), spend))
        self.assertTrue(read(self.ca).issued(read(self.ca), spend))
        self.assertFalse(read(self.leaf).issued(read(self.ca), spend))

    def test_another_key_of_the_same_name_did_not(self):
        other = signing.signer('CA', key_name='another', ca=True)
        self.assertFalse(read(other).issued(read(self.leaf), spend))

    def test_a_certificate_that_is_no_ca_issues_none(self):
        leaf = signing.signer('Below', self.leaf)
        self.assertFalse(read(self.leaf).issued(read(leaf), spend))

    def test_all_hash_functions(self):
        for name in ('sha1', 'sha256', 'sha384', 'sha512'):
            data = b'text'
            signature = self.leaf.key.sign(
                data, padding.PKCS1v15(), signing.HASHES[name]())
            key = read(self.leaf).key
            digest = hashlib.new(name, data).digest()
            self.assertTrue(key.verify(name, digest, signature, spend))
            self.assertFalse(key.verify(
                name, digest[:-1] + b'?', signature, spend))
            self.assertFalse(key.verify(
                name, digest, signature[:-1], spend))
            self.assertFalse(key.verify(
                name, digest, b'\0' + signature, spend))

    def test_a_number_larger_than_the_modulus_is_no_signature(self):
        key = read(self.leaf).key
        # The modulus has 2048 bits: a sum with a third of all signatures has.
        texts = (b'%d' % number for number in itertools.count())
        for text in texts:
            signature = self.leaf.key.sign(
                text, padding.PKCS1v15(), signing.HASHES['sha256']())
            larger = int.from_bytes(signature, 'big') + key.modulus
            if larger < 1 << 2048:
                break
        digest = hashlib.sha256(text).digest()
        self.assertTrue(key.verify('sha256', digest, signature, spend))
        self.assertFalse(key.verify(
            'sha256', digest, larger.to_bytes(256, 'big'), spend))

    def test_a_small_key_has_no_room_for_a_hash(self):
        key = certificates.Key(2 ** 255 + 95, 3)
        self.assertFalse(key.verify(
            'sha256', bytes(32), bytes(32), spend))

    def test_the_work_is_charged_by_the_size_of_the_key(self):
        for steps, bits in ((400, 2048), (2000, 2049), (2000, 4096),
                            (8000, 8192)):
            charged = []
            certificates.Key((1 << bits - 1) + 1, 3).verify(
                'sha256', bytes(32), bytes(bits // 8), charged.append)
            self.assertEqual([steps], charged)

    def test_a_key_of_another_kind_is_none(self):
        leaf = signing.signer('Curve', private=signing.ec_key('Curve'),
                              ca=True)
        self.assertIsNone(read(leaf).key)
        self.assertRaises(certificates.UnsupportedError,
                          read(leaf).issued, read(leaf), spend)

    def test_names(self):
        name = self.leaf.certificate.subject.public_bytes()
        self.assertEqual('Leaf', certificates.common_name(name))
        for expected, data in (
                ('', b''), ('', b'\x30\x00'), ('', b'\x30\x02\x31\x00'),
                ('x' * 64, signing.sequence(signing.element(
                    0x31, signing.sequence(
                        signing.oid_element('550403'),
                        signing.element(12, b'x' * 70))))),
                ('ab', signing.sequence(signing.element(
                    0x31, signing.sequence(
                        signing.oid_element('550403'),
                        signing.element(0x1e, b'\0a\0b')))))):
            self.assertEqual(expected, certificates.common_name(data))

    @hypothesis.given(strategies.data())
    def test_no_changed_byte_of_what_is_signed_verifies(self, data):
        encoded = bytearray(self.leaf.encoded)
        start = encoded.index(self.leaf.certificate.tbs_certificate_bytes)
        end = start + len(self.leaf.certificate.tbs_certificate_bytes)
        place = data.draw(strategies.integers(start, end - 1))
        encoded[place] ^= data.draw(strategies.integers(1, 255))
        try:
            changed = certificates.read(bytes(encoded))
            self.assertFalse(read(self.ca).issued(changed, spend))
        except (der.DERError, certificates.UnsupportedError):
            pass

    @hypothesis.given(strategies.data())
    def test_changed_bytes_raise_nothing_else(self, data):
        encoded = bytearray(self.leaf.encoded)
        for _ in range(data.draw(strategies.integers(1, 8))):
            place = data.draw(strategies.integers(0, len(encoded) - 1))
            encoded[place] = data.draw(strategies.integers(0, 255))
        try:
            leaf = certificates.read(bytes(encoded))
            self.assertLessEqual(len(leaf.name), 64)
            read(self.ca).issued(leaf, spend)
        except (der.DERError, certificates.UnsupportedError):
            pass
