# SPDX-License-Identifier: Apache-2.0
"""The import plugin beside each of Glance's own, in both positions."""

import csv
import gzip
import importlib.metadata
import pathlib

from tests import guests
from tests import properties
from tests import samples
from tests.functional.glance import api

TABLE = pathlib.Path(__file__).parents[3] / 'doc/source/plugins.csv'
GENERATION_2 = {'disk_format': 'vhdx', **properties.GENERATION_2}
RIGHT = samples.uefi_vhdx()
FILES = {
    'a right image': RIGHT,
    'one that does not start': samples.bios_vhdx(),
    'a compressed one': gzip.compress(RIGHT)}
CONFIG = '''
[image_import_opts]
image_import_plugins = [{}]
[inject_metadata_properties]
inject = hw_machine_type:hyperv-gen2,hypervisor_type:hyperv
ignore_user_roles = unused
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [{}]
'''


class PluginsTestCase(api.APITestCase):
    """Tries each row of the table, for one of Glance's plugins."""

    plugin = ''

    @classmethod
    def setUpClass(cls):
        """Start a Glance for each test: the order is its configuration."""
        cls.web = cls.serve({what.replace(' ', '-'): data
                             for what, data in FILES.items()})

    def rows(self):
        with TABLE.open() as file:
            for row in csv.DictReader(file):
                plugins = row.pop('image_import_plugins')
                if [*filter(None, [self.plugin]), 'hyperv_generation'] == (
                        sorted(plugins.split(', '),
                               key='hyperv_generation'.__eq__)):
                    yield plugins, row

    def test_table(self):
        rows = dict(self.rows())
        self.assertEqual(2 if self.plugin else 1, len(rows))
        for plugins, row in rows.items():
            self.glance = self.useFixture(
                api.GlanceAPI(config=CONFIG.format(plugins, self.web)))
            for import_method in ('glance-direct', 'web-download'):
                self.assertEqual(
                    row, {what: cell and self.outcome(what, import_method)
                          for what, cell in row.items()},
                    (plugins, import_method))

    def outcome(self, what, import_method):
        """Import a file; return the cell of the table.

        Whatever is refused says why, and can be imported again.
        """
        image_id = self.glance.create(**GENERATION_2)
        for _ in range(2):
            if import_method == 'glance-direct':
                answer = self.glance.put(image_id, FILES[what], 'stage')
                self.assertEqual(204, answer[0], answer)
                answer = self.glance.import_image(image_id)
            else:
                answer = self.glance.import_image(
                    image_id, import_method, uri=(
                        f'http://127.0.0.1:{self.web}/'
                        + what.replace(' ', '-')))
            self.assertEqual(202, answer[0], answer)
            task = self.glance.task(image_id)
            image = self.glance.show(image_id)
            if task['status'] == 'success':
                self.assertEqual(('active', 'vhdx'), (
                    image['status'], image['disk_format']))
                stored = self.glance.root / 'images' / image_id
                self.assertEqual(RIGHT, stored.read_bytes())
                return 'active'
            self.assertEqual('queued', image['status'], task)
            self.assertEqual(
                [], list((self.glance.root / 'staging').iterdir()))
        self.assertRegex(task['message'], 'HV|put hyperv_generation last')
        return 'refused'


class NoOpTestCase(PluginsTestCase):

    plugin = 'no_op'


class InjectImageMetadataTestCase(PluginsTestCase):

    plugin = 'inject_image_metadata'


class ImageDecompressionTestCase(PluginsTestCase):

    plugin = 'image_decompression'


class ImageConversionTestCase(PluginsTestCase):

    plugin = 'image_conversion'


class CompletenessTestCase(api.APITestCase):

    @classmethod
    def setUpClass(cls):
        """Need no Glance."""

    def test_every_plugin_of_glance_is_in_the_table(self):
        self.assertEqual(
            {entry.name for entry in importlib.metadata.entry_points(
                group='glance.image_import.plugins')},
            {'hyperv_generation', *(
                case.plugin for case in PluginsTestCase.__subclasses__())})


class UntaggedTestCase(api.APITestCase):
    """An image is for Hyper-V by what is injected after it is judged."""

    options = {'config': CONFIG.format(
        'hyperv_generation, inject_image_metadata', 1)}

    def test_is_refused(self):
        image_id = self.glance.create(disk_format='raw')
        self.glance.put(image_id, guests.bootable(), 'stage')
        self.glance.import_image(image_id)
        self.assertIn('put hyperv_generation last',
                      self.glance.task(image_id)['message'])


class OtherHypervisorTestCase(api.APITestCase):

    options = {'config': CONFIG.format(
        'hyperv_generation, image_conversion', 1)}

    def test_images_of_other_hypervisors_are_converted(self):
        image_id = self.glance.create(
            disk_format='raw', hypervisor_type='qemu')
        self.glance.put(image_id, guests.bootable(), 'stage')
        self.glance.import_image(image_id)
        self.assertEqual('success', self.glance.task(image_id)['status'])
        self.assertEqual('active', self.glance.show(image_id)['status'])
