# SPDX-License-Identifier: Apache-2.0

import struct

from hyperv_sched.disk import pe
from hyperv_sched.disk.shim import Shim
from tests import guests
from tests.unit.disk import base

LOADER = 'EFI/BOOT/BOOTX64.EFI'
#: File offsets of the PE header, the optional header, data directories, and
#: the section table.
PE = 64
OPTIONAL = PE + 24
RESOURCES, SIGNATURES, RELOCATIONS, DEBUG = (
    OPTIONAL + 112 + 8 * number for number in (2, 4, 5, 6))
SECTION = OPTIONAL + 240
#: File offset and address of the section.
OFFSET, ADDRESS = 512, 4096
MEMORY = 8192


class ProgramFile(base.Bytes):
    """A file whose work is not charged."""

    def spend(self, steps):
        pass


class ProgramTestCase(base.TestCase):
    """The base of tests that change a program that loads."""

    def program(self, *changes, content=b'', name=b'.text'):
        """Return a program with other fields and section content.

        :param changes: (layout, offset, values)
        """
        data = bytearray(guests.program())
        # The entry point is behind the content.
        struct.pack_into('<I', data, OPTIONAL + 16, ADDRESS + 0x180)
        struct.pack_into('<8s', data, SECTION, name)
        data[OFFSET:OFFSET + len(content)] = content
        for layout, offset, *values in changes:
            struct.pack_into(layout, data, offset, *values)
        return bytes(data)

    def assertLoads(self, *changes, **options):
        return pe.read(ProgramFile(self.program(*changes, **options)))

    def assertRefused(self, detail, *changes, **options):
        error = self.assertRaises(
            pe.LoadError, self.assertLoads, *changes, **options)
        self.assertIn(detail, str(error))


