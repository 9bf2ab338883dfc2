# SPDX-License-Identifier: Apache-2.0
"""The files for DevStack, kolla-build and openstack-ansible."""

import configparser
import pathlib
import subprocess

import testtools
import yaml

from tests import programs

TOP = pathlib.Path(__file__).parents[2]
VARIABLES = TOP / 'etc/openstack-ansible/user_variables_hyperv_sched.yml'


class RolloutTestCase(testtools.TestCase):

    def test_devstack_plugin_is_valid_bash(self):
        for name in ('plugin.sh', 'settings'):
            path = TOP / 'devstack' / name
            for command in (['bash', '-n'], [
                    programs.find('shellcheck'), '--shell', 'bash']):
                done = subprocess.run(
                    [*command, path], text=True, check=False,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertEqual((0, ''), (done.returncode, done.stdout))

    def test_variables_have_both_lists_of_filters(self):
        """config_template writes a key without a value as a line."""
        filters = yaml.safe_load(VARIABLES.read_text())[
            'nova_nova_conf_overrides']['filter_scheduler']
        self.assertEqual({
            'nova.scheduler.filters.all_filters': None,
            'hyperv_sched.filters.HyperVGenerationFilter': None},
            filters['available_filters'])
        enabled = filters['enabled_filters'].split(',')
        self.assertEqual(['ComputeFilter', 'HyperVGenerationFilter'],
                         enabled[:2])

    def test_plugin_of_kolla_build(self):
        """kolla-build finds a plug-in by the name of its image."""
        parser = configparser.ConfigParser()
        parser.read(TOP / 'etc/kolla/kolla-build.conf')
        section, = parser.sections()
        self.assertEqual('nova-base-plugin-hyperv-sched', section)
        self.assertEqual({'type': 'local', 'location':
                          '/path/to/hyperv-sched'}, dict(parser[section]))
