# SPDX-License-Identifier: Apache-2.0
"""image convert --repair and --grow: real tools, and firmware after them."""

import contextlib
import io
import json
import pathlib
import re

import fixtures
import testtools

from hyperv_sched import disk
from hyperv_sched.cli import main
from hyperv_sched.cli import repairs
from tests.firmware import boot
from tests.firmware import corpus
from tests.firmware import gpt_edit
from tests.firmware import images
from tests.firmware import loaders
from tests.firmware import test_advice

GOOD = test_advice.GOOD
MIB = images.MIB


def installed(directory, shim, grub, loader=loaders.shim):
    """Return a disk that was installed into the directory of a vendor."""
    return (corpus.DISK, images.gpt(), images.fat(), *(
        images.put(f'EFI/{directory}/{name}', content) for name, content in (
            (shim, loader), (grub, loaders.grub),
            ('fbx64.efi', loaders.fallback),
            ('BOOTX64.CSV', corpus.csv(f'{shim},{directory},,\n')))))


#: Rule, disk, and whether firmware boots the disk before the repair.
REPAIRS = {
    'header': ('HV305', (*GOOD, images.poke('B', 512 + 20, 255)), True),
    'signature': ('HV305', (*GOOD, images.poke('8s', 512, b'EFI part')),
                  True),
    'entries': ('HV305', (*GOOD, images.poke('B', 1024 + 130, 1)), True),
    'backup': ('HV306', (*GOOD, images.poke('B', -512 + 20, 255)), True),
    'no-entry': ('HV307', (*GOOD, images.poke('16s', 446, bytes(16))),
                 False),
    'no-mbr': ('HV307', (*GOOD, images.poke('72s', 440, bytes(72))), False),
    'entry-at-2': ('HV307', (*GOOD, images.poke('<I', 446 + 8, 2)), False),
    'smaller': ('HV310', (
        corpus.DISK, images.gpt('start=2048, size=36MiB, type=U'),
        images.fat(), corpus.GRUB, images.resize(40 * MIB)), True),
    'active': ('HV312', (*GOOD, images.poke('B', 446, 0x80)), True),
    'unsigned': ('HV313', (*GOOD, images.poke('<H', 510, 0)), True),
    'type': ('HV322', (corpus.DISK, images.gpt('start=2048, type=L'),
                       images.fat(), corpus.GRUB), True),
    'hidden': ('HV323', (*GOOD, gpt_edit.attributes(2)), False),
    'debian': ('HV331', installed('debian', 'shimx64.efi', 'grubx64.efi'),
               False),
    'fedora': ('HV331', installed('fedora', 'shimx64.efi', 'grubx64.efi'),
               False),
    'opensuse': ('HV331', installed('opensuse', 'shim.efi', 'grub.efi',
                                    loaders.suse_shim), False),
}
#: Disks that a repair could make worse.
LEFT_ALONE = {
    'old GPT under a live MBR': corpus.stale_gpt(),
    'partition of the MBR': (*GOOD, images.poke(
        '64s', 446, bytes(4) + b'\x83' + bytes(3) + b'\0\x50\1\0\0\x10\0\0')),
    'hybrid MBR': (*GOOD, images.sgdisk('--hybrid=2'),
                   images.poke('B', -512 + 20, 255)),
    'two vendors': (
        *installed('debian', 'shimx64.efi', 'grubx64.efi'),
        images.put('EFI/ubuntu/shimx64.efi', loaders.shim)),
}


class _Repairs(testtools.TestCase):

    def build(self, steps):
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        image = images.build(steps, directory)
        self.output = directory / 'out.vhdx'
        return image

    def convert(self, image, *argv):
        """Convert a disk; return exit code, rules of findings and errors."""
        out, err = io.StringIO(), io.StringIO()
        before = image.path.read_bytes()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.main(['image', 'convert', '-f', 'json', *argv,
                              str(image.path), str(self.output)])
        self.assertTrue(before == image.path.read_bytes())
        self.assertEqual([], [
            path.name for path in image.directory.iterdir()
            if path.name.startswith('.')])
        found = [finding['code'] for finding in json.loads(
            out.getvalue() or '[]')]
        return code, found, err.getvalue()

    def content(self):
        path = self.output.with_suffix('.raw')
        images.run('qemu-img', 'convert', '-f', 'vhdx', '-O', 'raw',
                   self.output, path)
        return path.read_bytes()

    def starts(self, image, in_container=True):
        return boot.starts(boot.UEFI, image, in_container)

    def boots_after(self, image):
        image.path, image.format = self.output, 'vhdx'
        return self.starts(image)


