# SPDX-License-Identifier: Apache-2.0

import struct
import uuid

from hyperv_sched.cli import uefi_variables
from hyperv_sched.disk import signature_lists
from hyperv_sched.disk import templates
from tests.unit import base

#: The first variable of a store of 4 KiB.
START, END = 72 + 28, 72 + 4096


def store(size=4096, volume=8192, guid='fff12b8d-7696-4c8b-a985-2747075b4f50',
          signature=b'_FVH', store_guid='aaf32c78-947b-439a-a180-2e144ec37792',
          state=0xfe):
    header = struct.pack(
        '<16x16sQ4sIH22x', uuid.UUID(guid).bytes_le, volume, signature, 0, 72)
    header = header[:72] + bytes(72 - len(header[:72]))
    return (header + struct.pack(
        '<16sIBB6x', uuid.UUID(store_guid).bytes_le, size, 0x5a, state,
    )).ljust(8192, b'\xff')


class StoreTestCase(base.TestCase):

    def fill(self, data, size=1):
        return uefi_variables.fill(data, [uefi_variables.Variable(
            'Ab', uuid.UUID(int=1), 7, bytes(size))])

    def test_variable_is_encoded(self):
        filled = self.fill(store())
        self.assertEqual(8192, len(filled))
        self.assertEqual(store()[:START], filled[:START])
        self.assertEqual(
            struct.pack('<HBxI24xIII', 0x55aa, 0x3f, 7, 0, 6, 1)
            + uuid.UUID(int=1).bytes_le + b'A\0b\0\0\0\0\xff',
            filled[START:START + 68])
        self.assertEqual({0xff}, {*filled[START + 68:]})

    def test_next_variable_begins_at_four_bytes(self):
        variable = uefi_variables.Variable('A', uuid.UUID(int=1), 7, b'12345')
        filled = uefi_variables.fill(store(), (variable, variable))
        self.assertEqual(
            b'\xaa\x55', filled[START + 60 + 4 + 8:][:2])

    def test_old_variables_are_removed(self):
        filled = uefi_variables.fill(self.fill(store()), ())
        self.assertEqual(store(), filled)

    def test_room(self):
        room = END - START - 60 - 6
        self.assertEqual(8192, len(self.fill(store(), room)))
        self.assertRaisesRegex(
            uefi_variables.StoreError, 'room for 4068 bytes.* take 4072',
            self.fill, store(), room + 3)

    def test_other_files_are_refused(self):
        for data, message in (
                (b'', 'cut off'), (store()[:80], 'cut off'),
                (bytes(8192), 'no store'),
                (store(signature=b'_FVX'), 'no store'),
                (store(guid=str(uuid.UUID(int=1))), 'no store'),
                (store(store_guid=str(uuid.UUID(int=1))), 'no store'),
                (store(state=0xff), 'no store'),
                (store(size=27), 'invalid size: 27'),
                (store(size=8192 - 71), 'invalid size'),
                (store(size=5000, volume=5000), 'invalid size')):
            self.assertRaisesRegex(
                uefi_variables.StoreError, message, self.fill, data)
        self.fill(store(size=8192 - 72))


class KeysTestCase(base.TestCase):

    def test_keys_are_those_of_the_template(self):
        for template in templates.load().values():
            variables = {variable.name: variable for variable
                         in uefi_variables.secure_boot(template)}
            self.assertEqual(
                ['PK', 'KEK', 'db', 'dbx', 'SecureBootEnable'], [*variables])
            db = signature_lists.read(variables['db'].value)
            self.assertEqual(
                tuple(anchor.certificate for anchor in template.db),
                db.certificates)
            self.assertEqual(frozenset(), db.hashes)
            self.assertEqual(template.dbx, signature_lists.read(
                variables['dbx'].value))
            self.assertEqual(b'\1', variables['SecureBootEnable'].value)
