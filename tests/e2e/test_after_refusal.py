# SPDX-License-Identifier: Apache-2.0
"""A guest after a rebuild that was refused: what its owner can do."""

from tests import samples
from tests.e2e import base
from tests.e2e import cloud as e2e_cloud


class AfterRefusalTestCase(base.StoryTestCase):
    """A guest of generation 1 on a host that runs no other."""

    def setUp(self):
        super().setUp()
        self.compute = self.cloud.demo.compute
        self.gen1 = self.cloud.image(
            samples.bios_vhdx(), **e2e_cloud.GENERATION_1)
        self.gen2 = self.cloud.image(**e2e_cloud.GENERATION_2)
        with self.cloud.only('ws2012'):
            self.server = self.cloud.boot(self.gen1)
        self.assertEqual('ws2012', self.server.compute_host)
        self.compute.rebuild_server(self.server.id, image=self.gen2.id)
        self.settles('ERROR')
        self.assertIn('HV402', self.cloud.fault(self.server))

    def settles(self, status):
        server = self.cloud.settle(
            self.server, status, 'ERROR', 'SHELVED_OFFLOADED')
        self.assertEqual(status, server.status, self.cloud.fault(server))
        return server

    def reboot(self):
        """What the owner does about a server in ERROR."""
        self.cloud.run('openstack', 'server', 'reboot', '--hard',
                       self.server.id)
        self.settles('ACTIVE')
        self.assertEqual('', self.cloud.fault(self.server))

    def recorded(self):
        """What Nova says of the image of the server."""
        return self.cloud.run(
            'nova-manage', 'image_property', 'show', self.server.id,
            'hw_machine_type').stdout.strip()

    def test_rescue_with_the_right_image_at_once(self):
        self.cloud.run('openstack', 'server', 'rescue', '--image',
                       self.gen1.id, self.server.id)
        self.settles('RESCUE')
        self.assertEqual('hyperv-gen1', self.recorded())
        self.compute.unrescue_server(self.server.id)
        self.settles('ACTIVE')

    def test_migration_and_its_revert(self):
        self.reboot()
        self.assertEqual('hyperv-gen1', self.recorded())
        self.cloud.admin.compute.migrate_server(self.server.id)
        self.assertNotEqual(
            'ws2012', self.settles('VERIFY_RESIZE').compute_host)
        self.compute.revert_server_resize(self.server.id)
        self.assertEqual('ws2012', self.settles('ACTIVE').compute_host)

    def test_snapshot_and_a_server_of_it(self):
        # Nothing has been corrected yet.
        self.cloud.run('openstack', 'server', 'set', '--auto-approve',
                       '--state', 'active', self.server.id, user='admin')
        self.assertEqual('hyperv-gen2', self.recorded())
        image = self.compute.create_server_image(
            self.server.id, f'snapshot-of-{self.server.id}', wait=True)
        self.addCleanup(self.cloud.demo.image.delete_image, image.id)
        image = self.cloud.demo.image.get_image(image.id)
        self.assertEqual('hyperv-gen1', image.hw_machine_type)
        with self.cloud.only('ws2012'):
            self.assertEqual('ACTIVE', self.cloud.boot(image).status)

    def test_shelve_and_unshelve(self):
        self.cloud.run('openstack', 'server', 'set', '--auto-approve',
                       '--state', 'active', self.server.id, user='admin')
        self.compute.shelve_server(self.server.id)
        self.settles('SHELVED_OFFLOADED')
        image = self.cloud.demo.image.find_image(
            f'{self.server.name}-shelved', ignore_missing=False)
        self.assertEqual('hyperv-gen1', image.hw_machine_type)
        self.compute.unshelve_server(self.server.id)
        self.cloud.wait_for(
            lambda: self.cloud.server(self.server).status == 'ACTIVE')
        self.assertEqual('hyperv-gen1', self.recorded())

    def test_administrator_tells_the_scheduler(self):
        self.reboot()
        self.compute.stop_server(self.server.id)
        self.settles('SHUTOFF')
        self.cloud.run(
            'nova-manage', 'image_property', 'set', '--property',
            'hw_machine_type=hyperv-gen1', self.server.id)
        self.compute.start_server(self.server.id)
        self.settles('ACTIVE')
