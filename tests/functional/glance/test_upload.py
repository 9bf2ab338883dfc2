# SPDX-License-Identifier: Apache-2.0
"""image upload into a real Glance."""

import errno
import functools
import hashlib
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import time
from unittest import mock
import uuid

from hyperv_sched.cli import image_api as commands_cloud
from hyperv_sched.cli import upload
from tests import guests
from tests import samples
from tests.functional.glance import cloud

GOOD = samples.vhdx(
    virtual_size=3 * samples.GIB // 2, block_size=samples.MIB,
    guest=guests.gpt([(guests.ESP, 64, guests.fat({
        'EFI/BOOT/BOOTX64.EFI': guests.program(shim=True),
        'EFI/BOOT/grubx64.efi': guests.program()}))]))
EXPECTED = {**cloud.GENERATION_2, 'architecture': 'x86_64',
            'os_type': 'linux'}


class _Uploads(cloud.CloudTestCase):

    def setUp(self):
        super().setUp()
        self.name = uuid.uuid4().hex
        self.before = self.images()

    def upload(self, path, *argv):
        code, out, err = self.run_command(
            'image', 'upload', path, '--name', self.name, '-f', 'json',
            *argv)
        return code, json.loads(out) if out else None, err

    def assertNothingLeft(self):
        self.assertEqual(self.before, self.images())


class PermissionTestCase(cloud.PermissionTestCase, _Uploads):

    def test_missing_permission_leaves_nothing(self):
        for action in ('upload_image', 'add_image'):
            self.forbid(action)
            code, _, err = self.upload(self.file('disk', GOOD))
            self.assertEqual(2, code)
            self.assertIn('the cloud responds with 403: ', err)
            self.assertNothingLeft()

    def test_image_that_cannot_be_deleted_is_named_by_id(self):
        self.forbid('delete_image')
        code, _, err = self.upload(
            self.file('disk', GOOD), '--disk-format', 'vhd', '--force')
        left, = set(self.images()[0]).difference(self.before[0])
        self.assertEqual(2, code)
        self.assertIn(f'openstack image delete {left}', err)


