# SPDX-License-Identifier: Apache-2.0
"""host explain and cloud audit against a real Nova, placement and Glance."""

import collections
import datetime
import json
import os
import pathlib

import fixtures
from nova import context
from nova import objects
from oslo_utils import uuidutils
from placement import deploy
import yaml

from hyperv_sched import names
from tests import forked
from tests import guests
from tests import samples
from tests.functional.glance import api as glance_api
from tests.functional.nova import cloud
from tests.functional.nova import served

GENERATION_2 = cloud.GENERATION_2

#: The kinds of hosts: type, version, whether they have the traits, and their
#: number. With the hosts of the cloud these are 60.
KINDS = {
    'old': ('hyperv', 6002, False, 12),
    'mid': ('hyperv', 6003, True, 14),
    'new': ('hyperv', 10000, True, 20),
    'plain': ('hyperv', 10000, False, 4),
    'unknown': ('hyperv', 0, False, 4),
    'qemu': ('QEMU', 8002000, False, 2),
}
#: The kinds that run in the cloud itself, none of them with the trait.
OWN = {'ws2012': 'old', 'ws2012r2': 'mid', 'ws2022': 'plain', 'kvm': 'qemu'}

#: Images of each kind by their name: number, properties, and the kinds of
#: hosts that can run them.
IMAGES = {
    'gen2': (6, GENERATION_2, 'mid new plain'),
    'gen2-2016': (6, {**GENERATION_2, 'hypervisor_version_requires': '>=10'},
                  'new plain'),
    'gen2-build': (4, {**GENERATION_2,
                       'hypervisor_version_requires': '>=10.0.14393'}, ''),
    'gen2-trait': (4, {**GENERATION_2,
                       'trait:CUSTOM_HYPERV_GEN2': 'required'}, 'mid+ new'),
    'gen2-bare': (4, {'hw_machine_type': 'hyperv-gen2'}, 'mid new plain'),
    'gen2-linux': (4, {**GENERATION_2, 'os_secure_boot': 'required',
                       'os_type': 'linux'}, 'new'),
    'gen3': (4, {'hw_machine_type': 'hyperv-gen3',
                 'hypervisor_type': 'hyperv'}, ''),
    'gen1': (4, {'hw_machine_type': 'hyperv-gen1',
                 'hypervisor_type': 'hyperv'}, 'old mid new plain unknown'),
    'raw': (4, None, None),
}
#: Hosts of each kind with those of the cloud; mid+ are those with the trait.
NUMBERS = {'old': 13, 'mid': 15, 'mid+': 14, 'new': 20, 'plain': 5,
           'unknown': 4, 'qemu': 3}


