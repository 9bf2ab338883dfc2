# SPDX-License-Identifier: Apache-2.0

import struct

import hypothesis
from hypothesis import strategies

from hyperv_sched.disk import sbat
from tests import signing
from tests.unit import base

LEVEL = sbat.Level('2025021800', {'sbat': 1, 'shim': 4, 'grub': 5})


class LevelTestCase(base.TestCase):

    def test_the_automatic_level(self):
        self.assertEqual(LEVEL, sbat.automatic_level(signing.sbat_levels(
            'sbat,1,2025021800\nshim,4\ngrub,5\n')))

    def test_no_level(self):
        valid = signing.sbat_levels('sbat,1,2025021800\n')
        for section in (
                b'', valid[:11], struct.pack('<III', 1, 8, 8) + valid[12:],
                struct.pack('<III', 0, 4000, 8) + valid[12:],
                signing.sbat_levels('shim,4\n'),
                signing.sbat_levels('sbat,1\n')):
            self.assertIsNone(sbat.automatic_level(section))

    @hypothesis.given(strategies.binary(max_size=100))
    def test_any_bytes_can_be_read(self, data):
        sbat.automatic_level(data)
        sbat.revoked(data, LEVEL)


class RevokedTestCase(base.TestCase):

    def test_the_oldest_generation_of_a_component(self):
        self.assertEqual('', sbat.revoked(
            b'sbat,1,x\ngrub,5,x\ngrub.debian,1,x\n\0\0', LEVEL))
        self.assertEqual(
            'grub of generation 4, and 5 is the oldest that shim starts',
            sbat.revoked(b'sbat,1,x\ngrub,4,x\n', LEVEL))

    def test_what_is_no_number_is_generation_0(self):
        for text in (b'x', b'', b'-5'):
            self.assertIn('grub of generation 0', sbat.revoked(
                b'grub,' + text + b'\n', LEVEL))

    def test_a_generation_has_16_bits(self):
        self.assertIn('grub of generation 0', sbat.revoked(
            b'grub,65536\n', LEVEL))

    def test_lines_behind_a_zero_are_not_read(self):
        self.assertEqual('', sbat.revoked(b'sbat,1\n\0grub,1\n', LEVEL))
