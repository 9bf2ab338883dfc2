# SPDX-License-Identifier: Apache-2.0
"""Files of "host provider-config", as nova-compute reads them."""

import contextlib
import io
import json
import pathlib

import fixtures
from nova.compute import provider_config

from hyperv_sched.cli import main
from tests.functional.nova import cloud
from tests.functional.nova import fakes

TRAIT = 'CUSTOM_HYPERV_GEN2'


def write(directory, hosts):
    """Write the file for hosts, each named with its type and version."""
    directory = pathlib.Path(directory)
    listed = directory / 'hosts.json'
    listed.write_text(json.dumps({'hypervisors': [
        {'hypervisor_hostname': name, 'hypervisor_type': hypervisor,
         'hypervisor_version': version, **members}
        for name, hypervisor, version, members in hosts]}))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main.main(['host', 'provider-config', '--hosts', str(listed)])
    (directory / 'hyperv.yaml').write_text(out.getvalue())
    return code


class LoadedTestCase(cloud.testtools.TestCase):

    def test_nova_reads_what_was_written(self):
        directory = self.useFixture(fixtures.TempDir()).path
        uuid = '8f5c1b1e-0d35-4f39-9d61-5a0b3c2f7e10'
        hostile = '- "a": {\u202e} \U0001f600 # \\'
        self.assertEqual(0, write(directory, [
            ('a', 'hyperv', 6002, {}), ('b', 'hyperv', 10000, {
                'windows_version': '10.0.26100'}),
            (hostile, 'hyperv', 6003, {}),
            ('$COMPUTE_NODE', 'hyperv', 10000, {'id': uuid})]))
        found = provider_config.get_provider_configs(directory)
        self.assertEqual(
            {'a': 1, 'b': 7, hostile: 3, uuid: 4},
            {name: len(provider['traits']['additional'])
             for name, provider in found.items()})


class ReportedTestCase(cloud.HyperVCloud, cloud.testtools.TestCase):
    """Hosts with a stock driver report what the file says."""

    hosts = ('ws2012', 'ws2022')

    def setUp(self):
        directory = self.useFixture(fixtures.TempDir()).path
        write(directory, [(name, *fakes.REPORTS[name], {})
                          for name in self.hosts])
        self.flags(provider_config_location=directory, group='compute')
        super().setUp()

    def test_image_that_requires_the_trait_finds_its_host(self):
        self.assertEqual(
            [False, True],
            [TRAIT in self._get_provider_traits(
                self._get_provider_uuid_by_host(host))
             for host in self.hosts])
        server = self.boot(self.image('gen2', **cloud.GENERATION_2, **{
            f'trait:{TRAIT}': 'required'}))
        self.assertEqual('ws2022', self.host_of(server))
