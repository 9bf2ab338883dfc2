# SPDX-License-Identifier: Apache-2.0
"""image boot with a real QEMU and firmware."""

import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time

import fixtures
import testtools

from hyperv_sched.cli import firmware
from hyperv_sched.cli import uefi_variables
from hyperv_sched.disk import signature_lists
from hyperv_sched.disk import templates
from tests import processes
from tests.firmware import corpus
from tests.firmware import images
from tests.firmware import loaders
from tests.unit.cli import base

COMMAND = pathlib.Path(sys.executable).with_name('hyperv-sched')
SHIM = (*corpus.ESP, images.put(corpus.BOOTX64, loaders.shim),
        images.put('EFI/BOOT/grubx64.efi', loaders.signed_grub))


class _Boots(base.CommandTestCase):

    def setUp(self):
        super().setUp()
        self.temporary = self.directory / 'tmp'
        self.temporary.mkdir()
        self.useFixture(fixtures.EnvironmentVariable(
            'TMPDIR', str(self.temporary)))
        self.useFixture(fixtures.MonkeyPatch('tempfile.tempdir', None))

    def build(self, *steps):
        return images.build(steps, self.directory).path

    def boot(self, path, *argv):
        before = path.read_bytes(), path.stat().st_mtime_ns
        code, out, err = self.run_command(
            'image', 'boot', '-f', 'json', *argv, str(path))
        self.assertEqual(
            before, (path.read_bytes(), path.stat().st_mtime_ns))
        self.assertEqual([], os.listdir(self.temporary))
        return code, json.loads(out or '{}'), err

    def check(self, code, stage, lint, agree, *argv):
        found, result, err = self.boot(*argv)
        self.assertEqual((code, stage, lint, agree), (
            found, result.get('reached'), result.get('lint_boots'),
            result.get('agree')), (result, err))
        return result


class BootCommandTestCase(_Boots):

    def test_shim_of_a_distribution_stops_at_the_prompt(self):
        screen = self.directory / 'screen.png'
        result = self.check(
            1, 'prompt', False, True, self.build(*SHIM), '--secure-boot',
            'linux', '--screenshot', str(screen))
        self.assertEqual(['HV342'], [
            finding['code'] for finding in result['findings']])
        self.assertEqual(b'\x89PNG\r\n\x1a\n', screen.read_bytes()[:8])

    def test_template_of_windows_refuses_a_shim(self):
        path = self.directory / 'a,b=c.qcow2'
        images.run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                   self.build(*SHIM), path)
        result = self.check(
            1, 'refused', False, True, path, '--secure-boot', 'windows')
        self.assertIn('Access Denied', result['detail'])
        self.assertIn('HV336', [
            finding['code'] for finding in result['findings']])

    def test_image_that_names_a_file_is_not_started(self):
        path = self.directory / 'in.qcow2'
        images.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b',
                   '/etc/passwd', '-F', 'raw', path)
        result = self.check(1, 'not started', False, None, path)
        self.assertEqual('HV230', result['findings'][0]['code'])
        path.write_bytes(struct.pack('<4s12xQ', b'QED\0', 1) + bytes(88))
        code, _, err = self.boot(path)
        self.assertEqual(2, code)
        self.assertIn('names a backing file, which is not opened', err)

    def test_time_is_too_short(self):
        code, _, err = self.boot(
            self.build(*corpus.ESP), '--timeout', '1')
        self.assertEqual(2, code)
        self.assertIn('did not start the disk in 1 seconds', err)

    def start(self, *argv, **kwargs):
        """Start the command; return it and QEMU when the machine runs."""
        process = subprocess.Popen(
            [COMMAND, 'image', 'boot', self.build(*corpus.ESP), *argv],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        while process.poll() is None:
            for child in processes.children(process):
                if b'chardev=monitor' in processes.command_line(child):
                    return process, child
            time.sleep(0.01)
        self.fail(process.communicate())

    def test_interrupt_leaves_nothing(self):
        process, machine = self.start()
        process.send_signal(signal.SIGINT)
        process.communicate()
        self.assertEqual(130, process.returncode)
        self.assertEqual([], os.listdir(self.temporary))
        self.assertTrue(processes.has_ended(machine))

    def test_killed_process_ends_the_machine(self):
        process, machine = self.start()
        process.kill()
        process.wait()
        processes.wait_until_ended(machine)
        left, = os.listdir(self.temporary)
        self.assertTrue(left.endswith('.hyperv-sched-unfinished'))


class OtherFirmwareBootCommandTestCase(_Boots):
    """More boots, which CI does not run."""

    def test_unsigned_loader_starts_without_secure_boot_only(self):
        path = self.build(*corpus.GOOD)
        self.check(1, 'refused', False, True, path, '--secure-boot', 'linux')
        # The program of the test prints a text and ends in GRUB's prompt.
        self.check(1, 'prompt', True, False, path)

    def test_disk_without_a_loader(self):
        self.check(1, 'no-loader', False, True, self.build(*corpus.ESP))

    def test_formats(self):
        path = self.build(*corpus.ESP)
        for kind, options in (
                ('vmdk', ()), ('vhdx', ()), ('vdi', ()),
                ('vpc', ('-o', 'force_size=on'))):
            disk = self.directory / f'disk,{kind}'
            images.run('qemu-img', 'convert', '-O', kind, *options, path,
                       disk)
            # The linter reads no VDI.
            lint = None if kind == 'vdi' else False
            self.check(1, 'no-loader', lint, lint is False or None, disk)


class VariablesTestCase(testtools.TestCase):
    """The variable store against the parser of virt-firmware."""

    def test_store_has_the_keys_of_the_template_and_no_others(self):
        uefi = firmware.find(True)
        for template in templates.load().values():
            with tempfile.TemporaryDirectory() as name:
                store = pathlib.Path(name, 'store')
                store.write_bytes(uefi.new_variables(template))
                output = pathlib.Path(name, 'output')
                images.run(sys.executable, '-m', 'virt.firmware.vars', '-i',
                           store, '--output-json', output)
                found = {
                    variable['name']: variable for variable
                    in json.loads(output.read_text())['variables']}
            self.assertEqual(
                {'PK', 'KEK', 'db', 'dbx', 'SecureBootEnable'}, {*found})
            self.assertEqual(
                signature_lists.Signatures(tuple(
                    anchor.certificate for anchor in template.db)),
                signature_lists.read(bytes.fromhex(found['db']['data'])))
            self.assertEqual(template.dbx, signature_lists.read(
                bytes.fromhex(found['dbx']['data'])))
            self.assertEqual(
                [(0x27, '8be4df61-93ca-11d2-aa0d-00e098032b8c'),
                 (0x27, 'd719b2cb-3d3a-4596-a3bc-dad00e67656f')],
                [(found[name]['attr'], found[name]['guid'])
                 for name in ('PK', 'db')])
            self.assertEqual(
                (3, '01', 'f0a30bc7-af08-4556-99c4-001009c93a44'),
                tuple(found['SecureBootEnable'][name]
                      for name in ('attr', 'data', 'guid')))

    def test_store_without_keys_is_that_of_the_firmware(self):
        uefi = firmware.find(False)
        self.assertEqual(pathlib.Path(uefi.variables).read_bytes(),
                         uefi.new_variables(None))
        self.assertEqual(
            pathlib.Path(uefi.variables).read_bytes(), uefi_variables.fill(
                firmware.find(True).new_variables(
                    templates.load()['linux']), ()))
