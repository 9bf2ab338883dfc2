# SPDX-License-Identifier: Apache-2.0
"""hyperv_sched.EnforcedDriver in nova-compute, with a real cloud."""

import dataclasses
import functools
import json
import pathlib
from unittest import mock

import fixtures
from nova import exception
from nova.cmd import manage
from nova.compute import api as compute_api
from nova.compute import power_state
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional.api import client
from nova.volume import cinder

from hyperv_sched import objects
from hyperv_sched.compute import notifications
from hyperv_sched.compute import operations
from hyperv_sched.disk import boot
from tests import hostile
from tests.functional.nova import cloud
from tests.functional.nova import fakes

#: The notification of a refusal in the documentation.
SAMPLE = pathlib.Path(__file__).parents[3] / (
    'doc/source/refusal-notification.json')


def _sort_changes(members):
    """Sort the names of changed fields, which are in any order."""
    changes = members.get('versioned_object.changes')
    return members if changes is None else {
        **members, 'versioned_object.changes': sorted(changes)}


class OldestFirstCloud(cloud.EnforcedCloud):
    """The scheduler prefers the host of the oldest version."""

    def setUp(self):
        self.flags(weight_classes=[fakes.OLDEST_FIRST],
                   group='filter_scheduler')
        super().setUp()


