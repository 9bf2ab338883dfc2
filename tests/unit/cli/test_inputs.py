# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
from unittest import mock

from hyperv_sched.cli import base as cli_base
from hyperv_sched.cli import inputs
from tests import guests
from tests.unit import base as unit_base
from tests.unit.cli import base


class DirectoryTestCase(base.CommandTestCase):

    def setUp(self):
        super().setUp()
        (self.directory / 'a/b').mkdir(parents=True)
        self.file('a/disk.vhdx', base.BOOTABLE)
        self.file('a/b/noname', base.VHD)
        self.file('a/b/raw.img', guests.bios_bootable())
        self.file('a/b/junk.vhdx', b'junk')
        self.file('a/readme', b'text')
        self.file('a/image.json', b'{"hw_machine_type": "q35", "id": "x"}')

    def found(self, accept, name='a'):
        self.errors, skipped = [], []
        files = inputs.FileFinder(accept, self.errors.append, skipped).find(
            [str(self.directory / name)])
        return [[pathlib.Path(path).relative_to(self.directory).as_posix()
                 for path in paths] for paths in (files, skipped)]

    def test_disks_are_found_by_content_or_name(self):
        self.assertEqual([
            ['a/b/junk.vhdx', 'a/b/noname', 'a/b/raw.img', 'a/disk.vhdx'],
            ['a/image.json', 'a/readme']], self.found(inputs._is_disk))
        self.assertEqual([], self.errors)

    @unit_base.without_windows('FIFOs, and links without a privilege')
    def test_links_and_pipes_are_not_read(self):
        os.symlink('disk.vhdx', self.directory / 'a/link.vhdx')
        os.symlink('..', self.directory / 'a/up')
        os.mkfifo(self.directory / 'a/pipe.vhdx')
        self.assertEqual([
            ['a/b/junk.vhdx', 'a/b/noname', 'a/b/raw.img', 'a/disk.vhdx'],
            ['a/image.json', 'a/link.vhdx', 'a/pipe.vhdx', 'a/readme',
             'a/up']], self.found(inputs._is_disk))
        self.assertEqual([], self.errors)

    def test_documents_are_found_by_name(self):
        self.assertEqual(['a/image.json'],
                         self.found(inputs._is_document)[0])

    def test_directory_without_files_to_lint_is_an_error(self):
        (self.directory / 'c').mkdir()
        self.found(inputs._is_disk, 'c')
        self.assertEqual(1, len(self.errors))

    def test_files_and_levels_are_limited(self):
        for name, limit, others in (('MAX_FILES', 6, 5), ('MAX_DEPTH', 1, 0)):
            with mock.patch.object(inputs, name, limit):
                self.found(inputs._is_disk)
            with mock.patch.object(inputs, name, others):
                self.assertRaises(
                    cli_base.UsageError, self.found, inputs._is_disk)

    def test_summary_counts_the_other_files(self):
        code, _, err = self.run_command(
            'image', 'lint', str(self.directory / 'a'))
        self.assertEqual(1, code)
        self.assertIn('4 images: ', err)
        self.assertIn('(2 other files in directories)', err)
        _, out, err = self.run_command(
            'image', 'lint', '--documents', str(self.directory / 'a'),
            '--property', 'hypervisor_type=hyperv')
        self.assertIn('image.json', out)
        self.assertIn('1 image: ', err)
        self.assertIn('(5 other files in directories)', err)

    @unit_base.without_windows('names with control characters')
    def test_directory_with_a_name_of_escapes(self):
        pathlib.Path(self.directory, 'x\x1b[31m\u202e').mkdir()
        self.file('x\x1b[31m\u202e/junk.vhdx', b'junk')
        _, out, err = self.run_command(
            'image', 'lint', str(self.directory / 'x\x1b[31m\u202e'))
        self.assertNotIn('\x1b', out + err)
        self.assertNotIn('\u202e', out + err)
