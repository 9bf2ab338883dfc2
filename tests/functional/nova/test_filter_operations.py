# SPDX-License-Identifier: Apache-2.0
"""Every operation that asks the scheduler for a host."""

from unittest import mock

from nova.tests import fixtures as nova_fixtures
from nova.volume import cinder

from tests.functional.nova import cloud
from tests.functional.nova import fakes

CAPABLE = {'ws2012r2', 'ws2022'}
VOLUME = nova_fixtures.CinderFixture.IMAGE_BACKED_VOL


class OperationsTestCase(cloud.SharedCloudTestCase):
    """A host that cannot run generation 2, and Nova likes it best."""

    class Cloud(cloud.HyperVCloud):
        hosts = ('ws2012', 'ws2012r2', 'ws2022')
        filters = ('ComputeFilter', cloud.FILTER)

        def setUp(self):
            self.flags(weight_classes=[fakes.OLDEST_FIRST],
                       group='filter_scheduler')
            super().setUp()

    def setUp(self):
        super().setUp()
        # Nothing that Nova's own filters would look at.
        self.gen2 = self.image('gen2', hw_machine_type='hyperv-gen2')

    def boot_generation_2(self):
        """Boot a server where it can run; return it and its host."""
        server = self.boot(self.gen2)
        host = self.host_of(server)
        self.assertIn(host, CAPABLE)
        return server, host

    def current_host(self, server):
        return self.host_of(self.api.get_server(server['id']))


class MoveTestCase(OperationsTestCase):
    """A server moves to the other host that can run it, never to ws2012."""

    def assertMoved(self, server, old_host):
        self.assertEqual(CAPABLE - {old_host}, {self.current_host(server)})

    def test_cold_migration(self):
        server, host = self.boot_generation_2()
        self._migrate_server(server)
        self.assertMoved(server, host)

    def test_resize(self):
        server, host = self.boot_generation_2()
        # Servers are built with the first one.
        self._resize_server(server, self.api.get_flavors()[1]['id'])
        self.assertMoved(server, host)

    def test_live_migration(self):
        # Nova itself keeps a server from going to an older hypervisor.
        self.flags(skip_hypervisor_version_check_on_lm=True,
                   group='workarounds')
        server, host = self.boot_generation_2()
        self._live_migrate(server)
        self.assertMoved(server, host)

    def test_evacuation(self):
        server, host = self.boot_generation_2()
        self.stop_host(host)
        self.api.post_server_action(server['id'], {'evacuate': {}})
        self._wait_for_migration_status(server, ['done'])
        self.assertMoved(server, host)

    def test_unshelve(self):
        server, _ = self.boot_generation_2()
        self.flags(shelved_offload_time=0)
        self.api.post_server_action(server['id'], {'shelve': {}})
        self._wait_for_state_change(server, 'SHELVED_OFFLOADED')
        self.api.post_server_action(server['id'], {'unshelve': None})
        self._wait_for_state_change(server, 'ACTIVE')
        self.assertIn(self.current_host(server), CAPABLE)

    def test_image_that_is_gone_still_counts(self):
        server, host = self.boot_generation_2()
        self.glance.delete(None, self.gen2)
        self._migrate_server(server)
        self.assertMoved(server, host)


class NoOtherHostTestCase(OperationsTestCase):
    """Where no other host can run it, a server stays where it is."""

    def setUp(self):
        super().setUp()
        self.stop_host('ws2022')

    def test_cold_migration(self):
        server, _ = self.boot_generation_2()
        self.api.post_server_action(server['id'], {'migrate': None})
        self._assert_resize_migrate_action_fail(
            server, 'migrate', 'NoValidHost')
        self.assertEqual('ws2012r2', self.current_host(server))

    def test_live_migration(self):
        server, _ = self.boot_generation_2()
        self.api.post_server_action(
            server['id'],
            {'os-migrateLive': {'host': None, 'block_migration': 'auto'}})
        self._wait_for_migration_status(server, ['error'])
        server = self._wait_for_state_change(server, 'ACTIVE')
        self.assertEqual('ws2012r2', self.host_of(server))


class RebuildTestCase(OperationsTestCase):

    def test_image_that_the_host_can_run_is_taken(self):
        server = self.boot(
            self.image('old', 'vhd', hw_machine_type='hyperv-gen1'),
            host='ws2012')
        image = self.image('new', 'vhd', hypervisor_type='hyperv')
        self._rebuild_server(server, image)
        self.assertEqual('ws2012', self.current_host(server))


class BootFromVolumeTestCase(OperationsTestCase):

    def setUp(self):
        super().setUp()
        # There is one volume.
        self.addCleanup(self.delete_servers)

    def boot_from_volume(self, metadata):
        """Boot from a volume that has a copy of an image's properties."""
        get = cinder.API().get

        def get_with_metadata(*args, **kwargs):
            return {**get(*args, **kwargs), 'volume_image_metadata': metadata}

        # Unlike a function, a mock is not handed the API itself.
        with mock.patch.object(cinder.API, 'get',
                               mock.Mock(side_effect=get_with_metadata)):
            server = self._build_server(image_uuid='', networks='none')
            del server['imageRef']
            server['block_device_mapping_v2'] = [{
                'boot_index': 0, 'source_type': 'volume', 'uuid': VOLUME,
                'destination_type': 'volume'}]
            return self.settle(self.api.post_server({'server': server}))

    def test_properties_of_the_volume_count(self):
        server = self.boot_from_volume(dict(cloud.GENERATION_2))
        self.assertEqual('ACTIVE', server['status'])
        self.assertIn(self.host_of(server), CAPABLE)

    def test_volume_without_properties_asks_nothing(self):
        server = self.boot_from_volume({})
        self.assertEqual('ACTIVE', server['status'])
