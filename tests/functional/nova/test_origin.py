# SPDX-License-Identifier: Apache-2.0
"""The record of a guest's image after a refused rebuild."""

from unittest import mock

from nova import context as nova_context
from nova import objects
from nova import version
from nova.cmd import manage

from tests.functional.nova import cloud
from tests.functional.nova import fakes

GENERATION_1 = {'hw_machine_type': 'hyperv-gen1', 'hypervisor_type': 'hyperv'}


class RefusedTestCase(cloud.SharedCloudTestCase):
    """A guest of generation 1 whose record in Nova has generation 2."""

    class Cloud(cloud.EnforcedCloud):
        hosts = ('ws2012', 'ws2022')
        filters = ('ComputeFilter', cloud.FILTER)

    def setUp(self):
        super().setUp()
        self.gen1 = self.image('gen1', **GENERATION_1)
        self.gen2 = self.image('gen2', secret='of the other',
                               **cloud.GENERATION_2)
        self.server = self.refuse(self.boot(self.gen1, host='ws2012'))

    def refuse(self, server):
        """Let the scheduler refuse a rebuild, and reset the state."""
        self.assertEqual('ACTIVE', server['status'])
        self.act(server, {'rebuild': {'imageRef': self.gen2}})
        server = self._wait_for_state_change(server, 'ERROR')
        self.assertIn('HV402', server['fault']['message'])
        self.assertEqual('hyperv-gen2', self.recorded(server))
        self.act(server, {'os-resetState': {'state': 'active'}})
        return server

    def act(self, server, action):
        self.api.post_server_action(server['id'], action)

    def instance(self, server):
        context = nova_context.get_admin_context()
        nova_context.set_target_cell(context, self.cell_mappings['cell1'])
        return objects.Instance.get_by_uuid(
            context, server['id'], expected_attrs=['system_metadata'])

    def recorded(self, server):
        return self.instance(server).system_metadata['image_hw_machine_type']

    def assert_restored(self, server):
        instance = self.instance(server)
        self.assertEqual(self.gen1, instance.image_ref)
        self.assertEqual(
            ('hyperv-gen1', self.gen1, None),
            tuple(instance.system_metadata.get(f'image_{name}') for name in (
                'hw_machine_type', 'base_image_ref', 'secret')))

    def snapshots(self):
        return [image['properties'] for image in self.glance.images.values()
                if image['id'] not in (self.gen1, self.gen2)
                and image['properties'].get('image_type') == 'snapshot']

    def record_spawns(self):
        """Return the list of the generations that are spawned."""
        spawned = []
        spawn = fakes.FakeHostDriver.spawn

        def record(driver, context, instance, image_meta, *args, **kwargs):
            spawned.append((image_meta.properties.hw_machine_type,
                            instance.system_metadata['image_hw_machine_type']))
            return spawn(driver, context, instance, image_meta, *args,
                         **kwargs)

        patch = mock.patch.object(fakes.FakeHostDriver, 'spawn', record)
        patch.start()
        self.addCleanup(patch.stop)
        return spawned


