# SPDX-License-Identifier: Apache-2.0

import errno
import hashlib
import io
import json
import os
from unittest import mock

from hyperv_sched.cli import image_api
from hyperv_sched.cli import rest
from tests import samples
from tests.unit.cli import base

GOOD = samples.uefi_vhdx()


class FakeAPI:
    """Image API that stores an image and may return other values."""

    def __init__(self, **overrides):
        self.overrides = overrides
        self.images = {}
        self.deletes = True

    def create(self, document):
        self.images[document['id']] = {**document, 'status': 'queued'}

    def upload(self, image_id, body):
        data = b''.join(body)
        self.images[image_id].update(
            status='active', size=len(data), os_hash_algo='sha512',
            os_hash_value=hashlib.sha512(data).hexdigest())
        self.images[image_id].update(self.overrides)

    def get(self, image_id):
        return self.images[image_id]

    def delete(self, image_id):
        if not self.deletes:
            raise rest.CloudError('the cloud answers 403: no')
        return self.images.pop(image_id, None) is not None


class UploadTestCase(base.CommandTestCase):

    def upload(self, connection, *argv, name='windows', **kwargs):
        self.path = self.file('disk.vhdx', GOOD)
        with mock.patch.object(image_api, 'connect', return_value=connection):
            return self.run_command(
                'image', 'upload', self.path, '--name', name, *argv,
                **kwargs)

    def test_json_output_is_the_image_alone(self):
        connection = FakeAPI()
        code, out, err = self.upload(connection, '-f', 'json')
        self.assertEqual((0, ''), (code, err))
        made = json.loads(out)
        self.assertEqual(list(connection.images), [made['id']])
        self.assertEqual('hyperv-gen2',
                         made['properties']['hw_machine_type'])

    def test_sets_min_ram_and_tags(self):
        connection = FakeAPI()
        given = ('--min-ram', '2048', '--tag', 'a', '--tag', 'b c')
        code, _, _ = self.upload(connection, '-f', 'json', *given)
        made, = connection.images.values()
        self.assertEqual((0, 2048, ['a', 'b c']),
                         (code, made['min_ram'], made['tags']))
        _, out, _ = self.upload(
            connection, '--dry-run', '--shell', 'sh', *given)
        self.assertIn(" --min-ram 2048 --tag a --tag 'b c' ", out)

    def test_unknown_column_is_refused_before_the_upload(self):
        connection = FakeAPI()
        code, _, err = self.upload(connection, '-c', 'nosuch')
        self.assertEqual((2, {}), (code, connection.images))
        self.assertIn('--column: valid values: id, name, status', err)

    def test_image_is_kept_and_named_if_it_cannot_be_printed(self):
        for number, words in ((errno.ENOSPC, 'No space left'),
                              (errno.EPIPE, 'Broken pipe')):
            connection = FakeAPI()
            full = io.StringIO()
            full.flush = mock.Mock(side_effect=OSError(number, words))
            code, _, err = self.upload(connection, '-f', 'json', stdout=full)
            image_id, = connection.images
            self.assertEqual(2, code)
            self.assertIn(f'image {image_id} is uploaded and verified, but '
                          f'the output cannot be written: {words}', err)

    def test_warnings_are_printed_with_any_format(self):
        connection = FakeAPI()
        code, out, err = self.upload(
            connection, '-f', 'json', '--property', 'os_type=Windows')
        self.assertEqual((0, 'Windows'), (
            code, json.loads(out)['properties']['os_type']))
        self.assertIn('HV116', err)

    def test_severity_overrides(self):
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
            connection = FakeAPI()
            code, _, err = self.upload(connection, *warned, *argv)
            self.assertEqual(expected, (
                code, len(connection.images), 'HV116' in err), argv)

    def test_table_output_marks_inferred_members(self):
        _, _, err = self.upload(FakeAPI(), '--property', 'os_type=linux')
        self.assertRegex(err, '(?m)^os_type +linux$')
        self.assertRegex(err, r'(?m)^min_disk +1  \(inferred\)$')

    def test_any_hash_algorithm_of_glance_is_verified(self):
        for algorithm in ('sha256', 'md5'):
            right = hashlib.new(algorithm, GOOD).hexdigest()
            for value, expected in ((right, 0), ('0' * 64, 2)):
                connection = FakeAPI(
                    os_hash_algo=algorithm, os_hash_value=value)
                code, _, _ = self.upload(connection, '-f', 'json')
                self.assertEqual((expected, 1 - expected // 2),
                                 (code, len(connection.images)))

    def test_incomplete_image_is_deleted(self):
        for overrides, words in (
                ({'os_hash_value': '0' * 128}, 'sha512'),
                ({'size': 1}, '1 bytes'), ({'status': 'killed'}, 'killed')):
            connection = FakeAPI(**overrides)
            code, out, err = self.upload(connection, '-f', 'json')
            self.assertEqual((2, '', {}), (code, out, connection.images))
            self.assertIn(words, err)
            self.assertIn('is deleted', err)

    def test_image_of_a_changed_file_is_deleted(self):
        connection = FakeAPI()
        get = connection.get

        def touching(image_id):
            os.utime(self.path, ns=(0, 0))
            return get(image_id)

        connection.get = touching
        code, _, err = self.upload(connection, '-f', 'json')
        self.assertEqual((2, {}), (code, connection.images))
        self.assertIn('changed', err)

    def test_image_that_cannot_be_deleted_is_named(self):
        connection = FakeAPI(size=1)
        connection.deletes = False
        code, _, err = self.upload(connection, '-f', 'json')
        image_id, = connection.images
        self.assertEqual(2, code)
        self.assertIn(f'openstack image delete {image_id}', err)

    def test_interrupt_at_any_step_deletes_the_image(self):
        for step in ('create', 'upload', 'get'):
            connection = FakeAPI()
            call = getattr(connection, step)

            def interrupted(*args, call=call):
                call(*args)
                raise KeyboardInterrupt

            setattr(connection, step, interrupted)
            code, out, err = self.upload(connection, '-f', 'json')
            self.assertEqual((130, '', {}), (code, out, connection.images))
            self.assertIn('interrupted', err)

    def test_format_without_a_disk_format_requires_the_option(self):
        path = self.file('disk.gz', b'\x1f\x8b\x08' + bytes(512))
        code, _, err = self.run_command(
            'image', 'upload', path, '--name', 'x', '--force')
        self.assertEqual(2, code)
        self.assertIn('--disk-format', err)

    def test_file_of_unknown_format_is_refused(self):
        # No connection is patched in: no request is sent.
        path = self.file('disk', b'some text')
        code, out, err = self.run_command(
            'image', 'upload', path, '--name', 'x', '--disk-format', 'vhdx')
        self.assertEqual((1, ''), (code, out))
        self.assertIn('HV204', err)

    def test_control_characters_are_escaped(self):
        for argv, words in (
                ((), 'a\\x1b[2J\\x9b'),
                # No such name can be typed on Windows.
                (('--dry-run', '--shell', 'sh'), 'image create'),
                (('-f', 'value'), 'a\\x1b[2J\\x9b'),
                (('--property', 'os_type=\x1b[2J', '--force'),
                 "os_type is '\\x1b[2J")):
            code, out, err = self.upload(
                FakeAPI(), *argv, name='a\x1b[2J\x9b')
            self.assertEqual(0, code, err)
            self.assertIn(words, out + err)
            self.assertNotIn('\x1b', out + err)
            self.assertNotIn('\x9b', out + err)
