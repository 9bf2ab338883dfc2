# SPDX-License-Identifier: Apache-2.0

import contextlib
import hashlib
import struct

import hypothesis
from hypothesis import strategies

from hyperv_sched.disk import authenticode
from hyperv_sched.disk import certificates
from hyperv_sched.disk import pe
from tests import guests
from tests import signing
from tests.unit.disk import test_pe

#: Its headers are 512 bytes, and its section follows them.
PROGRAM = guests.program(size=1024)
PROGRAM = PROGRAM[:148] + struct.pack('<I', 512) + PROGRAM[152:]
CHECKSUM = slice(64 + 88, 64 + 92)
ENTRY = slice(64 + 168, 64 + 176)


def contents(data):
    return pe.read(test_pe.ProgramFile(data)).contents


class SignatureTestCase(test_pe.base.TestCase):

    def setUp(self):
        super().setUp()
        self.ca = signing.signer('CA', ca=True)
        self.leaf = signing.signer('Leaf', self.ca)
        self.anchor = certificates.read(self.ca.encoded)

    def read(self, data):
        return authenticode.read(contents(data))

    def covers(self, data):
        """Return whether a file loads and has a signature of all of it."""
        try:
            program = contents(data)
        except pe.LoadError:
            return False
        if program is None or not program.certificate_table[1]:
            return False
        table = authenticode.read(program)
        return not table.defect and any(
            not signature.defect and authenticode.digest(
                program, [signature.hash]).get(
                    signature.hash) == signature.digest
            for signature in table.signatures)


class ValidTestCase(SignatureTestCase):

    def test_a_signature(self):
        table = self.read(signing.sign(PROGRAM, self.leaf, self.ca))
        signature, = table.signatures
        self.assertEqual('', table.defect)
        self.assertEqual('', table.shim_defect)
        self.assertEqual('', signature.defect)
        self.assertEqual('sha256', signature.hash)
        self.assertEqual(hashlib.sha256(
            signing.signed_ranges(PROGRAM)).digest(), signature.digest)
        self.assertEqual([self.anchor], signature.anchors([self.anchor]))

    def test_each_hash_function(self):
        for name in ('sha1', 'sha256', 'sha384', 'sha512'):
            self.assertTrue(self.covers(signing.sign(
                PROGRAM, self.leaf, name=name)), name)

    def test_without_attributes(self):
        self.assertTrue(self.covers(signing.sign(
            PROGRAM, self.leaf, attributes=False)))

    def test_the_issuer_need_not_be_in_the_table(self):
        signature, = self.read(signing.sign(PROGRAM, self.leaf)).signatures
        self.assertEqual([self.anchor], signature.anchors([self.anchor]))

    def test_a_longer_chain(self):
        middle = signing.signer('Middle', self.ca, ca=True)
        leaf = signing.signer('Leaf of Middle', middle)
        signature, = self.read(signing.sign(
            PROGRAM, leaf, middle)).signatures
        self.assertEqual([self.anchor], signature.anchors([self.anchor]))
        signature, = self.read(signing.sign(PROGRAM, leaf)).signatures
        self.assertEqual([], signature.anchors([self.anchor]))

    def test_certificates_that_issue_each_other(self):
        circle = signing.signer('Circle', ca=True)
        cross = signing.signer(
            'Circle', circle, key_name='Circle', ca=True)
        leaf = signing.signer('Leaf of Circle', circle)
        signature, = self.read(signing.sign(
            PROGRAM, leaf, circle, cross, cross)).signatures
        self.assertEqual([], signature.anchors([self.anchor]))

    def test_the_work_on_a_chain_is_charged(self):
        charged = []

        class File(test_pe.ProgramFile):
            def spend(self, steps):
                charged.append(steps)

        contents = pe.read(File(signing.sign(
            PROGRAM, self.leaf, self.ca))).contents
        signature, = authenticode.read(contents).signatures
        charged.clear()
        signature.anchors([self.anchor])
        # Once for the chain, once for the anchor.
        self.assertEqual([400, 400], charged)

    def test_the_certificate_of_the_signer_can_be_the_anchor(self):
        leaf = certificates.read(self.leaf.encoded)
        signature, = self.read(signing.sign(PROGRAM, self.leaf)).signatures
        self.assertEqual([leaf], signature.anchors([leaf]))

    def test_adjacent_sections_are_hashed_with_what_follows(self):
        data = bytearray(PROGRAM)
        struct.pack_into('<I', data, 64 + 264 + 16, 256)
        self.assertEqual(
            [(0, 152), (156, 232), (240, 512), (512, 768), (768, 1024)],
            contents(bytes(data)).signed_ranges())

    def test_what_follows_begins_at_the_sum_of_the_sizes(self):
        # Headers of 400 bytes and a section of 512 at 512.
        self.assertEqual(
            [(0, 152), (156, 232), (240, 400), (512, 1024), (912, 1024)],
            contents(guests.program(size=1024)).signed_ranges())


