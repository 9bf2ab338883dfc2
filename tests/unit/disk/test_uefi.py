# SPDX-License-Identifier: Apache-2.0

from tests import guests
from tests.unit.disk import base

BOOT = 'EFI/BOOT/'
LOADER = BOOT + 'BOOTX64.EFI'
SHIM = guests.program(shim=True, signed=True)
SHIM_16 = guests.program(shim=True, signed=True, sections=[
    (b'.data', guests.shim_strings(
        'grubx64.efi', 'fbx64.efi', 'mmx64.efi', 'options.csv'))])
SUSE = guests.program(shim=True, signed=True, sections=[
    (b'.data', guests.shim_strings(
        'grub.efi', 'fallback.efi', 'MokManager.efi'))])
GRUB = guests.program(signed=True)


class LoaderTestCase(base.TestCase):

    def test_facts(self):
        result = self.assertBoots(base.esp(guests.loader(signed=True)))
        self.assertEqual(
            [{'partition': 1, 'path': '\\EFI\\BOOT\\BOOTX64.EFI',
              'machine': 'x64', 'subsystem': 'application', 'signed': True,
              'started_by': 'firmware', 'signatures': None,
              'trusted_by': None}],
            result.as_dict()['loaders'])

    def test_windows_boot_manager_is_listed(self):
        result = self.assertBoots(base.esp(guests.fat({
            LOADER: GRUB, 'EFI/Microsoft/Boot/bootmgfw.efi': SHIM})))
        self.assertEqual('\\EFI\\Microsoft\\Boot\\bootmgfw.efi',
                         result.loaders[-1].path)
        self.assertEqual('', result.loaders[-1].started_by)

    def test_windows_boot_manager_that_a_shim_starts_is_listed_once(self):
        for name in ('bootmgfw.efi', 'BOOTMGFW.EFI'):
            result = self.assertBoots(base.esp(guests.fat({
                LOADER: SHIM_16, BOOT + 'options.csv':
                f'\\EFI\\Microsoft\\Boot\\{name},'.encode('utf-16'),
                'EFI/Microsoft/Boot/bootmgfw.efi': GRUB})))
            self.assertEqual(
                ['\\EFI\\BOOT\\BOOTX64.EFI',
                 f'\\EFI\\Microsoft\\Boot\\{name}'],
                [loader.path for loader in result.loaders])

    def assertMissing(self, present, files):
        result = self.assertLoaderFails('loader-missing', files)
        self.assertEqual(
            'no \\EFI\\BOOT\\BOOTX64.EFI' + (
                f', but {", ".join(present)}' if present else ''),
            result.defects['loader-missing'])
        self.assertEqual(
            present, [loader.path for loader in result.loaders])
        self.assertEqual(
            {''} if present else set(),
            {loader.started_by for loader in result.loaders})

    def test_missing(self):
        for path in ('README', 'EFI/README', 'EFI/os/other.efi',
                     'EFI/os/deeper/shimx64.efi'):
            self.assertMissing([], {path: GRUB})

    def test_missing_and_another_is_present(self):
        for path in ('EFI/BOOT/BOOTIA32.EFI', 'EFI/BOOT/BOOTAA64.EFI',
                     'EFI/Microsoft/Boot/bootmgfw.efi',
                     'EFI/BOOT/grubx64.efi', 'EFI/debian/shimx64.efi',
                     'EFI/opensuse/shim.efi', 'EFI/os/grubx64.efi',
                     'EFI/os/grub.efi', 'EFI/systemd/systemd-bootx64.efi'):
            self.assertMissing(['\\' + path.replace('/', '\\')], {path: GRUB})

    def test_a_loader_of_each_directory_is_named(self):
        self.assertMissing(
            ['\\EFI\\debian\\shimx64.efi', '\\EFI\\ubuntu\\grubx64.efi'],
            {'EFI/debian/grubx64.efi': GRUB, 'EFI/debian/shimx64.efi': SHIM,
             'EFI/ubuntu/grubx64.efi': GRUB, 'EFI/os/shimx64.efi': b'text'})
        self.assertMissing(
            [f'\\EFI\\{number}\\grubx64.efi' for number in range(4)],
            {f'EFI/{number}/grubx64.efi': GRUB for number in range(5)})

    def test_file_is_no_directory_of_loaders(self):
        self.assertMissing([], {'EFI': GRUB})
        self.assertMissing([], {'EFI/debian': GRUB})

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

    def assertStarted(self, expected, result):
        self.assertEqual(expected, [
            (loader.started_by, loader.path) for loader in result.loaders])

    def assertSecondStageMissing(self, detail, files):
        result = self.assertLoaderFails('shim-second-stage-missing', files)
        self.assertEqual(detail, result.defects['shim-second-stage-missing'])

    def test_boots_grub_in_its_directory(self):
        result = self.assertBoots(base.esp(guests.fat({
            LOADER: SHIM, BOOT + 'grubx64.efi': GRUB})))
        self.assertStarted([
            ('firmware', '\\EFI\\BOOT\\BOOTX64.EFI'),
            ('\\EFI\\BOOT\\BOOTX64.EFI', '\\EFI\\BOOT\\grubx64.efi')],
            result)

    def test_boots_the_second_stage_of_suse(self):
        result = self.assertBoots(base.esp(guests.fat({
            LOADER: SUSE, BOOT + 'grub.efi': GRUB,
            BOOT + 'MokManager.efi': GRUB})))
        self.assertStarted([
            ('firmware', '\\EFI\\BOOT\\BOOTX64.EFI'),
            ('\\EFI\\BOOT\\BOOTX64.EFI', '\\EFI\\BOOT\\grub.efi')], result)
        self.assertSecondStageMissing('no \\EFI\\BOOT\\grub.efi', {
            LOADER: SUSE, BOOT + 'grubx64.efi': GRUB,
            BOOT + 'fbx64.efi': GRUB})

    def test_boots_the_fallback_of_suse(self):
        result = self.assertBoots(base.esp(guests.fat({
            LOADER: SUSE, BOOT + 'fallback.efi': GRUB,
            'EFI/sles/boot.csv': 'shim.efi,sles\n'.encode('utf-16-le'),
            'EFI/sles/shim.efi': SUSE, 'EFI/sles/grub.efi': GRUB})))
        self.assertStarted([
            ('firmware', '\\EFI\\BOOT\\BOOTX64.EFI'),
            ('\\EFI\\BOOT\\BOOTX64.EFI', '\\EFI\\BOOT\\fallback.efi'),
            ('\\EFI\\BOOT\\fallback.efi', '\\EFI\\sles\\shim.efi'),
            ('\\EFI\\sles\\shim.efi', '\\EFI\\sles\\grub.efi')], result)

    def test_arguments_name_the_second_stage(self):
        files = {
            LOADER: SHIM, BOOT + 'fbx64.efi': GRUB, 'EFI/os/shimx64.efi': SHIM,
            'EFI/os/uki.efi': GRUB, 'EFI/Linux/uki.efi': GRUB}
        for arguments, path in (
                ('\\EFI\\Linux\\uki.efi ', '\\EFI\\Linux\\uki.efi'),
                ('uki.efi quiet', '\\EFI\\os\\uki.efi'),
                ('\\uki.efi', '\\EFI\\os\\uki.efi'),
                ('\\EFI\\os\\shimx64.efi \\EFI\\Linux\\uki.efi',
                 '\\EFI\\Linux\\uki.efi')):
            result = self.assertBoots(base.esp(guests.fat({
                **files, 'EFI/os/BOOTX64.CSV': guests.boot_entries(
                    'shimx64.efi', arguments)})))
            self.assertEqual((path, '\\EFI\\os\\shimx64.efi'), (
                result.loaders[-1].path, result.loaders[-1].started_by))

    def test_default_second_stage_replaces_a_missing_one(self):
        files = {
            LOADER: SHIM, BOOT + 'fbx64.efi': GRUB, 'EFI/os/shimx64.efi': SHIM,
            'EFI/os/BOOTX64.CSV': guests.boot_entries(
                'shimx64.efi', '\\EFI\\Linux\\uki.efi ')}
        result = self.assertBoots(base.esp(guests.fat({
            **files, 'EFI/os/grubx64.efi': GRUB})))
        self.assertEqual(
            '\\EFI\\os\\grubx64.efi', result.loaders[-1].path)
        self.assertSecondStageMissing(
            'no \\EFI\\Linux\\uki.efi, no \\EFI\\os\\grubx64.efi', files)

    def test_options_name_the_second_stage(self):
        files = {
            LOADER: SHIM_16, BOOT + 'grubx64.efi': GRUB,
            BOOT + 'uki.efi': GRUB}
        for text, name in (('uki.efi,a UKI', 'uki.efi'), ('', 'grubx64.efi'),
                           ('no.efi,', 'grubx64.efi')):
            files[BOOT + 'options.csv'] = text.encode('utf-16')
            result = self.assertBoots(base.esp(guests.fat(files)))
            self.assertEqual(
                f'\\EFI\\BOOT\\{name}', result.loaders[-1].path)
        files[BOOT + 'options.csv'] = 'uki.efi,'.encode('utf-16')
        files[LOADER] = SHIM
        result = self.assertBoots(base.esp(guests.fat(files)))
        self.assertEqual(
            '\\EFI\\BOOT\\grubx64.efi', result.loaders[-1].path)

    def test_fallback_and_arguments_precede_options(self):
        options = 'grubx64.efi,'.encode('utf-16')
        result = self.assertBoots(base.esp(guests.fat({
            LOADER: SHIM_16, BOOT + 'fbx64.efi': GRUB,
            BOOT + 'options.csv': options, BOOT + 'grubx64.efi': GRUB,
            'EFI/os/BOOTX64.CSV': guests.boot_entries(
                'shimx64.efi', 'uki.efi'),
            'EFI/os/shimx64.efi': SHIM_16, 'EFI/os/options.csv': options,
            'EFI/os/uki.efi': GRUB})))
        self.assertEqual('\\EFI\\os\\uki.efi', result.loaders[-1].path)

    def test_shims_that_start_each_other(self):
        files = {}
        for number in range(15):
            files[f'EFI/{number}/shim.efi'] = SHIM_16
            files[f'EFI/{number}/options.csv'] = (
                f'\\EFI\\{number + 1}\\shim.efi,'.encode('utf-16'))
        files = {LOADER: SHIM_16, BOOT + 'options.csv':
                 '\\EFI\\0\\shim.efi,'.encode('utf-16'), **files}
        self.assertSecondStageMissing(
            '\\EFI\\15\\shim.efi is a shim that starts itself without end',
            {**files, 'EFI/15/shim.efi': GRUB})
        self.assertBoots(base.esp(guests.fat(
            {**files, 'EFI/14/shim.efi': GRUB})))

    def test_program_that_does_not_start_is_listed(self):
        result = self.assertLoaderFails('loader-wrong-arch', {
            LOADER: SHIM,
            BOOT + 'grubx64.efi': guests.program(machine=0xaa64)})
        self.assertEqual(['firmware', ''], [
            loader.started_by for loader in result.loaders])

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

    def test_fallback_boots_the_first_boot_option(self):
        for name in ('BOOTX64.CSV', 'BOOT.CSV'):
            self.assertBoots(base.esp(guests.fat({
                LOADER: SHIM, BOOT + 'fbx64.efi': GRUB,
                f'EFI/a system/{name}': guests.boot_entries('shimx64.efi'),
                'EFI/a system/shimx64.efi': SHIM,
                'EFI/a system/grubx64.efi': GRUB})))

    def test_second_csv_is_read_if_the_first_is_missing(self):
        files = {LOADER: SHIM, BOOT + 'fbx64.efi': GRUB,
                 'EFI/os/BOOT.CSV': guests.boot_entries('shimx64.efi'),
                 'EFI/os/shimx64.efi': SHIM, 'EFI/os/grubx64.efi': GRUB}
        self.assertBoots(base.esp(guests.fat(
            {**files, 'EFI/os/BOOTX64.CSV/A': b''})))
        self.assertSecondStageMissing(
            '\\EFI\\BOOT\\fbx64.efi finds no BOOTX64.CSV',
            {**files, 'EFI/os/BOOTX64.CSV': b''})

    def test_program_of_a_boot_option_in_a_subdirectory(self):
        self.assertBoots(base.esp(guests.fat({
            LOADER: SHIM, BOOT + 'fbx64.efi': GRUB,
            'EFI/os/BOOTX64.CSV': guests.boot_entries('a\\grubx64.efi'),
            'EFI/os/a/grubx64.efi': GRUB})))

    def test_fallback_that_is_a_directory(self):
        self.assertSecondStageMissing(
            '\\EFI\\BOOT\\fbx64.efi is a directory',
            {LOADER: SHIM, BOOT + 'grubx64.efi': GRUB,
             BOOT + 'fbx64.efi/A': b''})

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
