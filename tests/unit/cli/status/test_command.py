# SPDX-License-Identifier: Apache-2.0

import contextlib
import io
import json
import os
import pathlib
import re
import textwrap
from unittest import mock

from hyperv_sched.cli.status import command
from hyperv_sched.cli.status import configuration
from hyperv_sched.cli.status import environment
from tests.unit import base as unit_base
from tests.unit.cli.status import base
from tests.unit.cli.status import test_nova_checks

SCHEDULER = '[filter_scheduler]\n' + ''.join((
    test_nova_checks.ALL, test_nova_checks.OURS, test_nova_checks.ENABLED))


class CommandTestCase(base.StatusTestCase):

    def run_command(self, *argv):
        """Run it; return its exit code, its output and its complaints."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = command.main(argv)
            except SystemExit as exc:
                code = exc.code
        return code, out.getvalue(), err.getvalue()

    def check(self, *argv):
        return self.run_command('upgrade', 'check', *argv)

    def check_json(self, *argv):
        code, out, err = self.check('--json', *argv)
        return code, {check['check']: check
                      for check in json.loads(out)['checks']}


class ResultTestCase(CommandTestCase):

    def test_success(self):
        code, out, err = self.check(
            '--nova-conf', self.write('nova.conf', SCHEDULER))
        self.assertEqual((0, ''), (code, err))
        self.assertIn('| Check: Nova enabled filters', out)

    def test_worst_result_is_the_exit_code(self):
        unknown = '[hyperv_sched]\ncolor = blue\n'
        invalid = '[hyperv_sched]\ngen2_minimum_version = R2\n'
        for text, expected in ((unknown, 1), (invalid, 2),
                               (unknown + invalid, 2)):
            self.assertEqual(expected, self.check(
                '--nova-conf',
                self.write('nova.conf', SCHEDULER + text))[0])

    def test_command_is_not_wrapped(self):
        command_line = f'ln -s /usr/{"a" * 40} /usr/{"b" * 40}'
        self.importable['nova.virt.hyperv_sched.EnforcedDriver'] = (
            environment.MisplacedError('it is elsewhere', command_line))
        path = self.write('nova.conf', test_nova_checks.HOST)
        code, out, _ = self.check('--nova-conf', path)
        self.assertEqual(2, code)
        self.assertIn(f'     {command_line} ', out)
        _, checks = self.check_json('--nova-conf', path)
        self.assertEqual(
            f'    {command_line}',
            checks['Nova compute driver']['details'].splitlines()[-1])

    def test_skipped_check_is_neither_success_nor_failure(self):
        code, checks = self.check_json(
            '--nova-conf', self.write('nova.conf', SCHEDULER))
        self.assertEqual(0, code)
        self.assertEqual(
            {'check': 'Glance disk formats', 'result': -1,
             'details': 'no configuration of Glance was found.'},
            checks['Glance disk formats'])
        self.assertIn('Result: Skipped', self.check(
            '--nova-conf', self.write('nova.conf', SCHEDULER))[1])

    def test_files_are_printed_in_full(self):
        path = self.write('n' * 60 + '-' + 'n' * 60 + '.conf', SCHEDULER)
        self.assertIn(path, self.check('--nova-conf', path)[1])
        self.assertIn(path, self.check_json('--nova-conf', path)[1][
            'Configuration files']['details'])

    def test_write_error_keeps_the_exit_code(self):
        path = self.write('nova.conf', '[hyperv_sched]\ncolor = blue\n')
        read, write = os.pipe()
        os.close(read)
        full = os.open('/dev/full', os.O_WRONLY)
        for number, words in ((write, ''),
                              (full, 'standard output cannot be written')):
            with open(number, 'w') as stdout, contextlib.redirect_stdout(
                    stdout), contextlib.redirect_stderr(io.StringIO()) as err:
                code = command.main(
                    ('upgrade', 'check', '--nova-conf', path))
            self.assertEqual(2, code)
            self.assertIn(words, err.getvalue())
            self.assertLessEqual(err.getvalue().count('\n'), 1)

    def test_invalid_option_is_a_failure(self):
        code, checks = self.check_json('--glance-conf', self.write(
            'glance-api.conf',
            '[image_import_opts]\nimage_import_plugins = no_op\n'))
        self.assertEqual(2, code)
        result = checks['Glance import plugin']
        self.assertEqual(2, result['result'])
        self.assertIn('image_import_plugins', result['details'])

    def test_last_file_overrides_and_is_named(self):
        wrong = self.write('wrong.conf', '[filter_scheduler]\n'
                           'enabled_filters = ComputeFilter\n')
        right = self.write('right.conf', SCHEDULER)
        self.assertEqual(0, self.check(
            '--nova-conf', wrong, '--nova-conf', right)[0])
        code, checks = self.check_json(
            '--nova-conf', right, '--nova-conf', wrong)
        self.assertEqual(2, code)
        self.assertIn(f'enabled_filters ({wrong}) lacks',
                      checks['Nova enabled filters']['details'])


class UsageTestCase(CommandTestCase):

    def test_wrong_usage_exits_255(self):
        for argv in ((), ('upgrade',), ('upgrade', 'chekc'),
                     ('upgrade', 'check', '--nova', 'x'),
                     ('upgrade', 'check', '--glance-paste', 'x')):
            code, out, err = self.run_command(*argv)
            self.assertEqual((255, ''), (code, out), argv)
            self.assertIn('hyperv-sched-status', err)

    def test_version(self):
        self.versions['hyperv-sched'] = '1.2.3'
        self.assertEqual((0, 'hyperv-sched-status 1.2.3\n', ''),
                         self.run_command('--version'))

    def test_help_is_wrapped_at_the_width_of_the_terminal(self):
        for columns in (40, 80, 120):
            with mock.patch.dict(os.environ, COLUMNS=str(columns)):
                for argv in (('--help',), ('upgrade', '--help'),
                             ('upgrade', 'check', '--help')):
                    out = self.run_command(*argv)[1]
                    self.assertEqual([], [
                        line for line in out.splitlines()
                        if len(line) > columns
                        and line not in command.EPILOG.splitlines()
                        # The usage and the names of options are not wrapped.
                        and '--' not in line and '{' not in line], argv)

    def test_help_has_the_exit_codes(self):
        for argv in (('--help',), ('upgrade', 'check', '--help')):
            code, out, _ = self.run_command(*argv)
            self.assertEqual(0, code)
            self.assertIn(textwrap.dedent(command.EPILOG).strip(), out)


class FileErrorTestCase(CommandTestCase):

    OPTIONS = (('--nova-conf',), ('--glance-conf',),
               ('--glance-conf', None, '--glance-paste'))

    def refuse(self, path, reason):
        """One line that names the file and the reason, by any option."""
        fine = self.write('fine.conf', '')
        for option in self.OPTIONS:
            argv = [fine if word is None else word for word in option]
            code, out, err = self.check(*argv, str(path))
            self.assertEqual((255, ''), (code, out), option)
            self.assertEqual(1, err.count('\n'), err)
            self.assertIn(str(path), err)
            self.assertIn(reason, err)

    def test_missing(self):
        path = '/nonexistent/file.conf'
        self.refuse(path, unit_base.reason_missing(path))

    def test_directory(self):
        self.refuse(self.directory, 'not a regular file')

    @unit_base.without_windows('FIFOs')
    def test_pipe(self):
        path = self.directory / 'pipe'
        os.mkfifo(path)
        self.refuse(path, 'not a regular file')

    def test_unreadable(self):
        # Permissions do not keep root from reading.
        read_text = pathlib.Path.read_text

        def refuse(path, *args):
            if path.name == 'secret.conf':
                raise PermissionError(13, 'Permission denied')
            return read_text(path, *args)

        with mock.patch('pathlib.Path.read_text', refuse):
            self.refuse(self.write('secret.conf', ''), 'Permission denied')

    def test_binary(self):
        for data in (b'\x7fELF\0\0', b'\xff\xfe[\0D\0'):
            path = self.directory / 'binary'
            path.write_bytes(data)
            self.refuse(path, 'not a text file')

    def test_no_ini(self):
        self.refuse(self.write('image.json', '{"a": 1}\n'),
                    'is not a ')

    def test_huge(self):
        path = self.directory / 'huge'
        with open(path, 'wb') as file:
            file.truncate(configuration.MAX_SIZE + 1)
        self.refuse(path, 'larger than')

    def test_password_in_an_invalid_line_is_not_printed(self):
        path = self.write('nova.conf', 'password swordfish\n')
        self.assertNotIn('swordfish', self.check('--nova-conf', path)[2])


class DefaultsTestCase(CommandTestCase):
    """What services find by themselves."""

    def find(self, nova=(), glance=(), own=()):
        """Write what there is in /etc/nova, /etc/glance and ~."""
        for name, texts in (('nova', nova), ('glance', glance),
                            ('own', own)):
            (self.directory / name).mkdir()
            for file, text in texts:
                path = self.directory / name / file
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
        home = self.directory / 'glance'
        for patch in (
                mock.patch.object(
                    configuration, '_directories',
                    lambda project: [str(self.directory / project)]),
                mock.patch.dict(os.environ, OS_GLANCE_CONFIG_DIR=str(home),
                                HOME=str(self.directory / 'own'),
                                USERPROFILE=str(self.directory / 'own'))):
            patch.start()
            self.addCleanup(patch.stop)
        return home

    def test_missing_configuration_exits_255(self):
        self.find()
        code, out, err = self.check()
        self.assertEqual((255, ''), (code, out))
        self.assertIn('No configuration of Nova or Glance was found', err)
        for name in ('nova', 'glance'):
            self.assertIn(str(self.directory / name), err)
        self.assertIn('--nova-conf or --glance-conf', err)

    def test_files_of_the_caller_are_not_read(self):
        names = ('nova.conf', '.nova/nova.conf', 'nova-scheduler.conf',
                 '.nova/nova-compute.conf')
        self.find(nova=[('nova.conf', '')],
                  own=[(name, SCHEDULER) for name in names])
        code, checks = self.check_json()
        self.assertEqual(2, code)
        self.assertIn('lacks the filter',
                      checks['Nova enabled filters']['details'])
        output = checks['Configuration files']['details']
        for name in names:
            path = self.directory / 'own' / name
            self.assertIn(f'not read: {path} ', output)

    def test_only_files_of_the_caller_exit_255(self):
        self.find(own=[('nova.conf', SCHEDULER), ('glance-api.conf', ''),
                       ('glance-api-paste.ini', '')])
        code, out, err = self.check()
        self.assertEqual((255, ''), (code, out))
        own = self.directory / 'own'
        self.assertIn(f'are not read: {own / "nova.conf"}, '
                      f'{own / "glance-api.conf"}. Name', err)

    def test_paste_file_of_the_caller_is_not_read(self):
        self.find(glance=[('glance-api.conf', '')],
                  own=[('glance-api-paste.ini', 'not a paste file')])
        code, checks = self.check_json()
        self.assertEqual(1, code)
        self.assertEqual(-1, checks['Glance API filter']['result'])

    @unit_base.without_windows('service users')
    def test_file_in_the_home_directory_of_the_service(self):
        # Of a user that every system has.
        self.assertEqual(['/root/.root', '/root', '/etc/root', '/etc'],
                         configuration._directories('root'))
        self.assertEqual(['/etc/no-such-user', '/etc'],
                         configuration._directories('no-such-user'))

    def test_host_of_nova_alone(self):
        self.find(nova=[('nova.conf', SCHEDULER)])
        code, checks = self.check_json()
        self.assertEqual(0, code)
        self.assertEqual(-1, checks['Glance import plugin']['result'])
        self.assertEqual(0, checks['Nova enabled filters']['result'])

    def test_host_of_glance_alone_with_all_its_files(self):
        home = self.find(glance=(
            ('glance-api.conf', '[image_format]\ndisk_formats = vhdx,vhd\n'),
            ('glance-image-import.conf', '[image_import_opts]\n'
             'image_import_plugins = [hyperv_generation]\n'),
            # Glance does not take its name for that of the paste file.
            ('glance-api.conf.d/50-local.conf', '[DEFAULT]\n'),
            ('glance-api-paste.ini', '[app:glance-api]\n'
             'paste.app_factory = glance.api.v2.router:API.factory\n')))
        code, checks = self.check_json()
        files = checks['Configuration files']['details']
        for name in ('image-import.conf', 'api.conf', 'api-paste.ini',
                     'api.conf.d/50-local.conf'):
            self.assertIn(str(home / f'glance-{name}'), files)
        self.assertEqual(0, checks['Glance import plugin']['result'])
        self.assertEqual(1, checks['Glance API filter']['result'])
        self.assertEqual(-1, checks['Nova enabled filters']['result'])
        self.assertEqual(1, code)

    def test_directory_without_permission_is_an_error(self):
        home = self.find()
        with mock.patch('os.access', return_value=False):
            code, _, err = self.check()
        self.assertEqual(255, code)
        self.assertIn('Permission denied', err)
        self.assertTrue(home.is_dir())

    def test_directory_of_files_is_read(self):
        self.find(nova=[('nova.conf', ''),
                        ('nova.conf.d/filter.conf', SCHEDULER)])
        found = configuration.read()
        self.assertEqual(
            [str(self.directory / 'nova/nova.conf'),
             str(self.directory / 'nova/nova.conf.d/filter.conf')],
            found.scheduler.files)
        self.assertIn('HyperVGenerationFilter', found.scheduler.get(
            'filter_scheduler', 'enabled_filters'))


class PageTestCase(unit_base.TestCase):

    def test_synopsis_has_the_options_of_the_command(self):
        page = (pathlib.Path(__file__).parents[4] / 'doc/source/status.rst'
                ).read_text()
        synopsis = page.partition('Run the command')[0]
        with contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertRaises(SystemExit, command.build_parser().parse_args,
                              ['upgrade', 'check', '--help'])
        usage = out.getvalue().partition('\n\n')[0]
        self.assertEqual(
            {*re.findall(r'--[\w-]+', usage)},
            {*re.findall(r'--[\w-]+', synopsis)} - {'--version'})
