# SPDX-License-Identifier: Apache-2.0

import struct

from hyperv_sched.disk import relocations
from tests.unit import base
from tests.unit.disk import test_pe
from tests.unit.disk.test_pe import ADDRESS
from tests.unit.disk.test_pe import MEMORY
from tests.unit.disk.test_pe import OPTIONAL
from tests.unit.disk.test_pe import PE
from tests.unit.disk.test_pe import RELOCATIONS

POINTER = 0x100
BASE = OPTIONAL + 24


def block(*entries, page=ADDRESS, size=None):
    """Return a block of relocations: (type, offset)."""
    size = 8 + 2 * len(entries) if size is None else size
    return struct.pack('<II', page, size) + b''.join(
        struct.pack('<H', kind << 12 | offset) for kind, offset in entries)


def spend(steps):
    pass


class CheckTestCase(base.TestCase):

    def test_blocks_that_are_valid(self):
        for data in (block(), block((0, 0)), block((0, 0), page=0),
                     block((3, 0x40)) + block((1, 5), (2, 9)),
                     block((10, 0xfff), page=MEMORY - 0x1000),
                     block((10, 0), page=MEMORY - 1)):
            self.assertEqual(len(data), relocations.check(
                data, len(data), MEMORY, spend))

    def test_blocks_that_are_invalid(self):
        for detail, data, size in (
                ('a block of 0 bytes, where 8 bytes are left', b'', 8),
                ('a block of 0 bytes, where 8 bytes are left',
                 block((0, 0)), 18),
                ('a block of 10 bytes, where 9 bytes are left',
                 block((0, 0)), 9),
                ('a block of 7 bytes, where 8 bytes are left',
                 block(size=7), 8),
                ('a block of 4294967295 bytes, where 8 bytes are left',
                 block(size=0xffffffff), 8),
                ('a relocation has type 9', block((9, 0)), 10),
                ('a relocation has type 15', block((0, 0), (15, 0)), 12),
                ('a relocation is for address 0x2000',
                 block((0, 0), page=MEMORY), 10),
                ('a relocation is for address 0x2001',
                 block((3, 2), page=MEMORY - 1), 10),
                ('a relocation is for address 0x2000',
                 block((3, 0xfff), page=MEMORY - 0xfff), 10),
                ('a relocation is for address 0xffffffff',
                 block(page=0xffffffff), 8)):
            error = self.assertRaises(
                relocations.RelocationError, relocations.check, data, size,
                MEMORY, spend)
            self.assertEqual(detail, str(error))

    def test_single_byte_at_the_end_is_ignored(self):
        self.assertEqual(10, relocations.check(
            block((0, 0)), 11, MEMORY, spend))
        self.assertRaises(
            relocations.RelocationError, relocations.check, block((0, 0)),
            12, MEMORY, spend)

    def test_at_most_1_mib_is_checked(self):
        data = block(size=1048576).ljust(1048576, b'\0')
        self.assertEqual(1048576, relocations.check(
            data, 1048576 + 100, MEMORY, spend))


class FirstPointersTestCase(base.TestCase):

    def test_pointers_of_64_bits(self):
        data = block((10, 8), (3, 16), (0, 0), (10, 24))
        self.assertEqual([ADDRESS + 8, ADDRESS + 24],
                         relocations.first_pointers(data, MEMORY))

    def test_only_32_relocations_are_read(self):
        for count in (32, 33):
            self.assertEqual(32, len(relocations.first_pointers(
                block(*[(10, 0)] * count), MEMORY)))

    def test_invalid_blocks_have_none(self):
        entry = (10, 0)
        for data in (b'', block(entry)[:7], block(entry, page=MEMORY),
                     block(entry, size=8), block(entry, size=11),
                     block(entry, (9, 0))):
            self.assertEqual([], relocations.first_pointers(data, MEMORY))
        self.assertEqual([MEMORY - 1], relocations.first_pointers(
            block(entry, page=MEMORY - 1), MEMORY))


class BlockSizeTestCase(base.TestCase):

    def test_size_in_the_header(self):
        self.assertEqual(12, relocations.block_size(block(size=12)))
        self.assertEqual(0, relocations.block_size(block(size=12)[:7]))


class ProgramTestCase(test_pe.ProgramTestCase):

    def directory(self, size):
        return '<II', RELOCATIONS, ADDRESS, size

    def test_invalid_relocations(self):
        self.assertLoads(self.directory(10), content=block((0, 0)))
        self.assertRefused(
            'invalid relocations at 0x1000: a relocation has type 9',
            self.directory(10), content=block((9, 0)))

    def test_relocations_are_checked_below_a_base_address_of_1_mib(self):
        self.assertLoads(self.directory(10), ('<Q', BASE, 0x100000),
                         content=block((9, 0)))
        self.assertRefused(
            'a relocation has type 9', self.directory(10),
            ('<Q', BASE, 0xfffff), content=block((9, 0)))

    def test_directory_is_in_memory(self):
        for address, size in ((MEMORY, 1), (ADDRESS, 4097),
                              (0xffffffff, 0xffffffff)):
            self.assertRefused('the relocations end at', (
                '<II', RELOCATIONS, address, size))
        self.assertLoads(('<II', RELOCATIONS, 0x10000000, 0))
        self.assertLoads(('<II', RELOCATIONS, ADDRESS, 4096),
                         ('<Q', BASE, 0x100000))

    def test_directory_lists_all_relocations(self):
        content = (block((10, POINTER)) + block((10, POINTER))).ljust(
            POINTER, b'\0') + struct.pack('<Q', ADDRESS)
        self.assertLoads(self.directory(20), content=content, name=b'.reloc')
        for size in (0, 1, 10):
            self.assertRefused(
                'no directory lists the relocations', self.directory(size),
                content=content, name=b'.reloc')

    def test_directory_lists_a_block_that_fills_the_section(self):
        content = block((10, 0x80), size=512).ljust(512, b'\0')
        self.assertLoads(
            self.directory(512), content=content, name=b'.reloc')
        self.assertRefused(
            'no directory lists the relocations at 0x1000',
            self.directory(0), content=content, name=b'.reloc')

    def test_section_without_relocations_need_not_be_listed(self):
        # systemd-boot and shim have one.
        self.assertLoads(self.directory(0), content=block((0, 0)),
                         name=b'.reloc')

    def test_relocations_are_stripped(self):
        stripped = '<H', PE + 22, 0x23
        for address, loads in (
                (0, False), (0xff000, False), (0x100000, True),
                (0x1000000, True), (0x1000800, False), (0x1001000, True)):
            if loads:
                self.assertLoads(stripped, ('<Q', BASE, address))
            else:
                self.assertRefused(
                    f'the base address {address:#x} cannot be used',
                    stripped, ('<Q', BASE, address))

    def test_pointers_are_addresses_in_the_program(self):
        for pointer, loads in (
                (0x1000000 - 1, False), (0x1000000, True),
                (0x1000000 + MEMORY, True), (0x1000000 + MEMORY + 1, False)):
            content = block((10, POINTER)).ljust(
                POINTER, b'\0') + struct.pack('<Q', pointer)
            changes = self.directory(10), ('<Q', BASE, 0x1000000)
            if loads:
                self.assertLoads(*changes, content=content)
            else:
                self.assertRefused(
                    'linked for another base address than 0x1000000',
                    *changes, content=content)