class EnforcedDriverTestCase(cloud.SharedCloudTestCase):
    """A build is refused with the reason in the fault of the server."""

    def test_driver_is_a_subclass_of_the_configured_one(self):
        driver = self.computes['ws2022'].manager.driver
        self.assertIsInstance(driver, fakes.FakeHostDriver)
        self.assertEqual('EnforcedFakeHostDriver', type(driver).__name__)

    def test_generation_2_is_spawned_on_a_capable_host(self):
        image = self.image('gen2', data=b'vhdxfile', **cloud.GENERATION_2)
        server = self.boot(image, host='ws2022')
        self.assertEqual('ACTIVE', server['status'])

    def test_vhdx_with_disk_format_vhd_is_spawned(self):
        image = self.image('label', 'vhd', data=b'vhdxfile',
                           **cloud.GENERATION_2)
        self.assertEqual('ACTIVE', self.boot(image, host='ws2022')['status'])

    def test_generation_2_from_vhd_fails_after_one_attempt(self):
        image = self.image('vhd', 'vhd', data=b'conectix' + bytes(504),
                           **cloud.GENERATION_2)
        # Whatever host it is that comes first.
        server = self.boot(image)
        self.assertEqual('ERROR', server['status'])
        self.assertIn(
            'aborted: HV502: HV202 the file is VHD, generation 2 runs only '
            'from VHDX. More: hyperv-sched rule show HV202',
            server['fault']['message'])
        self.assertEqual(1, len(self.attempts(server)))

    def test_vhd_with_disk_format_vhdx_is_refused_before_the_spawn(self):
        image = self.image('vhd', data=b'conectix' + bytes(504),
                           **cloud.GENERATION_2)
        with mock.patch.object(fakes.FakeHostDriver, 'spawn') as spawned:
            server = self.boot(image)
        spawned.assert_not_called()
        self.assertIn('HV202 the file is VHD', server['fault']['message'])
        self.assertEqual(1, len(self.attempts(server)))

    def test_file_decides_without_a_disk_format(self):
        for name, data, status in (
                ('vhdx', b'vhdxfile' + bytes(504), 'ACTIVE'),
                ('vhd', b'conectix' + bytes(504), 'ERROR')):
            image = self.image(name, None, data, **cloud.GENERATION_2)
            server = self.boot(image, host='ws2022')
            self.assertEqual(status, server['status'], name)

    def no_glance(self, error):
        return mock.patch.object(
            self.glance, 'download', mock.Mock(side_effect=error))

    def test_generation_2_is_refused_while_glance_is_down(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        with self.no_glance(OSError('Glance is down')):
            server = self.boot(image, az='nova:ws2022')
        self.assertEqual(
            'HV501: this host cannot run the image: it cannot be read: '
            'Glance is down. Try again later', server['fault']['message'])

    def test_generation_1_is_spawned_while_glance_is_down(self):
        with self.no_glance(OSError('Glance is down')):
            for name, properties in (
                    ('plain', {}), ('gen1', {'hypervisor_type': 'hyperv'})):
                server = self.boot(self.image(name, **properties),
                                   host='ws2022')
                self.assertEqual('ACTIVE', server['status'])

    def test_deleted_or_deactivated_image_fails_after_one_attempt(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        for error, words in (
                (exception.ImageNotFound(image_id=image),
                 'HV502 image-unusable: the image is deleted, or not visible '
                 'to this project. Use another image'),
                (exception.ImageNotAuthorized(image_id=image),
                 'HV502 image-unusable: Glance does not let this project '
                 'download the image (for example, while the image is '
                 'deactivated). Reactivate the image, or use another one')):
            with self.no_glance(error):
                server = self.boot(image)
            self.assertEqual(
                f'Build of instance {server["id"]} aborted: {words}',
                server['fault']['message'])
            self.assertEqual(1, len(self.attempts(server)))

    def test_impossible_secure_boot_fails_after_one_attempt(self):
        for name, properties, code in (
                ('gen1', {'hypervisor_type': 'hyperv'}, 'HV110'),
                ('no_os', cloud.GENERATION_2, 'HV111')):
            server = self.boot(self.image(
                name, os_secure_boot='required', **properties))
            self.assertIn('HV502', server['fault']['message'])
            self.assertIn(f': {code} os_secure_boot=',
                          server['fault']['message'])
            self.assertEqual(1, len(self.attempts(server)))

    def test_secure_boot_of_the_flavor_is_checked(self):
        flavor = self._create_flavor(
            extra_spec={'os:secure_boot': 'required'})
        server = self.boot(self.image('gen2', **cloud.GENERATION_2),
                           flavor_id=flavor)
        self.assertIn('HV111', server['fault']['message'])

    def test_qcow2_with_disk_format_vhd_is_refused_as_qcow2(self):
        image = self.image('qcow2', 'vhd', data=b'QFI\xfb' + bytes(508),
                           **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertIn('HV203 the file is qcow2', server['fault']['message'])

    def test_crafted_head_is_not_inspected(self):
        data = hostile.shared(hostile.volume(
            hostile.program(300, hostile.block(8192)), clusters=60), 20, 1)
        self.assertLess(len(data), 65536)
        image = self.image('crafted', data=data, **cloud.GENERATION_2)
        with mock.patch.object(
                boot, 'inspect', wraps=boot.inspect) as inspected:
            server = self.boot(image)
        inspected.assert_not_called()
        self.assertIn('HV203 the file is raw', server['fault']['message'])

    def test_fixed_vhd_is_recognized_by_its_disk_format(self):
        image = self.image('fixed', 'vhd', data=bytes(4096),
                           **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertIn('HV202 the file is VHD', server['fault']['message'])

    def test_forced_host_that_is_too_old_refuses_with_the_reason(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        server = self.boot(image, az='nova:ws2012')
        self.assertEqual('ERROR', server['status'])
        self.assertEqual(
            'HV501: HV402 the host runs Hyper-V 6.2, generation 2 needs '
            '>=6.3. Another host may do', server['fault']['message'])

    def test_generation_1_is_spawned_on_an_old_host(self):
        image = self.image('gen1', 'vhd', hw_machine_type='hyperv-gen1')
        server = self.boot(image, host='ws2012')
        self.assertEqual('ACTIVE', server['status'])

    def test_image_without_properties_is_spawned_on_kvm(self):
        server = self.boot(self.image('cirros', 'qcow2'), host='kvm')
        self.assertEqual('ACTIVE', server['status'])


class RootVolumeTestCase(cloud.EnforcedCloud):
    """The root disk is on a volume, of which Nova's fixture has one."""

    hosts = ('ws2022',)

    def test_volume_of_an_image_without_data_is_spawned(self):
        # What a snapshot of a server with such a root is.
        volume = nova_fixtures.CinderFixture.IMAGE_BACKED_VOL
        image = self.image('snapshot', None, b'', **cloud.GENERATION_2, **{
            'bdm_v2': True, 'root_device_name': '/dev/vda',
            'block_device_mapping': [{
                'boot_index': 0, 'device_name': '/dev/vda',
                'source_type': 'volume', 'destination_type': 'volume',
                'volume_id': volume}]})
        server = self.boot(image, host='ws2022')
        self.assertEqual('ACTIVE', server['status'])

    def test_disk_format_of_a_volume_is_not_checked(self):
        image = self.image('raw', 'raw', **cloud.GENERATION_2)
        server = self._build_server(image_uuid='', networks='none',
                                    host='ws2022')
        del server['imageRef']
        server['block_device_mapping_v2'] = [{
            'boot_index': 0, 'uuid': image, 'source_type': 'image',
            'destination_type': 'volume', 'volume_size': 1}]
        # Not every Nova's fixture makes volumes.
        volume = nova_fixtures.CinderFixture.IMAGE_BACKED_VOL
        with mock.patch.object(cinder.API, 'create',
                               mock.Mock(return_value={'id': volume})):
            server = self.settle(self.api.post_server({'server': server}))
        self.assertEqual('ACTIVE', server['status'])


class AnotherHostTestCase(cloud.SharedCloudTestCase):
    """After the refusal of an old host Nova tries the next one."""

    class Cloud(OldestFirstCloud):
        hosts = ('ws2012', 'ws2022')

    def test_next_host_is_tried(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual('ws2022', self.host_of(server))
        self.assertEqual(['ws2012', 'ws2022'], self.attempts(server))

    def test_host_that_refuses_prepares_no_networks(self):
        old = self.computes['ws2012'].manager.driver
        with mock.patch.object(
                old, 'prepare_networks_before_block_device_mapping') as made:
            self.boot(self.image('gen2', **cloud.GENERATION_2))
        made.assert_not_called()

    def test_image_at_fault_is_tried_on_one_host(self):
        server = self.boot(self.image(
            'vhd', data=b'conectix' + bytes(504), **cloud.GENERATION_2))
        self.assertEqual(['ws2012'], self.attempts(server))
        self.assertIn('HV202', server['fault']['message'])


class VersionTestCase(cloud.SharedCloudTestCase):
    """Features of generation 2 that need a newer host."""

    class Cloud(OldestFirstCloud):
        hosts = ('ws2012r2', 'ws2022')

    def assert_newer(self, server):
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual(['ws2012r2', 'ws2022'], self.attempts(server))

    def test_secure_boot_of_linux_needs_a_newer_host(self):
        self.assert_newer(self.boot(self.image(
            'linux', os_secure_boot='required', os_type='linux',
            **cloud.GENERATION_2)))

    def test_remotefx_on_generation_2_needs_a_newer_host(self):
        # Newer releases of the API do not know it any more.
        with mock.patch.object(self.api, 'microversion', '2.60'):
            flavor = self._create_flavor(
                extra_spec={'os:resolution': '1024x768'})
        self.assert_newer(self.boot(
            self.image('gen2', **cloud.GENERATION_2), flavor_id=flavor))
        self.assertEqual('ws2012r2', self.host_of(self.boot(
            self.image('gen1', hypervisor_type='hyperv'),
            flavor_id=flavor)))


class RefusalTestCase(cloud.SharedCloudTestCase):
    """Each refusal is one log line and one notification."""

    class Cloud(cloud.EnforcedCloud):
        hosts = ('ws2012',)

    def refuse(self):
        """Return the log of a refusal, its server and its image."""
        image = self.image('gen2', **cloud.GENERATION_2)
        with fixtures.FakeLogger(
                notifications.__name__, format='%(message)s') as log:
            server = self.boot(image, az='nova:ws2012')
        return log.output, server, image

    def expected(self, server, image):
        return {
            'host': 'ws2012', 'instance_uuid': server['id'],
            'operation': 'prepare_for_spawn', 'image': image,
            'code': 'HV501', 'name': 'generation-unsupported-here'}

    def test_log_has_one_line_of_json_for_a_refusal(self):
        log, server, image = self.refuse()
        line, = log.splitlines()
        refusal = json.loads(line.partition('Refused: ')[2])
        self.assertEqual(
            self.expected(server, image),
            {name: refusal[name] for name in self.expected(server, image)})
        self.assertEqual('HV402', refusal['cause']['code'])

    def test_notification_carries_a_versioned_object(self):
        _, server, image = self.refuse()
        (notification, refusal), = (
            (notification, refusal)
            for notification in self.notifier.versioned_notifications
            if notification['event_type'] == 'hyperv_sched.refusal'
            for refusal in (objects.Refusal.obj_from_primitive(
                notification['payload']),)
            if refusal.instance_uuid == server['id'])
        self.assertEqual('ERROR', notification['priority'])
        self.assertEqual('nova-compute:ws2012', notification['publisher_id'])
        self.assertEqual(
            self.expected(server, image),
            {name: getattr(refusal, name)
             for name in self.expected(server, image)})

    def test_notification_is_that_of_the_documentation(self):
        _, server, image = self.refuse()
        notification, = (
            notification
            for notification in self.notifier.versioned_notifications
            if notification['event_type'] == 'hyperv_sched.refusal'
            and server['id'] in json.dumps(notification))
        text = json.dumps(notification)
        for value, example in (
                (server['id'], '2b7f8a0e-6f3e-4d7c-9a55-0d4b8f5f2c11'),
                (image, '9a1c7f52-3c1e-4d0e-8f6a-7d2b1c0e4a93')):
            text = text.replace(value, example)
        notification = json.loads(text, object_hook=_sort_changes)
        self.assertEqual(json.loads(SAMPLE.read_text()), notification)

    def test_refusal_is_counted_by_its_first_cause(self):
        path = self.useFixture(fixtures.TempDir()).join('nova.prom')
        with cloud.metrics_file(path):
            self.refuse()
        self.assertIn(
            'hyperv_sched_refusals_total{code="HV402",'
            'moment="prepare_for_spawn"} 1.0\n',
            pathlib.Path(path).read_text())

    def test_refusal_does_not_depend_on_the_file_of_metrics(self):
        with cloud.metrics_file('/proc/x.prom'):
            _, server, _ = self.refuse()
        self.assertIn('HV501', server['fault']['message'])

    def test_refusal_does_not_depend_on_the_message_bus(self):
        with mock.patch.object(notifications, 'rpc') as rpc:
            rpc.get_versioned_notifier.side_effect = OSError('no bus')
            log, server, _ = self.refuse()
        self.assertIn('HV501', server['fault']['message'])
        self.assertIn('Cannot send the notification of a refusal', log)


class MoveTestCase(cloud.EnforcedCloud):

    hosts = ('ws2012r2', 'ws2022')

    def test_evacuation_checks_the_destination(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        server = self.boot(image, host='ws2012r2')
        self.computes['ws2012r2'].stop()
        service, = self.api.get_services(host='ws2012r2')
        self.api.put_service_force_down(service['id'], True)
        self.api.post_server_action(server['id'], {'evacuate': {}})
        self._wait_for_migration_status(server, ['done'])
        self.assertEqual('ws2022', self.host_of(
            self.api.get_server(server['id'])))


class ForcedEvacuationTestCase(cloud.EnforcedCloud):
    """Up to API 2.67 an evacuation can bypass the scheduler."""

    hosts = ('ws2012', 'ws2022')

    def test_incapable_destination_refuses(self):
        server = self.boot(self.image('gen2', **cloud.GENERATION_2),
                           host='ws2022')
        self.computes['ws2022'].stop()
        service, = self.api.get_services(host='ws2022')
        self.api.put_service_force_down(service['id'], True)
        with mock.patch.object(self.api, 'microversion', '2.67'):
            self.api.post_server_action(server['id'], {
                'evacuate': {'host': 'ws2012', 'force': True}})
        self._wait_for_migration_status(server, ['failed', 'error'])
        event = self._wait_for_action_fail_completion(
            server, 'evacuate', 'compute_rebuild_instance')
        self.assertIn('HV501 generation-unsupported-here: this host cannot '
                      'run the image: HV402 the host runs Hyper-V 6.2',
                      event['details'])
        self.assertEqual(
            [],
            self.computes['ws2012'].manager.driver.list_instance_uuids())
        # What the old host still has is where it was.
        self.assertEqual('ws2022', self.host_of(
            self.api.get_server(server['id'])))
        self.assertEqual(
            {self._get_provider_uuid_by_host('ws2022')},
            set(self._get_allocations_by_server_uuid(server['id'])))


class UnshelveTestCase(cloud.EnforcedCloud):
    """An unshelve keeps the generation of the server."""

    hosts = ('ws2022',)

    def setUp(self):
        super().setUp()
        self.server = self.boot(self.image('gen2', **cloud.GENERATION_2))
        self._shelve_server(self.server)
        self.snapshot, = (
            image for image in self.glance.images.values()
            if image['name'].endswith('-shelved'))
        # What a driver for Hyper-V would upload.
        self.snapshot.update(status='active', disk_format='vhdx')
        self.glance._imagedata[self.snapshot['id']] = (
            b'vhdxfile' + bytes(504))

    def test_unchanged_snapshot_is_unshelved(self):
        self._unshelve_server(self.server)

    def refused(self):
        """Return the reason of a refusal that leaves the server shelved."""
        self.api.post_server_action(self.server['id'], {'unshelve': None})
        event = self._wait_for_action_fail_completion(
            self.server, 'unshelve', 'compute_unshelve_instance')
        self._wait_for_state_change(self.server, 'SHELVED_OFFLOADED')
        self.assertIn(self.snapshot['id'], self.glance.images)
        self.assertEqual(
            {}, self._get_allocations_by_server_uuid(self.server['id']))
        self.assertEqual(
            [],
            self.computes['ws2022'].manager.driver.list_instance_uuids())
        return event['details']

    def test_snapshot_of_another_generation_is_refused(self):
        self.snapshot['properties']['hw_machine_type'] = 'hyperv-gen1'
        self.assertIn(
            'HV502 image-unusable: the image is hyperv-gen1, the server was '
            'created as hyperv-gen2. Set hw_machine_type=hyperv-gen2 on the '
            'image, or create a new server', self.refused())

    def test_snapshot_in_vhd_format_is_refused(self):
        self.glance._imagedata[self.snapshot['id']] = b'conectix' + bytes(504)
        self.assertIn('HV502: HV202 the file is VHD', self.refused())


class LiveMigrationTestCase(cloud.EnforcedCloud):
    """A live migration is refused by an incapable destination."""

    hosts = ('ws2012', 'ws2019', 'ws2022')

    def setUp(self):
        self.flags(weight_classes=[fakes.OLDEST_FIRST],
                   group='filter_scheduler')
        # Where hosts report other versions, Nova itself has a say.
        self.flags(skip_hypervisor_version_check_on_lm=True,
                   group='workarounds')
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
            self.assertEqual(
                guests,
                self.computes[host].manager.driver.list_instance_uuids())
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


class RebuildTestCase(cloud.EnforcedCloud):
    """Nova runs no filter for a rebuild with the same image."""

    hosts = ('ws2012',)

    def refused_rebuild(self):
        """Return a server whose image was edited before the rebuild."""
        image = self.image('gen1', hw_machine_type='hyperv-gen1')
        server = self.boot(image)
        self.glance.images[image]['properties'] = dict(cloud.GENERATION_2)
        self.api.post_server_action(
            server['id'], {'rebuild': {'imageRef': image}})
        return self._wait_for_state_change(server, 'ERROR')

    def test_guest_survives_a_rebuild_with_an_edited_image(self):
        server = self.refused_rebuild()
        self.assertIn('HV505 rebuild-generation: the guest could not come '
                      'back: HV402 the host runs Hyper-V 6.2, generation 2 '
                      'needs >=6.3. Rebuild with an image that this host can '
                      'run', server['fault']['message'])
        driver = self.computes['ws2012'].manager.driver
        self.assertEqual([server['id']], driver.list_instance_uuids())

    def test_documented_repair_restores_state_and_allocation(self):
        server = self.refused_rebuild()
        self.assertEqual({}, self._get_allocations_by_server_uuid(
            server['id']))
        self.api.post_server_action(
            server['id'], {'os-resetState': {'state': 'active'}})
        manage.PlacementCommands().heal_allocations(
            instance_uuid=server['id'])
        self.assertNotEqual({}, self._get_allocations_by_server_uuid(
            server['id']))
        self.assertEqual('ACTIVE', self.api.get_server(server['id'])['status'])

    def test_good_image_is_rebuilt(self):
        image = self.image('gen1', 'vhd', hw_machine_type='hyperv-gen1')
        server = self.boot(image)
        self._rebuild_server(server, image)
        self.assertEqual('ws2012', self.host_of(
            self.api.get_server(server['id'])))


class ColdMigrationTestCase(cloud.EnforcedCloud):
    """The source and the destination both check a cold migration."""

    hosts = ('ws2012', 'ws2022')

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
        self.assertEqual([], self.driver('ws2012').list_instance_uuids())
        # The server is where its disk is.
        self.assertEqual('ws2012', self.host_of(server))
        self.assertEqual({self.node('ws2012')}, set(
            self._get_allocations_by_server_uuid(server['id'])))

    def test_revert_to_a_host_that_has_changed_is_refused(self):
        server = self.boot(self.image_id, az='nova:ws2022')
        self.driver('ws2012').host_status_base['hypervisor_version'] = 10000
        with self.unchecked_at_source():
            self._migrate_server(server, host='ws2012')
        self.driver('ws2022').host_status_base['hypervisor_version'] = 6002
        with mock.patch.object(fakes.FakeHostDriver,
                               'finish_revert_migration') as reverted:
            self.api.post_server_action(server['id'], {'revertResize': None})
            server = self._wait_for_state_change(server, 'ERROR')
        reverted.assert_not_called()
        self.assertIn('HV501 generation-unsupported-here: this host cannot '
                      'run the image: HV402', server['fault']['message'])
        self.assertNotIn('Another host', server['fault']['message'])


class DeviceBusTestCase(cloud.EnforcedCloud):
    """Devices on IDE are refused for generation 2."""

    hosts = ('ws2022',)

    HV503 = ('HV503 device-bus-ide: a device requests disk_bus {}, '
             'generation 2 has SCSI only. ')
    VOLUME = nova_fixtures.CinderFixture.SWAP_OLD_VOL

    def setUp(self):
        super().setUp()
        self.driver = self.computes['ws2022'].manager.driver
        self.gen1 = self.image('gen1', hw_machine_type='hyperv-gen1')
        self.gen2 = self.image('gen2', **cloud.GENERATION_2)

    def boot_with(self, image, *devices, **root):
        flavor = self._create_flavor(ephemeral=1, swap=1)
        server = self._build_server(
            image_uuid=image, networks='none', flavor_id=flavor)
        server['block_device_mapping_v2'] = [
            {'boot_index': 0, 'uuid': image, 'source_type': 'image',
             'destination_type': 'local', **root},
            *({'boot_index': -1, **device} for device in devices)]
        return self.settle(self.api.post_server({'server': server}))

    def boot_with_volume(self, image, **bus):
        return self.boot_with(image, {
            'uuid': self.VOLUME, 'source_type': 'volume',
            'destination_type': 'volume', **bus})

    def attach(self, server, bus):
        """Attach a volume; the public API has no parameter for the bus."""
        attach = compute_api.API.attach_volume
        with mock.patch.object(
                compute_api.API, 'attach_volume',
                functools.partialmethod(attach, disk_bus=bus)):
            self.api.post_server_volume(server['id'], {
                'volumeAttachment': {'volumeId': self.VOLUME}})

    def test_volume_on_ide_fails_the_build_with_the_reason(self):
        server = self.boot_with_volume(self.gen2, disk_bus='ide')
        self.assertEqual('ERROR', server['status'])
        self.assertIn(self.HV503.format('ide'), server['fault']['message'])
        self.assertEqual(1, len(self.attempts(server)))
        self.assertEqual([], self.driver.list_instance_uuids())

    def test_local_disk_on_ide_fails_the_build(self):
        blank = {'source_type': 'blank', 'destination_type': 'local',
                 'volume_size': 1, 'disk_bus': 'ide'}
        for server in (
                self.boot_with(self.gen2, blank),
                self.boot_with(self.gen2, {**blank, 'guest_format': 'swap'}),
                self.boot_with(self.gen2, disk_bus='ide')):
            self.assertIn(self.HV503.format('ide'), server['fault']['message'])

    def test_other_buses_and_generation_1_are_accepted(self):
        for image, bus in ((self.gen2, {'disk_bus': 'scsi'}),
                           (self.gen2, {}), (self.gen1, {'disk_bus': 'ide'})):
            server = self.boot_with_volume(image, **bus)
            self.assertEqual('ACTIVE', server['status'])
            self._delete_server(server)

    def test_guest_survives_a_rebuild_with_a_device_on_ide(self):
        server = self.boot_with_volume(self.gen1, disk_bus='ide')
        self.api.post_server_action(
            server['id'], {'rebuild': {'imageRef': self.gen2}})
        server = self._wait_for_state_change(server, 'ERROR')
        self.assertIn('HV505 rebuild-generation: the guest could not come '
                      'back: HV503 a device requests disk_bus ide',
                      server['fault']['message'])
        self.assertEqual([server['id']], self.driver.list_instance_uuids())

    def refused(self, bus):
        server = self.boot(self.gen2)
        with mock.patch.object(fakes.FakeHostDriver,
                               'attach_volume') as attached:
            self.attach(server, bus)
            event = self._wait_for_action_fail_completion(
                server, 'attach_volume', 'compute_attach_volume')
        attached.assert_not_called()
        self.assertIn(self.HV503.format(bus), event['details'])
        self.assertEqual([], self.api.get_server_volumes(server['id']))
        self.assertEqual(
            'ACTIVE', self.api.get_server(server['id'])['status'])

    def test_attaching_a_volume_to_ide_is_refused(self):
        self.refused('ide')

    def test_attaching_a_volume_to_ide_in_upper_case_is_refused(self):
        self.refused('IDE')

    def test_volume_is_attached_to_scsi(self):
        server = self.boot(self.gen2)
        self.attach(server, 'scsi')
        self._wait_for_assert(lambda: self.assertEqual(
            1, len(self.driver._mounts)))


class RescueTestCase(cloud.SharedCloudTestCase):
    """A rescue image needs the generation of the server."""

    class Cloud(cloud.EnforcedCloud):
        hosts = ('ws2022', 'kvm')

    def setUp(self):
        super().setUp()
        self.driver = self.computes['ws2022'].manager.driver
        gen1 = {'hw_machine_type': 'hyperv-gen1', 'hypervisor_type': 'hyperv'}
        self.gen1 = self.image('gen1', **gen1)
        self.gen2 = self.image('gen2', **cloud.GENERATION_2)
        self.untagged = self.image('untagged')

    def rescue(self, server, image, status):
        self.api.post_server_action(
            server['id'], {'rescue': {'rescue_image_ref': image}})
        return self._wait_for_state_change(server, status)

    def power(self, server):
        """Return the power state of the guest."""
        return self.driver.instances[server['id']].state

    def refused(self, server, image):
        """Return the reason of a refusal before the driver is called."""
        with mock.patch.object(fakes.FakeHostDriver, 'rescue') as rescue:
            words = self.rescue(server, image, 'ERROR')['fault']['message']
        rescue.assert_not_called()
        return words

    def test_other_generation_is_refused_with_the_reason(self):
        for image, named in ((self.gen1, 'hyperv-gen1'),
                             (self.untagged, 'hyperv-gen1 (the default)')):
            self.assertIn(
                f'HV504 rescue-generation: the rescue image is {named}, the '
                'server is hyperv-gen2. Rescue with an image of '
                'hw_machine_type=hyperv-gen2',
                self.refused(self.boot(self.gen2, host='ws2022'), image))
        for image in (self.gen1, self.untagged):
            self.assertIn(
                'HV504 rescue-generation: the rescue image is hyperv-gen2, '
                'the server is hyperv-gen1. Rescue with an image of '
                'hw_machine_type=hyperv-gen1',
                self.refused(self.boot(image, host='ws2022'), self.gen2))

    def test_running_guest_is_started_again_after_a_refusal(self):
        server = self.boot(self.gen2, host='ws2022')
        self.refused(server, self.gen1)
        self.assertEqual(power_state.RUNNING, self.power(server))
        self.assertEqual(
            {self._get_provider_uuid_by_host('ws2022')},
            set(self._get_allocations_by_server_uuid(server['id'])))

    def test_stopped_guest_stays_stopped_after_a_refusal(self):
        server = self.boot(self.gen2, host='ws2022')
        self.api.post_server_action(server['id'], {'os-stop': None})
        self._wait_for_state_change(server, 'SHUTOFF')
        self.refused(server, self.gen1)
        self.assertEqual(power_state.SHUTDOWN, self.power(server))

    def test_rescue_image_in_vhd_format_is_refused(self):
        image = self.image('vhd', 'vhd', data=b'conectix' + bytes(504),
                           **cloud.GENERATION_2)
        self.assertIn('HV502: HV202 the file is VHD',
                      self.refused(self.boot(self.gen2, host='ws2022'), image))

    def test_other_hypervisors_have_no_generations(self):
        server = self.boot(self.untagged, host='kvm')
        self.assertIn('HV501 generation-unsupported-here: this host cannot '
                      'run the image: HV401', self.refused(server, self.gen2))

    def test_image_of_the_same_generation_rescues(self):
        for booted, image in ((self.gen2, self.gen2), (self.gen1, self.gen1),
                              (self.untagged, self.gen1),
                              (self.gen1, self.untagged)):
            self.rescue(self.boot(booted, host='ws2022'), image, 'RESCUE')


class TraitsTestCase(cloud.EnforcedCloud):
    """Hosts report traits to placement."""

    def traits(self, host, prefix='CUSTOM_'):
        uuid = self._get_provider_uuid_by_host(host)
        return {trait for trait in self._get_provider_traits(uuid)
                if trait.startswith(prefix)}

    def test_each_host_reports_its_traits(self):
        self.assertEqual({'CUSTOM_HYPERV'}, self.traits('ws2012'))
        self.assertEqual(set(), self.traits('kvm'))
        self.assertEqual(
            {'CUSTOM_HYPERV', 'CUSTOM_HYPERV_GEN2', 'CUSTOM_HYPERV_WS2012R2'},
            self.traits('ws2012r2'))
        self.assertEqual(
            {'CUSTOM_HYPERV', 'CUSTOM_HYPERV_GEN2', 'CUSTOM_HYPERV_WS2012R2',
             'CUSTOM_HYPERV_WS2016', 'CUSTOM_HYPERV_WS2019',
             'CUSTOM_HYPERV_WS2022'}, self.traits('ws2022'))

    def test_each_host_reports_the_firmware_of_its_guests(self):
        bios, uefi = 'COMPUTE_FIRMWARE_BIOS', 'COMPUTE_FIRMWARE_UEFI'
        self.assertEqual(
            {'ws2012': {bios}, 'ws2012r2': {bios, uefi},
             'ws2022': {bios, uefi}, 'kvm': set()},
            {host: self.traits(host, 'COMPUTE_FIRMWARE_')
             for host in self.hosts})

    def test_outdated_traits_are_removed_and_others_are_kept(self):
        uuid = self._get_provider_uuid_by_host('ws2012')
        others = set(self._get_provider_traits(uuid))
        self._create_trait('CUSTOM_OF_AN_OPERATOR')
        self._set_provider_traits(uuid, [
            *others, 'CUSTOM_OF_AN_OPERATOR', 'CUSTOM_HYPERV_GEN2',
            'CUSTOM_HYPERV_WS2022'])
        self.computes['ws2012'].manager.reportclient.clear_provider_cache()
        self._run_periodics()
        self.assertEqual({*others, 'CUSTOM_OF_AN_OPERATOR'},
                         set(self._get_provider_traits(uuid)))

    def test_trait_is_removed_if_the_minimum_version_is_raised(self):
        self.flags(gen2_minimum_version='10.0', group='hyperv_sched')
        self.computes['ws2012r2'] = self.restart_compute_service(
            self.computes['ws2012r2'], keep_hypervisor_state=False)
        self._run_periodics()
        self.assertEqual({'CUSTOM_HYPERV', 'CUSTOM_HYPERV_WS2012R2'},
                         self.traits('ws2012r2'))

    def test_image_that_requires_a_trait_is_placed_on_a_host_with_it(self):
        image = self.image('gen2', **cloud.GENERATION_2, **{
            'trait:CUSTOM_HYPERV_WS2019': 'required'})
        server = self.boot(image)
        self.assertEqual('ws2022', self.host_of(server))

    def test_secure_boot_trait_is_reported_with_generation_2(self):
        trait = 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'
        self.assertEqual(
            ['ws2012r2', 'ws2022'],
            [host for host in self.hosts if self.traits(host, trait)])
        self.assertNotIn('supports_secure_boot',
                         fakes.FakeHostDriver.capabilities)

    def test_image_that_requires_secure_boot_is_scheduled(self):
        image = self.image('secure', os_secure_boot='required',
                           os_type='windows', **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertEqual('ACTIVE', server['status'])
        self.assertIn(self.host_of(server), ('ws2012r2', 'ws2022'))
