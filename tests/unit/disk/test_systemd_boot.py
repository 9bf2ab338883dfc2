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
