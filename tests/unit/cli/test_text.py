# SPDX-License-Identifier: Apache-2.0

import dataclasses
import io
import os
import re
from unittest import mock

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import rules
from hyperv_sched.cli import image
from hyperv_sched.cli import text
from tests.unit import base


class Terminal(io.StringIO):

    def isatty(self):
        return True


def shown(findings, columns=image.TABLE_COLUMNS, stdout=None):
    out = io.StringIO() if stdout is None else stdout
    text.FindingsFormatter().emit_list(
        columns, [[getattr(f, c) for c in columns] for f in findings],
        out, None)
    return out.getvalue()


def finding(code='HV102', **kwargs):
    return rules.CATALOGUE[code].finding(**kwargs)


class FindingsFormatterTestCase(base.TestCase):

    def test_a_finding_is_a_head_and_indented_words(self):
        self.assertEqual(
            'error    HV115  disk-bus-ide  windows-2022\n'
            '  hw_disk_bus is ide, generation 2 has no IDE\n'
            '  Fix: Set hw_disk_bus=scsi\n',
            shown([finding('HV115', image='windows-2022', actual='ide',
                           prop='hw_disk_bus')]))

    def test_columns_are_aligned_and_findings_apart(self):
        lines = shown([finding('HV106', image='IMAGE'),
                       finding('HV119', image='IMAGE')]).split('\n')
        heads = [line for line in lines if ' HV' in line]
        self.assertEqual(1, len({line.index('HV') for line in heads}))
        self.assertEqual(1, len({line.index('IMAGE') for line in heads}))
        self.assertEqual(1, lines[:-1].count(''))

    def test_image_without_a_name_is_left_out(self):
        head = shown([finding()]).split('\n')[0]
        self.assertEqual('error    HV102  hypervisor-type-missing', head)

    def test_chosen_columns_alone(self):
        self.assertEqual('HV102\nHV106\n', shown(
            [finding(), finding('HV106')], ['code']))
        self.assertEqual('actual: -\n', shown([finding()], ['actual']))

    def test_no_findings_no_output(self):
        self.assertEqual('', shown([]))

    def test_commands_stay_whole(self):
        for command in ('qemu-img convert -f vpc -O vhdx IN.vhd OUT.vhdx',
                        'sgdisk -A N:clear:1', 'mkfs.fat -F 32 DISK'):
            for length in range(text.WIDTH):
                words = f'{"x" * length} do: {command}; then'
                self.assertIn(command, shown(
                    [dataclasses.replace(finding(), fix=words)]))

    def test_width_is_that_of_the_terminal_within_limits(self):
        for columns, expected in ((50, 50), (20, text.NARROWEST),
                                  (500, text.WIDEST)):
            with mock.patch.dict(os.environ, COLUMNS=str(columns)):
                out = shown([finding(), finding('HV105', actual='x')],
                            ['message'], Terminal())
            longest = max(map(len, out.split('\n')))
            self.assertLessEqual(longest, expected)
            self.assertGreater(longest, expected - 8)

    @hypothesis.given(
        st.sampled_from(sorted(rules.CATALOGUE)),
        st.text(max_size=300), st.text(max_size=300))
    def test_words_are_neither_broken_nor_lost(self, code, actual, required):
        found = finding(code, actual=actual, required=required, prop='p')
        body = shown([found], ('message', 'fix'))
        for words in (found.message, found.fix):
            self.assertIn(' '.join(words.split()), ' '.join(body.split()))
        for line in body.split('\n'):
            self.assertTrue(line.isprintable())
            self.assertTrue(len(line) <= text.WIDTH
                            or len(line.split()) < 3
                            or re.search('qemu-img|sgdisk|hyperv-sched|'
                                         'grub-install|mkfs', line), line)
