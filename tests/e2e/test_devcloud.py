# SPDX-License-Identifier: Apache-2.0
"""The cloud itself does what the stories stand on."""

import os
import subprocess

import openstack

from tests import samples
from tests.e2e import base
from tests.e2e import cloud as e2e_cloud
from tools.cloud import state as cloud_state

TOUR = cloud_state.TOP / 'doc/source/devcloud-tour.sh'


class ServicesTestCase(base.StoryTestCase):

    def test_hosts_report_what_they_are_made_to_be(self):
        reported = {
            found.name: (found.hypervisor_type, found.hypervisor_version)
            for found in self.cloud.admin.compute.hypervisors(details=True)}
        self.assertEqual({
            'ws2012': ('hyperv', 6002), 'ws2012r2': ('hyperv', 6003),
            'ws2022': ('hyperv', 10000), 'ws2022-plain': ('hyperv', 10000),
            'kvm': ('QEMU', 8002000)}, reported)

    def test_enforced_hosts_have_the_traits_of_their_release(self):
        placement = self.cloud.admin.placement
        found = {}
        for provider in placement.resource_providers():
            traits = placement.get(
                f'/resource_providers/{provider.id}/traits',
                microversion='1.6').json()['traits']
            found[provider.name] = sorted(
                name.removeprefix('CUSTOM_') for name in traits
                if name.startswith('CUSTOM_HYPERV'))
        self.assertEqual({
            'ws2012': ['HYPERV'],
            'ws2012r2': ['HYPERV', 'HYPERV_GEN2', 'HYPERV_WS2012R2'],
            'ws2022': ['HYPERV', 'HYPERV_GEN2', 'HYPERV_WS2012R2',
                       'HYPERV_WS2016', 'HYPERV_WS2019', 'HYPERV_WS2022'],
            'ws2022-plain': [], 'kvm': []}, found)

    def test_a_killed_service_comes_back(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        with self.cloud.without('nova-scheduler', kill=True):
            pass
        self.assertEqual('ACTIVE', self.cloud.boot(image).status)

    def test_glance_refuses_what_the_filter_refuses(self):
        error = self.assertRaises(
            openstack.exceptions.BadRequestException, self.cloud.image,
            disk_format='vhd', **e2e_cloud.GENERATION_2)
        self.assertIn('HV201', error.response.text)


class OperationsTestCase(base.StoryTestCase):
    """Operations of Nova on servers whose guests are simulated."""

    def setUp(self):
        super().setUp()
        # With >=6.3, the scheduler may choose a host of an older release than
        # that of the guest, which the driver refuses.
        self.image = self.cloud.image(**{
            **e2e_cloud.GENERATION_2, 'hypervisor_version_requires': '>=10.0'})
        self.server = self.cloud.boot(self.image)
        self.assertEqual('ACTIVE', self.server.status)
        self.compute = self.cloud.admin.compute

    def test_cold_migration_there_and_back(self):
        origin = self.cloud.host_of(self.server)
        self.compute.migrate_server(self.server.id)
        moved = self.cloud.settle(self.server, 'VERIFY_RESIZE', 'ERROR')
        self.assertEqual('VERIFY_RESIZE', moved.status)
        self.assertNotEqual(origin, moved.compute_host)
        self.compute.revert_server_resize(self.server.id)
        back = self.cloud.settle(self.server, 'ACTIVE', 'ERROR')
        self.assertEqual(('ACTIVE', origin),
                         (back.status, back.compute_host))

    def test_resize(self):
        self.compute.resize_server(
            self.server.id, self.compute.find_flavor('large').id)
        self.assertEqual('VERIFY_RESIZE', self.cloud.settle(
            self.server, 'VERIFY_RESIZE', 'ERROR').status)
        self.compute.confirm_server_resize(self.server.id)
        resized = self.cloud.settle(self.server, 'ACTIVE', 'ERROR')
        self.assertEqual(('ACTIVE', 'large'),
                         (resized.status, resized.flavor['original_name']))

    def test_live_migration(self):
        # Nova moves guests to a host of the same release or a newer one.
        server = self.cloud.boot(
            self.image, user=self.cloud.admin, host='ws2022')
        self.compute.live_migrate_server(
            server.id, host='ws2022-plain', block_migration='auto')
        self.cloud.wait_for(
            lambda: self.cloud.host_of(server) == 'ws2022-plain')
        self.assertEqual('ACTIVE', self.cloud.settle(server).status)
        # The guest is really there.
        self.compute.stop_server(server.id)
        self.assertEqual('SHUTOFF', self.cloud.settle(
            server, 'SHUTOFF', 'ERROR').status)

    def test_evacuation(self):
        origin = self.cloud.host_of(self.server)
        service, = self.compute.services(binary='nova-compute', host=origin)
        with self.cloud.without(f'nova-compute-{origin}', kill=True):
            self.compute.update_service_forced_down(service, forced=True)
            self.addCleanup(self.compute.update_service_forced_down, service,
                            forced=False)
            self.compute.evacuate_server(self.server.id)
            self.cloud.wait_for(
                lambda: self.cloud.host_of(self.server) != origin)
            # Nova leaves it stopped.
            self.assertNotEqual(
                'ERROR', self.cloud.settle(self.server).status)

    def test_shelving(self):
        self.compute.shelve_server(self.server.id)
        shelved = self.cloud.settle(
            self.server, 'SHELVED_OFFLOADED', 'ERROR')
        self.assertEqual('SHELVED_OFFLOADED', shelved.status)
        self.compute.unshelve_server(self.server.id)
        self.assertEqual('ACTIVE', self.cloud.settle(
            self.server, 'ACTIVE', 'ERROR').status)

    def test_snapshot(self):
        snapshot = self.cloud.demo.compute.create_server_image(
            self.server.id, 'snapshot', wait=True,
            timeout=e2e_cloud.PATIENCE)
        self.addCleanup(self.cloud.demo.image.delete_image, snapshot.id)
        found = self.cloud.demo.image.get_image(snapshot.id)
        self.assertEqual(
            ('active', 'vhdx', len(samples.uefi_vhdx())),
            (found.status, found.disk_format, found.size))

    def test_rescue(self):
        self.compute.rescue_server(self.server.id, image_ref=self.image.id)
        self.assertEqual('RESCUE', self.cloud.settle(
            self.server, 'RESCUE', 'ERROR').status)
        self.compute.unrescue_server(self.server.id)
        self.assertEqual('ACTIVE', self.cloud.settle(
            self.server, 'ACTIVE', 'ERROR').status)

    def test_rebuild(self):
        other = self.cloud.image(**e2e_cloud.GENERATION_2)
        self.compute.rebuild_server(self.server.id, image=other.id)
        rebuilt = self.cloud.settle(self.server, 'ACTIVE', 'ERROR')
        self.assertEqual(('ACTIVE', other.id),
                         (rebuilt.status, rebuilt.image.id))

    def test_a_guest_outlives_its_nova_compute(self):
        self.cloud.restart(
            f'nova-compute-{self.cloud.host_of(self.server)}')
        self.compute.stop_server(self.server.id)
        self.assertEqual('SHUTOFF', self.cloud.settle(
            self.server, 'SHUTOFF', 'ERROR').status)
        self.compute.start_server(self.server.id)
        self.assertEqual('ACTIVE', self.cloud.settle(
            self.server, 'ACTIVE', 'ERROR').status)


class TourTestCase(base.StoryTestCase):
    """The tour of the documentation, in this cloud."""

    def remove(self):
        admin = self.cloud.admin
        for server in admin.compute.servers(all_projects=True):
            if server.name in ('web', 'old'):
                self.cloud.delete(server.id)
        for image in admin.image.images():
            if image.name in ('good', 'bad'):
                admin.image.delete_image(image)

    def test_tour(self):
        up, *lines, down = [
            line for line in TOUR.read_text().splitlines()
            if line and not line.startswith('#')]
        self.assertEqual(('tools/devcloud up', 'tools/devcloud down'),
                         (up, down))
        self.addCleanup(self.remove)
        done = subprocess.run(
            ['bash', '-c', '\n'.join(lines).replace(
                '/tmp', str(self.cloud.directory))],
            cwd=cloud_state.TOP, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT, check=False, env={
                **os.environ, 'PYTHONWARNINGS': 'ignore'})
        # The linter and the task of the image; the log of the scheduler.
        for words, count in (('HV302', 2), ('| ACTIVE ', 1), ('HV402', 1)):
            self.assertGreaterEqual(
                done.stdout.count(words), count, done.stdout)
