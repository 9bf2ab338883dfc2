# SPDX-License-Identifier: Apache-2.0
"""The table of the documentation: what each guard refuses."""

import csv
import pathlib

from tests import guests
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

GENERATION_2 = {
    'disk_format': 'vhdx', 'hw_machine_type': 'hyperv-gen2',
    'hypervisor_type': 'hyperv', 'hypervisor_version_requires': '>=6.3'}
AS_VHD = {**GENERATION_2, 'disk_format': 'vhd'}
STARTS = samples.vhdx(block_size=samples.MIB, guest=guests.bootable())
DOES_NOT = samples.vhdx(block_size=samples.MIB, guest=guests.bios_bootable())


class GuardTestCase(api.APITestCase):
    """Tries each operation under one guard; subclasses say which."""

    guard = None
    config = ''

    @classmethod
    def setUpClass(cls):
        cls.web = cls.serve({'starts': STARTS, 'does-not': DOES_NOT})
        cls.options = {**cls.options,
                       'config': cls.config + WEB.format(cls.web)}
        super().setUpClass()

    def refused(self, operation):
        return getattr(self, operation.partition(':')[0].replace(
            ' ', '_').replace('/', '').replace('-', '_'))(
                operation.partition(': ')[2])

    def create(self, what):
        members = {
            'a value that no Hyper-V host knows':
                {**GENERATION_2, 'hw_machine_type': 'hyperv-gen3'},
            'properties that do not go together':
                {'hw_machine_type': 'hyperv-gen2'}}[what]
        return self.glance.request(
            '/v2/images', 'POST', members)[0] == 400

    def change(self, what):
        image_id = self.glance.create(**GENERATION_2)
        return self.glance.patch(image_id, hw_disk_bus='ide')[0] == 400

    def upload_to_file(self, what):
        members, data = {
            'generation 2 labelled vhd': (AS_VHD, STARTS),
            'a disk that does not start': (GENERATION_2, DOES_NOT)}[what]
        image_id = self.glance.create(**members)
        # Glance's own check answers 415, having stored the file.
        return self.glance.put(image_id, data)[0] in (400, 403)

    def glance_direct(self, what):
        members, data = {
            'another format than the label': (AS_VHD, STARTS),
            'a disk that does not start': (GENERATION_2, DOES_NOT)}[what]
        image_id = self.glance.create(**members)
        if self.glance.put(image_id, data, 'stage')[0] == 400:
            return True
        self.glance.import_image(image_id)
        return 'HV' in self.glance.task(image_id)['message']

    def web_download(self, what):
        members, name = {
            'another format than the label': (AS_VHD, 'starts'),
            'a disk that does not start': (GENERATION_2, 'does-not')}[what]
        image_id = self.glance.create(**members)
        self.glance.import_image(
            image_id, 'web-download',
            uri=f'http://127.0.0.1:{self.web}/{name}')
        return 'HV' in self.glance.task(image_id)['message']

    def assertTable(self, guard):
        with (ROOT / 'doc/source/guards.csv').open() as file:
            for row in csv.DictReader(file):
                self.assertEqual(
                    row[guard],
                    'yes' if self.refused(row['operation']) else 'no',
                    row['operation'])


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
