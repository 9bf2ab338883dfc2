# SPDX-License-Identifier: Apache-2.0

import struct

from tests import guests
from tests.unit.disk import base

LOADER = 'EFI/BOOT/BOOTX64.EFI'
#: Places of fields in the file: of the PE header, of the optional one.
PE = 64
OPTIONAL = PE + 24
RESOURCES, SECURITY, RELOCATIONS, DEBUG = (
    OPTIONAL + 112 + 8 * number for number in (2, 4, 5, 6))
SECTION = OPTIONAL + 240
#: Where the section lies in the file and in memory.
OFFSET, ADDRESS = 512, 4096
MEMORY = 8192
POINTER = 0x100

HII = '\3HII'.encode('utf-16-le')
TEXT = DIRECTORY = 1 << 31


def block(*places, page=ADDRESS, size=None):
    """A block of relocations; places are (type, offset)."""
    size = 8 + 2 * len(places) if size is None else size
    return struct.pack('<II', page, size) + b''.join(
        struct.pack('<H', kind << 12 | offset) for kind, offset in places)


def resources(*entries, others=0):
    """A directory of resources."""
    return struct.pack('<12xHH', len(entries), others) + b''.join(
        struct.pack('<II', *entry) for entry in entries)


class ProgramTestCase(base.TestCase):
    """What firmware does not load, and what it loads for all that."""

    def program(self, *changes, content=b'', name=b'.text'):
        data = bytearray(guests.program())
        # The code begins behind the content.
        struct.pack_into('<I', data, OPTIONAL + 16, ADDRESS + 0x180)
        struct.pack_into('<8s', data, SECTION, name)
        data[OFFSET:OFFSET + len(content)] = content
        for layout, offset, *values in changes:
            struct.pack_into(layout, data, offset, *values)
        return bytes(data)

    def assertLoads(self, *changes, **options):
        self.assertStarts(guests.gpt([(guests.ESP, 64, guests.fat(
            {LOADER: self.program(*changes, **options)}))]))

    def assertRefused(self, why, *changes, **options):
        found = self.assertLoaderFails('loader-not-efi-app', {
            LOADER: self.program(*changes, **options)})
        self.assertIn(why, found.defects['loader-not-efi-app'])


class HeaderTestCase(ProgramTestCase):

    def test_number_of_directories(self):
        self.assertLoads(('<I', OPTIONAL + 108, 16))
        for number in (0, 15, 17, 0xffffffff):
            self.assertRefused(f'{number} directories',
                               ('<I', OPTIONAL + 108, number))
        for size in (0, 232, 248):
            self.assertRefused('16 directories', ('<H', PE + 20, size))

    def test_headers_hold_the_section(self):
        end = SECTION + 40
        self.assertLoads(('<I', OPTIONAL + 60, end))
        for size in (0, 128, SECTION, end - 1):
            self.assertRefused('too small', ('<I', OPTIONAL + 60, size))
        self.assertRefused('overlaps the headers',
                           ('<I', OPTIONAL + 60, OFFSET + 1))
        self.assertRefused('cut off', ('<I', OPTIONAL + 60, 4096))

    def test_memory_has_room_for_the_headers(self):
        for memory in (0, 400, SECTION + 79):
            self.assertRefused(f'size in memory is {memory} bytes',
                               ('<I', OPTIONAL + 56, memory))

    def test_code_comes_from_the_file(self):
        self.assertLoads(('<I', OPTIONAL + 16, ADDRESS + 511))
        for entry_point in (0, 64, ADDRESS - 1, ADDRESS + 512, MEMORY):
            self.assertRefused('no code at the entry point',
                               ('<I', OPTIONAL + 16, entry_point))

    def test_sections_lie_side_by_side(self):
        for address, loads in ((ADDRESS + 512, True), (ADDRESS + 511, False),
                               (ADDRESS, False), (ADDRESS - 511, False),
                               (ADDRESS - 512, True)):
            changes = (
                ('<H', PE + 6, 2), ('<I', OPTIONAL + 60, SECTION + 80),
                ('<8s4I', SECTION + 40, b'.data', 512, address, 512, 512))
            if loads:
                self.assertLoads(*changes)
            else:
                self.assertRefused('overlaps another in memory', *changes)

    def test_signature_lies_in_the_file(self):
        self.assertLoads(('<II', SECURITY, 1016, 8))
        self.assertLoads(('<II', SECURITY, 0x10000000, 0))
        self.assertRefused('the signature', ('<II', SECURITY, 1016, 9))

    def test_debug_directory_lies_in_the_file(self):
        self.assertLoads(('<II', DEBUG, 0x10000000, 28))
        self.assertLoads(('<II', DEBUG, ADDRESS, 18 * 28))
        self.assertRefused('debug directory', ('<II', DEBUG, ADDRESS, 37 * 28))
        self.assertRefused('debug directory', ('<II', DEBUG, ADDRESS + 508, 1))

    def test_debug_data_lie_in_memory(self):
        entry = struct.pack('<12xIIII', 2, 100, ADDRESS, 0)
        self.assertLoads(('<II', DEBUG, ADDRESS, 28), content=entry)
        self.assertRefused(
            'the debug data are at 0x2000', ('<II', DEBUG, ADDRESS, 28),
            content=struct.pack('<12xIIII', 2, 100, MEMORY, 0))


