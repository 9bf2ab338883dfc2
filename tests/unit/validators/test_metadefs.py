# SPDX-License-Identifier: Apache-2.0

import json
import pathlib

from hyperv_sched.validators import metadefs
from tests.unit import base

SHIPPED = (pathlib.Path(__file__).parents[3] /
           'etc/metadefs/compute-hyperv-generation.json')


class NamespaceTestCase(base.TestCase):

    def test_shipped_file_is_what_the_schema_says(self):
        self.assertEqual(metadefs.namespace(),
                         json.loads(SHIPPED.read_text()))

    def test_enumerates_the_generations(self):
        properties = metadefs.namespace()['properties']
        self.assertEqual(['hyperv-gen1', 'hyperv-gen2'],
                         properties['hw_machine_type']['enum'])

    def test_sorts_behind_libvirts_namespace_in_horizon(self):
        self.assertGreater(metadefs.namespace()['display_name'],
                           'libvirt Driver Options for Images')
