# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.disk import grub
from hyperv_sched.disk import pe
from tests import guests
from tests.unit import base
from tests.unit.disk.test_pe import ProgramFile

UUID = '7B9D0C54-1f2e-4a63-8d80-5c0e9f2b6a17'
STUB = (f"search.fs_uuid {UUID} root hd0,gpt1 \n"
        "set prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n")


def read(program):
    return grub.prefix_of(pe.read(ProgramFile(program)))


class BuildTestCase(base.TestCase):

    def test_signed_builds_of_vendors(self):
        self.assertEqual(('EFI', 'debian'), read(guests.grub()))
        self.assertEqual(('EFI', 'debian'), read(guests.grub(
            configuration=b'normal (memdisk)/grub.cfg\n')))
        self.assertEqual(('EFI', 'ubuntu'), read(
            guests.grub('ubuntu', '/EFI/ubuntu')))

    def test_other_programs(self):
        for program in (
                guests.program(), guests.program(machine=0x14c, magic=0x10b),
                guests.grub('fedora', '/EFI/fedora'),
                guests.grub(prefix='/EFI/ubuntu'),
                guests.grub(prefix='(,gpt2)/boot/grub'),
                guests.grub(configuration=STUB.encode()),
                guests.grub(component='grub'),
                guests.program(sections=[(b'mods', b'mimg')]),
                guests.program(sections=[(b'.sbat', b'grub.debian,1\n')]),
                guests.program(sections=[
                    (b'.sbat', b'grub.debian,1\n'),
                    (b'mods', b'mimg'.ljust(24, b'\xff'))])):
            self.assertIsNone(read(program))


class StubTestCase(base.TestCase):

    def test_uuid(self):
        for text in (
                STUB, f'# a comment\n\n{STUB}', STUB.replace('\n', ';'),
                f'search --no-floppy --fs-uuid --set=root {UUID}\n'
                'configfile ($root)/boot/grub/grub.cfg',
                f'search --no-floppy --root-dev-only --fs-uuid --set=dev '
                f'"{UUID}"\nset prefix=($dev)/grub2\nexport $prefix\n'
                'configfile $prefix/grub.cfg\n',
                f'insmod part_gpt\nsearch -u --hint-efi=hd0,gpt2 {UUID}\n'
                'configfile /grub.cfg'):
            self.assertEqual(grub.Stub([UUID.lower()]),
                             grub.read_stub(text.encode()))

    def test_other_configurations(self):
        for text in (
                '', 'configfile /grub.cfg', f'search.fs_uuid {UUID} root\n',
                f'{STUB}linux /vmlinuz\n', f'{STUB}if true; then\n',
                f'search --label root\n{STUB}',
                f'search --file /.disk/info\n{STUB}',
                f'search --fs-uuid --set root {UUID}\n{STUB}',
                STUB.replace(UUID, '$uuid'), '\xff', '\0',
                STUB + '#' * 16384):
            self.assertIsNone(grub.read_stub(text.encode('latin-1')))
