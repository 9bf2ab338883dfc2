# SPDX-License-Identifier: Apache-2.0
"""The files for deployment tools, read by these tools."""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import fixtures
import testtools

TOP = pathlib.Path(__file__).parents[2]
OVERRIDE = TOP / 'etc/kolla/config/nova/nova-scheduler.conf'
FILTER = 'hyperv_sched.filters.HyperVGenerationFilter'
ALL_FILTERS = 'nova.scheduler.filters.all_filters'
BLAZAR = 'blazarnova.scheduler.filters.blazar_filter.BlazarFilter'

#: The part of Kolla's template of nova.conf that an override changes.
SECTION = re.compile(r'\[filter_scheduler\].*?\{% endif %\}\n', re.DOTALL)

READ = '''
import json, sys
from nova import conf
conf.CONF([], project="nova", default_config_files=sys.argv[1:])
options = conf.CONF.filter_scheduler
print(json.dumps([options.available_filters, options.enabled_filters]))
'''


@functools.cache
def kolla():
    """Install kolla-ansible beside Nova; return its directory of Ansible."""
    directory = tempfile.TemporaryDirectory()
    # All tests of a process share it.
    subprocess.run(
        [sys.executable, '-m', 'venv', directory.name], check=True)
    subprocess.run(
        [f'{directory.name}/bin/pip', '-q', 'install',
         'ansible-core==2.19.*', 'kolla-ansible==22.2.0'], check=True)
    return directory


class KollaTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = pathlib.Path(kolla().name)
        cls.ansible = cls.home / 'share/kolla-ansible/ansible'

    def merged(self, blazar):
        """Merge our file into Kolla's with its plug-in; read it as Nova."""
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        template = (self.ansible / 'roles/nova/templates/nova.conf.j2')
        (directory / 'kolla.conf').write_text(
            SECTION.search(template.read_text())[0])
        (directory / 'play.yml').write_text(json.dumps([{
            'hosts': 'localhost', 'gather_facts': False,
            'connection': 'local', 'tasks': [{'merge_configs': {
                'sources': [str(directory / 'kolla.conf'), str(OVERRIDE)],
                'dest': str(directory / 'nova.conf')}}]}]))
        done = subprocess.run(
            [self.home / 'bin/ansible-playbook', '-i', 'localhost,', '-e',
             json.dumps({
                 'enable_blazar': blazar,
                 'ansible_python_interpreter': str(self.home / 'bin/python'),
             }), directory / 'play.yml'],
            check=False, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=directory, env={
                **os.environ, 'HOME': str(directory),
                'ANSIBLE_ACTION_PLUGINS': str(
                    self.ansible / 'action_plugins'),
                'ANSIBLE_LIBRARY': str(self.ansible / 'library')})
        self.assertEqual(0, done.returncode, done.stdout)
        return json.loads(subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', READ,
             directory / 'nova.conf'], check=True,
            stdout=subprocess.PIPE, cwd='/').stdout)

    def test_filter_is_added_to_those_of_nova(self):
        available, enabled = self.merged(False)
        self.assertEqual([ALL_FILTERS, FILTER], available)
        self.assertEqual(
            ['ComputeFilter', 'HyperVGenerationFilter',
             'ComputeCapabilitiesFilter', 'ImagePropertiesFilter',
             'ServerGroupAntiAffinityFilter', 'ServerGroupAffinityFilter'],
            enabled)

    def test_filter_of_blazar_is_kept(self):
        available, enabled = self.merged(True)
        self.assertEqual([ALL_FILTERS, BLAZAR, FILTER], available)
        self.assertEqual('BlazarFilter', enabled[-1])
        self.assertIn('HyperVGenerationFilter', enabled)
