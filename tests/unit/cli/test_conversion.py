# SPDX-License-Identifier: Apache-2.0

import argparse
import os
import re
import shutil
from unittest import mock

from hyperv_sched.cli import base as commands
from hyperv_sched.cli import conversion
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import signals
from tests import samples
from tests.unit import base as unit_base
from tests.unit.cli import base

MIB = samples.MIB


class SourceTestCase(base.CommandTestCase):

    def test_name_of_an_input(self):
        content = {'format': 'qcow2'}
        for name, words in (('a\nb', 'control characters'),
                            ('\x1b', 'control characters'),
                            ('\udcff', 'not UTF-8')):
            self.assertRaisesRegex(
                commands.UsageError, words,
                conversion.read_source, f'/{name}', content)
        self.assertEqual('/a b\xfc', conversion.read_source(
            '/a b\xfc', content).path)


class SpaceTestCase(base.CommandTestCase):

    def required(self, *extents, block_size=MIB, size=100 * MIB, grow=None):
        source = conversion.Source(
            '/x', 'raw', {'file_size': size, 'virtual_size': size})
        with mock.patch.object(qemu_img, 'extents', return_value=extents):
            return conversion.required_space(source, argparse.Namespace(
                block_size=block_size, grow=grow), signals.Guard())

    def test_each_block_with_data_counts_once(self):
        for extents, blocks in (
                ((), 0), (((0, 1),), 1), (((0, MIB),), 1),
                (((0, MIB + 1),), 2), (((MIB - 1, 2),), 2),
                (((0, 1), (4096, 1)), 1), (((0, 1), (MIB - 1, 2)), 2),
                (((MIB, MIB), (5 * MIB, 3 * MIB)), 4)):
            self.assertEqual((9 + blocks) * MIB, self.required(*extents))

    def test_blocks_of_a_vhdx_are_those_of_its_file(self):
        for file_size, size, block_size, blocks in (
                (10 * MIB, MIB, MIB, 10), (10 * MIB + 1, MIB, MIB, 11),
                (96 * MIB, 32 * MIB, MIB, 96),
                (3 * MIB, MIB, 32 * MIB, 3),
                (10 * MIB, MIB, 32 * MIB, 4),
                (900 * MIB, MIB, MIB, 100)):
            source = conversion.Source('/x', 'vhdx', {
                'file_size': file_size, 'block_size': size,
                'virtual_size': 100 * MIB})
            self.assertEqual(
                9 * MIB + blocks * block_size, conversion.required_space(
                    source, argparse.Namespace(
                        block_size=block_size, grow=None), signals.Guard()))

    def test_table_of_blocks_counts(self):
        self.assertEqual(9 * MIB, self.required(size=1024 ** 2 // 8 * MIB))
        self.assertEqual(10 * MIB, self.required(size=(
            1024 ** 2 // 8 + 1) * MIB))
        self.assertEqual(9 * MIB, self.required(
            size=(1024 ** 2 // 8 + 1) * MIB, block_size=32 * MIB))

    def test_table_is_that_of_the_larger_disk(self):
        self.assertEqual(136 * MIB, self.required(grow=16 * 1024 ** 4))

    def test_free_space_on_both_sides_of_the_limit(self):
        source = conversion.Source('/x', 'raw', {'file_size': 100 * MIB})

        def check(free, grow=None):
            with mock.patch.object(
                    shutil, 'disk_usage', return_value=mock.Mock(free=free)):
                conversion.check_space('/', source, argparse.Namespace(
                    block_size=MIB, grow=grow, repair=False),
                    signals.Guard())

        with mock.patch.object(
                qemu_img, 'extents', return_value=[(0, 5 * MIB)]) as extents:
            check(109 * MIB)
            # No need to know the blocks.
            extents.assert_not_called()
            check(109 * MIB - 1)
            check(14 * MIB)
            self.assertRaisesRegex(
                commands.UsageError, '14.0 MiB are free, .* up to 14.0 MiB',
                check, 14 * MIB - 1)
            # For a raw copy as well.
            check(28 * MIB, grow=101 * MIB)
            self.assertRaises(
                commands.UsageError, check, 28 * MIB - 1, grow=101 * MIB)


class WorkspaceTestCase(base.CommandTestCase):

    def test_directory_is_removed_with_its_files(self):
        workspace = conversion.Workspace(str(self.directory), 'out.vhdx')
        workspace.remove()
        workspace.create()
        with open(workspace.path('disk.vhdx'), 'wb') as file:
            file.write(b'new')
        self.assertEqual(1, len(os.listdir(self.directory)))
        workspace.remove()
        self.assertEqual([], os.listdir(self.directory))

    def test_name_says_what_it_is(self):
        directory = conversion.Workspace('/', 'x' * 250).directory
        self.assertRegex(
            directory, r'^/\.x{100}\.[0-9a-f]{8}\.hyperv-sched-unfinished$')

    def test_directory_that_does_not_exist(self):
        workspace = conversion.Workspace(
            str(self.directory / 'no'), 'out.vhdx')
        reason = self.assertRaises(
            FileNotFoundError, os.mkdir, workspace.directory).strerror
        self.assertRaisesRegex(
            commands.UsageError, re.escape(reason), workspace.create)

    def test_file_that_was_created_in_the_meantime_is_kept(self):
        new = self.file('new', b'new')
        old = self.file('old', b'old')
        for link in (os.link, mock.Mock(side_effect=OSError(1, 'no links'))):
            with mock.patch.object(os, 'link', link):
                self.assertRaisesRegex(commands.UsageError, 'file exists',
                                       conversion.publish, new, old)
        self.assertEqual(b'old', (self.directory / 'old').read_bytes())

    def test_file_gets_its_name_without_links_as_well(self):
        for link in (os.link, mock.Mock(side_effect=OSError(1, 'no links'))):
            target = self.directory / 'target'
            with mock.patch.object(os, 'link', link):
                conversion.publish(self.file('new', b'new'), str(target))
            self.assertEqual(b'new', target.read_bytes())
            target.unlink()

    @unit_base.without_windows('links without a privilege')
    def test_file_or_dangling_link_is_no_free_name(self):
        path = self.directory / 'new'
        conversion.check_absent(str(path))
        path.symlink_to('nowhere')
        self.assertRaisesRegex(commands.UsageError, 'exists',
                               conversion.check_absent, str(path))
