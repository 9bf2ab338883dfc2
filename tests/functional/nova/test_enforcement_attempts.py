# SPDX-License-Identifier: Apache-2.0
"""Hosts that refuse a build, and those that Nova tries next."""

from unittest import mock

from tests.functional.nova import cloud


class AnotherHostTestCase(cloud.SharedCloudTestCase):
    """After the refusal of an old host Nova tries the next one."""

    class Cloud(cloud.OldestFirstCloud):
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

    class Cloud(cloud.OldestFirstCloud):
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
