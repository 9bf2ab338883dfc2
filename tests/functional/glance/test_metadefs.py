# SPDX-License-Identifier: Apache-2.0
"""The shipped metadata definitions in a real Glance."""

import json
import pathlib

import testtools

from tests.functional.glance import api

SHIPPED = (pathlib.Path(__file__).parents[3] /
           'etc/metadefs/compute-hyperv-generation.json')


class MetadefsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.glance = self.useFixture(api.GlanceAPI())

    def load(self, path=SHIPPED, *flags):
        self.glance.manage('db', 'load_metadefs', '--path', str(path), *flags)

    def read_back(self):
        _, text = self.glance.request(
            '/v2/metadefs/namespaces/OS::Compute::HyperVGeneration')
        return json.loads(text)

    def test_glance_manage_loads_them_and_the_api_returns_them(self):
        self.load()
        shipped, found = json.loads(SHIPPED.read_text()), self.read_back()
        for key in ('namespace', 'display_name', 'description', 'visibility',
                    'protected', 'properties'):
            self.assertEqual(shipped[key], found[key], key)
        self.assertEqual(
            [a['name'] for a in shipped['resource_type_associations']],
            sorted((a['name'] for a in found['resource_type_associations']),
                   reverse=True))

    def test_newer_definitions_replace_older_ones(self):
        older = json.loads(SHIPPED.read_text())
        older['properties']['hw_machine_type']['enum'] = ['hyperv-gen1']
        older['properties']['gone'] = {'title': 'Gone', 'type': 'string'}
        path = self.glance.root / 'older.json'
        path.write_text(json.dumps(older))
        self.load(path)
        self.load(SHIPPED, '--merge', '--overwrite')
        self.assertEqual(json.loads(SHIPPED.read_text())['properties'],
                         self.read_back()['properties'])
