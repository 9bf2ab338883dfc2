# SPDX-License-Identifier: Apache-2.0

import json
import struct

from tests import signing
from tests.unit import base
from tools import secure_boot_data


class ReadDBXTestCase(base.TestCase):

    LIST = signing.signature_list(signing.SHA256, b'2' * 32, b'1' * 32)
    HASHES = [(b'1' * 32).hex(), (b'2' * 32).hex()]

    def test_json_of_microsoft(self):
        self.assertEqual(self.HASHES, secure_boot_data.read_dbx(json.dumps({
            'images': {'x64': [
                {'authenticodeHash': self.HASHES[1].upper(),
                 'hashType': 'SHA256'},
                {'authenticodeHash': self.HASHES[0].upper(),
                 'hashType': 'SHA256'},
                {'authenticodeHash': 'AA' * 20, 'hashType': 'SHA1'}],
                'arm64': [{'authenticodeHash': 'BB' * 32}]},
        }).encode()))

    def test_signature_lists(self):
        self.assertEqual(
            self.HASHES, secure_boot_data.read_dbx(self.LIST))

    def test_update_of_a_variable(self):
        certificate = struct.pack('<IHH', 32, 0x200, 0xef1) + bytes(24)
        self.assertEqual(self.HASHES, secure_boot_data.read_dbx(
            struct.pack('<H14x', 2026) + certificate + self.LIST))
