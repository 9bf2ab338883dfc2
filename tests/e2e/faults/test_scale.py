# SPDX-License-Identifier: Apache-2.0
"""More hosts than placement offers the scheduler, and large images."""

import os

from tests.e2e import base
from tests.e2e import cloud as e2e_cloud

FILE = 'nova-scheduler.conf'
LIMIT = '\n[scheduler]\nmax_placement_results = 1\n'
TRAIT = '\n[hyperv_sched]\nrequire_trait = true\n'


class ScaleTestCase(base.StoryTestCase):

    def setUp(self):
        super().setUp()
        self.newest = self.cloud.image(**{
            **e2e_cloud.GENERATION_2, 'hypervisor_version_requires': '>=10.0'})
        self.text = (self.cloud.state.etc / FILE).read_text()

    def test_filter_alone_depends_on_the_one_host_that_is_offered(self):
        other = self.cloud.image(
            bytes(65536), disk_format='raw', hypervisor_type='qemu')
        with self.cloud.configured(FILE, self.text + LIMIT, 'nova-scheduler'):
            servers = [self.cloud.boot(image)
                       for image in (self.newest, other)]
        # No host can run both.
        self.assertIn('ERROR', [server.status for server in servers])

    def test_placement_offers_a_host_with_the_trait(self):
        with self.cloud.configured(
                FILE, self.text + LIMIT + TRAIT, 'nova-scheduler'):
            for _ in range(3):
                server = self.cloud.boot(self.newest)
                self.assertEqual(('ACTIVE', 'ws2022'), (
                    server.status, server.compute_host))


class ImportTestCase(base.StoryTestCase):

    def test_more_than_a_gibibyte(self):
        path = self.cloud.file()
        os.truncate(path, 1025 * 1024 ** 2)
        imported = self.cloud.imported(path, **e2e_cloud.GENERATION_2)
        self.assertEqual(('active', 1025 * 1024 ** 2),
                         (imported.status, imported.size))
