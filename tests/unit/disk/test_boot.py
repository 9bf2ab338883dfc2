# SPDX-License-Identifier: Apache-2.0

from tests import guests
from tests import samples
from tests.unit.disk import base

BOOT = 'EFI/BOOT/'
LOADER = BOOT + 'BOOTX64.EFI'
SHIM = guests.program(shim=True, signed=True)
GRUB = guests.program(signed=True)
#: Boot code that starts an active partition, or one of a type, alone.
NEEDS_PARTITION = tuple(b'\x33\xc0' + bytes(40) + mark for mark in (
    b'Missing operating system', b'Invalid partition table', b'Missing OS',
    b'Missing boot loader', bytes.fromhex('bebe07380475'),
    bytes.fromhex('bdbe07386e007c'), bytes.fromhex('bdbe07807e00007c')))


class LoaderTestCase(base.TestCase):

    def test_facts(self):
        found = self.assertStarts(guests.gpt([(
            guests.ESP, 64, guests.loader(signed=True))]))
        self.assertEqual(
            [{'partition': 1, 'path': '\\EFI\\BOOT\\BOOTX64.EFI',
              'machine': 'x64', 'subsystem': 'application', 'signed': True}],
            found.as_dict()['loaders'])

    def test_windows_is_told_by_its_boot_manager(self):
        found = self.assertStarts(guests.gpt([(guests.ESP, 64, guests.fat({
            LOADER: GRUB, 'EFI/Microsoft/Boot/bootmgfw.efi': GRUB}))]))
        self.assertEqual('\\EFI\\Microsoft\\Boot\\bootmgfw.efi',
                         found.loaders[-1].path)

    def test_missing(self):
        found = self.assertLoaderFails(
            'loader-missing', {'EFI/ubuntu/grubx64.efi': GRUB})
        self.assertEqual('no \\EFI\\BOOT\\BOOTX64.EFI',
                         found.defects['loader-missing'])

    def test_missing_but_elsewhere(self):
        for path in ('EFI/BOOT/BOOTAA64.EFI',
                     'EFI/Microsoft/Boot/bootmgfw.efi'):
            found = self.assertLoaderFails('loader-missing', {path: GRUB})
            self.assertIn(path.replace('/', '\\'),
                          found.defects['loader-missing'])

    def test_is_a_directory(self):
        self.assertLoaderFails('loader-missing', {LOADER + '/X': b''})

    def test_machine(self):
        for machine, magic, name in ((0x14c, 0x10b, 'ia32'),
                                     (0xaa64, 0x20b, 'aa64')):
            found = self.assertLoaderFails('loader-wrong-arch', {
                LOADER: guests.program(machine=machine, magic=magic)})
            self.assertEqual(name, found.loaders[0].machine)

    def test_subsystem(self):
        for subsystem in (3, 11, 12):
            self.assertLoaderFails('loader-not-efi-app', {
                LOADER: guests.program(subsystem=subsystem)})

    def test_no_program(self):
        program = guests.program()
        for data in (b'', b'MZ', b'#!/bin/sh\n', b'\0' * 1024,
                     program[:100], program.replace(b'PE', b'NE'),
                     guests.program(magic=0x10b),
                     guests.program(magic=0x107)):
            self.assertLoaderFails('loader-not-efi-app', {LOADER: data})

    def test_cut_off(self):
        program = guests.program()
        self.assertLoaderFails('loader-not-efi-app', {LOADER: program[:-1]})
        self.assertLoaderFails('loader-not-efi-app', {
            LOADER: guests.program(signed=True, size=1200)[:-1]})

    def test_no_code(self):
        for offset, value in ((64 + 6, bytes(2)),          # sections
                              (88 + 16, b'\0\x20\0\0'),   # entry point
                              (88 + 32, bytes(4)),         # alignment
                              (88 + 56, b'\0\x11\0\0')):  # memory
            program = bytearray(guests.program())
            program[offset:offset + len(value)] = value
            self.assertLoaderFails('loader-not-efi-app', {
                LOADER: bytes(program)})


class ShimTestCase(base.TestCase):

    def test_starts_what_lies_beside_it(self):
        found = self.assertStarts(guests.gpt([(guests.ESP, 64, guests.fat({
            LOADER: SHIM, BOOT + 'grubx64.efi': GRUB}))]))
        self.assertEqual(2, len(found.loaders))

    def test_shim_that_starts_a_shim_never_ends(self):
        for files in (
                {LOADER: SHIM, 'EFI/BOOT/grubx64.efi': SHIM},
                {LOADER: SHIM, 'EFI/BOOT/GRUBX64.EFI': SHIM},
                {LOADER: SHIM, 'EFI/BOOT/fbx64.efi': GRUB,
                 'EFI/os/BOOTX64.CSV': guests.boot_entries('shimx64.efi'),
                 'EFI/os/shimx64.efi': SHIM, 'EFI/os/grubx64.efi': SHIM},
                {LOADER: SHIM, 'EFI/BOOT/fbx64.efi': GRUB,
                 'EFI/os/BOOTX64.CSV': guests.boot_entries('grubx64.efi'),
                 'EFI/os/grubx64.efi': SHIM}):
            self.assertLoaderFails('shim-second-stage-missing', files)

    def test_alone(self):
        self.assertLoaderFails('shim-second-stage-missing', {LOADER: SHIM})
        self.assertLoaderFails('shim-second-stage-missing', {
            LOADER: SHIM, 'EFI/debian/grubx64.efi': GRUB})

    def test_what_lies_beside_it_must_start(self):
        self.assertLoaderFails('loader-wrong-arch', {
            LOADER: SHIM,
            BOOT + 'grubx64.efi': guests.program(machine=0xaa64)})

    def test_fallback_goes_by_the_boot_entries(self):
        self.assertStarts(guests.gpt([(guests.ESP, 64, guests.fat({
            LOADER: SHIM, BOOT + 'fbx64.efi': GRUB,
            'EFI/a system/BOOTX64.CSV': guests.boot_entries('shimx64.efi'),
            'EFI/a system/shimx64.efi': SHIM,
            'EFI/a system/grubx64.efi': GRUB}))]))

    def test_fallback_without_boot_entries(self):
        for csv in ({}, {'EFI/debian/BOOTX64.CSV': b''},
                    {'EFI/debian/BOOTX64.CSV': b'\xff\xfe,\0'},
                    {'EFI/debian/BOOTX64.CSV': guests.boot_entries(
                        'shimx64.efi')}):
            self.assertLoaderFails('shim-second-stage-missing', {
                LOADER: SHIM, BOOT + 'fbx64.efi': GRUB,
                BOOT + 'grubx64.efi': GRUB, **csv})


