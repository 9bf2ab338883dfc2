# SPDX-License-Identifier: Apache-2.0
"""The table of the documentation: what each guard refuses."""

import csv
import pathlib
import re

from tests import guests
from tests import properties
from tests import samples
from tests.functional.glance import api

ROOT = pathlib.Path(__file__).parents[3]
PLUGIN = '''
[image_import_opts]
image_import_plugins = [hyperv_generation]
'''
WEB = '''
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [{}]
'''

LOCATIONS = '''
[DEFAULT]
enabled_backends = local:file,web:http
show_multiple_locations = true
property_protection_file = property-protections.conf
'''

GENERATION_2 = {'disk_format': 'vhdx', **properties.GENERATION_2}
#: What is uploaded or imported: the members of the image, and its content.
FILES = {
    'generation 2 labeled vhd': (
        {**GENERATION_2, 'disk_format': 'vhd'}, samples.uefi_vhdx()),
    'a raw disk labeled vhdx': (GENERATION_2, guests.bootable()),
    'a fixed VHD labeled vhdx': (
        GENERATION_2, samples.fixed_vhd(guest=guests.bootable())),
    'junk labeled vhdx': (GENERATION_2, b'A' * 100000),
    'a raw disk labeled vhd': (
        {'disk_format': 'vhd', 'hypervisor_type': 'hyperv'},
        guests.bios_bootable()),
    'a disk that does not start': (GENERATION_2, samples.bios_vhdx())}
GENERATION_1_DISK = FILES['a disk that does not start'][1]


class GuardTestCase(api.APITestCase):
    """Tries each operation under one guard; subclasses say which."""

    guard = None
    config = ''

    @classmethod
    def setUpClass(cls):
        cls.web = cls.serve({what.replace(' ', '-'): data
                             for what, (_, data) in FILES.items()})
        protections = pathlib.Path(__file__).with_name(
            'property-protections.conf')
        cls.options = {
            **cls.options, 'config': cls.config + WEB.format(
                cls.web) + LOCATIONS,
            'files': [protections, *cls.options.get('files', ())]}
        super().setUpClass()

    def outcome(self, operation):
        """Return the cell of the table: yes, no or logged."""
        kind, _, what = operation.partition(': ')
        return getattr(self, ''.join(
            c if c.isalnum() else '_' for c in kind))(what)

    def create(self, what):
        members = {
            'a value that no Hyper-V host knows':
                {**GENERATION_2, 'hw_machine_type': 'hyperv-gen3'},
            'properties that do not go together':
                {'hw_machine_type': 'hyperv-gen2'}}[what]
        return self.refused(self.glance.request(
            '/v2/images', 'POST', members))

    def refused(self, answer):
        """Return yes for a refusal, by a guard and not by Glance itself."""
        self.assertIn(answer[0], (200, 201, 204, 400, 403, 415), answer)
        return 'yes' if answer[0] in (400, 403) else 'no'

    def change(self, what):
        if what == 'two at once that do not go together':
            return self.change_together()
        if what == 'generation 2 for an active generation 1 disk':
            return self.change_active('vhdx', GENERATION_1_DISK)
        if what == 'generation 2 for an active raw disk':
            return self.change_active('raw', guests.bootable())
        image_id = self.glance.create(
            **GENERATION_2, os_secure_boot='required', os_type='windows')
        if what == 'properties that do not go together':
            return self.refused(self.glance.patch(image_id, hw_disk_bus='ide'))
        self.assertEqual(
            'against a property that the caller cannot read', what)
        return self.refused(self.glance.request(
            f'/v2/images/{image_id}', 'PATCH',
            [{'op': 'replace', 'path': '/hw_machine_type',
              'value': 'hyperv-gen1'}],
            'openstack-images-v2.1-json-patch', X_Roles='member,reader'))

    def change_active(self, disk_format, data):
        image_id = self.glance.create(disk_format=disk_format)
        self.assertEqual(204, self.glance.put(image_id, data)[0])
        return self.refused(self.glance.patch(image_id, **{
            name: value for name, value in GENERATION_2.items()
            if name != 'disk_format'}))

    def change_together(self):
        image_id = self.glance.create(**GENERATION_2)
        answers = self.glance.patch_together(
            image_id, {'hw_machine_type': 'hyperv-gen1'},
            {'hw_firmware_type': 'uefi'})
        if 'yes' in map(self.refused, answers):
            return 'yes'
        message = f'Image {image_id} is invalid after a change'
        return 'logged' if message in self.glance.log_text() else 'no'

    def upload_to__file(self, what):
        members, data = FILES[what]
        # Glance's own check answers 415, having stored the file.
        return self.refused(self.glance.put(
            self.glance.create(**members), data))

    def glance_direct(self, what):
        members, data = FILES[what]
        image_id = self.glance.create(**members)
        if self.refused(self.glance.put(image_id, data, 'stage')) == 'yes':
            return 'yes'
        self.glance.import_image(image_id)
        return self.refused_in_task(image_id)

    def web_download(self, what):
        members, _ = FILES[what]
        image_id = self.glance.create(**members)
        self.glance.import_image(image_id, 'web-download', uri=self.uri(what))
        return self.refused_in_task(image_id)

    def refused_in_task(self, image_id):
        task = self.glance.task(image_id)
        if 'HV' in task['message']:
            return 'yes'
        # Glance itself compares the label with the file.
        if task['status'] != 'success':
            *_, error = re.findall('.*Error: (.*)', self.glance.log_text())
            self.assertIn('does not match stream data', error)
        return 'no'

    def uri(self, what):
        return f'http://127.0.0.1:{self.web}/{what.replace(" ", "-")}'

    def locations(self, what):
        members, _ = FILES[what]
        image_id = self.glance.create(**members)
        outcome = self.refused(self.glance.request(
            f'/v2/images/{image_id}', 'PATCH',
            [{'op': 'replace', 'path': '/locations', 'value': [
                {'url': self.uri(what), 'metadata': {}}]}],
            'openstack-images-v2.1-json-patch'))
        if outcome == 'no':
            self.assertEqual('active', self.glance.show(image_id)['status'])
        return outcome

    def assertTable(self, guard):
        with (ROOT / 'doc/source/guards.csv').open() as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(
            {row['operation']: row[guard] for row in rows},
            {row['operation']: self.outcome(row['operation'])
             for row in rows})
        self.assertEqual({*FILES}, {
            row['operation'].removeprefix('upload to /file: ')
            for row in rows if row['operation'].startswith('upload')})


class SchemaImageTestCase(GuardTestCase):

    options = {'files': [ROOT / 'etc/glance/schema-image.json']}

    def test_table(self):
        self.assertTable('schema-image.json')


class PolicyTestCase(GuardTestCase):

    options = {'policy': (
        ROOT / 'etc/glance/policy.yaml.snippet').read_text(),
        'roles': 'member,reader'}

    def test_table(self):
        self.assertTable('upload_image policy')


class APIFilterTestCase(GuardTestCase):

    options = {'guard': 'report_only = false'}

    def test_table(self):
        self.assertTable('API filter')


class ImportPluginTestCase(GuardTestCase):

    config = PLUGIN

    def test_table(self):
        self.assertTable('import plugin')
