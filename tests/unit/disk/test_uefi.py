# SPDX-License-Identifier: Apache-2.0

from tests import guests
from tests.unit.disk import base

BOOT = 'EFI/BOOT/'
LOADER = BOOT + 'BOOTX64.EFI'
SHIM = guests.program(shim=True, signed=True)
GRUB = guests.program(signed=True)


class LoaderTestCase(base.TestCase):

    def test_facts(self):
        result = self.assertBoots(base.esp(guests.loader(signed=True)))
        self.assertEqual(
            [{'partition': 1, 'path': '\\EFI\\BOOT\\BOOTX64.EFI',
              'machine': 'x64', 'subsystem': 'application', 'signed': True}],
            result.as_dict()['loaders'])

    def test_windows_boot_manager_is_listed(self):
        result = self.assertBoots(base.esp(guests.fat({
            LOADER: GRUB, 'EFI/Microsoft/Boot/bootmgfw.efi': SHIM})))
        self.assertEqual('\\EFI\\Microsoft\\Boot\\bootmgfw.efi',
                         result.loaders[-1].path)

    def test_missing(self):
        result = self.assertLoaderFails(
            'loader-missing', {'EFI/ubuntu/grubx64.efi': GRUB})
        self.assertEqual('no \\EFI\\BOOT\\BOOTX64.EFI',
                         result.defects['loader-missing'])

    def test_missing_and_another_is_present(self):
        for path in ('EFI/BOOT/BOOTIA32.EFI', 'EFI/BOOT/BOOTAA64.EFI',
                     'EFI/Microsoft/Boot/bootmgfw.efi'):
            result = self.assertLoaderFails('loader-missing', {path: GRUB})
            name = path.replace('/', '\\')
            self.assertEqual(f'no \\EFI\\BOOT\\BOOTX64.EFI, but \\{name}',
                             result.defects['loader-missing'])

    def test_directory_is_no_loader(self):
        self.assertLoaderFails('loader-missing', {LOADER + '/X': b''})

    def test_machine(self):
        for machine, magic, name in ((0x14c, 0x10b, 'ia32'),
                                     (0xaa64, 0x20b, 'aa64')):
            result = self.assertLoaderFails('loader-wrong-arch', {
                LOADER: guests.program(machine=machine, magic=magic)})
            self.assertEqual(name, result.loaders[0].machine)

    def test_subsystem(self):
        for subsystem, name in ((3, '3'), (11, 'boot-service-driver'),
                                (12, 'runtime-driver')):
            result = self.assertLoaderFails('loader-not-efi-app', {
                LOADER: guests.program(subsystem=subsystem)})
            self.assertEqual(name, result.loaders[0].subsystem)


class ShimTestCase(base.TestCase):

    def assertSecondStageMissing(self, detail, files):
        result = self.assertLoaderFails('shim-second-stage-missing', files)
        self.assertEqual(detail, result.defects['shim-second-stage-missing'])

    def test_boots_grub_in_its_directory(self):
        result = self.assertBoots(base.esp(guests.fat({
            LOADER: SHIM, BOOT + 'grubx64.efi': GRUB})))
        self.assertEqual(
            ['\\EFI\\BOOT\\BOOTX64.EFI', '\\EFI\\BOOT\\grubx64.efi'],
            [loader.path for loader in result.loaders])

    def test_shim_as_second_stage_starts_itself(self):
        loop = 'is a shim that starts itself without end'
        for path, files in (
                ('EFI\\BOOT\\grubx64.efi',
                 {LOADER: SHIM, 'EFI/BOOT/grubx64.efi': SHIM}),
                ('EFI\\BOOT\\grubx64.efi',
                 {LOADER: SHIM, 'EFI/BOOT/GRUBX64.EFI': SHIM}),
                ('EFI\\os\\grubx64.efi',
                 {LOADER: SHIM, 'EFI/BOOT/fbx64.efi': GRUB,
                  'EFI/os/BOOTX64.CSV': guests.boot_entries('shimx64.efi'),
                  'EFI/os/shimx64.efi': SHIM, 'EFI/os/grubx64.efi': SHIM}),
                ('EFI\\os\\grubx64.efi',
                 {LOADER: SHIM, 'EFI/BOOT/fbx64.efi': GRUB,
                  'EFI/os/BOOTX64.CSV': guests.boot_entries('grubx64.efi'),
                  'EFI/os/grubx64.efi': SHIM})):
            self.assertSecondStageMissing(f'\\{path} {loop}', files)

    def test_second_stage_is_missing(self):
        for files in ({LOADER: SHIM},
                      {LOADER: SHIM, 'EFI/debian/grubx64.efi': GRUB}):
            self.assertSecondStageMissing(
                'no \\EFI\\BOOT\\grubx64.efi', files)

    def test_second_stage_must_boot(self):
        self.assertLoaderFails('loader-wrong-arch', {
            LOADER: SHIM,
            BOOT + 'grubx64.efi': guests.program(machine=0xaa64)})

    def test_fallback_boots_the_first_boot_option(self):
        for name in ('BOOTX64.CSV', 'BOOT.CSV'):
            self.assertBoots(base.esp(guests.fat({
                LOADER: SHIM, BOOT + 'fbx64.efi': GRUB,
                f'EFI/a system/{name}': guests.boot_entries('shimx64.efi'),
                'EFI/a system/shimx64.efi': SHIM,
                'EFI/a system/grubx64.efi': GRUB})))

    def test_fallback_without_boot_options(self):
        for csv in ({}, {'EFI/debian/BOOTX64.CSV': b''},
                    {'EFI/debian/BOOTX64.CSV': b'\xff\xfe,\0'},
                    {'EFI/BOOT/BOOTX64.CSV': guests.boot_entries(
                        'grubx64.efi')}):
            self.assertSecondStageMissing(
                '\\EFI\\BOOT\\fbx64.efi finds no BOOTX64.CSV',
                {LOADER: SHIM, BOOT + 'fbx64.efi': GRUB,
                 BOOT + 'grubx64.efi': GRUB, **csv})

    def test_boot_option_of_a_missing_program(self):
        self.assertSecondStageMissing(
            'no \\EFI\\debian\\shimx64.efi',
            {LOADER: SHIM, BOOT + 'fbx64.efi': GRUB,
             BOOT + 'grubx64.efi': GRUB,
             'EFI/debian/BOOTX64.CSV': guests.boot_entries('shimx64.efi')})

    def test_name_of_a_program_is_cut_off(self):
        self.assertSecondStageMissing(
            f'no \\EFI\\debian\\{256 * "a"}',
            {LOADER: SHIM, BOOT + 'fbx64.efi': GRUB,
             'EFI/debian/BOOTX64.CSV': guests.boot_entries(300 * 'a')})
