# SPDX-License-Identifier: Apache-2.0
"""The shipped schema-image.json, enforced by a real Glance."""

import json
import pathlib

import testtools

from tests.functional.glance import api

SHIPPED = pathlib.Path(__file__).parents[3] / 'etc/glance/schema-image.json'


class SchemaImageTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.glance = self.useFixture(api.GlanceAPI([SHIPPED]))

    def create(self, machine_type):
        return self.glance.request(
            '/v2/images', 'POST', {'hw_machine_type': machine_type})

    def test_values_of_hyperv_are_two_and_others_are_left_alone(self):
        for machine_type, expected in (
                ('hyperv-gen1', 201), ('hyperv-gen2', 201),
                ('pc-q35-8.2', 201), ('virt', 201),
                ('hyperv-gen3', 400), ('HYPERV-GEN2', 400),
                ('hyperv-gen2\n', 400), ('Hyper-V', 400)):
            status, text = self.create(machine_type)
            self.assertEqual(expected, status, text)

    def test_change_to_a_wrong_value_is_refused_and_others_are_not(self):
        image = json.loads(self.create('hyperv-gen2')[1])
        for name, value, expected in (
                ('hw_machine_type', 'hyperv-gen9', 400),
                ('hw_machine_type', 'hyperv-gen1', 200),
                ('os_type', 'windows', 200)):
            status, text = self.glance.request(
                f'/v2/images/{image["id"]}', 'PATCH',
                [{'op': 'add', 'path': f'/{name}', 'value': value}],
                'openstack-images-v2.1-json-patch')
            self.assertEqual(expected, status, text)
