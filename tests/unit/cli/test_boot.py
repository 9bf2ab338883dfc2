# SPDX-License-Identifier: Apache-2.0
"""Unit tests of "image boot"; tests/firmware has those that start disks."""

import contextlib
import json
import os
import tempfile

import fixtures

from hyperv_sched.cli import firmware
from hyperv_sched.cli import virtual_machine
from tests import guests
from tests import samples
from tests.unit.cli import base
from tests.unit.cli import test_uefi_variables

DISK = 'BdsDxe: {} Boot0001 "UEFI QEMU" from Scsi(0x0,0x0){}\r\n'


class Machine:
    """A machine with a list of states."""

    def __init__(self, *states, ends=None):
        self._states, self._ends = states, ends

    def states(self, seconds):
        """Yield what the machine does."""
        for console, kernel, resets in self._states:
            yield virtual_machine.State(console.encode(), kernel, resets)
        if self._ends is not None:
            raise virtual_machine.EndedError(self._ends)

    def request(self, command, filename, **arguments):
        if self._ends is not None:
            raise virtual_machine.EndedError(self._ends)
        with open(filename, 'wb') as file:
            file.write(f'{command} {arguments}'.encode())


class BootTestCase(base.CommandTestCase):

    def setUp(self):
        super().setUp()
        self.temporary = self.directory / 'tmp'
        self.temporary.mkdir()
        self.useFixture(fixtures.MockPatchObject(
            tempfile, 'gettempdir', lambda: str(self.temporary)))
        self.useFixture(fixtures.MockPatchObject(
            virtual_machine, 'check_installed'))
        store = self.file('vars.fd', test_uefi_variables.store(
            size=65000, volume=65536).ljust(65536, b'\xff'))
        self.useFixture(fixtures.MockPatchObject(
            firmware, 'find', lambda secure_boot: firmware.Firmware(
                '/usr/share/code.fd', str(store), secure_boot)))
        self.disk = self.file('disk.raw', guests.bootable())

    def boot(self, *states, argv=(), path=None, ends=None):
        @contextlib.contextmanager
        def start(arguments, file, directory, guard):
            self.arguments = arguments
            self.assertEqual(['variables'], os.listdir(directory))
            yield Machine(*states, ends=ends)

        self.useFixture(fixtures.MockPatchObject(
            virtual_machine, 'start', start))
        code, out, err = self.run_command(
            'image', 'boot', '-f', 'json', *argv, str(path or self.disk))
        self.assertEqual([], os.listdir(self.temporary))
        return code, json.loads(out or '{}'), err

    def check(self, code, members, *states, **kwargs):
        found, result, err = self.boot(*states, **kwargs)
        self.assertEqual((code, ''), (found, err))
        self.assertEqual(members, {name: result[name] for name in members})

    def test_kernel(self):
        self.check(
            0, {'image': str(self.disk), 'firmware': 'code.fd',
                'template': None, 'reached': 'kernel',
                'detail': 'a kernel runs at 0xffffffff81000000',
                'boots': True, 'lint_boots': True, 'agree': True,
                'findings': [], 'console': ['Linux version 6.1']},
            ('Linux version 6.1\r\n', None, 0),
            ('', 0xffffffff81000000, 0))

    def test_loader_without_an_error(self):
        self.check(0, {'reached': 'loader', 'boots': True, 'agree': True},
                   (DISK.format('starting', ''), None, 0))

    def test_firmware_and_linter_disagree(self):
        self.check(
            1, {'reached': 'no-loader', 'boots': False, 'lint_boots': True,
                'agree': False},
            ('No bootable option or device was found', None, 0))
        path = self.file('mbr.raw', guests.bios_bootable())
        self.check(
            1, {'reached': 'kernel', 'boots': True, 'lint_boots': False,
                'agree': False}, ('', 1 << 63, 0), path=path)

    def test_firmware_and_linter_agree_that_the_disk_does_not_boot(self):
        self.check(
            1, {'reached': 'no-loader', 'lint_boots': False, 'agree': True},
            ('No bootable option or device was found', None, 0),
            path=self.file('empty.raw', guests.gpt([])))

    def test_unsigned_loader_under_secure_boot(self):
        self.check(
            1, {'template': 'MicrosoftUEFICertificateAuthority',
                'reached': 'refused', 'agree': True},
            (DISK.format('failed to load', ': Access Denied')
             + 'No bootable option or device was found', None, 0),
            argv=('--secure-boot', 'linux'))
        self.assertIn('smm=on', self.arguments)

    def test_resets(self):
        started = DISK.format('starting', ''), None
        self.check(0, {'reached': 'loader'}, (*started, 3))
        self.check(1, {'reached': 'loader-error', 'detail':
                       'the machine resets itself again and again'},
                   (*started, 4))

    def test_machine_turns_itself_off(self):
        self.check(1, {'detail': 'the machine turns itself off'}, ends='')

    def test_failure_of_qemu(self):
        code, result, err = self.boot(ends='qemu: no memory')
        self.assertEqual((2, {}), (code, result))
        self.assertIn('QEMU cannot start the disk: qemu: no memory', err)

    def test_firmware_that_starts_nothing_in_the_time(self):
        code, _, err = self.boot(('', None, 0), argv=('--timeout', '5'))
        self.assertEqual(2, code)
        self.assertIn('did not start the disk in 5 seconds', err)

    def test_times(self):
        for value in ('0', '3601', '-1', 'x'):
            code, _, err = self.boot(argv=('--timeout', value))
            self.assertEqual(2, code)
            self.assertIn('--timeout', err)

    def test_screenshot_replaces_a_file(self):
        picture = self.file('screen.png', b'old')
        self.boot(('', 1 << 63, 0), argv=('--screenshot', str(picture)))
        self.assertEqual(b"screendump {'format': 'png'}",
                         self.read(picture))

    def test_screenshot_that_cannot_be_written_leaves_the_result(self):
        code, result, err = self.boot(('', 1 << 63, 0), argv=(
            '--screenshot', str(self.directory / 'none' / 'x.png')))
        self.assertEqual((2, 'kernel'), (code, result['reached']))
        self.assertIn('x.png: cannot be written: No such', err)
        picture = self.directory / 'screen.png'
        for states, reached in (((), 'loader-error'),
                                ([('', 1 << 63, 0)], 'kernel')):
            code, result, err = self.boot(
                *states, argv=('--screenshot', str(picture)), ends='')
            self.assertEqual((2, reached), (code, result['reached']))
            self.assertEqual(
                f'{picture}: cannot be written: the machine is off\n', err)
            self.assertFalse(picture.exists())

    def read(self, path):
        with open(path, 'rb') as file:
            return file.read()

    def test_damaged_container_is_not_started(self):
        path = self.file('cut.vhdx', samples.uefi_vhdx()[:2 * 1024 ** 2])
        self.check(1, {'reached': 'not started', 'boots': None,
                       'agree': None}, path=path)

    def test_disk_of_4096_byte_sectors(self):
        path = self.file('4k.vhdx', samples.vhdx(
            block_size=samples.MIB, logical_sector_size=4096,
            guest=guests.bootable()))
        self.boot(('', 1 << 63, 0), path=path)
        self.assertIn('logical_block_size=4096', self.arguments[-1])

    def test_iso_is_a_cd(self):
        path = self.file('cd.iso', bytes(32769) + b'CD001' + bytes(40000))
        self.boot(('', 1 << 63, 0), path=path)
        self.assertTrue(self.arguments[-1].startswith('scsi-cd,'))

    def test_table(self):
        _, out, _ = self.run_table()
        self.assertRegex(out, r'boots +\| yes')
        self.assertRegex(out, r'template +\| - ')

    def run_table(self):
        self.boot(('', 1 << 63, 0))
        return self.run_command('image', 'boot', str(self.disk))
