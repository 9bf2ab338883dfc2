# SPDX-License-Identifier: Apache-2.0
"""image convert with a real qemu-img."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from unittest import mock

import fixtures

from hyperv_sched import disk
from hyperv_sched.cli import image_api
from tests import guests
from tests import processes
from tests import samples
from tests.programs import qemu_img
from tests.unit.cli import base
from tests.unit.cli import test_upload

MIB = samples.MIB
COMMAND = pathlib.Path(sys.executable).with_name('hyperv-sched')
LINUX = guests.gpt([(guests.ESP, 64, guests.fat({
    'EFI/BOOT/BOOTX64.EFI': guests.program(shim=True),
    'EFI/BOOT/grubx64.efi': guests.program()}))], size=40 * MIB)
#: A qemu-img that takes five seconds for this disk.
SLOW = '''#!/bin/sh
[ "$1" = convert ] || exec qemu-img "$@"
shift
exec {program} convert -r {rate} "$@"
'''
#: A qemu-img whose writes fail, from the first or second of each of its
#: threads on.
FULL = '''#!/bin/sh
exec strace -qq -f -o /dev/null -e trace=pwrite64,pwritev \
    -e inject=pwrite64,pwritev:error={error}:when={first}+ {program} "$@"
'''
#: A program that sends a signal to the command before or after one of its
#: calls; all programs count their calls together.
SIGNALING = '''#!/bin/sh
echo >> {calls}
calls=$(wc -l < {calls})
[ $calls = {call} ] && [ {moment} = before ] && kill -{signal} $PPID
{program} "$@"
code=$?
[ $calls = {call} ] && [ {moment} = after ] && kill -{signal} $PPID
exit $code
'''


def find_program(name):
    return subprocess.run(
        ['sh', '-c', f'command -v {name}'], check=True, text=True,
        stdout=subprocess.PIPE).stdout.strip()


class _Conversions(base.CommandTestCase):

    def setUp(self):
        super().setUp()
        self.output = self.directory / 'out.vhdx'
        self.raw = pathlib.Path(self.file('raw', LINUX))

    def convert(self, path, *argv):
        return self.run_command(
            'image', 'convert', str(path), str(self.output), *argv)

    def fill_disk(self, error='ENOSPC', first=2):
        """Let qemu-img run on a disk that is full, or becomes full."""
        programs = self.directory / 'bin'
        if not programs.exists():
            programs.mkdir()
            self.program = find_program('qemu-img')
            self.useFixture(fixtures.EnvironmentVariable(
                'PATH', f'{programs}:{os.environ["PATH"]}'))
        program = programs / 'qemu-img'
        program.write_text(FULL.format(
            error=error, first=first, program=shlex.quote(self.program)))
        program.chmod(0o755)


class ConvertTestCase(_Conversions):

    def create(self, kind, *options):
        path = self.directory / f'in,=\'"{kind}:'
        arguments = ['-o', ','.join(options)] if options else []
        qemu_img('convert', '-f', 'raw', '-O', kind, *arguments, self.raw,
                 path)
        return path

    def assert_same_disk(self):
        content = self.directory / 'content'
        qemu_img('convert', '-f', 'vhdx', '-O', 'raw', self.output, content)
        data = content.read_bytes()
        self.assertEqual(len(LINUX), len(data))
        self.assertTrue(data == LINUX)
        content.unlink()

    def test_each_format_is_converted_whole(self):
        for kind, options in (
                ('raw', ()), ('qcow2', ()), ('qcow2', ('compat=0.10',)),
                ('qcow2', ('compression_type=zstd', 'extended_l2=on')),
                ('qed', ()), ('vdi', ()), ('vmdk', ()), ('parallels', ()),
                ('vmdk', ('subformat=streamOptimized',)),
                ('vpc', ('force_size=on',)),
                ('vpc', ('force_size=on', 'subformat=fixed')),
                ('vhdx', ()), ('vhdx', ('subformat=fixed',))):
            path = self.create(kind, *options)
            before = path.read_bytes(), path.stat().st_mtime_ns
            code, out, err = self.convert(path, '-f', 'json')
            self.assertEqual((0, [], ''), (code, json.loads(out), err),
                             (kind, options))
            self.assert_same_disk()
            self.assertEqual(
                before, (path.read_bytes(), path.stat().st_mtime_ns))
            self.output.unlink()
            path.unlink()
            self.assertEqual(['raw'], os.listdir(self.directory))

    def test_blocks_are_those_of_the_operating_system(self):
        for guest, argv, expected in (
                (LINUX, (), MIB), (LINUX, ('--block-size', '2'), 2 * MIB),
                (guests.bootable(size=40 * MIB), (), 32 * MIB)):
            self.convert(self.file('raw', guest), *argv)
            self.assertEqual(expected, disk.inspect(self.output).block_size)
            self.output.unlink()

    def test_findings_of_the_new_file(self):
        code, out, err = self.convert(self.file(
            'raw', guests.gpt([], size=40 * MIB)))
        self.assertEqual(1, code)
        self.assertIn(f'HV321  esp-missing  {self.output}', out)
        self.assertIn('no firmware boots it', err)
        self.assertTrue(self.output.exists())

    def test_summary(self):
        _, _, err = self.convert(self.raw)
        self.assertEqual(
            f'{self.output}: 10.0 MiB for a disk of 40.0 MiB; UEFI boots it: '
            'generation 2\n', err)
        self.output.unlink()
        _, _, err = self.convert(self.file(
            'raw', guests.bios_bootable(40 * MIB)))
        self.assertIn('a BIOS boots it: generation 1', err)

    def test_raw_disk_without_a_partition_table(self):
        path = self.file('raw', b'data' * MIB)
        code, _, err = self.convert(path, '--input-format', 'raw')
        self.assertEqual(1, code, err)
        self.assertEqual('vhdx', disk.inspect(self.output).format)

    def test_estimate_is_not_smaller_than_the_file(self):
        for argv in (('--block-size', '1'), ('--block-size', '32')):
            _, _, err = self.convert(self.create('qcow2'), '--dry-run',
                                     *argv)
            self.convert(self.raw, *argv)
            estimate = float(re.search('up to ([0-9.]+) MiB', err)[1]) * MIB
            size = self.output.stat().st_size
            self.assertLessEqual(size, estimate)
            self.assertLessEqual(estimate, size + 33 * MIB)
            self.output.unlink()

    def test_output_that_cannot_be_written(self):
        with open('/dev/full', 'w') as full:
            process = subprocess.run(
                [COMMAND, 'image', 'convert', '-f', 'json', self.raw,
                 self.output], stdout=full, stderr=subprocess.PIPE,
                text=True, check=False)
        self.assertEqual(2, process.returncode, process.stderr)
        self.assertEqual(
            f'{self.output} is converted and checked, but the output cannot '
            'be written: No space left on device\n', process.stderr)
        self.assertEqual('vhdx', disk.inspect(self.output).format)

    def test_plan_of_a_disk_that_is_not_read(self):
        for argv in (('--repair',), ('--grow', '80M')):
            code, out, err = self.convert(
                self.create('vdi'), '--dry-run', *argv)
            self.assertEqual(0, code)
            self.assertIn('the content of the disk is read after the copy',
                          err)
            self.assertEqual(f'rm {self.output}.raw', out.splitlines()[-1])

    def test_damaged_table_of_a_disk_that_is_not_read(self):
        damaged = bytearray(LINUX)
        damaged[512:1024] = bytes(512)
        self.raw.write_bytes(damaged)
        code, _, err = self.convert(self.create('vdi'), '--grow', '80M')
        self.assertEqual(2, code)
        self.assertIn('HV305 gpt-primary-damaged', err)
        self.assertFalse(self.output.exists())

    def test_printed_command_converts_the_disk(self):
        code, out, _ = self.convert(self.create('qcow2'), '--dry-run')
        self.assertEqual((0, False), (code, self.output.exists()))
        subprocess.run(['sh', '-c', out], check=True)
        self.assert_same_disk()

    def test_error_of_qemu_img_is_printed_and_leaves_nothing(self):
        path = self.file('in', struct.pack(
            '<4s12xQ16xQ', b'QED\0', 0, MIB))
        code, out, err = self.convert(path)
        self.assertEqual((2, ''), (code, out))
        self.assertRegex(err, "^qemu-img: Could not open '[^{]*/in': ")
        self.assertEqual({'in', 'raw'}, {*os.listdir(self.directory)})

    def test_damaged_table_below_a_protective_mbr_of_the_largest_size(self):
        # Windows makes such a one, and sgdisk fails to write it.
        for lba, rule in ((1, 'HV305'), (-1, 'HV306')):
            damaged = bytearray(guests.bootable(size=8 * MIB))
            damaged[lba * 512 + 60] ^= 1
            self.raw.write_bytes(damaged)
            code, _, err = self.convert(self.raw, '--repair', '--grow', '9M')
            self.assertEqual(0, code, err)
            self.assertRegex(err, f'{rule} .*: repaired')
            self.output.unlink()

    def test_table_that_gdisk_does_not_write(self):
        # The last sector is in the backup of the GPT.
        damaged = bytearray(guests.gpt(
            [(guests.ESP, 64, guests.loader(), 8 * 2048 - 33)],
            size=8 * MIB))
        damaged[446:512] = bytes(66)
        self.raw.write_bytes(damaged)
        code, _, err = self.convert(self.raw, '--repair')
        self.assertEqual(2, code)
        self.assertRegex(err, '\ngdisk does not write the partition table, '
                         '[^\n]* Omit --repair, or repair the table first'
                         '\n$')
        self.assertEqual(['raw'], os.listdir(self.directory))

    def test_overlapping_partitions_are_left_alone(self):
        damaged = bytearray(guests.gpt(
            [(guests.ESP, 64, guests.loader()),
             (guests.BASIC_DATA, 70, b'', 80)], size=8 * MIB))
        damaged[-512 + 60] ^= 1
        self.raw.write_bytes(damaged)
        code, _, err = self.convert(self.raw, '--repair')
        self.assertEqual(1, code, err)
        self.assertRegex(err, 'HV306 [^\n]*: left alone\n')

    def test_full_disk_leaves_nothing(self):
        before = self.raw.read_bytes()
        for error, first, words in (
                ('ENOSPC', 1, 'No space left on device'),
                ('ENOSPC', 2, 'No space left on device'),
                ('EDQUOT', 2, 'Disk quota exceeded')):
            self.fill_disk(error, first)
            # The new file; the raw copy.
            for argv in ((), ('--grow', '48M'), ('--skip-space-check',)):
                code, out, err = self.convert(self.raw, *argv)
                self.assertEqual((2, ''), (code, out))
                # The raw copy may be whole after one write of each thread.
                self.assertRegex(
                    err, r'\A(enlarging the disk to 48.0 MiB\n)?'
                    fr'{self.directory}: qemu-img: [^\n]*{words}. Free '
                    r'some space, or choose another directory [^\n]*\n\Z')
                self.assertEqual(
                    {'bin', 'raw'}, {*os.listdir(self.directory)})
        self.assertTrue(before == self.raw.read_bytes())


class UploadTestCase(_Conversions):

    def setUp(self):
        super().setUp()
        self.temporary = self.directory / 'tmp'
        self.temporary.mkdir()
        self.useFixture(fixtures.MockPatchObject(
            tempfile, 'gettempdir', lambda: str(self.temporary)))
        self.disk = self.directory / 'disk.qcow2'
        qemu_img('convert', '-f', 'raw', '-O', 'qcow2', self.raw, self.disk)

    def upload(self, *argv, **overrides):
        """Upload a file to a cloud that may respond with other values."""
        self.cloud = test_upload.FakeAPI(**overrides)
        with mock.patch.object(image_api, 'connect',
                               return_value=self.cloud):
            result = self.run_command(
                'image', 'upload', '--name', 'x', '-f', 'json', *argv)
        self.assertEqual([], os.listdir(self.temporary))
        return result

    def test_format_that_hyper_v_does_not_run_is_converted(self):
        code, out, err = self.upload(str(self.disk))
        self.assertEqual(0, code, err)
        image = json.loads(out)
        self.assertEqual(
            ('vhdx', 1, 'hyperv-gen2', 'linux'),
            (image['disk_format'], image['min_disk'],
             image['properties']['hw_machine_type'],
             image['properties']['os_type']))
        self.assertEqual(
            f'{self.disk} (qcow2, 40.0 MiB) is converted to a VHDX in '
            f'{self.temporary} first\n', err)

    def test_format_of_an_option_is_kept(self):
        code, _, err = self.upload(
            str(self.disk), '--disk-format', 'qcow2', '--force')
        image, = self.cloud.images.values()
        self.assertEqual((0, 'qcow2'), (code, image['disk_format']), err)

    def test_vhd_is_converted_on_request(self):
        path = self.directory / 'disk.vhd'
        qemu_img('convert', '-f', 'raw', '-O', 'vpc', '-o', 'force_size=on',
                 self.raw, path)
        self.assertEqual(1, self.upload(str(path))[0])
        code, out, _ = self.upload(str(path), '--convert')
        self.assertEqual((0, 'vhdx'), (code, json.loads(out)['disk_format']))

    def test_dry_run_prints_both_commands(self):
        code, out, _ = self.upload(str(self.disk), '--dry-run')
        first, second = out.splitlines()
        self.assertEqual((0, {}), (code, self.cloud.images))
        self.assertEqual(f'hyperv-sched image convert -- {self.disk} '
                         'disk.vhdx', first)
        self.assertIn('openstack image create --file disk.vhdx '
                      '--disk-format vhdx', second)

    def test_printed_name_is_new(self):
        path = self.directory / 'disk.vhdx'
        qemu_img('convert', '-f', 'raw', '-O', 'vhdx', self.raw, path)
        code, out, err = self.upload(
            str(path), '--dry-run', '--block-size', '2')
        self.assertEqual(0, code, err)
        first, second = out.splitlines()
        self.assertEqual(
            f'hyperv-sched image convert --block-size 2 -- {path} '
            'disk-1.vhdx', first)
        self.assertIn('--file disk-1.vhdx', second)

    def test_what_cannot_be_uploaded_is_not_converted(self):
        for argv, words in (
                (('-c', 'nosuch'), '--column'),
                (('--name', ''), '1 to 255 characters, not 0'),
                (('--name', 'x' * 256), '1 to 255 characters, not 256'),
                (('--property', 'size=1'), 'size is not a property')):
            code, _, err = self.upload(str(self.disk), *argv)
            self.assertEqual(2, code)
            self.assertIn(words, err)
            self.assertNotIn('is converted', err)
        with mock.patch.dict(sys.modules, {'openstack': None}):
            code, _, err = self.upload(str(self.disk))
        self.assertEqual(2, code)
        self.assertIn('openstacksdk is not installed', err)
        self.assertNotIn('is converted', err)

    def test_temporary_directory_that_does_not_exist(self):
        self.useFixture(fixtures.EnvironmentVariable('TMPDIR', '/nosuch'))
        code, _, err = self.upload(str(self.disk))
        self.assertEqual(2, code)
        self.assertIn('TMPDIR: /nosuch: is not a directory', err)

    def test_full_temporary_directory_leaves_nothing(self):
        self.fill_disk()
        before = self.disk.read_bytes()
        code, out, err = self.upload(str(self.disk))
        self.assertEqual((2, '', {}), (code, out, self.cloud.images))
        first, second = err.splitlines()
        self.assertIn('is converted to a VHDX', first)
        self.assertRegex(second, f'^{self.temporary}: qemu-img: .*No space '
                         'left on device. Free some space, or choose another '
                         'directory \\(for an upload: TMPDIR\\)$')
        self.assertTrue(before == self.disk.read_bytes())

    def test_space_check_of_a_file_that_is_not_converted(self):
        path = self.directory / 'disk.vhdx'
        qemu_img('convert', '-f', 'raw', '-O', 'vhdx', self.raw, path)
        code, _, err = self.upload(str(path), '--skip-space-check')
        self.assertEqual((0, f'{path} is not converted: --skip-space-check '
                          'has no effect\n'), (code, err))

    def test_refused_disk_is_not_uploaded(self):
        self.raw.write_bytes(guests.gpt([], size=40 * MIB))
        code, _, err = self.upload(str(self.raw))
        self.assertEqual((1, {}), (code, self.cloud.images))
        self.assertIn('HV321', err)

    def test_incomplete_image_is_deleted(self):
        code, _, err = self.upload(str(self.disk), status='killed')
        self.assertEqual((2, {}), (code, self.cloud.images))
        self.assertIn('is deleted', err)

    def test_reference_is_refused(self):
        qemu_img('create', '-q', '-f', 'qcow2', '-b', '/etc/passwd', '-F',
                 'raw', self.disk)
        code, _, err = self.upload(str(self.disk))
        self.assertEqual((1, {}), (code, self.cloud.images))
        self.assertIn('HV230', err)


class EndTestCase(_Conversions):
    """The command ends before its work is done."""

    def start(self, *prefix, rate='8M'):
        """Run the command with a slow qemu-img; return the process."""
        programs = self.directory / 'bin'
        programs.mkdir()
        program = programs / 'qemu-img'
        real = find_program('qemu-img')
        program.write_text(SLOW.format(
            program=shlex.quote(real), rate=rate).replace(
                'exec qemu-img', f'exec {shlex.quote(real)}'))
        program.chmod(0o755)
        guest = bytearray(LINUX)
        guest[20 * MIB:] = b'x' * (len(guest) - 20 * MIB)
        self.raw.write_bytes(guest)
        process = subprocess.Popen(
            [*prefix, COMMAND, 'image', 'convert', self.raw, self.output],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, 'PATH': f'{programs}:{os.environ["PATH"]}'})
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def unfinished(self):
        return [path for path in self.directory.iterdir()
                if path.name.endswith('.hyperv-sched-unfinished')]

    def wait_for_data(self, process):
        """Wait until the unfinished file has data."""
        while process.poll() is None:
            if any(path.stat().st_size > 4 * MIB for directory
                   in self.unfinished() for path in directory.iterdir()):
                return
            time.sleep(0.01)
        self.fail(process.communicate())

    def test_interrupt_leaves_nothing(self):
        process = self.start()
        self.wait_for_data(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        self.assertEqual(130, process.returncode, err)
        self.assertEqual('interrupted: no file is written\n', err)
        self.assertEqual({'bin', 'raw'}, {*os.listdir(self.directory)})

    def test_killed_process_leaves_a_name_that_says_what_it_is(self):
        process = self.start()
        self.wait_for_data(process)
        before = self.raw.read_bytes()
        child, = processes.children(process)
        self.assertIn(b'qemu-img', processes.command_line(child))
        process.kill()
        process.wait()
        left, = self.unfinished()
        self.assertTrue(left.name.startswith('.out.vhdx.'))
        self.assertFalse(self.output.exists())
        self.assertTrue(before == self.raw.read_bytes())
        processes.wait_until_ended(child)

    def test_file_that_cannot_grow_leaves_nothing(self):
        # 8 MiB.
        process = self.start(
            'sh', '-c', 'ulimit -f 16384; exec "$0" "$@"', rate='1G')
        _, err = process.communicate()
        self.assertEqual(2, process.returncode, err)
        self.assertIn('qemu-img: ', err)
        self.assertEqual({'bin', 'raw'}, {*os.listdir(self.directory)})

    def convert_until(self, call, moment, name):
        """Enlarge and repair a disk until a call of a program."""
        programs = self.directory / 'bin'
        programs.mkdir()
        for program in ('qemu-img', 'gdisk', 'sgdisk'):
            path = programs / program
            path.write_text(SIGNALING.format(
                calls=shlex.quote(str(programs / 'calls')), call=call,
                moment=moment, signal=name,
                program=shlex.quote(find_program(program))))
            path.chmod(0o755)
        done = subprocess.run(
            [COMMAND, 'image', 'convert', '--repair', '--grow', '16M',
             self.raw, self.output], capture_output=True, text=True,
            check=False, env={
                **os.environ, 'PATH': f'{programs}:{os.environ["PATH"]}'})
        calls = (programs / 'calls').read_text().count('\n')
        shutil.rmtree(programs)
        return done, calls

    def test_signal_at_each_step_leaves_the_input_and_no_output(self):
        self.raw.write_bytes(bytes(8 * MIB))
        subprocess.run(
            ['sgdisk', '-n', '1:2048', '-t', '1:ef00', self.raw], check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        guest = bytearray(self.raw.read_bytes())
        # A damaged backup of the GPT.
        guest[-512 + 60] ^= 1
        self.raw.write_bytes(guest)
        done, calls = self.convert_until(0, 'before', 'INT')
        # It has no boot loader.
        self.assertEqual((1, 4), (done.returncode, calls), done.stderr)
        self.output.unlink()
        # Both signals at each step, which takes eight starts of the command.
        for call in range(1, calls + 1):
            for moment in ('before', 'after'):
                interrupt = (moment == 'before') == bool(call % 2)
                done, _ = self.convert_until(
                    call, moment, 'INT' if interrupt else 'KILL')
                self.assertEqual(
                    130 if interrupt else -9, done.returncode,
                    (call, moment, done.stderr))
                self.assertTrue(self.raw.read_bytes() == guest)
                left = {*os.listdir(self.directory)} - {'raw'}
                if interrupt:
                    self.assertEqual(set(), left)
                for path in left:
                    self.assertTrue(path.endswith(
                        '.hyperv-sched-unfinished'), path)
                    shutil.rmtree(self.directory / path)
