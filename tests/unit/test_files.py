# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import stat
from unittest import mock

import hyperv_sched.files
from tests import files
from tests.unit import base


class ReplaceTestCase(files.FilesMixin, base.TestCase):

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.file('file', b'old'))

    def replace(self, path, *args):
        hyperv_sched.files.replace(str(path), b'new', *args)

    def test_content_is_replaced(self):
        self.replace(self.path)
        self.assertEqual(b'new', self.path.read_bytes())
        self.assertEqual(['file'], os.listdir(self.directory))

    def test_what_cannot_be_written_leaves_the_old_content(self):
        for name in ('os.replace', 'os.chmod'):
            with mock.patch(name, side_effect=OSError):
                self.assertRaises(OSError, self.replace, self.path, 0o644)
            self.assertEqual(b'old', self.path.read_bytes())
            self.assertEqual(['file'], os.listdir(self.directory))

    def test_two_writers_do_not_mix(self):
        inner = []

        def write_first(*args):
            if not inner:
                inner.append(args)
                hyperv_sched.files.replace(str(self.path), b'other')
                self.assertEqual(b'other', self.path.read_bytes())
            return rename(*args)

        rename = os.replace
        with mock.patch('os.replace', write_first):
            self.replace(self.path)
        self.assertEqual(b'new', self.path.read_bytes())
        self.assertEqual(['file'], os.listdir(self.directory))

    @base.without_windows('links without a privilege')
    def test_link_stays(self):
        link = self.directory / 'link'
        link.symlink_to(self.path)
        self.replace(link)
        self.assertTrue(link.is_symlink())
        self.assertEqual(b'new', self.path.read_bytes())

    @base.without_windows('permissions of a group')
    def test_permissions(self):
        self.addCleanup(os.umask, os.umask(0o077))
        for args, mode in (((), 0o600), ((0o644,), 0o644)):
            self.replace(self.path, *args)
            self.assertEqual(mode, stat.S_IMODE(self.path.stat().st_mode))

    @base.without_windows('FIFOs')
    def test_pipe_stays(self):
        path = self.directory / 'pipe'
        os.mkfifo(path)
        # Opened for both, it does not wait.
        reader = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, reader)
        self.replace(path)
        self.assertEqual(b'new', os.read(reader, 10))
        self.assertTrue(stat.S_ISFIFO(path.stat().st_mode))
