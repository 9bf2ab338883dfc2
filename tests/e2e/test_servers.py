# SPDX-License-Identifier: Apache-2.0
"""Servers of generation 2: where they go, and who says no."""

import contextlib
import uuid

import openstack

from tests import properties
from tests import samples
from tests.e2e import base
from tests.e2e import cloud as e2e_cloud


class SchedulerTestCase(base.StoryTestCase):
    """No host, and the reason in the fault."""

    def refused(self, image, *hosts):
        """The fault where there are these hosts only; nothing is held."""
        with self.cloud.only(*hosts):
            server = self.cloud.boot(image)
        self.assertEqual('ERROR', server.status)
        self.assertEqual(set(), self.cloud.allocated(server))
        return self.cloud.fault(server)

    def test_openstack_client_shows_the_reason(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        name = f'refused-{uuid.uuid4()}'
        with self.cloud.only('ws2012', 'kvm'):
            self.cloud.run(
                'openstack', 'server', 'create', '--image', image.id,
                '--flavor', 'small', '--no-network', '--wait', name,
                exit_code=None)
        server = self.cloud.demo.compute.find_server(name)
        self.cloud.remove(server.id)
        shown = self.cloud.answer('openstack', 'server', 'show', name)
        self.assertEqual('ERROR', shown['status'])
        for part in ('No valid host was found. ',
                     'Of the hosts that placement offered: ',
                     'HV401 host-not-hyperv (1 host): the host runs QEMU, the'
                     ' image needs Hyper-V; ',
                     'HV402 host-too-old (1 host)',
                     'Use a Hyper-V host, or an image for this hypervisor'):
            self.assertIn(part, shown['fault']['message'])
        self.assertEqual(set(), self.cloud.allocated(server))

    def test_fault_and_log_name_no_host_to_the_user(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        fault = self.refused(image, 'ws2012', 'kvm')
        for host in self.cloud.hosts():
            self.assertNotIn(host, fault)
        self.cloud.heard(
            'nova-scheduler', f'0 of 2 hosts can run image {image.id}. ',
            'HV401 host-not-hyperv (1 host: kvm): ',
            'HV402 host-too-old (1 host: ws2012): ')
        self.cloud.heard(
            'nova-scheduler', 'Filtering removed all hosts', "ComputeFilter:",
            'HyperVGenerationFilter: (start: 2, end: 0)')

    def test_version_requirement_that_no_host_meets(self):
        image = self.cloud.image(**{
            **e2e_cloud.GENERATION_2, 'hypervisor_version_requires': '>=10.0'})
        self.assertIn(
            'HV404 version-requirement-unmet (1 host): the host runs Hyper-V'
            ' 6.3, the image requires >=10.0',
            self.refused(image, 'ws2012r2'))

    def test_image_that_no_host_can_run(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        self.cloud.spoil(image, hw_machine_type='hyperv-gen3')
        self.assertIn(
            'HV405 request-invalid (1 host): no host can meet the image:'
            " HV101 hw_machine_type is 'hyperv-gen3'",
            self.refused(image, 'ws2022'))

    def test_version_requirement_goes_to_hosts_that_meet_it(self):
        newest = self.cloud.image(**{
            **e2e_cloud.GENERATION_2, 'hypervisor_version_requires': '>=10.0'})
        older = self.cloud.image(**{
            **e2e_cloud.GENERATION_2,
            'hypervisor_version_requires': '>=6.3,<10.0'})
        for _ in range(3):
            self.assertIn(self.cloud.boot(newest).compute_host,
                          ('ws2022', 'ws2022-plain'))
            self.assertEqual(
                'ws2012r2', self.cloud.boot(older).compute_host)

    def test_trait_of_a_release_goes_where_it_is_reported(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2, **{
            'trait:CUSTOM_HYPERV_WS2019': 'required'})
        self.assertEqual('ws2022', self.cloud.boot(image).compute_host)

    def test_requested_host_is_checked(self):
        image = self.cloud.image(
            user=self.cloud.admin, **e2e_cloud.GENERATION_2)
        server = self.cloud.boot(
            image, user=self.cloud.admin, host='ws2012')
        self.assertIn('HV402', self.cloud.fault(server))
        self.assertEqual(set(), self.cloud.allocated(server))

    def test_many_at_once_are_all_placed_or_none(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        servers = self.cloud.boot_many(image, 5)
        self.assertEqual({'ACTIVE'}, {server.status for server in servers})
        self.assertLessEqual({server.compute_host for server in servers},
                             set(e2e_cloud.NEW_ENOUGH))
        with self.cloud.only('ws2012'):
            for server in self.cloud.boot_many(image, 3):
                self.assertEqual('ERROR', server.status)
                self.assertIn('HV402', self.cloud.fault(server))
                self.assertEqual(set(), self.cloud.allocated(server))


class ComputeTestCase(base.StoryTestCase):
    """What goes round the scheduler's filters is refused on the host."""

    def setUp(self):
        super().setUp()
        self.compute = self.cloud.admin.compute

    def attempts(self, server):
        """Hosts that have tried a build."""
        action, = (action for action in self.compute.server_actions(server)
                   if action.action == 'create')
        action = self.compute.get_server_action(action.request_id, server)
        return [event['host'] for event in action.events
                if event['event'] == 'compute__do_build_and_run_instance']

    def assert_refused_once(self, server, words):
        """No other host has tried, and nothing is held."""
        self.assertEqual('ERROR', server.status)
        self.assertIn(words, self.cloud.fault(server))
        self.assertEqual(1, len(self.attempts(server)))
        self.assertEqual(set(), self.cloud.allocated(server))

    def test_forced_host_that_is_too_old(self):
        image = self.cloud.image(
            user=self.cloud.admin, **e2e_cloud.GENERATION_2)
        server = self.cloud.boot(
            image, user=self.cloud.admin, availability_zone='nova:ws2012')
        self.assertEqual('ERROR', server.status)
        self.assertEqual(
            'HV501: HV402 the host runs Hyper-V 6.2, generation 2 needs'
            ' >=6.3. Another host may do', self.cloud.fault(server))
        self.assertEqual(set(), self.cloud.allocated(server))
        self.cloud.heard('nova-compute-ws2012', 'Refused: ',
                         '"code": "HV501"', server.id)

    def test_disk_requested_on_ide(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        with self.cloud.only('ws2012r2', 'ws2022'):
            server = self.cloud.boot(image, block_device_mapping=[{
                'boot_index': 0, 'uuid': image.id, 'source_type': 'image',
                'destination_type': 'local', 'delete_on_termination': True,
                'disk_bus': 'ide'}])
        self.assert_refused_once(
            server, 'HV503 device-bus-ide: a device requests disk_bus ide')

    def test_vhd_that_was_tagged_afterwards(self):
        image = self.cloud.image(
            samples.dynamic_vhd(), 'vhd', hypervisor_type='hyperv')
        refused = self.cloud.run(
            'openstack', 'image', 'set',
            *properties.options(e2e_cloud.GENERATION_2), image.id,
            exit_code=1)
        self.assertIn('HV202 container-vhd', refused.stderr)
        self.cloud.spoil(image, **e2e_cloud.GENERATION_2)
        with self.cloud.only('ws2012r2', 'ws2022'):
            server = self.cloud.boot(image)
        self.assert_refused_once(
            server, 'HV502: HV202 the file is VHD, generation 2 runs only'
            ' from VHDX. More: hyperv-sched rule show HV202')

    def test_vhd_with_the_label_vhdx(self):
        image = self.cloud.image(
            samples.dynamic_vhd(), 'vhd', hypervisor_type='hyperv')
        self.cloud.spoil(image, **e2e_cloud.GENERATION_2)
        self.cloud.sql('glance', "UPDATE images SET disk_format = 'vhdx'"
                       ' WHERE id = %s', image.id)
        with self.cloud.only('ws2012r2', 'ws2022'):
            server = self.cloud.boot(image)
        self.assert_refused_once(
            server, 'HV502: HV202 the file is VHD, generation 2 runs only'
            ' from VHDX. More: hyperv-sched rule show HV202')

    def test_rebuild_that_would_destroy_the_guest(self):
        image = self.cloud.image(
            user=self.cloud.admin, **e2e_cloud.GENERATION_1)
        server = self.cloud.boot(
            image, user=self.cloud.admin, host='ws2012')
        self.assertEqual('ACTIVE', server.status)
        # The scheduler does not check the same image again.
        self.cloud.spoil(image, **e2e_cloud.GENERATION_2)
        self.compute.rebuild_server(server.id, image=image.id)
        self.assertEqual('ERROR', self.cloud.settle(
            server, 'ACTIVE', 'ERROR').status)
        self.assertIn('HV505 rebuild-generation: the guest could not come'
                      ' back: ', self.cloud.fault(server))
        # The guest is as it was, and so is what Nova says of it; the ways
        # back are the documented ones.
        self.cloud.run('openstack', 'server', 'set', '--auto-approve',
                       '--state', 'active', server.id, user='admin')
        self.cloud.run('nova-manage', 'placement', 'heal_allocations',
                       '--instance', server.id)
        self.assertEqual({'ws2012'}, self.cloud.allocated(server))
        self.compute.stop_server(server.id)
        self.assertEqual('SHUTOFF', self.cloud.settle(
            server, 'SHUTOFF', 'ERROR').status)

    def test_rebuild_with_an_image_for_other_hosts(self):
        old = self.cloud.image(
            user=self.cloud.admin, **e2e_cloud.GENERATION_1)
        new = self.cloud.image(
            user=self.cloud.admin, **e2e_cloud.GENERATION_2)
        server = self.cloud.boot(
            old, user=self.cloud.admin, host='ws2012')
        self.compute.rebuild_server(server.id, image=new.id)
        refused = self.cloud.settle(server, 'ACTIVE', 'ERROR')
        self.assertEqual(('ERROR', old.id),
                         (refused.status, refused.image.id))
        self.assertIn('HV402', self.cloud.fault(server))
        self.assertEqual({'ws2012'}, self.cloud.allocated(server))

    def test_rescue_with_an_image_of_the_other_generation(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        other = self.cloud.image(
            samples.bios_vhdx(), **e2e_cloud.GENERATION_1)
        with self.cloud.only('ws2022'):
            server = self.cloud.boot(image)
        self.compute.rescue_server(server.id, image_ref=other.id)
        self.assertEqual('ERROR', self.cloud.settle(
            server, 'RESCUE', 'ERROR').status)
        self.assertIn('HV504 rescue-generation', self.cloud.fault(server))
        self.cloud.run('openstack', 'server', 'set', '--auto-approve',
                       '--state', 'active', server.id, user='admin')
        self.assertEqual({'ws2022'}, self.cloud.allocated(server))
        self.compute.stop_server(server.id)
        self.assertEqual('SHUTOFF', self.cloud.settle(
            server, 'SHUTOFF', 'ERROR').status)


class RefusedMoveTestCase(base.StoryTestCase):
    """A server of generation 2 goes to no host that is too old."""

    def setUp(self):
        super().setUp()
        self.compute = self.cloud.admin.compute
        self.image = self.cloud.image(**e2e_cloud.GENERATION_2)
        with self.cloud.only('ws2022'):
            self.server = self.cloud.boot(self.image)
        self.assertEqual('ws2022', self.server.compute_host)

    def assert_stays(self, *statuses):
        server = self.cloud.settle(self.server)
        self.assertEqual('ws2022', server.compute_host)
        self.assertIn(server.status, statuses)
        self.cloud.wait_for(
            lambda: self.cloud.allocated(server) == {'ws2022'},
            lambda: f'held: {self.cloud.allocated(server)}')

    @contextlib.contextmanager
    def refused_by_scheduler(self):
        before = self.cloud.mark('nova-scheduler')
        yield
        self.cloud.heard('nova-scheduler', f'image {self.image.id}. ',
                         'HV402', since=before)

    def test_cold_migration(self):
        with self.refused_by_scheduler():
            self.compute.migrate_server(self.server.id, host='ws2012')
        self.assert_stays('ACTIVE')

    def test_resize(self):
        with self.cloud.only('ws2012'):
            with self.refused_by_scheduler():
                self.compute.resize_server(
                    self.server.id, self.compute.find_flavor('large').id)
            self.assert_stays('ACTIVE')

    def test_live_migration(self):
        error = self.assertRaises(
            openstack.exceptions.BadRequestException,
            self.compute.live_migrate_server, self.server.id, host='ws2012',
            block_migration='auto')
        self.assertIn('HV402 host-too-old', str(error))
        self.assert_stays('ACTIVE')

    def test_forced_live_migration(self):
        # As the clients do with API versions before 2.68.
        answer = self.compute.post(
            f'/servers/{self.server.id}/action', microversion='2.67',
            json={'os-migrateLive': {'host': 'ws2012', 'force': True,
                                     'block_migration': 'auto'}})
        self.assertEqual(202, answer.status_code, answer.text)
        self.cloud.wait_for(lambda: [
            migration for migration in self.compute.migrations()
            if migration.server_id == self.server.id
            and migration.status == 'error'])
        self.assert_stays('ACTIVE')

    def test_unshelve(self):
        self.compute.shelve_server(self.server.id)
        self.cloud.settle(self.server, 'SHELVED_OFFLOADED', 'ERROR')
        with self.cloud.only('ws2012', 'kvm'):
            before = self.cloud.mark('nova-scheduler')
            self.compute.unshelve_server(self.server.id)
            # The image is the snapshot now.
            self.cloud.heard('nova-scheduler', '0 of 2 hosts can run image',
                             'HV402', since=before)
            self.assertEqual('SHELVED_OFFLOADED', self.cloud.settle(
                self.server).status)
            self.assertEqual(set(), self.cloud.allocated(self.server))
        self.compute.unshelve_server(self.server.id)
        server = self.cloud.settle(self.server, 'ACTIVE', 'ERROR')
        self.assertEqual('ACTIVE', server.status)
        self.assertIn(server.compute_host, e2e_cloud.NEW_ENOUGH)

    @contextlib.contextmanager
    def evacuated(self, **body):
        """Evacuate a server from a host that is down."""
        service, = self.compute.services(
            binary='nova-compute', host='ws2022')
        with self.cloud.without('nova-compute-ws2022', kill=True):
            self.compute.update_service_forced_down(service, forced=True)
            self.addCleanup(self.compute.update_service_forced_down, service,
                            forced=False)
            answer = self.compute.post(
                f'/servers/{self.server.id}/action', microversion='2.67',
                json={'evacuate': body})
            self.assertEqual(200, answer.status_code, answer.text)
            yield

    def test_evacuation(self):
        with self.cloud.only('ws2012', 'kvm'), self.evacuated():
            server = self.cloud.settle(self.server, 'ERROR')
        self.assertEqual('ws2022', server.compute_host)
        self.assertIn('HV402', self.cloud.fault(server))

    def test_forced_evacuation_is_refused_by_the_host(self):
        with self.evacuated(host='ws2012', force=True):
            self.cloud.heard('nova-compute-ws2012', 'Refused: ',
                             '"code": "HV501"', self.server.id)
            self.cloud.wait_for(lambda: [
                migration for migration in self.compute.migrations()
                if migration.server_id == self.server.id
                and migration.status in ('error', 'failed')])
            self.cloud.settle(self.server)
            self.cloud.wait_for(
                lambda: self.cloud.allocated(self.server) == {'ws2022'})
        self.assertEqual('ws2022', self.cloud.host_of(self.server))
