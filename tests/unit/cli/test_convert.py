# SPDX-License-Identifier: Apache-2.0

import argparse
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from unittest import mock

import fixtures

from hyperv_sched import rules
from hyperv_sched.cli import base as commands
from hyperv_sched.cli import conversion
from hyperv_sched.cli import qemu_img
from hyperv_sched.cli import signals
from tests import guests
from tests import samples
from tests.unit import base as unit_base
from tests.unit.cli import base
from tests.unit.disk import test_references

MIB = samples.MIB


def qed(size, features=0):
    return struct.pack('<4s12xQ16xQ', b'QED\0', features, size)


class ConvertTestCase(base.CommandTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            shutil, 'which', lambda name: name))
        self.output = str(self.directory / 'out.vhdx')

    def refused(self, data, *argv):
        """Run a command that starts no program; return code and errors."""
        path = self.file('in', data)
        with mock.patch.object(subprocess, 'Popen') as started:
            code, out, err = self.run_command(
                'image', 'convert', path, self.output, *argv)
        started.assert_not_called()
        self.assertEqual(['in'], os.listdir(self.directory))
        return code, out + err

    def test_references_are_refused_before_a_program_starts(self):
        for data, expected, words in (
                (test_references.qcow2(backing=1), 1, 'HV230'),
                (test_references.qcow2(features=4), 1, 'HV230'),
                (b'# Disk DescriptorFile\nRW 1 FLAT "/etc/passwd" 0\n', 1,
                 'HV230'),
                (qed(MIB, 1), 2, 'names a backing file')):
            code, printed = self.refused(data)
            self.assertEqual(expected, code, printed)
            self.assertIn(words, printed)

    def test_input_that_would_lose_data_is_refused_by_its_rule(self):
        vhdx = samples.vhdx(block_size=MIB, guest=guests.bootable())
        for data, rule in (
                (samples.vhdx(flags=2), 'HV206'),
                (vhdx[:-MIB], 'HV208'),
                (samples.dynamic_vhd(disk_type=4), 'HV206'),
                (b'', 'HV205'),
                (bytes(512) + samples.dynamic_vhd()[512:], 'HV229')):
            code, printed = self.refused(data)
            self.assertEqual(1, code, printed)
            self.assertIn(rule, printed)
            self.assertIn('not converted', printed)

    def test_each_rule_that_refuses_a_file_has_a_defect_of_its_name(self):
        # No other rule is evaluated before a conversion.
        for rule in rules.CATALOGUE.values():
            if rule.prevents_conversion and rule.name != 'empty-file':
                self.assertEqual(
                    {f'content.defects.{rule.name}'},
                    {clause.path for clause in rule.expanded}, rule.code)

    def test_what_is_no_disk_is_refused_with_the_reason(self):
        for data, words in (
                (b'text', '--input-format raw'),
                (b'\x1f\x8b\x08' + bytes(512), 'gzip, an archive'),
                (b'LUKS\xba\xbe' + bytes(512), 'encrypted'),
                (b'MSWIM\0\0\0' + bytes(512), 'Windows Setup'),
                (guests.bootable(sector=4096, size=8 * MIB), '4096'),
                (qed(0), '0 bytes'), (qed(64 * 1024 ** 4 + 1), '64 TiB')):
            code, printed = self.refused(data)
            self.assertEqual(2, code, printed)
            self.assertIn(words, printed)

    def test_other_format_than_the_detected_one_is_refused(self):
        code, printed = self.refused(
            samples.qcow2(), '--input-format', 'vmdk')
        self.assertEqual(2, code)
        self.assertIn('--input-format is vmdk, but the file is qcow2',
                      printed)

    def test_existing_file_is_kept(self):
        self.file('out.vhdx', b'old')
        path = self.file('in', guests.bootable())
        for argv in ((), ('--dry-run',)):
            code, _, err = self.run_command(
                'image', 'convert', path, self.output, *argv)
            self.assertEqual(2, code)
            self.assertIn('out.vhdx: the file exists', err)
        self.assertEqual({'in', 'out.vhdx'}, {*os.listdir(self.directory)})

    def test_target_that_cannot_be_written_is_refused_at_once(self):
        for name, words in (
                ('', 'is no name of a file'), ('new/', 'is no name'),
                ('no/new.vhdx', 'no: is not a directory'),
                ('in/new.vhdx', 'in: is not a directory'),
                ('new.qcow2', 'stands for another format'),
                ('new.RAW', 'stands for another format')):
            self.output = name and str(self.directory / name) + (
                '/' if name.endswith('/') else '')
            for argv in ((), ('--dry-run',)):
                code, printed = self.refused(guests.bootable(), *argv)
                self.assertEqual(2, code, printed)
                self.assertIn(words, printed)

    @unit_base.without_windows('such an error of a long name')
    def test_name_that_is_too_long_is_refused_at_once(self):
        self.output = str(self.directory / ('x' * 256))
        code, printed = self.refused(guests.bootable(), '--dry-run')
        self.assertEqual(2, code)
        self.assertIn('File name too long', printed)

    def test_directory_without_permission_is_refused_at_once(self):
        with mock.patch.object(os, 'access', return_value=False):
            code, printed = self.refused(guests.bootable(), '--dry-run')
        self.assertEqual(2, code)
        self.assertIn('cannot be written: Permission denied', printed)

    def test_output_that_cannot_be_written_is_refused_at_once(self):
        for argv, words in (
                (('-f', 'json', '-c', 'nosuch'), '--column: valid values: '
                 'image, code, name'),
                (('-f', 'sarif', '-c', 'code'), '-f sarif has no columns')):
            code, printed = self.refused(guests.bootable(), *argv)
            self.assertEqual(2, code)
            self.assertIn(words, printed)
        with mock.patch.dict(sys.modules, {'junitparser': None}):
            code, printed = self.refused(guests.bootable(), '-f', 'junit')
        self.assertEqual(2, code)
        self.assertIn('-f junit requires junitparser', printed)

    def test_disk_with_a_damaged_table_is_not_enlarged(self):
        good = guests.bootable(size=8 * MIB)
        hybrid = bytes((0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0))
        for offset, change, rule, advice in (
                (512, bytes(512), 'HV305 gpt-primary-damaged',
                 'Add --repair'),
                (len(good) - 512, bytes(512), 'HV306 gpt-backup-damaged',
                 'Add --repair'),
                (446, b'\x80', 'HV312 gpt-pmbr-active', 'Add --repair'),
                (446, bytes(64), 'HV307 gpt-no-protective-mbr',
                 'Add --repair'),
                (462, hybrid, 'HV311 hybrid-mbr', 'omit --grow')):
            disk = bytearray(good)
            disk[offset:offset + len(change)] = change
            for argv in ((), ('--dry-run',)):
                code, printed = self.refused(disk, '--grow', '1G', *argv)
                self.assertEqual(2, code, printed)
                self.assertIn(f'in: {rule} (', printed)
                self.assertIn(advice, printed)
        for repair in ((), ('--repair',)):
            disk[462:478] = hybrid
            code, printed = self.refused(disk, '--grow', '1G', *repair)
            self.assertIn('HV311', printed)

    def test_disk_with_the_signature_of_another_format_is_not_changed(self):
        for argv in (('--repair',), ('--grow', '1G', '--dry-run')):
            code, printed = self.refused(
                samples.qcow2(), '--input-format', 'raw', *argv)
            self.assertEqual(2, code)
            self.assertIn('the content of a qcow2 file', printed)

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

    def test_block_sizes(self):
        for size in ('1', '256'):
            code, printed = self.refused(b'text', '--block-size', size)
            self.assertIn('no known disk format', printed)
        for size in ('0', '3', '512', '-1', 'x'):
            code, printed = self.refused(b'text', '--block-size', size)
            self.assertEqual(2, code)
            self.assertIn('--block-size', printed)

    def test_sizes(self):
        for size in ('1M', '20G', '64T'):
            _, printed = self.refused(b'text', '--grow', size)
            self.assertIn('no known disk format', printed)
        for size in ('20', '20g', '-1G', '1.5G', '1GiB', '', 'G'):
            _, printed = self.refused(b'text', f'--grow={size}')
            self.assertIn('is not a size: a whole number and M, G or T',
                          printed)

    def test_qemu_img_is_needed(self):
        with mock.patch.object(shutil, 'which', lambda name: None):
            code, printed = self.refused(guests.bootable())
        self.assertEqual(2, code)
        self.assertIn('qemu-utils', printed)


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

    def test_rest_of_a_map_that_is_too_long_counts_as_data(self):
        line = '{{"start": {}, "length": 4096, "data": {}}},\n'
        output = ('[' + line.format(0, 'true') + line.format(4096, 'false')
                  + line.format(8192, 'false')).encode()
        for limit, expected in (
                (1, [(0, 4096), (4096, 16384 - 4096)]),
                (2, [(0, 4096), (8192, 16384 - 8192)]), (3, [(0, 4096)])):
            process = mock.Mock(stdout=io.BytesIO(output))
            started = mock.MagicMock()
            started.return_value.__enter__.return_value = process
            with mock.patch.object(qemu_img, '_started', started), \
                    mock.patch.object(qemu_img, '_MAX_EXTENTS', limit):
                self.assertEqual(expected, [
                    *qemu_img.extents('/x', 16384, signals.Guard())])