class FirmwareTestCase(base.TestCase):

    def test_bios(self):
        found = self.assertDefects(
            ['mbr-partitioned'], guests.bios_bootable())
        self.assertEqual(('bios', 'hyperv-gen1'),
                         (found.firmware, found.generation))

    def test_uefi(self):
        found = base.inspect(guests.bootable())
        self.assertEqual(('uefi', 'hyperv-gen2'),
                         (found.firmware, found.generation))

    def test_both(self):
        record = guests.mbr([guests.PROTECTIVE], guests.CODE)
        found = base.inspect(guests.gpt(
            [(guests.ESP, 64, guests.loader()),
             (guests.BIOS_BOOT, 512, guests.CODE.ljust(512))],
            record=record))
        self.assertEqual(('both', None), (found.firmware, found.generation))

    def test_none(self):
        found = base.inspect(samples.vhdx())
        self.assertEqual(('none', None), (found.firmware, found.generation))

    def test_grub_in_the_mbr_needs_no_active_partition(self):
        disk = guests.mbr([(0x83, 64, 128)], guests.CODE.ljust(
            384, b'\x90') + b'GRUB \0').ljust(samples.MIB, b'\0')
        self.assertEqual('bios', base.inspect(disk).firmware)

    def test_known_boot_code_without_anything_to_start(self):
        for code in (*NEEDS_PARTITION, b'', b'\0\0MSWIN4.1'):
            for partition in ((7, 64, 128), (7, 64, 128, 0x80)):
                self.assertEqual('none', base.inspect(guests.mbr(
                    [partition], code).ljust(samples.MIB, b'\0')).firmware)
            # The protective partition is none that a BIOS starts.
            found = base.inspect(guests.bootable(record=guests.mbr(
                [(0xee, 1, 2047, 0x80)], code)))
            self.assertEqual(('uefi', 'hyperv-gen2'),
                             (found.firmware, found.generation))

    def test_unknown_boot_code_is_no_proof(self):
        self.assertEqual('unknown', base.inspect(guests.mbr(
            [(7, 64, 128)], guests.CODE).ljust(samples.MIB, b'\0')).firmware)
        found = base.inspect(guests.bootable(record=guests.mbr(
            [guests.PROTECTIVE], guests.CODE)))
        self.assertEqual(('uefi', None), (found.firmware, found.generation))

    def test_partitions_for_bios(self):
        for kind in (guests.BIOS_BOOT, '83bd6b9d-7f41-11dc-be0b-001560b84f0f',
                     '6a82cb45-1dd2-11b2-99a6-080020736631'):
            for code in (guests.CODE, *NEEDS_PARTITION):
                found = base.inspect(guests.gpt(
                    [(guests.ESP, 64, guests.loader()),
                     (kind, 512, guests.CODE.ljust(512))],
                    record=guests.mbr([guests.PROTECTIVE], code)))
                self.assertEqual('both', found.firmware)

    def test_active_entry_without_a_type(self):
        for code in (guests.CODE, *NEEDS_PARTITION):
            found = base.inspect(guests.bootable(record=guests.mbr(
                [guests.PROTECTIVE, (0, 0, 2048, 0x80)], code)))
            self.assertEqual('both', found.firmware)

    def test_boot_sector_of_mkfs_fat_starts_nothing(self):
        inert = b'\xeb\x3c\x90' + bytes(90) + b'This is not a bootable disk'
        disk = bytearray(guests.mbr([(0x0c, 64, 128, 0x80)], NEEDS_PARTITION[
            0]).ljust(samples.MIB, b'\0'))
        disk[64 * 512:65 * 512] = inert.ljust(512, b'\0')
        self.assertEqual('none', base.inspect(bytes(disk)).firmware)
        disk[:512] = inert.ljust(510, b'\0') + b'\x55\xaa'
        self.assertEqual('none', base.inspect(bytes(disk)).firmware)

    def test_unknown_where_the_disk_cannot_be_seen(self):
        for data in (samples.qcow2(), samples.vhdx(flags=2), b''):
            self.assertEqual('unknown', base.inspect(data).firmware)
