# SPDX-License-Identifier: Apache-2.0

import contextlib
import csv
import io
import json
import pathlib
import shlex
import sys
from unittest import mock

import yaml

from hyperv_sched import validators
from hyperv_sched.cli import image_api
from hyperv_sched.cli import main
from hyperv_sched.disk import boot
from hyperv_sched.validators import fixes
from tests import guests
from tests import samples
from tests.unit import base as unit_base
from tests.unit.cli import base


class LintTestCase(base.CommandTestCase):

    def lint(self, *argv, **kwargs):
        code, out, _ = self.run_command(
            'image', 'lint', '-f', 'json', *argv, **kwargs)
        return code, json.loads(out) if code < 2 else None

    def test_good_file_exits_0(self):
        self.assertEqual((0, []), self.lint(
            self.file('good.vhdx', base.BOOTABLE), *base.GENERATION_2))

    def test_crash_of_the_disk_reader_does_not_hide_other_files(self):
        good = self.file('good.vhdx', base.BOOTABLE)
        bad = self.file('bad.vhdx', base.BOOTABLE)
        with mock.patch.object(boot, 'inspect', side_effect=[
                RecursionError('too deep'), None]):
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'json', bad, good)
        self.assertEqual(2, code)
        self.assertIn(f'{bad}: cannot be read: this is a bug in '
                      'hyperv-sched, please report it (RecursionError: too '
                      'deep)', err)
        self.assertNotIn(good, err)

    def test_crash_of_a_rule_does_not_hide_other_images(self):
        documents = [{'id': name, 'hw_machine_type': 'hyperv-gen3',
                      'hypervisor_type': 'hyperv'} for name in 'ab']
        validate = validators.validate

        def fails(document, name=None):
            if document['id'] == 'a':
                raise LookupError('oops')
            return validate(document, name)

        with mock.patch.object(validators, 'validate', fails):
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'value', '-c', 'image',
                '--image-json', '-', stdin=json.dumps(documents))
        self.assertEqual((2, 'b\n'), (code, out))
        self.assertEqual('a: this is a bug in hyperv-sched, please report it '
                         '(LookupError: oops)\n', err)

    def test_closed_standard_output_exits_2(self):
        with mock.patch.object(sys, 'stdout', None), \
                contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(2, main.main(['image', 'lint']))
        self.assertEqual('hyperv-sched: standard output is closed\n',
                         err.getvalue())

    def test_warning_exits_0(self):
        code, findings = self.lint('--property',
                                   'hw_machine_type=hyperv-gen2',
                                   '--property', 'hypervisor_type=hyperv')
        self.assertEqual((0, ['warning']),
                         (code, [f['severity'] for f in findings]))

    def test_error_exits_1_and_names_the_file(self):
        path = self.file('bad.vhd', base.VHD)
        code, findings = self.lint(path, *base.GENERATION_2)
        self.assertEqual(1, code)
        self.assertEqual([(path, 'HV202')],
                         [(f['image'], f['code']) for f in findings])

    def test_keys_are_those_of_the_contract(self):
        _, findings = self.lint('--property', 'hw_machine_type=hyperv-gen3')
        self.assertEqual(
            ['image', 'code', 'name', 'severity', 'message', 'actual',
             'required', 'fix', 'reference', 'cause'], list(findings[0]))

    def test_unreadable_file_exits_2_and_does_not_hide_others(self):
        bad = self.file('bad.vhd', base.VHD)
        missing = str(self.directory / 'missing')
        code, out, err = self.run_command(
            'image', 'lint', '-f', 'csv', missing, bad, *base.GENERATION_2)
        self.assertEqual(2, code)
        self.assertEqual(
            f'{missing}: cannot be read: '
            f'{unit_base.reason_missing(missing)}\n', err)
        self.assertEqual(
            ['HV202'], [row['code'] for row in csv.DictReader(
                io.StringIO(out))])

    def test_wrong_usage_exits_2(self):
        for argv in (('--property', 'novalue'), ('--min-disk', '-1'),
                     ('-f', 'xml'), ('--image-json', '/nonexistent')):
            code, _, err = self.run_command('image', 'lint', *argv)
            self.assertEqual(2, code, argv)
            self.assertTrue(err, argv)

    def test_options_become_members_of_the_document(self):
        path = self.file('disk.vhdx', samples.vhdx(
            2 * samples.GIB, samples.MIB, guest=guests.bootable()))
        _, findings = self.lint(path, '--disk-format', 'raw',
                                '--min-disk', '1', *base.GENERATION_2)
        self.assertEqual(['HV201', 'HV224'], [f['code'] for f in findings])

    def test_documents_from_standard_input(self):
        documents = [
            {'id': 'one', 'hw_machine_type': 'hyperv-gen3',
             'hypervisor_type': 'hyperv'},
            {'name': 'two', 'properties': {'hw_machine_type': 'q35'}}]
        for shape in (documents, {'images': documents, 'first': '/v2'}):
            code, findings = self.lint('--image-json', '-',
                                       stdin=json.dumps(shape))
            self.assertEqual(1, code)
            self.assertEqual([('one', 'HV101')],
                             [(f['image'], f['code']) for f in findings])

    def test_document_in_any_unicode(self):
        for encoding in ('utf-8-sig', 'utf-16'):
            _, findings = self.lint('--image-json', '-', stdin=json.dumps(
                {'hw_machine_type': 'hyperv-gen3',
                 'hypervisor_type': 'hyperv'}).encode(encoding))
            self.assertEqual(['HV101'], [f['code'] for f in findings])

    def test_invalid_document_in_a_list_does_not_hide_others(self):
        code, out, err = self.run_command(
            'image', 'lint', '-f', 'value', '-c', 'code', '--image-json', '-',
            stdin=json.dumps([
                {'id': 7},
                {'hw_machine_type': 'q', 'hypervisor_type': 'hyperv'}]))
        self.assertEqual((2, 'HV101\n'), (code, out))
        self.assertEqual('-: image 1: id must be a string\n', err)

    def test_property_named_content_is_ignored(self):
        _, findings = self.lint(
            '--property', 'hypervisor_type=hyperv', '--property',
            'content=x', '--disk-format', 'qcow2')
        self.assertEqual(['HV107'], [f['code'] for f in findings])

    def test_file_with_several_documents_exits_2(self):
        path = self.file('disk', samples.vhdx())
        for documents in ('[]', '[{"id": "a"}, {"id": "b"}]'):
            code, _ = self.lint(path, '--image-json', '-', stdin=documents)
            self.assertEqual(2, code)

    def test_long_file_name_is_not_cut(self):
        path = self.file('long' * 40, samples.dynamic_vhd())
        _, findings = self.lint(path, *base.GENERATION_2)
        self.assertEqual({path}, {f['image'] for f in findings})

    def test_no_target_exits_2(self):
        code, _, err = self.run_command('image', 'lint')
        self.assertEqual(2, code)
        self.assertIn('Nothing to lint', err)

    def test_invalid_documents_exit_2_with_one_line(self):
        for text in ('', '{', '[]', '[[]]', '[null]', '"text"', '{}',
                     '{"foo": 1}', '{"hw_machine_type": 2}',
                     '{"id": "x", "properties": "a=\'b\'"}',
                     '{"id": "x", "min_disk": "many"}',
                     '[' * 100000, '{"a": ' * 100000, b'\xff\xfe\xfa'):
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'value', '--image-json', '-',
                stdin=text)
            self.assertEqual((2, ''), (code, out.strip()), text[:20])
            self.assertEqual(1, err.count('\n'), err)

    def test_invalid_arguments_exit_2(self):
        for argv in (('-f', 'json', '-c', 'bogus'),
                     ('--image-json', str(self.directory)),
                     ('--min-disk', '1e3'), ('--min-disk', '9' * 99)):
            code, _, err = self.run_command(
                'image', 'lint', '--property', 'hw_machine_type=q', *argv)
            self.assertEqual(2, code, argv)
            self.assertNotIn('whole_number', err)
        with mock.patch.object(sys, 'stdin', None):
            code = main.main(['image', 'lint', '--image-json', '-'])
        self.assertEqual(2, code)

    def test_control_characters_are_escaped(self):
        for fmt in ('table', 'csv', 'value', 'yaml', 'json', 'sarif'):
            code, out, _ = self.run_command(
                'image', 'lint', '-f', fmt, '--property',
                'hw_machine_type=hyperv\x1b[2J\r\x9b')
            self.assertEqual(1, code)
            self.assertRegex(out, r'hyperv\\+x1b\[2J')
            self.assertNotIn('\x1b', out)
            self.assertNotIn('\x9b', out)
        _, _, err = self.run_command('image', 'inspect', 'a\x1b[2J\n')
        self.assertIn('a\\x1b[2J', err)
        self.assertNotIn('\x1b', err)

    def test_json_output_has_no_summary(self):
        _, _, err = self.run_command(
            'image', 'lint', '-f', 'json', '--property',
            'hw_machine_type=hyperv-gen3')
        self.assertEqual('', err)

    def test_table_output_has_a_summary(self):
        _, _, err = self.run_command(
            'image', 'lint', '--property', 'hw_machine_type=hyperv-gen3',
            '--property', 'hypervisor_version_requires=x')
        self.assertEqual('1 image: 3 errors\n', err)

    def test_summary_follows_the_findings(self):
        both = io.StringIO()
        with contextlib.redirect_stderr(both), \
                contextlib.redirect_stdout(both):
            main.main(['image', 'lint', '--property',
                       'hw_machine_type=hyperv-gen3'])
        self.assertEqual('1 image: 2 errors', both.getvalue().splitlines()[-1])

    def test_quiet_output_has_no_summary(self):
        path = self.file('disk.vhdx', base.BOOTABLE)
        for argv, code in ((base.GENERATION_2, 0), ((), 1)):
            found, out, err = self.run_command(
                '-q', 'image', 'lint', path, *argv)
            self.assertEqual((code, ''), (found, err))
            self.assertEqual(bool(code), 'HV341' in out)

    def test_verbose_output_has_a_line_for_each_image(self):
        path = self.file('disk.vhdx', base.BOOTABLE)
        _, _, err = self.run_command('-v', 'image', 'lint', path)
        self.assertIn(f'{path}: 1 error\n', err)
        self.assertNotIn('EntryPoint', err)

    def test_no_summary_if_no_image_can_be_read(self):
        missing = str(self.directory / 'missing')
        _, _, err = self.run_command('image', 'lint', missing)
        self.assertEqual(
            f'{missing}: cannot be read: '
            f'{unit_base.reason_missing(missing)}\n', err)

    def test_summary_names_the_assumed_generation(self):
        path = self.file('disk.vhdx', base.BOOTABLE)
        for argv, expected in (
                ((path,), '(linted as generation 1, since '),
                ((path, path), '(2 of them linted as generation 1, since '),
                ((path, '--property', 'hypervisor_type=hyperv'),
                 '(linted as generation 1, since ')):
            _, _, err = self.run_command('image', 'lint', *argv)
            self.assertEqual(
                f'{expected}hw_machine_type is not set)', err.splitlines()[1])
        for argv in ((path, *base.GENERATION_2),
                     (path, '--property', 'hypervisor_type=qemu'),
                     ('--property', 'hypervisor_type=hyperv')):
            _, _, err = self.run_command('image', 'lint', *argv)
            self.assertEqual(1, len(err.splitlines()), err)

    def test_only_tables_show_the_name_next_to_the_id(self):
        document = json.dumps({
            'id': 'a1', 'name': 'web\x1b[2J',
            'hw_machine_type': 'hyperv-gen1'})
        _, out, _ = self.run_command(
            'image', 'lint', '--image-json', '-', stdin=document)
        self.assertIn('a1 (web\\x1b[2J)\n', out)
        _, out, _ = self.run_command(
            'image', 'lint', '-f', 'json', '--image-json', '-',
            stdin=document)
        self.assertEqual(['a1'], [f['image'] for f in json.loads(out)])

    def test_images_with_equal_findings_share_a_paragraph(self):
        documents = json.dumps([
            {'id': f'image-{n}', 'hw_machine_type': 'hyperv-gen1'}
            for n in range(40)])
        _, out, err = self.run_command(
            'image', 'lint', '--image-json', '-', stdin=documents)
        lines = out.splitlines()
        self.assertEqual(40, sum('HV102' in line for line in lines))
        self.assertEqual(1, sum('Fix: ' in line for line in lines))
        self.assertEqual('40 images: 40 errors\n', err)

    def test_argument_that_is_not_a_file_names_the_remedy(self):
        others = ('inspect',), ('upload', '--name', 'n')
        for name, hint, commands in (
                (str(self.directory), 'Name the files in it', others),
                (str(self.directory), 'has no file to lint', [('lint',)]),
                ('-', 'Save the image to a file', [('lint',), *others]),
                ('http://a/b.vhdx', 'Download it to a file',
                 [('lint',), *others])):
            for command in commands:
                code, _, err = self.run_command('image', *command, name)
                self.assertEqual(2, code)
                self.assertTrue(err.startswith(f'{name}: '), err)
                self.assertIn(hint, err)

    def test_document_that_is_not_a_file_has_no_advice_on_disks(self):
        directory = str(self.directory)
        for name, reason in (
                (directory, 'cannot be read: Is a directory'),
                ('https://a/b.json',
                 'URLs are not opened. Download it to a file')):
            for command in (
                    ('image', 'lint', '--image-json', name),
                    ('host', 'explain', '--hosts', name, '--property', 'a=b'),
                    ('cloud', 'audit', '--hosts', name, '--images', 'x')):
                self.assertEqual((2, '', f'{name}: {reason}\n'),
                                 self.run_command(*command))

    def test_standard_input_that_cannot_be_read(self):
        stdin = mock.Mock()
        stdin.buffer.read.side_effect = OSError(5, 'Input/output error')
        with contextlib.redirect_stderr(io.StringIO()) as err, \
                mock.patch.object(sys, 'stdin', stdin):
            code = main.main(['image', 'lint', '--image-json', '-'])
        self.assertEqual((2, '-: cannot be read: Input/output error\n'),
                         (code, err.getvalue()))


