# SPDX-License-Identifier: Apache-2.0

import struct

from tests import guests
from tests import samples
from tests.unit.disk import base
from tests.unit.disk import test_iso

LOADER = 'EFI/BOOT/BOOTX64.EFI'
MANAGER = 'EFI/Microsoft/Boot/bootmgfw.efi'
BCD = 'EFI/Microsoft/Boot/BCD'
HIVE = {BCD: b'regf' + bytes(60)}
PROGRAM = guests.program()
SHIM = guests.program(shim=True)
#: The offsets in a program of a test.
SECTION, DEBUG, ENTRIES, CODEVIEW = 328, 248, 768, 800


def section(name):
    """Return a program with a section of another name."""
    data = bytearray(PROGRAM)
    data[SECTION:SECTION + 8] = name.ljust(8, b'\0')
    return bytes(data)


def symbols(path, signature=b'RSDS', kind=2, size=28, address=4096 + 256):
    """Return a program whose debug data name a file of symbols."""
    data = bytearray(PROGRAM)
    struct.pack_into('<II', data, DEBUG, address, size)
    struct.pack_into('<12xIIII', data, ENTRIES, kind, 60,
                     4096 + CODEVIEW - 512, CODEVIEW)
    record = signature + bytes(20) + path + b'\0'
    data[CODEVIEW:CODEVIEW + len(record)] = record
    return bytes(data)


def kernel():
    """Return a program with the signature of a Linux kernel."""
    data = bytearray(PROGRAM)
    data[0x202:0x206] = b'HdrS'
    return bytes(data)


GRUB = section(b'mods')
WINDOWS = symbols(b'bootmgfw.pdb')
#: A disk as bcdboot makes it.
INSTALLED = {LOADER: WINDOWS, MANAGER: WINDOWS, **HIVE}


def encrypted(*protections, signature=b'-FVE-FS-', copy=0, size=None,
              entry_size=36, mark=b'-FVE-FS-'):
    """Return a volume that BitLocker encrypts.

    :param protections: of the master key, one entry each
    :param copy: the valid one of three copies of the metadata
    """
    volume = bytearray(6 * 512)
    volume[:11] = b'\xeb\x58\x90' + mark
    offsets = [10 ** 12, 10 ** 12, 10 ** 12]
    offsets[copy] = 512
    struct.pack_into('<3Q', volume, 176, *offsets)
    volume[512:520] = signature
    entries = struct.pack('<HH32x', 36, 1) + b''.join(
        struct.pack('<HH30xH', entry_size, 2, protection)
        for protection in protections)
    struct.pack_into('<I4xI', volume, 512 + 64,
                     48 + len(entries) if size is None else size, 48)
    volume[512 + 112:512 + 112 + len(entries)] = entries
    return bytes(volume)


class OperatingSystemTestCase(base.TestCase):

    def check(self, expected, *programs):
        """Assert the system of a disk with programs in the order of boot."""
        names = (LOADER, 'EFI/BOOT/grubx64.efi')
        result = base.inspect(base.esp(guests.fat(
            dict(zip(names, programs, strict=False)))))
        self.assertEqual('uefi', result.firmware)
        self.assertEqual(expected, result.operating_system)

    def test_linux(self):
        for programs in ((GRUB,), (section(b'.sdmagic'),),
                         (section(b'.linux'),), (kernel(),), (SHIM, PROGRAM),
                         (SHIM, GRUB)):
            self.check('linux', *programs)

    def test_unknown(self):
        for program in (PROGRAM, section(b'mod'), section(b'linux'),
                        section(b'.linux2')):
            self.check(None, program)

    def test_windows(self):
        for path in (b'bootmgfw.pdb', b'BOOTMGFW.PDB',
                     b'd:\\build\\bootmgfw.pdb'):
            result = base.inspect(base.esp(guests.fat({
                LOADER: symbols(path), **HIVE})))
            self.assertEqual('windows', result.operating_system)
            self.assertEqual({}, result.defects)

    def test_other_debug_data(self):
        for program in (
                symbols(b'mybootmgfw.pdb'), symbols(b'bootmgfw.pdb.bak'),
                symbols(b'bootmgfw.pdb', signature=b'NB10'),
                symbols(b'bootmgfw.pdb', kind=3),
                symbols(b'bootmgfw.pdb', size=0),
                symbols(b'bootmgfw.pdb', size=27),
                symbols(b'bootmgfw.pdb', address=0)):
            self.check(None, program)

    def test_windows_by_the_path_of_its_boot_manager(self):
        result = base.inspect(base.esp(guests.fat({
            LOADER: guests.program(size=2048), MANAGER: PROGRAM})))
        self.assertEqual('windows', result.operating_system)
        self.assertEqual({}, result.defects)

    def test_both(self):
        for loader in (GRUB, kernel()):
            result = base.inspect(base.esp(guests.fat({
                **INSTALLED, LOADER: loader})))
            self.assertIsNone(result.operating_system)
        result = base.inspect(base.esp(guests.fat({
            LOADER: GRUB, MANAGER: GRUB})))
        self.assertIsNone(result.operating_system)
        self.assertEqual({}, result.defects)

    def test_disk_that_does_not_boot(self):
        self.assertIsNone(base.inspect(base.esp(guests.fat(
            {MANAGER: WINDOWS}))).operating_system)


