# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.disk import pe
from hyperv_sched.disk import systemd_boot
from tests import guests
from tests.unit import base
from tests.unit.disk import test_fat
from tests.unit.disk.test_pe import ProgramFile


class SystemdBootTestCase(base.TestCase):

    def test_section_of_the_program(self):
        for sections, expected in (
                ([], False),
                ([(b'.sdmagic', b'#### LoaderInfo: systemd-boot 257 ####')],
                 True),
                ([(b'.sdmagic', b'#### LoaderInfo: systemd-stub 257 ####')],
                 False),
                ([(b'.sdmagic', b'#### LoaderInfo: systemd-boot')], False)):
            program = pe.read(ProgramFile(guests.program(sections=sections)))
            self.assertIs(expected, systemd_boot.recognize(program))
        self.assertFalse(systemd_boot.recognize(pe.read(ProgramFile(
            guests.program(machine=0x14c, magic=0x10b)))))

    def test_entries(self):
        for path, expected in (
                ('loader/entries/os.conf', True),
                ('LOADER/ENTRIES/OS.CONF', True),
                ('loader/entries/os.conf.bak', False),
                ('loader/loader.conf', False),
                ('EFI/Linux/uki.efi', True),
                ('EFI/Linux', False),
                ('EFI/Linux/uki', False),
                ('EFI/Microsoft/Boot/bootmgfw.efi', True),
                ('shellx64.efi', True),
                ('System/Library/CoreServices/boot.efi', True)):
            volume = test_fat.volume(guests.fat({path: b'x'}))
            self.assertIs(expected, systemd_boot.has_entries(volume), path)

    def test_only_image(self):
        image = guests.program(sections=[(b'.osrel', b'NAME="An OS"\n')])
        path = 'EFI/Linux/uki.efi'
        for files, expected in (
                ({}, ('EFI', 'Linux', 'uki.efi')),
                ({'EFI/Linux/other.efi': image}, None),
                ({'EFI/Linux/notes.txt': b'x'}, ('EFI', 'Linux', 'uki.efi')),
                ({'loader/entries/os.conf': b'x'}, None),
                ({'shellx64.efi': image}, None)):
            volume = test_fat.volume(guests.fat({path: image, **files}))
            self.assertEqual(expected, systemd_boot.only_image(volume), files)

    def test_images_that_are_no_entries(self):
        image = guests.program(sections=[(b'.osrel', b'NAME="An OS"\n')])
        for path, content in (
                ('EFI/Linux/auto-uki.efi', image),
                ('EFI/Linux/.uki.efi', image),
                ('EFI/Linux/uki.efi', guests.program()),
                ('EFI/Linux/uki.efi', b'MZ'),
                ('EFI/Linux/uki.efi', guests.program(
                    sections=[(b'.osrel', b'VERSION=1\n')]))):
            volume = test_fat.volume(guests.fat({path: content}))
            self.assertIsNone(systemd_boot.only_image(volume), path)