class RepairTestCase(_Repairs):

    def test_each_repair(self):
        for name, (code, steps, _) in REPAIRS.items():
            with self.subTest(name):
                image = self.build(steps)
                before = image.disk.read_bytes()
                exit_code, found, err = self.convert(image, '--repair')
                self.assertEqual((0, []), (exit_code, found), err)
                first, last = err.splitlines()
                self.assertRegex(first, f'^{code} .*: repairing with ')
                self.assertRegex(last, f'^{code} .*: repaired$')
                partitions = disk.inspect(self.output).as_dict()['partitions']
                if code != 'HV331':
                    test_advice.same_partitions(
                        self, before, self.content(), partitions)

    def test_what_a_repair_could_make_worse_is_left_alone(self):
        for name, steps in LEFT_ALONE.items():
            with self.subTest(name):
                image = self.build(steps)
                _, _, err = self.convert(image, '--repair')
                self.assertNotIn('repaired', err)
                test_advice.same_disk(
                    self, image.disk.read_bytes(), self.content(), ())

    def test_disk_without_a_defect_is_not_changed(self):
        image = self.build(GOOD)
        self.assertEqual((0, [], ''), self.convert(image, '--repair'))
        test_advice.same_disk(
            self, image.disk.read_bytes(), self.content(), ())

    def test_hidden_partition_boots_after_the_repair(self):
        image = self.build(REPAIRS['hidden'][1])
        self.assertFalse(self.starts(image))
        self.convert(image, '--repair')
        self.assertTrue(self.boots_after(image))

    def test_missing_program_is_named_with_its_package(self):
        image = self.build(REPAIRS['backup'][1])
        programs = image.directory / 'bin'
        programs.mkdir()
        qemu_img = images.run('which', 'qemu-img').strip()
        (programs / 'qemu-img').symlink_to(qemu_img)
        self.useFixture(fixtures.EnvironmentVariable('PATH', str(programs)))
        self.useFixture(fixtures.MockPatchObject(
            repairs, '_SBIN', str(programs)))
        code, _, err = self.convert(image, '--repair')
        self.assertEqual(2, code)
        self.assertIn('gdisk is not installed, which the repair requires. '
                      'Install the package gdisk', err)
        self.assertFalse(self.output.exists())


class GrowTestCase(_Repairs):

    def test_backup_of_the_gpt_is_moved(self):
        image = self.build(GOOD)
        code, found, err = self.convert(image, '--grow', '80M')
        self.assertEqual((0, []), (code, found), err)
        after = disk.inspect(self.output)
        self.assertEqual((80 * MIB, {}), (after.virtual_size, after.defects))
        content = self.content()
        self.assertEqual(b'EFI PART', content[-512:][:8])
        test_advice.same_partitions(
            self, image.disk.read_bytes(), content,
            after.as_dict()['partitions'])

    def test_disk_with_an_mbr_grows(self):
        image = self.build(test_advice.on_mbr('start=2048, type=ef'))
        code, _, err = self.convert(image, '--grow', '80M')
        self.assertEqual(0, code, err)
        test_advice.same_disk(
            self, image.disk.read_bytes(), self.content(), ())

    def test_damaged_backup_is_repaired_before(self):
        image = self.build(REPAIRS['backup'][1])
        code, found, err = self.convert(image, '--repair', '--grow', '1G')
        self.assertEqual((0, []), (code, found), err)
        self.assertEqual(1024 * MIB, disk.inspect(self.output).virtual_size)

    def test_damaged_disk_is_refused_without_a_repair(self):
        for name in ('signature', 'backup', 'active'):
            image = self.build(REPAIRS[name][1])
            for argv in ((), ('--dry-run',)):
                code, _, err = self.convert(image, '--grow', '80M', *argv)
                self.assertEqual(2, code)
                self.assertIn(f'{REPAIRS[name][0]} ', err)
                self.assertIn('Add --repair', err)
            self.assertFalse(self.output.exists())

    def test_size_that_is_not_larger_is_refused(self):
        image = self.build(GOOD)
        for size in ('48M', '1M', '65T'):
            code, _, err = self.convert(image, '--grow', size)
            self.assertEqual(2, code)
            self.assertIn('--grow: the disk has 48.0 MiB', err)

    def test_hybrid_disk_is_refused(self):
        image = self.build(LEFT_ALONE['hybrid MBR'])
        code, _, err = self.convert(image, '--grow', '80M')
        self.assertEqual(2, code)
        self.assertIn('damaged or hybrid', err)

    def test_plan_is_that_of_the_conversion(self):
        image = self.build(REPAIRS['backup'][1])
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main.main(['image', 'convert', '--dry-run', '--repair', '--grow',
                       '80M', str(image.path), str(self.output)])
        commands = [line for line in out.getvalue().splitlines()
                    if re.match('qemu-img|sgdisk|printf|rm', line)]
        self.assertEqual(6, len(commands), commands)
        for command in commands:
            images.run('sh', '-c', command)
        self.assertEqual({}, disk.inspect(self.output).defects)
        self.assertEqual([], [*image.directory.glob('*.vhdx.raw')])

    def test_plan_of_each_repair_runs_in_any_directory(self):
        for name in ('no-mbr', 'debian'):
            image = self.build(REPAIRS[name][1])
            directory = image.directory / 'a@@0'
            directory.mkdir()
            for self.output, argv in (
                    (directory / 'planned.vhdx', ('--dry-run',)),
                    (directory / 'out.vhdx', ())):
                out = io.StringIO()
                with contextlib.redirect_stdout(out), \
                        contextlib.redirect_stderr(io.StringIO()):
                    main.main(['image', 'convert', '--repair', *argv,
                               str(image.path), str(self.output)])
                if argv:
                    images.run('sh', '-ec', out.getvalue())
                self.assertEqual({}, disk.inspect(self.output).defects)
            self.assertEqual({'planned.vhdx', 'out.vhdx'}, {
                path.name for path in directory.iterdir()})


class OtherFirmwareRepairTestCase(_Repairs):
    """Firmware before and after each repair."""

    def test_each_repair(self):
        for name, (_, steps, boots) in REPAIRS.items():
            with self.subTest(name):
                image = self.build(steps)
                self.assertEqual(boots, self.starts(image))
                self.convert(image, '--repair')
                self.assertTrue(self.boots_after(image))

    def test_enlarged_disk_boots(self):
        image = self.build(GOOD)
        self.convert(image, '--grow', '80M')
        self.assertTrue(self.boots_after(image))
