# SPDX-License-Identifier: Apache-2.0
"""The shipped metadata definitions in a real Glance."""

import json
import pathlib

import testtools

from tests.functional.glance import api

SHIPPED = (pathlib.Path(__file__).parents[3] /
           'etc/metadefs/compute-hyperv-generation.json')
NAMESPACES = '/v2/metadefs/namespaces'


class MetadefsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.glance = self.useFixture(api.GlanceAPI())
        self.shipped = json.loads(SHIPPED.read_text())
        self.address = f'{NAMESPACES}/{self.shipped["namespace"]}'

    def load(self, path=SHIPPED, *flags):
        self.glance.manage('db', 'load_metadefs', '--path', str(path), *flags)

    def load_changed(self, definitions, *flags):
        path = self.glance.root / 'changed.json'
        path.write_text(json.dumps(definitions))
        self.load(path, *flags)

    def read_back(self):
        """Get the definitions without the members that Glance adds."""
        status, text = self.glance.request(self.address)
        self.assertEqual(200, status, text)
        found = json.loads(text)
        for thing in (found, *found['resource_type_associations']):
            for name in ('created_at', 'updated_at', 'owner', 'self',
                         'schema'):
                thing.pop(name, None)
        return found

    def assert_loaded(self, definitions):
        """They are there, whole, and nothing else is."""
        def ordered(definitions):
            associations = definitions['resource_type_associations']
            return {**definitions, 'resource_type_associations': sorted(
                associations, key=lambda each: each['name'])}
        self.assertEqual(ordered(definitions), ordered(self.read_back()))

    def changed(self):
        changed = json.loads(SHIPPED.read_text())
        changed['display_name'] = 'Generation'
        changed['resource_type_associations'].pop()
        changed['properties']['hw_machine_type'].update(
            title='Generation', enum=['hyperv-gen1'])
        changed['properties']['more'] = {'title': 'More', 'type': 'string'}
        del changed['properties']['hypervisor_version_requires']
        return changed

    def test_glance_manage_loads_definitions_for_the_api(self):
        self.load()
        self.assert_loaded(self.shipped)
        for kind in ('OS::Glance::Image', 'OS::Cinder::Volume'):
            _, text = self.glance.request(
                f'{NAMESPACES}?resource_types={kind}')
            self.assertIn(self.shipped['namespace'], [
                n['namespace'] for n in json.loads(text)['namespaces']], kind)

    def test_newer_definitions_replace_older_ones_with_overwrite(self):
        self.load_changed(self.changed())
        self.load()
        self.assert_loaded(self.changed())
        self.load(SHIPPED, '--merge', '--overwrite')
        self.assert_loaded(self.shipped)

    def test_definitions_load_through_the_api_and_glance_manage(self):
        status, text = self.glance.request(NAMESPACES, 'POST', self.shipped)
        self.assertEqual(201, status, text)
        self.assert_loaded(self.shipped)
        self.load_changed(self.changed(), '--merge', '--overwrite')
        self.assert_loaded(self.changed())