class BCDTestCase(base.TestCase):

    def check(self, detail, files):
        result = base.inspect(base.esp(guests.fat(files)))
        self.assertEqual({} if detail is None else {'bcd-missing': detail},
                         result.defects)
        self.assertEqual('uefi', result.firmware)

    def test_present(self):
        self.check(None, INSTALLED)

    def test_missing(self):
        missing = 'no \\EFI\\Microsoft\\Boot\\BCD'
        self.check(missing, {LOADER: WINDOWS})
        self.check(missing, {LOADER: WINDOWS, MANAGER: WINDOWS})
        self.check(missing, {LOADER: WINDOWS, BCD + '/X': b''})

    def test_no_registry_hive(self):
        for content in (b'', b'reg', b'regF' + bytes(60), bytes(64)):
            self.check('\\EFI\\Microsoft\\Boot\\BCD is no registry hive',
                       {LOADER: WINDOWS, BCD: content})

    def test_copy_of_the_boot_manager(self):
        missing = 'no \\EFI\\Microsoft\\Boot\\BCD'
        self.check(missing, {LOADER: PROGRAM, MANAGER: PROGRAM})
        self.check(None, {LOADER: PROGRAM, MANAGER: PROGRAM, **HIVE})
        # Neither another size nor other headers are a copy.
        self.check(None, {LOADER: guests.program(size=1025),
                          MANAGER: PROGRAM})
        self.check(None, {LOADER: guests.program(signed=True),
                          MANAGER: PROGRAM})

    def test_only_where_firmware_starts_the_boot_manager(self):
        self.check(None, {LOADER: GRUB, MANAGER: WINDOWS})
        self.check(None, {LOADER: SHIM, 'EFI/BOOT/grubx64.efi': PROGRAM,
                          MANAGER: WINDOWS})
        # A boot manager was replaced by GRUB, which starts it in turn.
        self.check(None, {LOADER: GRUB, MANAGER: GRUB})

    def test_not_on_media(self):
        files = {LOADER: WINDOWS}
        data = test_iso.medium(guests.fat(files))
        result = base.inspect(data)
        self.assertEqual(({}, 'windows'),
                         (result.defects, result.operating_system))
        self.assertBoots(base.vhdx(data.ljust(samples.MIB, b'\0')),
                         'iso-not-a-disk')

    def test_damaged(self):
        volume = bytearray(guests.fat(INSTALLED))
        entry = volume.index(b'BCD     ')
        struct.pack_into('<H', volume, entry + 26, 5000)
        result = base.inspect(base.esp(bytes(volume)))
        self.assertIn('\\EFI\\Microsoft\\Boot\\BCD: ',
                      result.defects['bcd-missing'])


class BitLockerTestCase(base.TestCase):

    def check(self, detail, *volumes, files=INSTALLED, kind=None):
        """Assert the defect of a disk with volumes behind an ESP."""
        kind = kind or guests.BASIC_DATA
        result = base.inspect(guests.gpt(
            [(guests.ESP, 64, guests.fat(files)),
             *((kind, 400 + 10 * index, volume)
               for index, volume in enumerate(volumes))]))
        self.assertEqual(
            {} if detail is None else {'os-volume-encrypted': detail},
            result.defects)

    def test_encrypted(self):
        # TPM; recovery password; TPM and PIN; password.
        for protection in (0x100, 0x800, 0x500, 0x2000):
            self.check('partition 2', encrypted(protection))
        self.check('partition 2', encrypted(0x100, 0x800))
        self.check('partition 2', encrypted())

    def test_not_encrypted(self):
        for mark in (b'NTFS    ', b'MSWIN4.1', b'-FVE-FS+', b'-fve-fs-'):
            self.check(None, encrypted(0x100, mark=mark))
        self.check(None, b'-FVE-FS-'.ljust(512, b'\0'))

    def test_each_volume_is_named(self):
        self.check('partition 2, partition 4', encrypted(0x100),
                   encrypted(0x100, mark=b'NTFS    '), encrypted(0x800))

    def test_key_in_the_clear(self):
        self.check(None, encrypted(0))
        self.check(None, encrypted(0x2000, 0x800, 0))
        for copy in (1, 2):
            self.check(None, encrypted(0, copy=copy))

    def test_damaged_metadata(self):
        for options in ({'signature': b'-FVE-FS+'}, {'size': 0},
                        {'size': 48}, {'entry_size': 0}, {'entry_size': 3}):
            self.check('partition 2', encrypted(0x100, 0, **options))
        # The first entry has 36 bytes, the second one its protection at 34.
        self.check('partition 2', encrypted(0, size=48 + 36 + 35))
        self.check(None, encrypted(0, size=48 + 36 + 36))

    def test_other_partitions_and_systems(self):
        recovery = 'de94bba4-06d1-4d40-a16a-bfd50179d6ac'
        self.check(None, encrypted(0x100), kind=recovery)
        for files in ({LOADER: PROGRAM}, {LOADER: GRUB}):
            self.check(None, encrypted(0x100), files=files)

    def test_beside_linux(self):
        self.check('partition 2', encrypted(0x100),
                   files={**INSTALLED, LOADER: GRUB})
