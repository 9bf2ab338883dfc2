# SPDX-License-Identifier: Apache-2.0
"""Moves between two releases of Windows that Nova does not tell apart."""

from unittest import mock

from nova import context as nova_context
from nova import objects
from nova.tests.functional.api import client

from hyperv_sched.compute import releases
from tests.functional.nova import cloud
from tests.functional.nova import fakes

OLDER, NEWER = 'ws2019', 'ws2022'


class ReleaseCloud(cloud.EnforcedCloud):

    hosts = (OLDER, NEWER)

    def made_on(self, server):
        """Return the build that the record of a server has."""
        context = nova_context.get_admin_context()
        nova_context.set_target_cell(context, self.cell_mappings['cell1'])
        return objects.Instance.get_by_uuid(
            context, server['id'], expected_attrs=['system_metadata']
        ).system_metadata.get('hyperv_sched_release')

    def forget(self, server):
        """Remove the record, as of a guest that was made without it."""
        context = nova_context.get_admin_context()
        nova_context.set_target_cell(context, self.cell_mappings['cell1'])
        instance = objects.Instance.get_by_uuid(
            context, server['id'], expected_attrs=['system_metadata'])
        del instance.system_metadata['hyperv_sched_release']
        instance.save()


class MoveTestCase(cloud.SharedCloudTestCase):
    """The virtual machine keeps the configuration version of its maker."""

    Cloud = ReleaseCloud

    def setUp(self):
        super().setUp()
        self.image_id = self.image('gen2', **cloud.GENERATION_2)

    def refuse_to_leave(self, server, action):
        """Return the reason for which a guest stays, and runs on."""
        with mock.patch.object(fakes.FakeHostDriver,
                               'migrate_disk_and_power_off') as moved:
            self.api.post_server_action(server['id'], action)
            self._wait_for_migration_status(server, ['error'])
            event = self._wait_for_action_fail_completion(
                server, next(iter(action)), 'compute_resize_instance')
        moved.assert_not_called()
        server = self._wait_for_state_change(server, 'ACTIVE')
        self.assertEqual(NEWER, self.host_of(server))
        return event['details']

    def test_guest_is_not_stopped_for_an_older_release(self):
        server = self.boot(self.image_id, host=NEWER)
        reason = ('HV506 host-older-release: the guest was made on Windows '
                  '10.0.20348, and the host runs an older release, without '
                  'the trait CUSTOM_HYPERV_WS2022')
        self.assertIn(reason, self.refuse_to_leave(server, {'migrate': {}}))
        self.forget(server)
        self.assertIn(reason, self.refuse_to_leave(server, {'resize': {
            'flavorRef': self.api.get_flavors()[1]['id']}}))

    def test_guest_of_the_older_release_moves_there_and_back(self):
        server = self.boot(self.image_id, host=OLDER)
        server = self._migrate_server(server, host=NEWER)
        server = self._revert_resize(server)
        self.assertEqual((OLDER, '10.0.17763'),
                         (self.host_of(server), self.made_on(server)))
        for host in (NEWER, OLDER):
            self._migrate_server(server, host=host)
            self.api.post_server_action(server['id'], {'confirmResize': None})
            server = self._wait_for_state_change(server, 'ACTIVE')
            self.assertEqual((host, '10.0.17763'),
                             (self.host_of(server), self.made_on(server)))

    def test_unknown_release_is_allowed_with_a_warning(self):
        server = self.boot(self.image_id, host=NEWER)
        with mock.patch.object(releases, '_read_traits', return_value=None), \
                mock.patch.object(
                    self.computes[OLDER].manager.driver._hostops._hostutils,
                    'get_windows_version', return_value=None), \
                self.assertLogs('hyperv_sched.compute.releases',
                                'WARNING') as logged:
            server = self._migrate_server(server, host=OLDER)
        self.assertEqual(OLDER, self.host_of(server))
        # At the departure and at the arrival.
        self.assertEqual(2, len(logged.output))

    def test_live_migration_is_refused_by_the_destination(self):
        server = self.boot(self.image_id, host=NEWER)
        with mock.patch.object(self.api, 'microversion', '2.30'):
            refusal = self.assertRaises(
                client.OpenStackApiException, self.api.post_server_action,
                server['id'], {'os-migrateLive': {
                    'block_migration': 'auto', 'host': OLDER,
                    'force': True}})
        self.assertEqual(400, refusal.response.status_code)
        self.assertIn('HV506 host-older-release: the guest was made on '
                      'Windows 10.0.20348, and the host runs 10.0.17763',
                      refusal.response.text)
        self.assertEqual(NEWER, self.host_of(
            self._wait_for_state_change(server, 'ACTIVE')))

    def test_live_migration_records_the_release_that_is_left(self):
        server = self.boot(self.image_id, host=OLDER)
        self.assertEqual('10.0.17763', self.made_on(server))
        self.forget(server)
        self.assertIsNone(self.made_on(server))
        self.api.post_server_action(server['id'], {'os-migrateLive': {
            'block_migration': 'auto', 'host': NEWER}})
        self._wait_for_migration_status(server, ['completed'])
        self.assertEqual('10.0.17763', self.made_on(server))


class MadeAnewTestCase(ReleaseCloud):
    """An evacuation and an unshelve make another virtual machine."""

    def test_evacuated_guest_is_of_its_new_host(self):
        server = self.boot(self.image('gen2', **cloud.GENERATION_2),
                           host=NEWER)
        self.assertEqual('10.0.20348', self.made_on(server))
        self.computes[NEWER].stop()
        service, = self.api.get_services(host=NEWER)
        self.api.put_service_force_down(service['id'], True)
        self.api.post_server_action(server['id'], {'evacuate': {}})
        self._wait_for_migration_status(server, ['done'])
        self._wait_for_assert(
            lambda: self.assertEqual('10.0.17763', self.made_on(server)))

    def test_unshelved_guest_is_of_its_new_host(self):
        server = self.boot(self.image('gen2', **cloud.GENERATION_2),
                           host=NEWER)
        self._shelve_server(server)
        for image in self.glance.images.values():
            if image['name'].endswith('-shelved'):
                image.update(status='active', disk_format='vhdx')
                self.glance._imagedata[image['id']] = (
                    b'vhdxfile' + bytes(504))
        service, = self.api.get_services(host=NEWER)
        self.api.put_service(service['id'], {'status': 'disabled'})
        server = self._unshelve_server(server)
        self.assertEqual((OLDER, '10.0.17763'),
                         (self.host_of(server), self.made_on(server)))