class CommandTestCase(cloud.SharedCloudTestCase):
    """40 images, and 60 hosts of six kinds."""

    Cloud = cloud.HyperVCloud

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.placement_url = cls._serve(deploy.loadapp(
            cls.cloud.placement.fixture.conf_fixture.conf),
            HTTP_X_ROLES='admin,member,reader').url
        cls.glance = glance_api.GlanceAPI(
            anonymous=True, policy='"context_is_admin": "@"\n')
        cls.addClassCleanup(cls.glance.cleanUp)
        cls.glance.setUp()
        for kind, (hypervisor, version, has_trait, number) in KINDS.items():
            for index in range(number):
                cls._add_host(f'{kind}-{index}', hypervisor, version,
                              has_trait)
        cls.images = {}
        for name, (number, properties, _) in IMAGES.items():
            for index in range(number):
                cls.images[f'{name}-{index}'] = cls.glance.create(
                    name=f'{name}-{index}', disk_format=(
                        'raw' if properties is None else 'vhdx'),
                    **(properties or {}))
        cls.commands = {}
        for name, function in (
                ('hyperv-sched', 'main:main'),
                ('hyperv-sched-status', 'status.command:main')):
            command = cls.commands[name] = forked.Command(
                f'hyperv_sched.cli.{function}', 'hyperv_sched.cli.cloud_audit',
                'hyperv_sched.cli.explain', 'openstack.connection')
            cls.addClassCleanup(command.close)
        cls.home = pathlib.Path(cls._fixture(fixtures.TempDir()).path)

    @classmethod
    def _fixture(cls, fixture):
        cls.addClassCleanup(fixture.cleanUp)
        fixture.setUp()
        return fixture

    @classmethod
    def _serve(cls, application, **environ):
        return cls._fixture(served.Served(application, **environ))

    @classmethod
    def _add_host(cls, name, hypervisor, version, has_trait):
        """Add a host whose nova-compute has reported once, and is down."""
        admin = context.get_admin_context()
        cell = cls.cloud.cell_mappings['cell1']
        uuid = uuidutils.generate_uuid()
        with context.target_cell(admin, cell) as target:
            objects.Service(
                target, host=name, binary='nova-compute',
                topic='compute', last_seen_up=datetime.datetime(
                    2026, 1, 1, tzinfo=datetime.timezone.utc)).create()
            objects.ComputeNode(
                target, uuid=uuid, host=name, hypervisor_hostname=name,
                hypervisor_type=hypervisor, hypervisor_version=version,
                vcpus=8, memory_mb=8192, local_gb=100, vcpus_used=0,
                memory_mb_used=0, local_gb_used=0, cpu_info='{}',
                free_disk_gb=100, free_ram_mb=8192, current_workload=0,
                running_vms=0, mapped=1, service_id=None,
                host_ip='192.0.2.1').create()
        objects.HostMapping(admin, cell_mapping=cell, host=name).create()
        api = cls.cloud.placement
        api.post('/resource_providers', {'uuid': uuid, 'name': name},
                 version='1.20')
        if has_trait:
            api.put(f'/traits/{names.GENERATION_2_TRAIT}', {},
                    version='1.6')
            # As EnforcedDriver reports them.
            traits = [names.GENERATION_2_TRAIT, names.SECURE_BOOT_TRAIT]
            api.put(
                f'/resource_providers/{uuid}/traits',
                {'resource_provider_generation': 0, 'traits': traits},
                version='1.6')

    def run_command(self, *argv, user='admin', roles='reader,member,admin',
                    program='hyperv-sched'):
        compute = self.useFixture(served.compute_api(
            user, roles, self.cloud.api.project_id))
        path = self.home / 'clouds.yaml'
        path.write_text(yaml.safe_dump({'clouds': {'test': {
            'auth_type': 'none', 'auth': {'endpoint': self.glance.url},
            'image_endpoint_override': self.glance.url,
            'compute_endpoint_override': f'{compute.url}/v2.1',
            'placement_endpoint_override': self.placement_url}}}))
        return self.commands[program].run(*argv, env={
            'HOME': str(self.home), 'PATH': os.environ['PATH'],
            'OS_CLIENT_CONFIG_FILE': str(path), 'OS_CLOUD': 'test'})

    def test_audit_is_the_table(self):
        done = self.run_command('cloud', 'audit', '-f', 'json')
        self.assertEqual((1, ''), (done.returncode, done.stderr))
        document = json.loads(done.stdout)
        accepted = {image['name']: group['accepted']
                    for group in document['image_groups']
                    for image in group['images']}
        self.assertEqual({
            f'{name}-{index}': sum(map(NUMBERS.get, kinds.split()))
            for name, (number, properties, kinds) in IMAGES.items()
            if properties is not None for index in range(number)}, accepted)
        totals = document['totals']
        self.assertEqual(
            {'images': 40, 'images_for_hyperv': 36,
             'images_without_host': 8, 'images_with_few_hosts': 24,
             'hosts': 60, 'hyperv_hosts': 57, 'hosts_without_version': 4,
             'hosts_without_trait': 6},
            {name: totals[name] for name in (
                'images', 'images_for_hyperv', 'images_without_host',
                'images_with_few_hosts', 'hosts', 'hyperv_hosts',
                'hosts_without_version', 'hosts_without_trait')})

    def check_traits(self, text='', cloud='test'):
        path = self.home / 'nova.conf'
        path.write_text(text)
        done = self.run_command(
            'upgrade', 'check', '--json', '--nova-conf', str(path),
            '--os-cloud', cloud, program='hyperv-sched-status')
        return next((check['result'], ' '.join(check['details'].split()))
                    for check in json.loads(done.stdout)['checks']
                    if check['check'] == 'Traits of images and hosts')

    def test_check_of_traits_counts_hosts_and_images(self):
        lack = ('6 of 40 hosts that can run generation 2 do not report '
                'CUSTOM_HYPERV_GEN2')
        result, details = self.check_traits()
        self.assertEqual(1, result)
        self.assertIn(lack, details)
        self.assertIn('from the 4 images that require it', details)
        result, details = self.check_traits(
            '[hyperv_sched]\nrequire_trait = true\n')
        self.assertEqual(2, result)
        self.assertIn(lack, details)
        result, details = self.check_traits(
            '[hyperv_sched]\ngen2_minimum_version = 10.0\n')
        self.assertIn('5 of 25 hosts', details)

    def test_check_of_traits_in_a_cloud_that_does_not_exist(self):
        result, details = self.check_traits(cloud='other')
        self.assertEqual(1, result)
        self.assertIn('The cloud was not read completely: ', details)
        self.assertIn('Cloud other was not found', details)

    def test_audit_reads_content(self):
        for name, guest in (('gen2-0', guests.bootable()),
                            ('gen2-1', bytes(2 * samples.MIB))):
            status, _ = self.glance.put(self.images[name], samples.vhdx(
                block_size=samples.MIB, guest=guest))
            self.assertEqual(204, status)
        done = self.run_command('cloud', 'audit', '--content', '-f', 'json')
        self.assertEqual((1, ''), (done.returncode, done.stderr))
        found = collections.defaultdict(set)
        for finding in json.loads(done.stdout)['findings']:
            found[finding['subject_name']].add(finding['code'])
        self.assertEqual(
            ({'HV122', 'HV410'}, {'HV122', 'HV301', 'HV410'}),
            (found['gen2-0'], found['gen2-1']))

    def test_explain_of_an_image_is_the_table(self):
        # Of the hosts with the trait none is up.
        for name, code in (
                ('gen2-2016', 0), ('gen2-build', 1), ('gen2-trait', 1)):
            _, _, kinds = IMAGES[name]
            done = self.run_command(
                'host', 'explain', '-f', 'json', '--image', f'{name}-0')
            self.assertEqual((code, ''), (done.returncode, done.stderr))
            expected = set(kinds.replace('+', '').split())
            found = {row['host']: row['accepted']
                     for row in json.loads(done.stdout)['results']}
            self.assertEqual(60, len(found))
            for host, is_accepted in found.items():
                if host not in OWN:
                    self.assertEqual(host.split('-')[0] in expected,
                                     is_accepted, (name, host))

    def test_explain_of_a_server_that_failed(self):
        image = self.images['gen2-build-0']
        self.cloud.glance.images[image] = dict(
            self.cloud.glance.images[self.cloud.image(
                'x', **{**GENERATION_2, 'hypervisor_version_requires':
                        '>=10.0.14393'})], id=image)
        server = self.cloud.boot(image)
        self.assertEqual('ERROR', server['status'])
        done = self.run_command('host', 'explain', '--server', server['id'])
        self.assertEqual((1, ''), (done.returncode, done.stderr))
        for words in ('ERROR', 'Its fault: No valid host was found.',
                      '0 of 60 hosts can run it', 'A retry would fail again',
                      "set hypervisor_version_requires='>=6.3': 40 of 60 "
                      'hosts more', 'Not considered:'):
            self.assertIn(words, ' '.join(done.stdout.split()))

    def test_missing_right_is_named(self):
        done = self.run_command('cloud', 'audit', user='reader',
                                roles='reader')
        self.assertEqual((2, ''), (done.returncode, done.stdout))
        self.assertIn('The right os_compute_api:os-hypervisors:list-detail '
                      'is missing', done.stderr)