class RelocationsTestCase(ProgramTestCase):

    def listed(self, size):
        return '<II', RELOCATIONS, ADDRESS, size

    def test_blocks_that_hold_together(self):
        for content in (block(), block((0, 0)), block((0, 0), page=0),
                        block((3, 0x40)) + block((1, 5), (2, 9))):
            self.assertLoads(self.listed(len(content)), content=content)

    def test_blocks_that_cannot_be(self):
        for why, content, size in (
                ('a block of 0 bytes', b'', 8),
                ('a block of 0 bytes', block((0, 0)), 18),
                ('a block of 10 bytes', block((0, 0)), 9),
                ('a block of 7 bytes', block(size=7), 8),
                ('a block of 4294967295', block(size=0xffffffff), 8),
                ('type 9', block((9, 0)), 10),
                ('type 15', block((0, 0), (15, 0)), 12),
                ('for address 0x2000', block((0, 0), page=MEMORY), 10),
                ('for address 0x2001', block(
                    (3, 2), page=MEMORY - 1), 10),
                ('for address 0xffffffff', block(page=0xffffffff), 8)):
            self.assertRefused(why, self.listed(size), content=content)

    def test_directory_lies_in_memory(self):
        for address, size in ((MEMORY, 1), (ADDRESS, 4097),
                              (0xffffffff, 0xffffffff)):
            self.assertRefused('the relocations end at', (
                '<II', RELOCATIONS, address, size))
        self.assertLoads(('<II', RELOCATIONS, 0x10000000, 0))

    def test_all_are_listed(self):
        content = (block((10, POINTER)) + block((10, POINTER))).ljust(
            POINTER, b'\0') + struct.pack('<Q', ADDRESS)
        self.assertLoads(self.listed(20), content=content, name=b'.reloc')
        for size in (0, 1, 10):
            self.assertRefused(
                'no directory lists the relocations', self.listed(size),
                content=content, name=b'.reloc')

    def test_some_programs_do_without(self):
        """They have a section for form's sake, as systemd-boot and shim."""
        self.assertLoads(self.listed(0), content=block((0, 0)),
                         name=b'.reloc')

    def test_stripped(self):
        stripped = '<H', PE + 22, 0x23
        self.assertRefused('base address 0x0 cannot be used', stripped)
        self.assertLoads(stripped, ('<Q', OPTIONAL + 24, 0x1000000))
        self.assertRefused('base address 0x1000800 cannot be used', stripped,
                           ('<Q', OPTIONAL + 24, 0x1000800))

    def test_what_is_put_right_are_addresses_in_the_program(self):
        content = block((10, POINTER)).ljust(
            POINTER, b'\0') + struct.pack('<Q', 0x1000000 + ADDRESS)
        self.assertLoads(self.listed(10), ('<Q', OPTIONAL + 24, 0x1000000),
                         content=content)
        for place in (0, 0x2000000, 0x1000000 - MEMORY):
            self.assertRefused(
                f'another base address than {place:#x}', self.listed(10),
                ('<Q', OPTIONAL + 24, place), content=content)


class ResourcesTestCase(ProgramTestCase):

    def listed(self, size):
        return '<II', RESOURCES, ADDRESS, size

    def test_those_firmware_does_not_look_for(self):
        for content, size in (
                (resources(), 16), (resources((7, 0xffff)), 24),
                (resources((TEXT | 24, 0xffff)) + b'\3\0X\0I\0I\0', 40)):
            self.assertLoads(self.listed(size), content=content)
        # Nothing is read there.
        self.assertLoads(('<II', RESOURCES, MEMORY, 100))

    def test_forms(self):
        below = resources((1, DIRECTORY | 56)) + HII
        content = (resources((TEXT | 48, DIRECTORY | 24)) + below).ljust(
            56, b'\0') + resources((1, 80))
        self.assertLoads(self.listed(88), content=content)
        # Each step in its turn, the first that is too far.
        for size in (80, 79, 56, 48, 47, 24):
            self.assertRefused('invalid resources at 0x1000',
                               self.listed(size), content=content)

    def test_entries_that_do_not_fit(self):
        for content, size in ((b'', 1), (b'', 15), (resources((0, 0)), 23),
                              (resources(others=0xffff), 100),
                              (resources((TEXT | 24, 0)), 24)):
            self.assertRefused('invalid resources at 0x1000',
                               self.listed(size), content=content)