class DocumentsTestCase(base.CommandTestCase):
    """Files with image documents, given with --documents."""

    def lint(self, *argv):
        code, out, err = self.run_command(
            'image', 'lint', '-f', 'value', '-c', 'image', '-c', 'code',
            '--documents', *argv)
        return code, out.splitlines(), err

    def document(self, name, document):
        return self.file(name, json.dumps(document).encode())

    def test_findings_name_the_file(self):
        first = self.document('a.json', {'id': 'a', 'hw_machine_type': 'q35'})
        second = self.document('b.json', {
            'id': 'b', 'hw_machine_type': 'hyperv-gen1'})
        self.assertEqual((1, [f'{second} HV102'], ''),
                         self.lint(first, second))

    def test_findings_of_a_list_name_file_and_image(self):
        path = self.document('list.json', [
            {'id': name, 'hw_machine_type': 'hyperv-gen1'} for name in 'ab'])
        self.assertEqual((1, [f'{path}#a HV102', f'{path}#b HV102'], ''),
                         self.lint(path))

    def test_properties_are_added_to_each(self):
        path = self.document('a.json', {'hw_machine_type': 'hyperv-gen1'})
        self.assertEqual((0, [], ''), self.lint(
            path, '--property', 'hypervisor_type=hyperv'))

    def test_unreadable_file_does_not_hide_others(self):
        broken = self.file('broken.json', b'{')
        empty = self.document('empty.json', [])
        missing = str(self.directory / 'missing')
        wrong = self.document('wrong.json', {
            'hw_machine_type': 'hyperv-gen1'})
        code, out, err = self.lint(broken, empty, missing, wrong)
        self.assertEqual((2, [f'{wrong} HV102']), (code, out))
        self.assertEqual([broken, empty, missing],
                         [line.split(': ')[0] for line in err.splitlines()])

    def test_requires_files_and_excludes_image_json(self):
        path = self.document('a.json', {'hw_machine_type': 'hyperv-gen1'})
        for argv in ((), (path, '--image-json', path)):
            code, _, err = self.lint(*argv)
            self.assertEqual(2, code)
            self.assertIn('--documents', err)