class AfterRefusalTestCase(RefusedTestCase):

    def test_rescue_and_unrescue(self):
        self.act(self.server, {'rescue': {'rescue_image_ref': self.gen1}})
        self._wait_for_state_change(self.server, 'RESCUE')
        self.assert_restored(self.server)
        self.act(self.server, {'unrescue': None})
        self._wait_for_state_change(self.server, 'ACTIVE')

    def test_hard_reboot_by_the_owner(self):
        self.act(self.server, {'os-resetState': {'state': 'error'}})
        self.act(self.server, {'reboot': {'type': 'HARD'}})
        self._wait_for_state_change(self.server, 'ACTIVE')
        self.assert_restored(self.server)
        # Without an image of its own a rescue takes the server's.
        self.act(self.server, {'rescue': {}})
        self._wait_for_state_change(self.server, 'RESCUE')

    def test_cold_migration_and_revert(self):
        server = self._migrate_server(self.server)
        self.assertEqual('ws2022', self.host_of(server))
        self.assert_restored(server)
        server = self._revert_resize(server)
        self.assertEqual('ws2012', self.host_of(server))

    def test_resize_and_revert(self):
        server = self._resize_server(
            self.server, self.api.get_flavors()[1]['id'])
        self.assert_restored(server)
        server = self._revert_resize(server)
        self.assertEqual('ws2012', self.host_of(server))

    def test_snapshot(self):
        self.act(self.server, {'createImage': {'name': 'snapshot'}})
        self._wait_for_assert(
            lambda: self.assertEqual(1, len(self.snapshots())))
        self._wait_for_server_parameter(
            self.server, {'OS-EXT-STS:task_state': None})
        properties, = self.snapshots()
        self.assertEqual('hyperv-gen1', properties['hw_machine_type'])
        self.assertEqual('snapshot', properties['image_type'])
        self.assertEqual(self.server['id'], properties['instance_uuid'])
        self.assertEqual(self.gen1, properties['base_image_ref'])
        self.assertNotIn('hypervisor_version_requires', properties)
        self.assertNotIn('secret', properties)
        self.assert_restored(self.server)

    def test_shelve_and_unshelve(self):
        spawned = self.record_spawns()
        self._shelve_server(self.server)
        snapshot, = (image for image in self.glance.images.values()
                     if image['name'].endswith('-shelved'))
        self.assertEqual('hyperv-gen1',
                         snapshot['properties']['hw_machine_type'])
        snapshot.update(status='active', disk_format='vhdx')
        self._unshelve_server(self.server)
        self.assertEqual([('hyperv-gen1', 'hyperv-gen1')], spawned)
        self.assert_restored(self.server)

    def test_evacuation(self):
        spawned = self.record_spawns()
        self.stop_host('ws2012')
        self.act(self.server, {'evacuate': {}})
        self._wait_for_migration_status(self.server, ['done'])
        self.assertEqual([('hyperv-gen1', 'hyperv-gen1')], spawned)
        self.assert_restored(self.server)

    def test_rebuild_with_the_right_image_and_with_one_of_generation_2(self):
        spawned = self.record_spawns()
        self.refuse(self._rebuild_server(self.server, self.gen1))
        self._rebuild_server(self.server, self.gen1)
        self.assertEqual([('hyperv-gen1', 'hyperv-gen1')] * 2, spawned)
        self.assert_restored(self.server)

    def test_administrator_restores_the_request_spec_without_a_rebuild(self):
        self.act(self.server, {'reboot': {'type': 'HARD'}})
        self._wait_for_assert(lambda: self.assert_restored(self.server))
        self._wait_for_server_parameter(
            self.server, {'OS-EXT-STS:task_state': None})
        self.act(self.server, {'os-stop': None})
        self._wait_for_state_change(self.server, 'SHUTOFF')
        self.assertEqual(0, manage.ImagePropertyCommands().set(
            self.server['id'], ['hw_machine_type=hyperv-gen1']))
        spec = objects.RequestSpec.get_by_instance_uuid(
            nova_context.get_admin_context(), self.server['id'])
        properties = spec.image.properties
        # Nova 26 leaves the record of the scheduler as it is.
        is_copied = int(version.version_string().partition('.')[0]) >= 28
        self.assertEqual(
            ('hyperv-gen1', False) if is_copied else ('hyperv-gen2', True),
            (properties.hw_machine_type,
             'img_hv_requested_version' in properties))

    def test_accepted_rebuild_changes_the_generation(self):
        self._migrate_server(self.server)
        self.act(self.server, {'confirmResize': None})
        self._wait_for_state_change(self.server, 'ACTIVE')
        spawned = self.record_spawns()
        self._rebuild_server(self.server, self.gen2)
        self.act(self.server, {'reboot': {'type': 'HARD'}})
        self._wait_for_state_change(self.server, 'ACTIVE')
        self.assertEqual([('hyperv-gen2', 'hyperv-gen2')], spawned)
        self.assertEqual('hyperv-gen2', self.recorded(self.server))


class RefusedByTheHostTestCase(RefusedTestCase):
    """The host refuses the rebuild, and restores the record at once."""

    class Cloud(cloud.EnforcedCloud):
        hosts = ('ws2012', 'ws2022')

    def refuse(self, server):
        self.assertEqual('ACTIVE', server['status'])
        self.act(server, {'rebuild': {'imageRef': self.gen2}})
        server = self._wait_for_state_change(server, 'ERROR')
        self.assertIn('HV505', server['fault']['message'])
        return server

    def test_refused_rebuild_restores_record_and_image(self):
        self.assert_restored(self.server)
        self.assertEqual(
            self.gen1, self.api.get_server(self.server['id'])['image']['id'])

    def test_refused_rebuild_with_an_edited_image_restores_the_record(self):
        self.act(self.server, {'reboot': {'type': 'HARD'}})
        self._wait_for_state_change(self.server, 'ACTIVE')
        self.glance.images[self.gen1]['properties'].update(
            os_secure_boot='required', secret='edited')
        self.act(self.server, {'rebuild': {'imageRef': self.gen1}})
        self._wait_for_state_change(self.server, 'ERROR')
        self.assert_restored(self.server)
