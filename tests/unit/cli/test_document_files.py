# SPDX-License-Identifier: Apache-2.0

from unittest import mock

from hyperv_sched.cli import base as cli_base
from hyperv_sched.cli import document_files
from tests.unit.cli import base

#: In the form of openstack-image-manager.
MANAGED = b'''---
images:
  - name: Windows Server 2022
    enable: true
    format: vhd
    login: Administrator
    min_disk: 40
    min_ram: 4096
    status: active
    visibility: public
    multi: %s
    meta:
      architecture: x86_64
      hw_disk_bus: null
      hw_vif_multiqueue_enabled: true
      hypervisor_type: hyperv
      hw_machine_type: hyperv-gen2
      provided_until: 2031-10-14
    tags: []
    versions:
      - version: '20240819'
        id: 0c4f1f5a-0d2b-4d05-9b5a-7f5d3c8f1a11
        url: https://example.com/a.vhd
        build_date: 2024-08-19
      - version: '20250101'
        meta:
          os_secure_boot: required
        url: https://example.com/b.vhd
        build_date: 2025-01-01
'''


class ManagedTestCase(base.CommandTestCase):

    def read(self, data, name='a.yml'):
        return document_files.read(self.file(name, data))

    def test_version_is_an_image_with_the_members_of_its_entry(self):
        first, second = self.read(MANAGED % b'false')
        self.assertEqual({
            'id': '0c4f1f5a-0d2b-4d05-9b5a-7f5d3c8f1a11',
            'name': 'Windows Server 2022 20240819', 'disk_format': 'vhd',
            'container_format': 'bare', 'min_disk': '40',
            'architecture': 'x86_64', 'hypervisor_type': 'hyperv',
            'hw_machine_type': 'hyperv-gen2', 'hw_disk_bus': None,
            'hw_vif_multiqueue_enabled': 'True',
            'provided_until': '2031-10-14'}, first)
        self.assertEqual('required', second['os_secure_boot'])
        self.assertEqual('Windows Server 2022 20250101', second['name'])

    def test_name_of_a_version_of_several(self):
        self.assertEqual(
            ['Windows Server 2022 (20240819)',
             'Windows Server 2022 (20250101)'],
            [image['name'] for image in self.read(MANAGED % b'true')])

    def test_findings_name_file_and_image(self):
        path = self.file('images.yaml', MANAGED % b'false')
        code, out, _ = self.run_command(
            'image', 'lint', '--documents', path, '-f', 'value', '-c',
            'image', '-c', 'code')
        self.assertEqual(1, code)
        self.assertIn(f'{path}#Windows Server 2022 20250101 HV111', out)

    def test_show_in_yaml(self):
        self.assertEqual(
            [{'id': 'x', 'properties': {'hypervisor_type': 'hyperv'}}],
            self.read(b'id: x\nproperties: {hypervisor_type: hyperv}\n'))

    def test_yaml_that_is_not_read(self):
        for data, reason in (
                (b'a: &a [x]\nb: [*a, *a]\n', 'aliases'),
                (b'a: {<<: *a}\n', 'aliases'),
                (b'a: 1\na: 2\n', 'repeated'),
                (b'a: [\n', 'is not YAML'), (b'%s' % (b'[' * 50_000), ''),
                (b'a: !!python/object/apply:os.system [id]\nb: {', 'YAML'),
                (b'--- a\n--- b\n', 'single document')):
            error = self.assertRaises(
                cli_base.UsageError, self.read, data)
            self.assertIn(reason, str(error))
            self.assertEqual(1, len(str(error).splitlines()))

    def test_yaml_is_limited(self):
        with mock.patch.object(document_files, 'MAX_YAML_SIZE', 10):
            self.assertEqual([{'a': '12345'}], self.read(b'a: 12345\n\n'))
            self.assertRaises(
                cli_base.UsageError, self.read, b'a: 12345\n\n\n')

    def test_constructors_of_python_are_not_called(self):
        self.assertEqual(
            [{'a': ['id']}],
            self.read(b'a: !!python/object/apply:os.system [id]\n'))


class ListTestCase(base.CommandTestCase):

    def test_listed_images_are_unknown(self):
        code, out, _ = self.run_command(
            'image', 'lint', '--image-json', '-', stdin=(
                '[{"ID": "x", "Name": "y", "Disk Format": "vhd", '
                '"Container Format": "bare", "Status": "active"}, '
                '{"ID": "z", "Name": "v", "Status": "active"}]'))
        self.assertEqual(1, code)
        self.assertEqual(
            'unknown  HV226  content-not-read  x (y)\n'
            'unknown  HV226  content-not-read  z (v)\n'
            '  the properties of the image are not known: "openstack image '
            'list" prints none\n'
            '  Fix: Lint the output of "openstack image show -f json", or use '
            '--image or\n       --all-images\n', out)