class PreCommitTestCase(base.CommandTestCase):

    def test_hook_lints_image_documents(self):
        top = pathlib.Path(__file__).parents[3]
        hook, = yaml.safe_load((top / '.pre-commit-hooks.yaml').read_text())
        wrong = self.file('disk.image.json',
                          b'{"hw_machine_type": "hyperv-gen1"}')
        self.assertRegex(wrong, hook['files'])
        self.assertNotRegex('package.json', hook['files'])
        name, *argv = shlex.split(hook['entry'])
        code, out, _ = self.run_command(*argv, wrong)
        self.assertEqual(('hyperv-sched', 1), (name, code))
        self.assertIn(wrong, out)


class HostileDocumentTestCase(base.CommandTestCase):
    """Expect one message with exit code 2, or findings; no traceback."""

    FORMATS = ('table', 'csv', 'value', 'yaml', 'json', 'sarif')

    def run_lint(self, text, *argv):
        path = self.file('image.json', text if isinstance(
            text, bytes) else text.encode())
        code, out, err = self.run_command(
            'image', 'lint', '--image-json', path, *argv)
        self.assertNotIn('Traceback', out + err)
        return code, out, err

    def test_invalid_document_is_refused_in_one_line(self):
        for text in ('{]', '[[{"id": "x"}]]', '[[[]]]', 'NaN', '1e999', '1',
                     '9' * 5000, '{"id": ' + '9' * 5000 + '}',
                     '{"id": 1}', '{"id": "x", "os_type": NaN}',
                     '{"id": "x", "hw_machine_type": ["hyperv-gen2"]}',
                     '{"id": "x", "min_disk": 1.5}',
                     '{"id": "x", "min_disk": NaN}',
                     '{"id": "x", "min_disk": "9999999999"}',
                     '{"id": "x", "properties": ["a"]}',
                     '{"id": "x", "id": "x"}',
                     '{"id": "x", "properties": {"a": "1", "a": "2"}}',
                     '{"\\u001b[2J": 1, "\\u001b[2J": 2}',
                     '{"id": "x"' + ', "a": {"b":' * 90000,
                     '{"id": "x"}\0', b'\0' * 99, b'{"id": "\0"}',
                     b'{"id": "\xff"}',
                     '[' + '1,' * 200_000 + '1]'):
            code, _, err = self.run_lint(text, '-f', 'value')
            self.assertEqual(2, code, text[:60])
            self.assertEqual(1, err.count('\n'), err)
            self.assertLess(len(err), 1200)
            self.assertTrue(err.rstrip('\n').isprintable(), err)

    def test_errors_of_many_documents_are_counted(self):
        code, _, err = self.run_lint('[' + '[],' * 9_999 + '{}]', '-f', 'json')
        lines = err.splitlines()
        self.assertEqual((2, 21), (code, len(lines)))
        self.assertTrue(lines[-1].endswith(': 9980 more cannot be linted'))

    def test_findings_of_hostile_values_are_bounded(self):
        huge = 'x' * 70_000
        for members in (
                {'id': huge, 'name': huge, huge: huge},
                {'hw_machine_type': f'hyperv{huge}'},
                {'hypervisor_version_requires': f'>={huge}'},
                {'hypervisor_version_requires': '>=6.3,' * 12_000},
                {'hypervisor_version_requires': ' ' * 70_000},
                {'hypervisor_type': f'hyper{" " * 70_000}v'},
                {'os_type': huge, 'disk_format': huge},
                {'id': '\0', 'os_type': 'a\0b', 'hw\0': '\0'},
                {'id': '\ud800', 'name': '\udcff', 'os_type': '\ud800\n'},
                {'min_disk': 10 ** 4000, 'size': -10 ** 4000},
                {'a': json.loads('[' * 900 + ']' * 900)},
                {'size': float('nan'), 'min_ram': float('inf')},
                {f'name-{n}': 'value' for n in range(100_000)}):
            for fmt in self.FORMATS:
                document = {'hw_machine_type': 'hyperv-gen2', **members}
                code, out, err = self.run_lint(json.dumps(document), '-f', fmt)
                self.assertEqual(1, code, (fmt, err, str(members)[:60]))
                self.assertLess(len(out), 20_000)
                self.assertTrue(out.replace('\n', '').replace(
                    '\r', '').isprintable())

    def test_fix_escapes_hostile_names(self):
        for name in ('\x1b[2J', "a'\n", '\ud800', '\x9b'):
            _, out, _ = self.run_lint(json.dumps(
                {'name': name, 'hw_machine_type': 'hyperv-gen1'}), '--fix')
            command, _ = out.split('\n')
            self.assertTrue(command.isprintable(), command)

    def test_hostile_options_are_refused(self):
        for argv in (('--property', '=x'), ('--property', 'x'),
                     ('--min-disk', '\u0663'), ('--ignore', 'HV\x1b[2J'),
                     ('--config-file', '\x1b[2J')):
            code, _, err = self.run_command('image', 'lint', *argv)
            self.assertEqual(2, code)
            self.assertNotIn('Traceback', err)
            self.assertNotIn('\x1b', err)