class RunTestCase(base.CommandTestCase):

    def run_program(self, code):
        qemu_img.run([sys.executable, '-c', 'import sys; sys.stdin.read(); '
                      f'print("reason"); sys.exit({code})'], signals.Guard())

    def test_message_of_a_program_is_reported(self):
        self.run_program(0)
        self.assertRaisesRegex(
            commands.UsageError, 'reason', self.run_program, 1)

    def test_ctrl_c_that_ends_the_program_first_interrupts(self):
        """Exit codes have 8 bits on Linux and 32 on Windows."""
        with mock.patch.object(qemu_img, '_CONTROL_C_EXIT', 0x3a):
            self.assertRaises(KeyboardInterrupt, self.run_program, 0x3a)

    def test_program_that_does_not_read_its_input(self):
        qemu_img.run([sys.executable, '-c', 'import os; os.close(0)'],
                     signals.Guard(), answers='y')


class NodeTestCase(base.CommandTestCase):

    def test_format_is_named_and_backing_files_are_ruled_out(self):
        # On Windows, the drive comes before it.
        root = json.dumps(os.path.abspath('/'))[1:-1]
        self.assertEqual(
            'json:{"driver": "qcow2", "file": {"driver": "file", '
            f'"filename": "{root}a,b:c\\"d"}}, "backing": null}}',
            qemu_img.node('/a,b:c"d', 'qcow2'))
        self.assertEqual(
            'json:{"driver": "vpc", "file": {"driver": "file", '
            f'"filename": "{root}x"}}, "force_size_calc": "current_size"}}',
            qemu_img.node('/x', 'vhd'))

    def test_name_that_is_not_utf_8(self):
        self.assertRaisesRegex(commands.UsageError, 'not UTF-8',
                               qemu_img.node, '/\udcff', 'raw')

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