class UntrustedTestCase(SignatureTestCase):

    def test_a_ca_of_the_same_name_with_another_key(self):
        other = signing.signer('CA', key_name='another', ca=True)
        leaf = signing.signer('Leaf', other, key_name='another leaf')
        signature, = self.read(signing.sign(
            PROGRAM, leaf, other)).signatures
        self.assertEqual('', signature.defect)
        self.assertEqual([], signature.anchors([self.anchor]))

    def test_a_trusted_certificate_beside_a_foreign_signature(self):
        other = signing.signer('Other')
        signature, = self.read(signing.sign(
            PROGRAM, other, self.leaf, self.ca)).signatures
        self.assertEqual('', signature.defect)
        self.assertEqual([], signature.anchors([self.anchor]))

    def test_a_signature_that_names_the_certificate_of_another(self):
        other = signing.signer('Other')
        signature, = self.read(signing.sign(
            PROGRAM, other, self.leaf, named=self.leaf)).signatures
        self.assertEqual('Leaf has not signed it', signature.defect)
        self.assertEqual([self.anchor], signature.anchors([self.anchor]))

    def test_a_leaf_is_not_an_issuer(self):
        below = signing.signer('Below', self.leaf)
        signature, = self.read(signing.sign(
            PROGRAM, below, self.leaf)).signatures
        self.assertEqual([], signature.anchors([self.anchor]))

    def test_two_signers_are_both_needed(self):
        other = signing.signer('Other')
        data = signing.content(hashlib.sha256(
            signing.signed_ranges(PROGRAM)).digest())[2:]
        signature, = self.read(signing.sign(
            PROGRAM, self.leaf, other, infos=[
                signing.signer_info(self.leaf, data),
                signing.signer_info(other, data)])).signatures
        self.assertEqual('', signature.defect)
        self.assertEqual([], signature.anchors([self.anchor]))


class InvalidTestCase(SignatureTestCase):

    def assertUndecodable(self, reason, data):
        table = self.read(data)
        self.assertEqual((), table.signatures)
        self.assertEqual((reason,), table.undecodable)

    def test_another_hash_function_at_the_beginning(self):
        encoded = signing.pkcs7(PROGRAM, self.leaf)
        oid = bytes.fromhex('608648016503040201')
        self.assertUndecodable('an unknown hash function', signing.attach(
            PROGRAM, signing.entry(encoded.replace(
                oid, bytes.fromhex('608648016503040209'), 1))))

    def test_the_attributes_of_another_signature(self):
        signature, = self.read(signing.sign(
            PROGRAM, self.leaf, stated=b'other')).signatures
        self.assertEqual('its attributes are those of another signature',
                         signature.defect)

    def test_the_hash_of_another_program(self):
        self.assertFalse(self.covers(signing.sign(
            PROGRAM, self.leaf, digest=bytes(32))))

    def test_the_certificate_of_the_signer_is_missing(self):
        self.assertUndecodable(
            'the certificate of the signer is missing', signing.sign(
                PROGRAM, self.leaf, certificates=[self.ca]))

    def test_content_that_is_no_signature(self):
        for data in (b'', b'\0' * 40, b'0\x82\0\0' + b'\0' * 100):
            self.assertEqual((), self.read(signing.attach(
                PROGRAM, signing.entry(data, padded=True))).signatures)

    def test_a_key_of_another_kind_is_not_supported(self):
        curve = signing.signer(
            'Curve', private=signing.ec_key('Curve'))
        info = signing.signer_info(self.leaf, b'', named=curve)
        table = self.read(signing.sign(
            PROGRAM, self.leaf, certificates=[curve], infos=[info]))
        self.assertEqual((), table.signatures)
        self.assertEqual((), table.undecodable)
        self.assertEqual(1, len(table.unsupported))


