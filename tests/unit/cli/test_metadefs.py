# SPDX-License-Identifier: Apache-2.0

import json

from tests.unit.cli import base


class MetadefsExportTestCase(base.CommandTestCase):

    def test_prints_the_namespace(self):
        code, out, _ = self.run_command('metadefs', 'export')
        self.assertEqual((0, 'OS::Compute::HyperVGeneration'),
                         (code, json.loads(out)['namespace']))
