# SPDX-License-Identifier: Apache-2.0

import os
import struct
import sys
from unittest import mock

from hyperv_sched import rules
from tests import guests
from tests import samples
from tests.unit import base as unit_base
from tests.unit.cli import base
from tests.unit.disk import test_references

MIB = samples.MIB


def qed(size, features=0):
    return struct.pack('<4s12xQ16xQ', b'QED\0', features, size)


class ConvertTestCase(base.ConvertTestCase):

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
        vhdx = samples.uefi_vhdx()
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
