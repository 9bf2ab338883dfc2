# SPDX-License-Identifier: Apache-2.0
"""EnforcedDriver: each operation that moves a guest to another host."""

import dataclasses
import functools
from unittest import mock

import fixtures
from nova.compute import power_state
from nova.tests.functional.api import client

from hyperv_sched.compute import operations
from tests.functional.nova import cloud
from tests.functional.nova import fakes


class ColdMigrationTestCase(cloud.SharedCloudTestCase):
    """The source and the destination both check a cold migration."""

    Cloud = cloud.MovesCloud

    def setUp(self):
        super().setUp()
        self.image_id = self.image('gen2', **cloud.GENERATION_2)

    def driver(self, host):
        return self.computes[host].manager.driver

    def node(self, host):
        return self._get_provider_uuid_by_host(host)

    def assert_not_destroyed(self):
        """Fail if a driver removes a guest or its disks."""
        for name in ('destroy', 'cleanup'):
            patch = self.useFixture(fixtures.MockPatchObject(
                fakes.FakeHostDriver, name))
            self.addCleanup(patch.mock.assert_not_called)

    def report(self, host, version):
        """Let a host report another version, until the end of the test."""
        patch = mock.patch.dict(
            self.driver(host).host_status_base, hypervisor_version=version)
        patch.start()
        self.addCleanup(patch.stop)

    def unchecked_at_source(self):
        """Let the source of a cold migration enforce nothing."""
        name = 'migrate_disk_and_power_off'
        return mock.patch.dict(operations.OPERATIONS, {
            name: dataclasses.replace(
                operations.OPERATIONS[name], checks=())})

    def test_source_refuses_an_incapable_destination_before_the_stop(self):
        server = self.boot(self.image_id, host='ws2022')
        before = self._get_allocations_by_server_uuid(server['id'])
        self.assert_not_destroyed()
        with mock.patch.object(fakes.FakeHostDriver,
                               'migrate_disk_and_power_off') as moved:
            self.api.post_server_action(
                server['id'], {'migrate': {'host': 'ws2012'}})
            self._wait_for_migration_status(server, ['error'])
            event = self._wait_for_action_fail_completion(
                server, 'migrate', 'compute_resize_instance')
        moved.assert_not_called()
        self.assertIn('HV501 generation-unsupported-here: this host cannot '
                      'run the image: HV402', event['details'])
        server = self._wait_for_state_change(server, 'ACTIVE')
        self.assertEqual('ws2022', self.host_of(server))
        self.assertEqual(
            power_state.RUNNING,
            self.driver('ws2022').instances[server['id']].state)
        self._wait_for_assert(lambda: self.assertEqual(
            {node: used['resources'] for node, used in before.items()},
            {node: used['resources'] for node, used in
             self._get_allocations_by_server_uuid(server['id']).items()}))

    def test_guest_migrates_to_a_capable_host(self):
        server = self.boot(self.image('gen1'), host='ws2012')
        server = self._migrate_server(server, host='ws2022')
        self.assertEqual('ws2022', self.host_of(server))

    def test_destination_refuses_if_the_source_does_not_check(self):
        server = self.boot(self.image_id, host='ws2022')
        self.assert_not_destroyed()
        with self.unchecked_at_source():
            self.api.post_server_action(
                server['id'], {'migrate': {'host': 'ws2012'}})
            server = self._wait_for_state_change(server, 'ERROR')
        self.assertEqual(
            'HV501 generation-unsupported-here: this host cannot run the '
            'image: HV402 the host runs Hyper-V 6.2, generation 2 needs '
            '>=6.3. Ask the administrator of the cloud: the disk of the '
            'guest is on this host', server['fault']['message'])
        self.assertEqual([], self.guests('ws2012'))
        # The server is where its disk is.
        self.assertEqual('ws2012', self.host_of(server))
        self.assertEqual({self.node('ws2012')}, set(
            self._get_allocations_by_server_uuid(server['id'])))

    def test_revert_to_a_host_that_has_changed_is_refused(self):
        server = self.boot(self.image_id, az='nova:ws2022')
        self.report('ws2012', 10000)
        with self.unchecked_at_source():
            self._migrate_server(server, host='ws2012')
        self.report('ws2022', 6002)
        with mock.patch.object(fakes.FakeHostDriver,
                               'finish_revert_migration') as reverted:
            self.api.post_server_action(server['id'], {'revertResize': None})
            server = self._wait_for_state_change(server, 'ERROR')
        reverted.assert_not_called()
        self.assertIn('HV501 generation-unsupported-here: this host cannot '
                      'run the image: HV402', server['fault']['message'])
        self.assertNotIn('Another host', server['fault']['message'])


