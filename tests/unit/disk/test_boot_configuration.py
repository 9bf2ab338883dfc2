# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.disk import systemd_boot
from tests import guests
from tests.unit.disk import base
from tests.unit.disk import test_grub

LINUX = '0fc63daf-8483-4772-8e79-3d69d8477de4'
BOOT = 'EFI/BOOT/'
LOADER = BOOT + 'BOOTX64.EFI'
SHIM = guests.program(shim=True, signed=True)
UBUNTU = guests.grub('ubuntu', '/EFI/ubuntu')
SYSTEMD_BOOT = guests.program(sections=[
    (b'.sdmagic', b'#### LoaderInfo: systemd-boot 257 ####')])
STUB = test_grub.STUB.encode()
EXT = bytearray(8192)
EXT[0x438:0x43a] = b'\x53\xef'
EXT[0x468:0x478] = bytes.fromhex(test_grub.UUID.replace('-', ''))
MISSING = 'boot-configuration-missing'
TARGET = 'boot-target-missing'


def disk(files, *others):
    """Return a disk with an ESP of files, and other partitions."""
    partitions = [(guests.ESP, 64, guests.fat(files))]
    for number, (kind, data) in enumerate(others):
        partitions.append((kind, 1024 + 64 * number, bytes(data)))
    return guests.gpt(partitions)


class GRUBTestCase(base.TestCase):

    def assertMissing(self, detail, files):
        result = self.assertBoots(disk(files), MISSING)
        self.assertEqual(detail, result.defects[MISSING])

    def test_directories(self):
        for program, vendor in ((guests.grub(), 'debian'),
                                (UBUNTU, 'ubuntu')):
            files = {LOADER: SHIM, BOOT + 'grubx64.efi': program,
                     'EFI/other/grub.cfg': b'echo'}
            self.assertMissing(
                '\\EFI\\BOOT\\grubx64.efi (GRUB) finds no grub.cfg in '
                f'\\EFI\\{vendor}, \\EFI\\BOOT, \\boot\\grub', files)
            self.assertMissing(
                '\\EFI\\BOOT\\grubx64.efi (GRUB) finds no grub.cfg in '
                f'\\EFI\\{vendor}, \\EFI\\BOOT, \\boot\\grub',
                {**files, f'EFI/{vendor}/grub.cfg/x': b''})
            for path in (f'EFI/{vendor}', 'EFI/BOOT', 'boot/grub',
                         f'EFI/{vendor}/x86_64-efi'):
                self.assertBoots(disk({**files, f'{path}/grub.cfg': b'echo'}))

    def test_other_builds_are_not_checked(self):
        for program in (guests.program(),
                        guests.grub('fedora', '/EFI/fedora'),
                        guests.grub(configuration=STUB)):
            self.assertBoots(disk({LOADER: program}))

    def test_loader_that_another_one_starts(self):
        self.assertBoots(disk({
            LOADER: SHIM, BOOT + 'grubx64.efi': guests.program(),
            'EFI/Microsoft/Boot/bootmgfw.efi': UBUNTU}))

    def test_damaged_file(self):
        image = bytearray(disk({
            LOADER: UBUNTU, 'EFI/ubuntu/grub.cfg': STUB}))
        at = image.index(b'GRUB    CFG')
        image[at + 26:at + 28] = b'\0\0'
        self.assertBoots(bytes(image))


class TargetTestCase(base.TestCase):

    def files(self, stub=STUB, **others):
        return {LOADER: UBUNTU, 'EFI/ubuntu/grub.cfg': stub}

    def test_file_system_with_the_uuid(self):
        self.assertBoots(disk(self.files(), (LINUX, EXT)))
        self.assertBoots(disk(self.files(), (LINUX, bytes(512)),
                              (LINUX, EXT)))

    def test_no_file_system_with_the_uuid(self):
        other = bytes(EXT).replace(b'\x7b\x9d', b'\x7b\x9e')
        for others in ((), ((LINUX, bytes(512)),), ((LINUX, other),),
                       ((guests.BIOS_BOOT, b'core'),)):
            result = self.assertBoots(disk(self.files(), *others), TARGET)
            self.assertEqual(
                'grub.cfg for \\EFI\\BOOT\\BOOTX64.EFI (GRUB) names the file '
                f'system {test_grub.UUID.lower()}', result.defects[TARGET])

    def test_partition_that_may_hide_the_file_system(self):
        self.assertBoots(disk(self.files(), (LINUX, b'LUKS\xba\xbe')))

    def test_configuration_beside_the_stub(self):
        for path in ('EFI/BOOT/grub.cfg', 'boot/grub/grub.cfg',
                     'boot/grub2/grub.cfg', 'grub/grub.cfg',
                     'grub2/grub.cfg'):
            self.assertBoots(disk({**self.files(), path: b'echo'}))

    def test_configuration_that_is_no_stub(self):
        self.assertBoots(disk(self.files(STUB + b'linux /vmlinuz\n')))

    def test_uuid_is_cut_off(self):
        result = self.assertBoots(disk(self.files(
            b'search.fs_uuid ' + 99 * b'a' + b' root;configfile /x')), TARGET)
        self.assertEqual(
            'grub.cfg for \\EFI\\BOOT\\BOOTX64.EFI (GRUB) names the file '
            f'system {36 * "a"}', result.defects[TARGET])

    def test_one_of_several_file_systems_is_enough(self):
        stub = STUB.replace(b'7B9D', b'0000') + STUB
        self.assertBoots(disk(self.files(stub), (LINUX, EXT)))


class SystemdBootTestCase(base.TestCase):

    def test_without_entries(self):
        result = self.assertBoots(disk({LOADER: SYSTEMD_BOOT}), MISSING)
        self.assertEqual(
            '\\EFI\\BOOT\\BOOTX64.EFI (systemd-boot) finds neither '
            '\\loader\\entries\\*.conf nor \\EFI\\Linux\\*.efi',
            result.defects[MISSING])

    def test_with_entries(self):
        for path in ('loader/entries/os.conf', 'EFI/Linux/uki.efi'):
            self.assertBoots(disk({LOADER: SYSTEMD_BOOT, path: b'x'}))

    def test_entries_may_be_on_another_partition(self):
        self.assertBoots(disk(
            {LOADER: SYSTEMD_BOOT},
            (systemd_boot.EXTENDED_BOOT_LOADER, b'x')))

    def test_second_stage_is_not_checked(self):
        self.assertBoots(disk({
            LOADER: SHIM, BOOT + 'grubx64.efi': SYSTEMD_BOOT}))
