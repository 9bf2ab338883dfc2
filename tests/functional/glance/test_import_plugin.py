# SPDX-License-Identifier: Apache-2.0
"""The import plugin in a real Glance, by each import method."""

import functools
import http.server
import pathlib
import threading
import uuid

import fixtures
import testtools

from tests import guests
from tests import samples
from tests.functional.glance import api

GENERATION_2 = {
    'disk_format': 'vhdx', 'hw_machine_type': 'hyperv-gen2',
    'hypervisor_type': 'hyperv', 'hypervisor_version_requires': '>=6.3'}
GOOD = samples.vhdx(block_size=samples.MIB, guest=guests.bootable())
BIOS = samples.vhdx(block_size=samples.MIB, guest=guests.bios_bootable())

CONFIG = '''
[image_import_opts]
image_import_plugins = [hyperv_generation]
'''


class ImportTestCase(testtools.TestCase):

    def serve(self, config=''):
        return self.useFixture(api.GlanceAPI(config=CONFIG + config))

    def staged(self, glance, data, **members):
        image_id = glance.create(**members)
        self.stage(glance, image_id, data)
        return image_id

    def stage(self, glance, image_id, data):
        status, text = glance.put(image_id, data, 'stage')
        self.assertEqual(204, status, text)
        status, text = glance.import_image(image_id)
        self.assertEqual(202, status, text)

    def assertRefused(self, glance, image_id, code):
        task = glance.task(image_id)
        self.assertEqual('failure', task['status'])
        self.assertIn(code, task['message'])
        return task

    def assertActive(self, glance, image_id):
        task = glance.task(image_id)
        self.assertEqual('success', task['status'], task)
        image = glance.show(image_id)
        self.assertEqual('active', image['status'])
        return image


class GlanceDirectTestCase(ImportTestCase):

    def test_good_image_becomes_active_as_it_is(self):
        glance = self.serve()
        image = self.assertActive(
            glance, self.staged(glance, GOOD, **GENERATION_2))
        self.assertNotIn('trait:CUSTOM_HYPERV_GEN2', image)

    def test_what_would_not_run_is_refused_with_the_reason(self):
        glance = self.serve()
        for data, members, code in (
                (GOOD, {'disk_format': 'vhd'}, 'HV201'),
                (samples.fixed_vhd(guest=guests.bootable()), {}, 'HV202'),
                (samples.vhdx(flags=2), {}, 'HV206'),
                (samples.vhdx(log_guid=uuid.uuid4()), {}, 'HV207'),
                (GOOD[:-1], {}, 'HV208'), (b'', {}, 'HV205'),
                (BIOS, {}, 'HV302'),
                (GOOD, {'hw_machine_type': 'hyperv-gen1'}, 'HV341'),
                (GOOD, {'hw_disk_bus': 'ide'}, 'HV115')):
            image_id = self.staged(
                glance, data, **{**GENERATION_2, **members})
            task = self.assertRefused(glance, image_id, code)
            self.assertNotIn('Internal Error', task['message'])

    def test_refused_image_can_be_corrected_and_imported_again(self):
        glance = self.serve()
        image_id = self.staged(
            glance, GOOD, **{**GENERATION_2, 'disk_format': 'vhd'})
        self.assertRefused(glance, image_id, 'HV201')
        self.assertEqual('queued', glance.show(image_id)['status'])
        self.assertEqual([], list((glance.root / 'staging').iterdir()))
        glance.patch(image_id, disk_format='vhdx')
        self.stage(glance, image_id, GOOD)
        self.assertActive(glance, image_id)

    def test_images_of_other_hypervisors_pass(self):
        glance = self.serve()
        for data, members in (
                (samples.qcow2(), {'disk_format': 'qcow2'}),
                (samples.qcow2(), {'disk_format': 'qcow2',
                                   'hw_machine_type': 'q35',
                                   'hypervisor_type': 'qemu'}),
                (guests.bootable(), {'disk_format': 'raw'})):
            self.assertActive(glance, self.staged(glance, data, **members))

    def test_two_at_once_have_their_own_verdicts(self):
        glance = self.serve()
        good = glance.create(**GENERATION_2)
        bad = glance.create(**GENERATION_2)
        glance.put(good, GOOD, 'stage')
        glance.put(bad, BIOS, 'stage')
        glance.import_image(bad)
        glance.import_image(good)
        self.assertRefused(glance, bad, 'HV302')
        self.assertActive(glance, good)

    def test_more_than_a_gibibyte(self):
        glance = self.serve()
        path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'disk.vhdx')
        with path.open('wb') as file:
            file.write(GOOD)
            file.truncate(1025 * samples.MIB)
        with path.open('rb') as file:
            image_id = self.staged(glance, file, **GENERATION_2)
        self.assertActive(glance, image_id)

    def test_ignored_rules_are_not_refused(self):
        glance = self.serve('[hyperv_sched]\nignored_rules = HV115\n')
        self.assertActive(glance, self.staged(
            glance, GOOD, hw_disk_bus='ide', **GENERATION_2))


class LearnedPropertiesTestCase(ImportTestCase):

    CONFIG = ('[hyperv_sched]\nimport_sets_properties = hw_machine_type,'
              'hypervisor_type,hypervisor_version_requires,'
              'trait:CUSTOM_HYPERV_GEN2\n')

    def test_are_set_where_they_are_missing(self):
        glance = self.serve(self.CONFIG)
        image = self.assertActive(
            glance, self.staged(glance, GOOD, disk_format='vhdx',
                                hypervisor_version_requires='>=10.0'))
        self.assertEqual(
            ('hyperv-gen2', 'hyperv', '>=10.0', 'required'),
            (image['hw_machine_type'], image['hypervisor_type'],
             image['hypervisor_version_requires'],
             image['trait:CUSTOM_HYPERV_GEN2']))

    def test_a_value_that_is_wrong_is_refused_and_not_changed(self):
        glance = self.serve(self.CONFIG)
        image_id = self.staged(glance, GOOD, disk_format='vhdx',
                               hw_machine_type='hyperv-gen1')
        self.assertRefused(glance, image_id, 'HV341')
        self.assertEqual('hyperv-gen1',
                         glance.show(image_id)['hw_machine_type'])

    def test_images_of_other_hypervisors_get_nothing(self):
        glance = self.serve(self.CONFIG)
        image = self.assertActive(glance, self.staged(
            glance, guests.bootable(), disk_format='raw'))
        self.assertNotIn('hypervisor_type', image)


class WebDownloadTestCase(ImportTestCase):

    def web(self, files):
        """Serve files on loopback; return the address."""
        directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, data in files.items():
            (directory / name).write_bytes(data)
        handler = functools.partial(
            _SilentHandler, directory=str(directory))
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_port

    def test_refused_and_accepted(self):
        port = self.web({'good': GOOD, 'bios': BIOS})
        glance = self.serve(
            '[import_filtering_opts]\nallowed_hosts = [127.0.0.1]\n'
            f'allowed_ports = [{port}]\n')
        for name in ('bios', 'good'):
            image_id = glance.create(**GENERATION_2)
            status, text = glance.import_image(
                image_id, 'web-download',
                uri=f'http://127.0.0.1:{port}/{name}')
            self.assertEqual(202, status, text)
            if name == 'good':
                self.assertActive(glance, image_id)
            else:
                self.assertRefused(glance, image_id, 'HV302')
                self.assertEqual('queued', glance.show(image_id)['status'])


class _SilentHandler(http.server.SimpleHTTPRequestHandler):

    def log_message(self, *args):
        pass
