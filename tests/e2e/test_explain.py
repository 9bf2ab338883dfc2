# SPDX-License-Identifier: Apache-2.0
"""Stories that end in a refusal, and what explain says of them afterwards."""

import json

from tests.e2e import base
from tests.e2e import cloud as e2e_cloud


class ExplainTestCase(base.StoryTestCase):

    def explain(self, server):
        """Explain a server; return the codes of errors by host."""
        done = self.cloud.run(
            'hyperv-sched', 'host', 'explain', '--server', server.id, '-f',
            'json', user='admin', exit_code=1)
        document = json.loads(done.stdout)
        self.assertEqual(self.cloud.fault(server),
                         document['server']['fault'])
        return document, {
            row['host']: [finding['code'] for finding in row['errors']]
            for row in document['results']}

    def test_host_that_is_too_old_and_another_hypervisor(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        with self.cloud.only('ws2012', 'kvm'):
            server = self.cloud.boot(image)
            document, codes = self.explain(server)
        self.assertEqual('ERROR', server.status)
        self.assertEqual((['HV402'], ['HV401'], []), (
            codes['ws2012'], codes['kvm'], codes['ws2022']))
        # The hosts that can are disabled: a retry would fail again.
        self.assertEqual(0, document['totals']['available'])

    def test_version_requirement_that_no_host_meets(self):
        image = self.cloud.image(**{
            **e2e_cloud.GENERATION_2, 'hypervisor_version_requires': '>=10.0'})
        with self.cloud.only('ws2012r2'):
            document, codes = self.explain(self.cloud.boot(image))
        self.assertEqual(['HV404'], codes['ws2012r2'])
        self.assertIn("set hypervisor_version_requires='>=6.3'",
                      [change['text'] for change in document['changes']])

    def test_image_that_no_host_can_run(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        self.cloud.spoil(image, hw_machine_type='hyperv-gen3')
        with self.cloud.only('ws2022'):
            document, codes = self.explain(self.cloud.boot(image))
        self.assertEqual({('HV405',)}, set(map(tuple, codes.values())))
        self.assertEqual(0, document['totals']['accepted'])

    def test_audit_of_the_cloud(self):
        self.cloud.image(**e2e_cloud.GENERATION_2)
        done = self.cloud.run(
            'hyperv-sched', 'cloud', 'audit', '-f', 'json', user='admin')
        totals = json.loads(done.stdout)['totals']
        self.assertEqual(len(self.cloud.hosts()), totals['hosts'])
