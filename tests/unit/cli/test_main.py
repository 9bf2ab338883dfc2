# SPDX-License-Identifier: Apache-2.0

import importlib.metadata
import json
import subprocess
import sys

from tests.unit.cli import base


class MainTestCase(base.CommandTestCase):

    def test_no_command_shows_help(self):
        code, out, _ = self.run_command()
        self.assertEqual(0, code)
        self.assertIn('image lint', out)

    def test_log_file_that_cannot_be_written_exits_2(self):
        code, _, err = self.run_command(
            '--log-file', '/nonexistent/x', 'image', 'lint', '--property',
            'os_type=linux')
        self.assertEqual(2, code)
        self.assertIn('/nonexistent/x: No such file or directory\n', err)

    def test_unknown_command_names_similar_ones(self):
        for argv, question in (
                (('image', 'lnit'),
                 'Did you mean: image boot, image inspect, image lint? '),
                (('rule',), 'Did you mean: rule list, rule show? '),
                (('burn',), ''),
                (('--burn', 'image', 'lint'), '')):
            self.assertEqual(
                (2, '', f'hyperv-sched: {" ".join(argv[:2])} is no command. '
                 f'{question}See "hyperv-sched --help"\n'),
                self.run_command(*argv))

    def test_wrong_argument_is_one_line(self):
        for argument, reason in (
                ('--burn', 'unrecognized arguments: --burn.'),
                ('-x.vhdx', 'unrecognized arguments: -x.vhdx. Put -- before '
                 'the name of a file that begins with -.'),
                ('--property=x', "argument --property: 'x' is not "
                 'NAME=VALUE.')):
            self.assertEqual(
                (2, '', f'hyperv-sched image lint: {reason} '
                 'See "hyperv-sched image lint --help"\n'),
                self.run_command('image', 'lint', argument))


class HelpTestCase(base.CommandTestCase):

    def test_every_command_states_its_exit_codes(self):
        points = importlib.metadata.entry_points(group='hyperv_sched.cli')
        for point in points:
            _, out, _ = self.run_command(*point.name.split('_'), '--help')
            codes = out.partition('\nexit code:\n')[2]
            self.assertRegex(codes, r'(?s)^ +0  .*\n +2  ', point.name)
        self.assertIn('image_lint', points.names)


class VerbosityTestCase(base.CommandTestCase):
    """The table of doc/source/commands.rst."""

    def lint(self, *options):
        """Return output and messages for an image with a warning."""
        path = self.file('images.json', json.dumps(
            [{'name': 'x', 'hypervisor_type': 'hyperv',
              'disk_format': 'raw'}]).encode())
        code, out, err = self.run_command(
            *options, 'image', 'lint', '--image-json', path)
        self.assertEqual(1, code)
        self.assertIn('HV107', out)
        return out, err

    def test_options_do_not_change_the_output(self):
        out, _ = self.lint()
        for option in ('-v', '-vv', '-q', '--debug'):
            self.assertEqual(out, self.lint(option)[0])

    def test_verbose_prints_a_line_for_each_image(self):
        self.assertIn('x: 1 error\n', self.lint('-v')[1])
        self.assertEqual(self.lint('-v'), self.lint('-vv'))
        for option in ('-q', '--debug'):
            self.assertNotIn('x: 1 error', self.lint(option)[1])

    def test_quiet_prints_no_summary(self):
        self.assertIn('1 image: 1 error', self.lint()[1])
        self.assertEqual('', self.lint('-q')[1])


class OpenStackClientTestCase(base.CommandTestCase):

    def test_commands_for_images_and_clouds_are_in_the_openstack_client(self):
        points = importlib.metadata.distribution('hyperv-sched').entry_points
        own = {f'hyperv_{point.name}': point.value
               for point in points.select(group='hyperv_sched.cli')
               if point.name.startswith('image_')
               or point.name in ('host_explain', 'cloud_audit')}
        self.assertIn('hyperv_image_lint', own)
        self.assertEqual(own, {
            point.name: point.value
            for point in points.select(group='openstack.extension')})


class StartTestCase(base.CommandTestCase):

    LOAD = (
        'import importlib.metadata, sys\n'
        'found = importlib.metadata.entry_points(group="hyperv_sched.cli")\n'
        'print(len([point.load() for point in found]))\n'
        'print(*sorted(sys.modules))\n')

    def test_other_commands_and_the_rules_are_not_imported(self):
        disk = self.file('disk', b'')
        done = subprocess.run([sys.executable, '-W', 'ignore', '-c', (
            'import sys\n'
            'from hyperv_sched.cli import main\n'
            f'main.main(["image", "inspect", {disk!r}])\n'
            'print(*sorted(sys.modules))\n')], text=True, check=True,
            capture_output=True)
        modules = {*done.stdout.splitlines()[-1].split()}
        self.assertIn('hyperv_sched.cli.inspection', modules)
        self.assertEqual(set(), {
            'hyperv_sched.cli.lint', 'hyperv_sched.cli.upload',
            'hyperv_sched.rules', 'jsonschema'} & modules)

    def test_entry_points_import_nothing_that_is_slow(self):
        done = subprocess.run([sys.executable, '-W', 'ignore', '-c',
                               self.LOAD], text=True, check=True,
                              capture_output=True)
        number, modules = done.stdout.splitlines()
        self.assertGreaterEqual(int(number), 10)
        self.assertEqual(set(), {
            'cryptography', 'hyperv_sched.cli.boot_runs',
            'hyperv_sched.disk', 'hyperv_sched.objects',
            'hyperv_sched.validators', 'jsonschema', 'openstack',
            'oslo_versionedobjects', 'requests'} & set(modules.split()))