class FixTestCase(base.CommandTestCase):

    def test_prints_the_command_alone(self):
        documents = [
            {'id': 'good', 'hypervisor_type': 'hyperv'},
            {'id': 'bad', 'hw_machine_type': 'hyperv-gen2'}]
        code, out, _ = self.run_command(
            'image', 'lint', '--fix', '--shell', 'sh', '--image-json', '-',
            stdin=json.dumps(documents))
        self.assertEqual(1, code)
        self.assertEqual(
            'openstack image set --property hypervisor_type=hyperv '
            "--property 'hypervisor_version_requires=>=6.3' -- bad\n", out)

    def test_commands_have_no_other_format(self):
        self.assertEqual(
            (2, '', '--fix prints commands, which have no other format. '
             'Leave out -f\n'), self.run_command(
                'image', 'lint', '--fix', '-f', 'json', '--property',
                'hw_machine_type=hyperv-gen2'))

    def test_ignored_rules_are_not_fixed(self):
        _, out, _ = self.run_command(
            'image', 'lint', '--fix', '--ignore', 'HV106', '--property',
            'hw_machine_type=hyperv-gen1')
        self.assertEqual(
            'openstack image set --property hypervisor_type=hyperv -- '
            'IMAGE\n', out)

    def test_sets_the_generation_of_the_disk(self):
        _, out, _ = self.run_command(
            'image', 'lint', '--fix', '--shell', 'sh',
            self.file('disk.vhdx', base.BOOTABLE))
        self.assertEqual(
            'openstack image set --container-format bare --property '
            'hypervisor_type=hyperv --disk-format vhdx --min-disk 1 '
            '--property hw_machine_type=hyperv-gen2 --property '
            "'hypervisor_version_requires=>=6.3' --property "
            'architecture=x86_64 -- IMAGE\n', out)

    def test_sets_what_upload_sets(self):
        path = self.file('disk.vhdx', base.BOOTABLE)
        _, fix, _ = self.run_command(
            'image', 'lint', '--fix', '--shell', 'sh', path)
        _, create, _ = self.run_command(
            'image', 'upload', '--dry-run', '--shell', 'sh', '--name',
            'IMAGE', path)
        pairs = [shlex.split(line) for line in (fix, create)]
        self.assertEqual(
            sorted(pairs[1][5:]), sorted(pairs[0][3:]))
        self.assertEqual(
            ['openstack', 'image', 'create', '--file', path], pairs[1][:5])

    def test_sets_no_generation_that_the_disk_does_not_tell(self):
        for name, data in (('empty.vhdx', samples.vhdx()),
                           ('raw', guests.bootable())):
            _, out, _ = self.run_command(
                'image', 'lint', '--fix', self.file(name, data))
            self.assertNotIn('hw_machine_type', out)

    def test_keeps_a_generation_that_is_set(self):
        _, out, _ = self.run_command(
            'image', 'lint', '--fix', *base.GENERATION_2,
            self.file('disk.vhdx', base.BOOTABLE))
        self.assertNotIn('--disk-format', out)

    def test_requirement_that_nova_cannot_store_is_not_printed(self):
        """Nova stores 255 characters; the fix appends six."""
        for equal, other, length, fixed in (
                (39, 2, 249, True), (40, 1, 250, False)):
            requirement = f'>=6.2{",>=6.2" * equal}{",<999" * other}'
            self.assertEqual(length, len(requirement))
            _, out, _ = self.run_command(
                'image', 'lint', '--fix', '--property',
                'hw_machine_type=hyperv-gen2', '--property',
                'hypervisor_type=hyperv', '--property',
                f'hypervisor_version_requires={requirement}')
            self.assertEqual(fixed, f'{requirement},>=6.3' in out)


class CloudTestCase(base.CommandTestCase):

    def test_unknown_content_exits_1_although_it_is_ignored(self):
        image = {'id': 'x', 'status': 'active', 'size': 1000,
                 'disk_format': 'vhdx', 'hypervisor_type': 'hyperv'}
        api = mock.Mock()
        api.find.return_value = image
        api.source.side_effect = image_api.ContentUnavailableError('no')
        with mock.patch.object(image_api, 'connect', return_value=api):
            for argv in ((), ('--ignore', 'HV226')):
                code, out, _ = self.run_command(
                    'image', 'lint', '--image', 'x', '-f', 'value', '-c',
                    'code', '-c', 'severity', *argv)
                self.assertEqual((1, 'HV226 unknown\n'), (code, out))


class PackageTestCase(base.CommandTestCase):

    def test_package_that_cannot_be_loaded_is_named(self):
        with mock.patch.object(fixes, 'properties', side_effect=ImportError(
                'DLL load failed while importing rpds')):
            code, _, err = self.run_command(
                'image', 'lint', '--fix', '--property', 'a=b')
        self.assertEqual(
            (2, 'a package that hyperv-sched needs cannot be loaded: DLL '
                'load failed while importing rpds\n'), (code, err))