class EvacuationTestCase(cloud.SharedCloudTestCase):

    Cloud = cloud.MovesCloud

    def setUp(self):
        super().setUp()
        image = self.image('gen2', **cloud.GENERATION_2)
        self.server = self.boot(image, host='ws2019')
        self.stop_host('ws2019')

    def test_capable_destination_takes_the_guest(self):
        self.api.post_server_action(
            self.server['id'], {'evacuate': {'host': 'ws2022'}})
        self._wait_for_migration_status(self.server, ['done'])
        self.assertEqual('ws2022', self.host_of(
            self.api.get_server(self.server['id'])))

    def test_incapable_destination_refuses(self):
        server = self.server
        # Up to API 2.67 an evacuation can bypass the scheduler.
        with mock.patch.object(self.api, 'microversion', '2.67'):
            self.api.post_server_action(server['id'], {
                'evacuate': {'host': 'ws2012', 'force': True}})
        self._wait_for_migration_status(server, ['failed', 'error'])
        event = self._wait_for_action_fail_completion(
            server, 'evacuate', 'compute_rebuild_instance')
        self.assertIn('HV501 generation-unsupported-here: this host cannot '
                      'run the image: HV402 the host runs Hyper-V 6.2',
                      event['details'])
        self.assertEqual([], self.guests('ws2012'))
        # What the old host still has is where it was.
        self.assertEqual('ws2019', self.host_of(
            self.api.get_server(server['id'])))
        self.assertEqual(
            {self._get_provider_uuid_by_host('ws2019')},
            set(self._get_allocations_by_server_uuid(server['id'])))


class LiveMigrationTestCase(cloud.SharedCloudTestCase):
    """A live migration is refused by an incapable destination."""

    Cloud = cloud.MovesCloud

    def setUp(self):
        super().setUp()
        image = self.image('gen2', **cloud.GENERATION_2)
        self.server = self.boot(image, az='nova:ws2019')
        self.assertEqual('ACTIVE', self.server['status'])

    def migrate(self, **where):
        # Before 2.34 the answer waits for the checks; up to 2.67 they can be
        # forced.
        with mock.patch.object(self.api, 'microversion', '2.30'):
            self.api.post_server_action(self.server['id'], {
                'os-migrateLive': {'block_migration': 'auto', **where}})

    def assert_unmoved(self):
        server = self.api.get_server(self.server['id'])
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual('ws2019', self.host_of(server))
        for host, guests in (('ws2019', [server['id']]), ('ws2012', [])):
            self.assertEqual(guests, self.guests(host))
        self.assertEqual(
            {self._get_provider_uuid_by_host('ws2019')},
            set(self._get_allocations_by_server_uuid(server['id'])))

    def refusal(self, **where):
        refusal = self.assertRaises(
            client.OpenStackApiException, self.migrate, **where)
        self.assertEqual(400, refusal.response.status_code)
        self.assert_unmoved()
        return refusal.response.text

    def test_forced_destination_refuses_with_the_reason(self):
        self.assertIn(
            'Migration pre-check error: HV501 generation-unsupported-here: '
            'this host cannot run the image: HV402',
            self.refusal(host='ws2012', force=True))

    def test_incapable_destination_ends_in_no_valid_host(self):
        self.assertIn('No valid host was found', self.refusal(host='ws2012'))

    def test_next_host_is_tried(self):
        self.migrate(host=None)
        self._wait_for_migration_status(self.server, ['completed'])
        server = self.api.get_server(self.server['id'])
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual('ws2022', self.host_of(server))

    def test_destination_is_checked_again_before_the_move(self):
        driver = self.computes['ws2012'].manager.driver
        unchecked = functools.partial(
            fakes.FakeHostDriver.check_can_live_migrate_destination, driver)
        with mock.patch.object(
                driver, 'check_can_live_migrate_destination', unchecked):
            self.migrate(host='ws2012', force=True)
            self._wait_for_migration_status(self.server, ['failed', 'error'])
        self._wait_for_server_parameter(
            self.server, {'OS-EXT-STS:task_state': None})
        self.assert_unmoved()

    def test_guest_without_properties_moves_to_any_host(self):
        self.server = self.boot(self.image('cirros'), az='nova:ws2012')
        self.migrate(host='ws2019', force=True)
        self._wait_for_migration_status(self.server, ['completed'])
        self.assertEqual('ws2019', self.host_of(
            self.api.get_server(self.server['id'])))
