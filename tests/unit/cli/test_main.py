# SPDX-License-Identifier: Apache-2.0

import importlib.metadata

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

    def test_unknown_command_exits_2(self):
        code, _, _ = self.run_command('image', 'burn')
        self.assertEqual(2, code)


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