class HeaderTestCase(ProgramTestCase):

    def test_files_that_are_no_programs(self):
        program = guests.program()
        for detail, data in (
                ('no MZ header', b''), ('no MZ header', b'MZ'),
                ('no MZ header', b'#!/bin/sh\n'),
                ('no MZ header', bytes(1024)),
                ('no MZ header', program[:63]),
                ('no PE header', program[:64]),
                ('no PE header', program[:327]),
                ('the headers are cut off', program[:328]),
                ('no PE header', program.replace(b'PE', b'NE')),
                ('no PE header', guests.program(magic=0x107)),
                ('no PE32+ header', guests.program(magic=0x10b))):
            error = self.assertRaises(
                pe.LoadError, pe.read, ProgramFile(data))
            self.assertEqual(detail, str(error))

    def test_program_that_does_not_load_is_a_defect(self):
        result = self.assertLoaderFails(
            'loader-not-efi-app', {LOADER: guests.program()[:-1]})
        self.assertEqual(
            '\\EFI\\BOOT\\BOOTX64.EFI: the file is cut off: it has 1023 '
            'bytes, a section ends at 1024',
            result.defects['loader-not-efi-app'])

    def test_pe32_program_is_for_another_machine(self):
        program = pe.read(ProgramFile(
            guests.program(machine=0x14c, magic=0x10b)))
        self.assertEqual(
            pe.Program('ia32', 'application', signed=False), program)

    def test_number_of_directories(self):
        self.assertLoads(('<I', OPTIONAL + 108, 16))
        for number in (0, 15, 17, 0xffffffff):
            self.assertRefused(f'{number} directories',
                               ('<I', OPTIONAL + 108, number))
        for size in (0, 232, 248):
            self.assertRefused('16 directories', ('<H', PE + 20, size))

    def test_directories_that_the_program_lacks(self):
        # With five, the section table is in the place of the relocations.
        section = struct.pack('<8s4I', b'.text', 512, ADDRESS, 512, OFFSET)
        self.assertLoads(
            ('<I', OPTIONAL + 108, 5), ('<H', PE + 20, 112 + 5 * 8),
            ('<40s', RELOCATIONS, section))

    def test_headers_have_room_for_the_section(self):
        end = SECTION + 40
        self.assertLoads(('<I', OPTIONAL + 60, end))
        for size in (0, 128, SECTION, end - 1):
            self.assertRefused('too small', ('<I', OPTIONAL + 60, size))
        self.assertLoads(('<I', OPTIONAL + 60, OFFSET))
        self.assertRefused('a section overlaps the headers',
                           ('<I', OPTIONAL + 60, OFFSET + 1))
        self.assertRefused('a section overlaps the headers',
                           ('<I', OPTIONAL + 60, 1024))
        self.assertRefused('the headers are cut off',
                           ('<I', OPTIONAL + 60, 1025))

    def test_memory_has_room_for_the_headers(self):
        for memory in (0, 400, SECTION + 79):
            self.assertRefused(f'size in memory is {memory} bytes',
                               ('<I', OPTIONAL + 56, memory))

    def test_memory_has_room_for_the_section(self):
        self.assertLoads(('<I', OPTIONAL + 56, ADDRESS + 512))
        self.assertRefused('a section ends at 4608',
                           ('<I', OPTIONAL + 56, ADDRESS + 511))

    def test_entry_point_is_code_from_the_file(self):
        for entry_point in (ADDRESS, ADDRESS + 511):
            self.assertLoads(('<I', OPTIONAL + 16, entry_point))
        for entry_point in (0, 64, ADDRESS - 1, ADDRESS + 512, MEMORY):
            self.assertRefused('no code at the entry point',
                               ('<I', OPTIONAL + 16, entry_point))

    def test_alignment_is_not_0(self):
        self.assertLoads(('<I', OPTIONAL + 32, 1))
        self.assertRefused('no code at the entry point',
                           ('<I', OPTIONAL + 32, 0))

    def test_program_without_sections(self):
        self.assertRefused('no code at the entry point', ('<H', PE + 6, 0))

    def test_at_most_1024_sections(self):
        # Each is empty but the first.
        for count, detail in (
                (1024, None), (1025, 'a table of 1025 sections is cut off')):
            headers = -(-(SECTION + 40 * count) // 512) * 512
            data = bytearray(headers + 512)
            data[:SECTION] = guests.program()[:SECTION]
            struct.pack_into('<H', data, PE + 6, count)
            struct.pack_into('<I', data, OPTIONAL + 16, 65536)
            struct.pack_into('<I', data, OPTIONAL + 56, 131072)
            struct.pack_into('<I', data, OPTIONAL + 60, headers)
            struct.pack_into('<8s4I', data, SECTION, b'.text', 512, 65536,
                             512, headers)
            if detail is None:
                self.assertEqual(
                    'x64', pe.read(ProgramFile(bytes(data))).machine)
            else:
                error = self.assertRaises(
                    pe.LoadError, pe.read, ProgramFile(bytes(data)))
                self.assertEqual(detail, str(error))

    def test_sections_do_not_overlap(self):
        for address, loads in ((ADDRESS + 512, True), (ADDRESS + 511, False),
                               (ADDRESS, False), (ADDRESS - 511, False),
                               (ADDRESS - 512, True)):
            changes = (
                ('<H', PE + 6, 2), ('<I', OPTIONAL + 60, SECTION + 80),
                ('<8s4I', SECTION + 40, b'.data', 512, address, 512, 512))
            if loads:
                self.assertLoads(*changes)
            else:
                self.assertRefused(
                    'a section overlaps another in memory', *changes)

    def test_shim_has_the_certificate_of_its_vendor(self):
        program = pe.read(ProgramFile(guests.program()))
        self.assertIsNone(program.shim)
        program = pe.read(ProgramFile(guests.program(shim=True)))
        self.assertEqual(Shim('grubx64.efi', 'fbx64.efi'), program.shim)

    def test_names_in_the_data_of_a_shim(self):
        strings = guests.shim_strings('grub.efi', 'fallback.efi')
        for data, shim in (
                (strings, Shim('grub.efi', 'fallback.efi')),
                (bytes(32 * 1024 - len(strings)) + strings,
                 Shim('grub.efi', 'fallback.efi')),
                (bytes(32 * 1024) + strings,
                 Shim('grubx64.efi', 'fbx64.efi'))):
            program = pe.read(ProgramFile(
                guests.program(
                    shim=True, sections=[(b'.data', data)])))
            self.assertEqual(shim, program.shim)
        program = pe.read(ProgramFile(guests.program(
            sections=[(b'.data', strings)])))
        self.assertIsNone(program.shim)


class DirectoriesTestCase(ProgramTestCase):

    def test_signature_is_in_the_file(self):
        for offset, size, signed in (
                (1016, 8, True), (0, 8, False), (1016, 0, False),
                (0x10000000, 0, False)):
            program = self.assertLoads(('<II', SIGNATURES, offset, size))
            self.assertIs(signed, program.signed)
        self.assertRefused(
            'the file is cut off: it has 1024 bytes, the signature ends at '
            '1025', ('<II', SIGNATURES, 1016, 9))

    def test_debug_directory_is_in_the_file(self):
        self.assertLoads(('<II', DEBUG, 0x10000000, 28))
        for address in (ADDRESS, ADDRESS + 8):
            self.assertLoads(('<II', DEBUG, address, 18 * 28))
        # From offset 512, 18 entries end at 1016 and 19 at 1044.
        for size in (18 * 28 + 1, 37 * 28):
            self.assertRefused('the debug directory ends at',
                               ('<II', DEBUG, ADDRESS, size))
        self.assertRefused('the debug directory ends at 1048',
                           ('<II', DEBUG, ADDRESS + 508, 1))

    def test_debug_data_are_in_memory(self):
        for address, loads in ((MEMORY - 1, True), (MEMORY, False)):
            content = struct.pack('<12xIIII', 2, 100, address, 0)
            if loads:
                self.assertLoads(('<II', DEBUG, ADDRESS, 28),
                                 content=content)
            else:
                self.assertRefused(
                    'the debug data are at 0x2000',
                    ('<II', DEBUG, ADDRESS, 28), content=content)

    def test_resources_outside_of_memory_are_not_read(self):
        self.assertLoads(('<II', RESOURCES, MEMORY, 15))
        self.assertRefused('invalid resources at 0x1fff',
                           ('<II', RESOURCES, MEMORY - 1, 1))
