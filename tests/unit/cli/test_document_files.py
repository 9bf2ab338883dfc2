# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
from unittest import mock

from hyperv_sched.cli import base as cli_base
from hyperv_sched.cli import document_files
from hyperv_sched.cli import inputs
from tests import guests
from tests.unit import base as unit_base
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


class DirectoryTestCase(base.CommandTestCase):

    def setUp(self):
        super().setUp()
        (self.directory / 'a/b').mkdir(parents=True)
        self.file('a/disk.vhdx', base.BOOTABLE)
        self.file('a/b/noname', base.VHD)
        self.file('a/b/raw.img', guests.bios_bootable())
        self.file('a/b/junk.vhdx', b'junk')
        self.file('a/readme', b'text')
        self.file('a/image.json', b'{"hw_machine_type": "q35", "id": "x"}')

    def found(self, accept, name='a'):
        self.errors, skipped = [], []
        files = inputs.FileFinder(accept, self.errors.append, skipped).find(
            [str(self.directory / name)])
        return [[pathlib.Path(path).relative_to(self.directory).as_posix()
                 for path in paths] for paths in (files, skipped)]

    def test_disks_are_found_by_content_or_name(self):
        self.assertEqual([
            ['a/b/junk.vhdx', 'a/b/noname', 'a/b/raw.img', 'a/disk.vhdx'],
            ['a/image.json', 'a/readme']], self.found(inputs._is_disk))
        self.assertEqual([], self.errors)

    @unit_base.without_windows('FIFOs, and links without a privilege')
    def test_links_and_pipes_are_not_read(self):
        os.symlink('disk.vhdx', self.directory / 'a/link.vhdx')
        os.symlink('..', self.directory / 'a/up')
        os.mkfifo(self.directory / 'a/pipe.vhdx')
        self.assertEqual([
            ['a/b/junk.vhdx', 'a/b/noname', 'a/b/raw.img', 'a/disk.vhdx'],
            ['a/image.json', 'a/link.vhdx', 'a/pipe.vhdx', 'a/readme',
             'a/up']], self.found(inputs._is_disk))
        self.assertEqual([], self.errors)

    def test_documents_are_found_by_name(self):
        self.assertEqual(['a/image.json'],
                         self.found(inputs._is_document)[0])

    def test_directory_without_files_to_lint_is_an_error(self):
        (self.directory / 'c').mkdir()
        self.found(inputs._is_disk, 'c')
        self.assertEqual(1, len(self.errors))

    def test_files_and_levels_are_limited(self):
        for name, limit, others in (('MAX_FILES', 6, 5), ('MAX_DEPTH', 1, 0)):
            with mock.patch.object(inputs, name, limit):
                self.found(inputs._is_disk)
            with mock.patch.object(inputs, name, others):
                self.assertRaises(
                    cli_base.UsageError, self.found, inputs._is_disk)

    def test_summary_counts_the_other_files(self):
        code, _, err = self.run_command(
            'image', 'lint', str(self.directory / 'a'))
        self.assertEqual(1, code)
        self.assertIn('4 images: ', err)
        self.assertIn('(2 other files in directories)', err)
        _, out, err = self.run_command(
            'image', 'lint', '--documents', str(self.directory / 'a'),
            '--property', 'hypervisor_type=hyperv')
        self.assertIn('image.json', out)
        self.assertIn('1 image: ', err)
        self.assertIn('(5 other files in directories)', err)

    @unit_base.without_windows('names with control characters')
    def test_directory_with_a_name_of_escapes(self):
        pathlib.Path(self.directory, 'x\x1b[31m\u202e').mkdir()
        self.file('x\x1b[31m\u202e/junk.vhdx', b'junk')
        _, out, err = self.run_command(
            'image', 'lint', str(self.directory / 'x\x1b[31m\u202e'))
        self.assertNotIn('\x1b', out + err)
        self.assertNotIn('\u202e', out + err)


class GroupTestCase(base.CommandTestCase):

    def test_findings_of_a_rule_are_together(self):
        path = self.file('a.json', b'''[
            {"id": "a", "hypervisor_type": "hyperv",
             "hw_machine_type": "hyperv-gen3"},
            {"id": "b", "hw_machine_type": "hyperv-gen1"},
            {"id": "c", "hypervisor_type": "hyperv",
             "hw_machine_type": "hyperv-gen4"},
            {"id": "d", "hw_machine_type": "hyperv-gen1"}]''')
        _, out, _ = self.run_command('image', 'lint', '--image-json', path)
        self.assertEqual(
            [('HV101', 'a'), ('HV101', 'c'), ('HV102', 'b'), ('HV102', 'd')],
            [(line.split()[1], line.split()[3])
             for line in out.splitlines() if line.startswith('error')])
