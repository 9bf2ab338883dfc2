# SPDX-License-Identifier: Apache-2.0
"""EnforcedDriver: devices, volumes and snapshots on a capable host."""

import functools
from unittest import mock

from nova.compute import api as compute_api
from nova.tests import fixtures as nova_fixtures
from nova.volume import cinder

from tests.functional.nova import cloud
from tests.functional.nova import fakes


class DeviceBusTestCase(cloud.SharedCloudTestCase):
    """Devices on IDE are refused for generation 2."""

    Cloud = cloud.CapableHostCloud

    HV503 = ('HV503 device-bus-ide: a device requests disk_bus {}, '
             'generation 2 has SCSI only. ')
    VOLUME = nova_fixtures.CinderFixture.SWAP_OLD_VOL

    def setUp(self):
        super().setUp()
        # There is one volume.
        self.addCleanup(self.delete_servers)
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
        self.assertEqual([], self.guests('ws2022'))

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
        self.assertEqual([server['id']], self.guests('ws2022'))

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
        guest = server['OS-EXT-SRV-ATTR:instance_name']
        self._wait_for_assert(lambda: self.assertEqual(
            1, len(self.driver._mounts.get(guest, ()))))


class RootVolumeTestCase(cloud.SharedCloudTestCase):
    """The root disk is on a volume, of which Nova's fixture has one."""

    Cloud = cloud.CapableHostCloud

    def setUp(self):
        super().setUp()
        self.addCleanup(self.delete_servers)

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


class UnshelveTestCase(cloud.SharedCloudTestCase):
    """An unshelve keeps the generation of the server."""

    Cloud = cloud.CapableHostCloud

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
        self.assertEqual([], self.guests('ws2022'))
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