class TableTestCase(SignatureTestCase):

    def setUp(self):
        super().setUp()
        self.encoded = signing.pkcs7(PROGRAM, self.leaf)
        self.entry = signing.entry(self.encoded)

    def assertRefused(self, defect, shim_defect, *entries, size=None):
        table = self.read(signing.attach(PROGRAM, *entries, size=size))
        self.assertEqual(defect, table.defect)
        self.assertEqual(shim_defect, table.shim_defect)

    def assertAccepted(self, count, *entries):
        table = self.read(signing.attach(PROGRAM, *entries))
        self.assertEqual('', table.defect)
        self.assertEqual('', table.shim_defect)
        self.assertEqual(count, len(table.signatures))

    def test_lengths_with_and_without_the_padding(self):
        self.assertAccepted(1, self.entry)
        self.assertAccepted(1, signing.entry(
            self.encoded, length=len(self.entry)))

    def test_several_entries(self):
        self.assertAccepted(2, self.entry, self.entry)

    def test_entries_of_other_types_count_for_nothing(self):
        self.assertAccepted(0, signing.entry(self.encoded, kind=1))
        self.assertAccepted(
            1, signing.entry(b'a GUID and content', kind=0xef1), self.entry)

    def test_undecodable_content_beside_a_signature(self):
        self.assertAccepted(1, signing.entry(b'garbage!'), self.entry)

    def test_an_entry_without_content(self):
        self.assertAccepted(1, signing.entry(b'', kind=1), self.entry)
        for first in (signing.entry(b''),
                      signing.entry(b'only some GUID..', kind=0xef1)):
            words = (f'its entries end at byte 0 of '
                     f'{len(first + self.entry)}')
            self.assertRefused(words, words, first, self.entry)

    def test_an_entry_of_length_0(self):
        size = len(self.entry)
        self.assertRefused(
            f'its entries end at byte {size} of {size + 16}',
            f'its entries end at byte {size} of {size + 16}',
            self.entry, signing.entry(bytes(8), length=0))

    def test_an_entry_longer_than_the_rest(self):
        size = len(self.entry)
        self.assertRefused(
            f'its entries end at byte 0 of {size}',
            f'its entries end at byte 0 of {size}',
            signing.entry(self.encoded, length=size + 1))

    def test_a_size_without_the_padding_is_one_for_shim_only(self):
        encoded = self.encoded + bytes(-len(self.encoded) % 8 + 1)
        entry = signing.entry(encoded, padded=False)
        size = len(entry)
        self.assertEqual(1, size % 8)
        self.assertRefused(
            f'its entries end at byte {size + 7} of {size}', '', entry)

    def test_bytes_behind_the_table(self):
        data = signing.attach(PROGRAM, self.entry) + bytes(8)
        self.assertEqual('8 bytes follow it', self.read(data).defect)

    def test_a_table_too_large_to_read(self):
        self.assertRaises(
            authenticode.UnreadableError, self.read, signing.attach(
                PROGRAM, signing.entry(bytes(256 * 1024 - 8 + 8))))

    def test_the_number_of_signatures_is_limited(self):
        entries = [signing.entry(b'garbage!')] * 16
        self.assertAccepted(0, *entries)
        self.assertRaises(
            authenticode.UnreadableError, self.read,
            signing.attach(PROGRAM, signing.entry(b'garbage!'), *entries))


class CoverageTestCase(SignatureTestCase):
    """What a signature covers, one byte at a time."""

    def setUp(self):
        super().setUp()
        self.signed = signing.sign(PROGRAM, self.leaf, self.ca)

    @hypothesis.given(strategies.data())
    def test_a_changed_byte_of_the_program_makes_it_invalid(self, data):
        place = data.draw(strategies.integers(512, len(PROGRAM) - 1))
        changed = bytearray(self.signed)
        changed[place] ^= data.draw(strategies.integers(1, 255))
        self.assertTrue(self.covers(self.signed))
        self.assertFalse(self.covers(bytes(changed)))

    @hypothesis.given(strategies.data())
    def test_a_changed_byte_of_the_headers_makes_it_invalid(self, data):
        place = data.draw(strategies.integers(0, 511))
        hypothesis.assume(place not in range(CHECKSUM.start, CHECKSUM.stop))
        changed = bytearray(self.signed)
        changed[place] ^= data.draw(strategies.integers(1, 255))
        self.assertFalse(self.covers(bytes(changed)))

    @hypothesis.given(strategies.binary(min_size=4, max_size=4))
    def test_any_checksum_is_valid(self, checksum):
        changed = bytearray(self.signed)
        changed[CHECKSUM] = checksum
        self.assertTrue(self.covers(bytes(changed)))

    @hypothesis.given(strategies.data())
    def test_changed_bytes_of_the_table_raise_nothing(self, data):
        changed = bytearray(self.signed)
        for _ in range(data.draw(strategies.integers(1, 8))):
            place = data.draw(strategies.integers(
                len(PROGRAM), len(changed) - 1))
            changed[place] = data.draw(strategies.integers(0, 255))
        table = self.read(bytes(changed))
        for signature in table.signatures:
            with contextlib.suppress(certificates.UnsupportedError):
                signature.anchors([self.anchor])
