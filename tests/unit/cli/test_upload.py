# SPDX-License-Identifier: Apache-2.0

import errno
import hashlib
import io
import json
import os
from unittest import mock

from hyperv_sched.cli import cloud
from tests import guests
from tests import samples
from tests.unit.cli import test_image

GOOD = samples.vhdx(block_size=samples.MIB, guest=guests.bootable())


class FakeCloud:
    """Takes an image, and may lie about it."""

    def __init__(self, **lies):
        self.lies = lies
        self.images = {}
        self.deletes = True

    def create(self, document):
        self.images[document['id']] = {**document, 'status': 'queued'}

    def upload(self, image_id, body):
        data = b''.join(body)
        self.images[image_id].update(
            status='active', size=len(data), os_hash_algo='sha512',
            os_hash_value=hashlib.sha512(data).hexdigest())
        self.images[image_id].update(self.lies)

    def get(self, image_id):
        return self.images[image_id]

    def delete(self, image_id):
        if not self.deletes:
            raise cloud.CloudError('the cloud answers 403: no')
        return self.images.pop(image_id, None) is not None


class UploadTestCase(test_image.CommandTestCase):

    def upload(self, connection, *argv, name='windows', **kwargs):
        self.path = self.file('disk.vhdx', GOOD)
        with mock.patch.object(cloud, 'connect', return_value=connection):
            return self.run_command(
                'image', 'upload', self.path, '--name', name, *argv,
                **kwargs)

    def test_machines_get_the_image_and_silence_on_the_side(self):
        connection = FakeCloud()
        code, out, err = self.upload(connection, '-f', 'json')
        self.assertEqual((0, ''), (code, err))
        made = json.loads(out)
        self.assertEqual(list(connection.images), [made['id']])
        self.assertEqual('hyperv-gen2',
                         made['properties']['hw_machine_type'])

    def test_sets_what_no_disk_tells(self):
        connection = FakeCloud()
        given = ('--min-ram', '2048', '--tag', 'a', '--tag', 'b c')
        code, _, _ = self.upload(connection, '-f', 'json', *given)
        made, = connection.images.values()
        self.assertEqual((0, 2048, ['a', 'b c']),
                         (code, made['min_ram'], made['tags']))
        _, out, _ = self.upload(connection, '--dry-run', *given)
        self.assertIn(" --min-ram 2048 --tag a --tag 'b c' ", out)

    def test_column_that_there_is_not_is_known_before_anything_is_sent(self):
        connection = FakeCloud()
        code, _, err = self.upload(connection, '-c', 'nosuch')
        self.assertEqual((2, {}), (code, connection.images))
        self.assertIn('--column: there are id, name, status', err)

    def test_image_that_cannot_be_shown_is_named_and_stays(self):
        for number, words in ((errno.ENOSPC, 'No space left'),
                              (errno.EPIPE, 'Broken pipe')):
            connection = FakeCloud()
            full = io.StringIO()
            full.flush = mock.Mock(side_effect=OSError(number, words))
            code, _, err = self.upload(connection, '-f', 'json', stdout=full)
            image_id, = connection.images
            self.assertEqual(2, code)
            self.assertIn(f'image {image_id} is in the cloud, whole, but it '
                          f'cannot be shown: {words}', err)

    def test_warnings_are_told_whatever_the_format(self):
        connection = FakeCloud()
        code, out, err = self.upload(
            connection, '-f', 'json', '--property', 'os_type=Windows')
        self.assertEqual((0, 'Windows'), (
            code, json.loads(out)['properties']['os_type']))
        self.assertIn('HV116', err)

    def test_rules_count_as_the_operator_has_it(self):
        """As os_type is written here, HV116 is a warning."""
        warned = ('-f', 'json', '--property', 'os_type=Windows')
        path = self.file('lint.conf',
                         b'[hyperv_sched]\nerror_rules = HV116\n')
        for argv, expected in (
                (('--error', 'HV116'), (1, 0, True)),
                (('--config-file', path), (1, 0, True)),
                (('--config-file', path, '--force'), (0, 1, True)),
                (('--ignore', 'HV116'), (0, 1, False)),
                (('--ignore', 'HV999'), (2, 0, False))):
            connection = FakeCloud()
            code, _, err = self.upload(connection, *warned, *argv)
            self.assertEqual(expected, (
                code, len(connection.images), 'HV116' in err), argv)

    def test_people_are_told_what_is_worked_out(self):
        _, _, err = self.upload(FakeCloud(), '--property', 'os_type=linux')
        self.assertRegex(err, '(?m)^os_type +linux$')
        self.assertRegex(err, r'(?m)^min_disk +1  \(worked out\)$')

    def test_any_hash_that_glance_was_told_to_make_is_compared(self):
        for algorithm in ('sha256', 'md5'):
            right = hashlib.new(algorithm, GOOD).hexdigest()
            for value, expected in ((right, 0), ('0' * 64, 2)):
                connection = FakeCloud(
                    os_hash_algo=algorithm, os_hash_value=value)
                code, _, _ = self.upload(connection, '-f', 'json')
                self.assertEqual((expected, 1 - expected // 2),
                                 (code, len(connection.images)))

    def test_image_that_is_not_whole_is_deleted(self):
        for lie, words in (
                ({'os_hash_value': '0' * 128}, 'sha512'),
                ({'size': 1}, '1 bytes'), ({'status': 'killed'}, 'killed')):
            connection = FakeCloud(**lie)
            code, out, err = self.upload(connection, '-f', 'json')
            self.assertEqual((2, '', {}), (code, out, connection.images))
            self.assertIn(words, err)
            self.assertIn('is deleted', err)

    def test_file_that_changes_meanwhile_is_no_image(self):
        connection = FakeCloud()
        get = connection.get

        def touching(image_id):
            os.utime(self.path, ns=(0, 0))
            return get(image_id)

        connection.get = touching
        code, _, err = self.upload(connection, '-f', 'json')
        self.assertEqual((2, {}), (code, connection.images))
        self.assertIn('changed', err)

    def test_image_that_cannot_be_deleted_is_named(self):
        connection = FakeCloud(size=1)
        connection.deletes = False
        code, _, err = self.upload(connection, '-f', 'json')
        image_id, = connection.images
        self.assertEqual(2, code)
        self.assertIn(f'openstack image delete {image_id}', err)

    def test_interrupt_at_any_step_leaves_nothing(self):
        for step in ('create', 'upload', 'get'):
            connection = FakeCloud()
            call = getattr(connection, step)

            def interrupted(*args, call=call):
                call(*args)
                raise KeyboardInterrupt

            setattr(connection, step, interrupted)
            code, out, err = self.upload(connection, '-f', 'json')
            self.assertEqual((130, '', {}), (code, out, connection.images))
            self.assertIn('interrupted', err)

    def test_file_of_no_format_that_glance_has_needs_one(self):
        path = self.file('disk.gz', b'\x1f\x8b\x08' + bytes(512))
        code, _, err = self.run_command(
            'image', 'upload', path, '--name', 'x', '--force')
        self.assertEqual(2, code)
        self.assertIn('--disk-format', err)

    def test_file_that_is_no_disk_is_refused(self):
        # No cloud is asked: none is patched in.
        path = self.file('disk', b'some text')
        code, out, err = self.run_command(
            'image', 'upload', path, '--name', 'x', '--disk-format', 'vhdx')
        self.assertEqual((1, ''), (code, out))
        self.assertIn('HV204', err)

    def test_control_codes_never_reach_the_terminal(self):
        for argv in ((), ('--dry-run',), ('-f', 'value'),
                     ('--property', 'os_type=\x1b[2J', '--force')):
            _, out, err = self.upload(
                FakeCloud(), *argv, name='a\x1b[2J\x9b')
            self.assertNotIn('\x1b', out + err)
            self.assertNotIn('\x9b', out + err)