class UploadTestCase(_Uploads):

    def found(self, image_id):
        _, text = self.glance.request(f'/v2/images/{image_id}')
        return json.loads(text)

    def test_bootable_disk_gets_all_properties(self):
        path = self.file('disk', GOOD)
        code, made, err = self.upload(path)
        self.assertEqual((0, ''), (code, err))
        found = self.found(made['id'])
        self.assertEqual(
            {'name': self.name, 'status': 'active', 'disk_format': 'vhdx',
             'container_format': 'bare', 'min_disk': 2, 'size': len(GOOD),
             'os_hash_value': hashlib.sha512(GOOD).hexdigest(), **EXPECTED},
            {name: found[name] for name in (
                'name', 'status', 'disk_format', 'container_format',
                'min_disk', 'size', 'os_hash_value', *EXPECTED)})
        self.assertEqual(EXPECTED, made['properties'])
        code, out, _ = self.run_command(
            'image', 'lint', '-f', 'json', '--image', made['id'])
        self.assertEqual((0, []), (code, json.loads(out)))

    def test_options_override_inferred_members(self):
        _, made, _ = self.upload(
            self.file('disk', GOOD), '--min-disk', '7', '--visibility',
            'public', '--property', 'os_type=windows', '--property',
            'img_hv_type=hyperv', '--property', 'a=b=c')
        found = self.found(made['id'])
        self.assertEqual(
            (7, 'public', 'windows', 'hyperv', 'b=c'),
            tuple(found[name] for name in (
                'min_disk', 'visibility', 'os_type', 'img_hv_type', 'a')))
        self.assertNotIn('hypervisor_type', found)

    def test_special_characters_in_names(self):
        for name in ('a "b" \\c', '--name', '\u00fc\u221e', '$(x)`y`'):
            code, out, err = self.run_command(
                'image', 'upload', self.file('disk', GOOD), '-f', 'json',
                f'--name={name}')
            self.assertEqual(0, code, err)
            self.assertEqual(name, self.found(json.loads(out)['id'])['name'])

    def test_invalid_disk_is_refused_before_the_upload(self):
        code, made, err = self.upload(self.file('disk', samples.vhdx()),
                                      '--property',
                                      'hw_machine_type=hyperv-gen2')
        self.assertEqual((1, None), (code, made))
        self.assertIn('HV301', err)
        self.assertNothingLeft()

    def test_force_uploads_it(self):
        code, made, _ = self.upload(
            self.file('disk', samples.vhdx()), '--force', '--property',
            'hw_machine_type=hyperv-gen2')
        self.assertEqual((0, 'active'), (code, made['status']))

    def test_refusal_of_glance_leaves_nothing(self):
        code, made, err = self.upload(
            self.file('disk', GOOD), '--disk-format', 'vhd', '--force')
        self.assertEqual((2, None), (code, made))
        self.assertIn('415: Image disk_format vhd does not match stream '
                      'data vhdx\n', err)
        self.assertIn('is deleted', err)
        self.assertNothingLeft()

    def test_refusal_of_the_record_leaves_nothing(self):
        code, _, err = self.upload(
            self.file('disk', GOOD), '--disk-format', 'gpt', '--force')
        self.assertEqual(2, code)
        # After the finding that was overruled, one line.
        self.assertIn("'gpt' is not one of", err.splitlines()[-1])
        self.assertIn('the cloud responds with 400: ', err.splitlines()[-1])
        self.assertNothingLeft()

    def test_dry_run_sends_nothing(self):
        path = self.file('disk', GOOD)
        with mock.patch.object(self, 'environment', {}):
            code, out, _ = self.run_command(
                'image', 'upload', path, '--name', self.name, '--dry-run')
        self.assertEqual((0, 1), (code, out.count('\n')))
        self.assertNothingLeft()

    def test_command_of_a_dry_run_creates_the_same_image(self):
        path = self.file("disk of 'mine'", GOOD)
        self.name = f'$(touch {self.directory}/x) {self.name}'
        argv = ('--property', "a=it's $HOME", '--visibility', 'community')
        _, out, _ = self.run_command(
            'image', 'upload', path, '--name', self.name, '--dry-run', *argv)
        program, *words = shlex.split(out)
        self.assertEqual('openstack', program)
        done = subprocess.run(
            ['bash', '-c', f'"$0" {out.partition(" ")[2]}',
             pathlib.Path(sys.executable).with_name('openstack')],
            env={**self.environment, 'HOME': str(self.directory)},
            check=False, text=True, capture_output=True)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertFalse((self.directory / 'x').exists())
        (identity,) = set(self.images()[0]).difference(self.before[0])
        _, made, _ = self.upload(path, *argv)
        theirs, ours = self.found(identity), self.found(made['id'])
        for image in (theirs, ours):
            for name in ('id', 'self', 'file', 'created_at', 'updated_at'):
                del image[name]
        # Marks of the client's own.
        self.assertEqual(ours, {
            name: value for name, value in theirs.items()
            if not name.startswith('owner_specified.')})

    def meanwhile(self, action):
        """Do something between judging and sending: a log-in takes long."""
        connect = commands_cloud.connect

        def slow(*args):
            action()
            return connect(*args)

        return mock.patch.object(commands_cloud, 'connect', slow)

    def test_checked_file_is_the_uploaded_file(self):
        """Whatever is at the path, or in the file, by then."""
        other = GOOD[:4 * samples.MIB] + b'not judged'
        other += bytes(len(GOOD) - len(other))

        def replace(path):
            os.replace(self.file('other', other), path)

        def write(path):
            """With the time put back."""
            status = os.stat(path)
            path.write_bytes(other)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

        def fifo(path):
            path.unlink()
            os.mkfifo(path)

        for action in (replace, write, fifo, pathlib.Path.unlink):
            path = pathlib.Path(self.file('disk', GOOD))
            with self.meanwhile(functools.partial(action, path)):
                code, made, err = self.upload(path)
            self.assertEqual((2, None), (code, made))
            self.assertIn('the file changed during the upload', err)
            self.assertNothingLeft()
            path.unlink(missing_ok=True)

    def test_special_files_are_refused(self):
        fifo = self.directory / 'fifo'
        os.mkfifo(fifo)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.directory / 'socket'))
            for path, words in (
                    (fifo, 'cannot be read: not a regular file'),
                    (self.directory / 'socket',
                     'cannot be read: not a regular file'),
                    ('/dev/zero', 'cannot be read: not a regular file'),
                    (self.directory,
                     'is a directory. Name the files in it, for example '
                     f'{self.directory}/*.vhdx')):
                code, _, err = self.upload(path)
                self.assertEqual((2, f'{path}: {words}\n'), (code, err))
        self.assertNothingLeft()

    def test_error_of_the_file_names_the_file(self):
        path = self.file('disk', GOOD)
        read = upload._Body._read

        def broken(body, length):
            with mock.patch.object(body, '_file') as file:
                file.read.side_effect = OSError(
                    errno.EIO, os.strerror(errno.EIO))
                return read(body, length)

        with mock.patch.object(upload._Body, '_read', broken):
            code, _, err = self.upload(path)
        self.assertEqual(2, code)
        self.assertIn('is deleted', err)
        self.assertEqual(f'{path}: cannot be read: Input/output error',
                         err.splitlines()[-1])
        self.assertNothingLeft()

    def test_members_of_the_image_are_not_properties(self):
        code, _, err = self.upload(
            self.file('disk', GOOD), '--property', 'status=active')
        self.assertEqual(2, code)
        self.assertIn('status', err)

    def interrupted(self, number):
        """Stop an upload when Glance has some of it."""
        path = self.directory / 'large'
        with open(path, 'wb') as file:
            file.truncate(64 * samples.GIB)
        command = subprocess.Popen(
            cloud.hyperv_sched('image', 'upload', path, '--name', self.name,
                               '--disk-format', 'raw', '--force'),
            env=self.environment, text=True, stderr=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.addCleanup(command.communicate)
        self.addCleanup(command.kill)
        while command.poll() is None and not self.has_some():
            time.sleep(0.02)
        command.send_signal(number)
        out, err = command.communicate()
        self.assertEqual((130, ''), (command.returncode, out), err)
        self.assertRegex(
            err, 'interrupted: the incomplete image [-0-9a-f]{36} is deleted')
        # Glance notices in its own time that nothing more comes.
        deadline = time.monotonic() + 60
        while self.images() != self.before and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertNothingLeft()

    def has_some(self):
        store = self.glance.root / 'images'
        return any((store / name).stat().st_size
                   for name in self.images()[1]
                   if name not in self.before[1])

    def test_interrupted_upload_leaves_nothing(self):
        self.interrupted(signal.SIGINT)

    def test_terminated_upload_leaves_nothing(self):
        self.interrupted(signal.SIGTERM)

    def test_closed_terminal_leaves_nothing(self):
        self.interrupted(signal.SIGHUP)

    def test_sigquit_leaves_nothing(self):
        self.interrupted(signal.SIGQUIT)
