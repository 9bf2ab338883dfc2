# SPDX-License-Identifier: Apache-2.0

import dataclasses
import io
import os
import re
from unittest import mock

import hypothesis
from hypothesis import strategies as st

from hyperv_sched import rules
from hyperv_sched.cli import findings as findings_output
from tests.unit import base
from tests.unit.cli import base as cli_base
from tests.unit.cli.base import Terminal

#: A terminal with colors, on Linux and on Windows.
COLORED = {'TERM': 'xterm', 'WT_SESSION': 'x'}


class ColorsTestCase(base.TestCase):

    def test_severity_is_colored_on_a_terminal(self):
        for code, color in (('HV102', '31'), ('HV106', '33'),
                            ('HV226', '35'), ('HV119', '36')):
            finding = rules.CATALOGUE[code].finding()
            with mock.patch.dict(os.environ, COLORED, clear=True):
                line = render([finding], stdout=Terminal()).split('\n')[0]
            severity = finding.severity
            self.assertEqual(
                f'\x1b[{color}m{severity}\x1b[0m{" " * (7 - len(severity))}'
                f'  {code}', line[:line.index(code) + 5])

    def test_colors_are_left_out_where_they_are_not_wanted(self):
        for stream, environ, system, expected in (
                (Terminal(), {'TERM': 'xterm'}, 'posix', True),
                (Terminal(), {}, 'posix', True),
                (Terminal(), {'NO_COLOR': ''}, 'posix', True),
                (Terminal(), {'NO_COLOR': '1'}, 'posix', False),
                (Terminal(), {'TERM': 'dumb'}, 'posix', False),
                (io.StringIO(), {'TERM': 'xterm'}, 'posix', False),
                (Terminal(), {}, 'nt', False),
                (Terminal(), {'WT_SESSION': 'x'}, 'nt', True)):
            self.assertEqual(expected, findings_output.is_colored(
                stream, environ, system), (environ, system))

    def test_columns_without_a_severity_have_no_color(self):
        with mock.patch.dict(os.environ, COLORED, clear=True):
            self.assertEqual('HV102\n', render(
                [rules.CATALOGUE['HV102'].finding()], ['code'],
                stdout=Terminal()))


class CommandTestCase(base.TestCase):

    def test_ends_with_the_sentence(self):
        for text, expected in (
                ('Convert it: qemu-img convert -O vhdx IN OUT; it is',
                 'qemu-img convert -O vhdx IN OUT'),
                ('(see qemu-img info IN), or', 'qemu-img info IN'),
                ('Do: qemu-img convert --image-opts driver=vpc,a=b IN, then',
                 'qemu-img convert --image-opts driver=vpc,a=b IN'),
                ('Set it: sgdisk -A N:clear:1 DISK',
                 'sgdisk -A N:clear:1 DISK'),
                ("Do: printf '2\\nw\\n' | gdisk DISK.raw",
                 "printf '2\\nw\\n' | gdisk DISK.raw")):
            self.assertEqual(
                expected, findings_output.COMMAND.search(text)[0])


def render(findings, columns=findings_output.TABLE_COLUMNS, stdout=None):
    out = io.StringIO() if stdout is None else stdout
    findings_output.FindingsFormatter().emit_list(
        columns, [[getattr(f, c) for c in columns] for f in findings],
        out, None)
    return out.getvalue()


def make_finding(code='HV102', **kwargs):
    return rules.CATALOGUE[code].finding(**kwargs)


class FindingsFormatterTestCase(base.TestCase):

    def test_finding_is_a_head_and_indented_lines(self):
        self.assertEqual(
            'error    HV115  disk-bus-ide  windows-2022\n'
            '  hw_disk_bus is ide, generation 2 has no IDE\n'
            '  Fix: Set hw_disk_bus=scsi\n',
            render([make_finding(
                'HV115', image='windows-2022', actual='ide',
                prop='hw_disk_bus')]))

    def test_columns_are_aligned_and_an_empty_line_separates_findings(self):
        lines = render([make_finding('HV106', image='IMAGE'),
                        make_finding('HV119', image='IMAGE')]).split('\n')
        heads = [line for line in lines if ' HV' in line]
        self.assertEqual(1, len({line.index('HV') for line in heads}))
        self.assertEqual(1, len({line.index('IMAGE') for line in heads}))
        self.assertEqual(1, lines[:-1].count(''))

    def test_image_without_a_name_is_left_out(self):
        head = render([make_finding()]).split('\n')[0]
        self.assertEqual('error    HV102  hypervisor-type-missing', head)

    def test_selected_columns(self):
        self.assertEqual('HV102\nHV106\n', render(
            [make_finding(), make_finding('HV106')], ['code']))
        self.assertEqual('actual: -\n', render([make_finding()], ['actual']))

    def test_no_findings_no_output(self):
        self.assertEqual('', render([]))

    def test_commands_are_not_wrapped(self):
        for command in ('qemu-img convert -f vpc -O vhdx IN.vhd OUT.vhdx',
                        'sgdisk -A N:clear:1', 'mkfs.fat -F 32 DISK'):
            for length in range(80):
                words = f'{"x" * length} do: {command}; then'
                self.assertIn(command, render(
                    [dataclasses.replace(make_finding(), fix=words)]))

    def test_width_of_the_terminal_is_used_within_limits(self):
        for columns, expected in ((50, 50), (40, 40), (39, 40), (20, 40),
                                  (100, 100), (101, 100), (500, 100)):
            with mock.patch.dict(os.environ, COLUMNS=str(columns)):
                out = render(
                    [make_finding(), make_finding('HV105', actual='x')],
                    ['message'], Terminal())
            longest = max(map(len, out.split('\n')))
            self.assertLessEqual(longest, expected)
            self.assertGreater(longest, expected - 8)

    @hypothesis.given(
        st.sampled_from(sorted(rules.CATALOGUE)),
        st.text(max_size=300), st.text(max_size=300))
    def test_words_are_not_broken_or_lost(self, code, actual, required):
        found = make_finding(code, actual=actual, required=required, prop='p')
        body = render([found], ('message', 'fix'))
        for words in (found.message, found.fix):
            self.assertIn(' '.join(words.split()), ' '.join(body.split()))
        for line in body.split('\n'):
            self.assertTrue(line.isprintable())
            self.assertTrue(len(line) <= 80
                            or len(line.split()) < 3
                            or re.search('qemu-img|sgdisk|hyperv-sched|'
                                         'grub-install|mkfs', line), line)


class GroupTestCase(cli_base.CommandTestCase):

    def test_findings_of_a_rule_are_together(self):
        path = self.file('a.json', b'''[
            {"id": "a", "hypervisor_type": "hyperv",
             "hw_machine_type": "hyperv-gen3"},
            {"id": "b", "hw_machine_type": "hyperv-gen1"},
            {"id": "c", "hypervisor_type": "hyperv",
             "hw_machine_type": "hyperv-gen4"},
            {"id": "d", "hw_machine_type": "hyperv-gen1"}]''')
        _, out, _ = self.run_command('image', 'lint', '--image-json', path)
        self.assertEqual(
            [('HV101', 'a'), ('HV101', 'c'), ('HV102', 'b'), ('HV102', 'd')],
            [(line.split()[1], line.split()[3])
             for line in out.splitlines() if line.startswith('error')])
