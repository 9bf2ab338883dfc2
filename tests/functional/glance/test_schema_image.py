# SPDX-License-Identifier: Apache-2.0
"""The shipped schema-image.json, enforced by a real Glance."""

import json
import pathlib

from tests.functional.glance import api

SHIPPED = pathlib.Path(__file__).parents[3] / 'etc/glance/schema-image.json'


class SchemaImageTestCase(api.APITestCase):

    options = {'files': [SHIPPED]}

    def create(self, machine_type):
        return self.glance.request(
            '/v2/images', 'POST', {'hw_machine_type': machine_type})

    def test_values_of_hyperv_are_two(self):
        for machine_type, expected in (
                ('hyperv-gen1', 201), ('hyperv-gen2', 201),
                ('hyperv-gen3', 400), ('HYPERV-GEN2', 400), ('gen2', 400),
                ('hyperv-gen2\n', 400), ('Hyper-V', 400)):
            status, text = self.create(machine_type)
            self.assertEqual(expected, status, text)

    def test_values_of_other_hypervisors_are_accepted(self):
        for properties in (
                {'hypervisor_type': 'qemu', 'hw_machine_type':
                 'pc-q35-8.2', 'hw_firmware_type': 'uefi',
                 'hypervisor_version_requires': '>=8.0',
                 'hw_disk_bus': 'virtio'},
                {'hypervisor_type': 'kvm', 'hw_machine_type': 'q35',
                 'os_secure_boot': 'required'},
                {'architecture': 'aarch64', 'hw_machine_type': 'virt'},
                {'hypervisor_type': 'vmware', 'hw_machine_type': ''},
                {'hypervisor_type': 'qemu', 'hw_disk_bus': 'ide'}):
            status, text = self.glance.request(
                '/v2/images', 'POST', {'disk_format': 'qcow2',
                                       'container_format': 'bare',
                                       **properties})
            self.assertEqual(201, status, text)
            image = json.loads(text)
            for name, value in properties.items():
                self.assertEqual(value, image[name])
        status, text = self.glance.request(
            f'/v2/images/{image["id"]}', 'PATCH',
            [{'op': 'add', 'path': '/hw_machine_type', 'value': 'pc'},
             {'op': 'remove', 'path': '/hypervisor_type'}],
            'openstack-images-v2.1-json-patch')
        self.assertEqual(200, status, text)

    def test_only_changes_to_wrong_values_are_refused(self):
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
