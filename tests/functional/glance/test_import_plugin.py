# SPDX-License-Identifier: Apache-2.0
"""The import plugin in a real Glance, by each import method."""

import pathlib
from unittest import mock
import uuid

import fixtures
from glance.common import exception
from oslo_config import cfg
import testtools

from hyperv_sched import validators
from hyperv_sched.disk import boot
from hyperv_sched.glance import import_plugin
from tests import guests
from tests import hostile
from tests import properties
from tests import samples
from tests import signing
from tests.functional.glance import api

GENERATION_2 = {'disk_format': 'vhdx', **properties.GENERATION_2}
GOOD = samples.uefi_vhdx()
BIOS = samples.bios_vhdx()

PLUGIN = '''
[image_import_opts]
image_import_plugins = [hyperv_generation]
'''


class ImportTestCase(api.APITestCase):

    def staged(self, data, **members):
        image_id = self.glance.create(**members)
        self.stage(image_id, data)
        return image_id

    def stage(self, image_id, data):
        status, text = self.glance.put(image_id, data, 'stage')
        self.assertEqual(204, status, text)
        status, text = self.glance.import_image(image_id)
        self.assertEqual(202, status, text)

    def assertRefused(self, image_id, code):
        task = self.glance.task(image_id)
        self.assertEqual('failure', task['status'])
        self.assertIn(code, task['message'])
        self.assertNotIn('Internal Error', task['message'])

    def assertActive(self, image_id):
        task = self.glance.task(image_id)
        self.assertEqual('success', task['status'], self.glance.log_text())
        image = self.glance.show(image_id)
        self.assertEqual('active', image['status'])
        return image


class GlanceDirectTestCase(ImportTestCase):

    options = {'config': PLUGIN}

    def test_valid_image_becomes_active_unchanged(self):
        image = self.assertActive(
            self.staged(GOOD, **GENERATION_2))
        self.assertNotIn('trait:CUSTOM_HYPERV_GEN2', image)

    def test_invalid_image_is_refused_with_the_reason(self):
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
                data, **{**GENERATION_2, **members})
            self.assertRefused(image_id, code)

    def test_signatures_are_verified_for_secure_boot(self):
        """No template trusts the signer of this loader."""
        loader = signing.sign(signing.program(), signing.signer('Anybody'))
        guest = guests.gpt([(guests.ESP, 64, guests.fat(
            {'EFI/BOOT/BOOTX64.EFI': loader}, clusters=400))])
        data = samples.vhdx(len(guest), samples.MIB, guest=guest)
        secure = {**GENERATION_2, 'os_type': 'linux',
                  'hypervisor_version_requires': '>=10.0'}
        self.assertActive(self.staged(data, **secure))
        image_id = self.staged(data, **secure, os_secure_boot='required')
        self.assertRefused(image_id, 'HV336')
        self.assertIn('is signed by Anybody',
                      self.glance.task(image_id)['message'])

    def test_image_over_the_budget_is_refused_for_any_generation(
            self):
        disk = hostile.product()
        size = -(-len(disk) // samples.MIB) * samples.MIB
        data = samples.vhdx(size, samples.MIB, guest=disk)
        for members in (GENERATION_2, {'hw_machine_type': 'hyperv-gen1',
                                       'hypervisor_type': 'hyperv'}):
            self.assertRefused(self.staged(
                data, **{'disk_format': 'vhdx', **members}), 'HV228')

    def test_refused_image_can_be_corrected_and_imported_again(self):
        image_id = self.staged(
            GOOD, **{**GENERATION_2, 'disk_format': 'vhd'})
        self.assertRefused(image_id, 'HV201')
        self.assertEqual('queued', self.glance.show(image_id)['status'])
        self.assertFalse((self.glance.root / 'staging' / image_id).exists())
        self.glance.patch(image_id, disk_format='vhdx')
        self.stage(image_id, GOOD)
        self.assertActive(image_id)

    def test_images_of_other_hypervisors_pass(self):
        for data, members in (
                (samples.qcow2(), {'disk_format': 'qcow2'}),
                (samples.qcow2(), {'disk_format': 'qcow2',
                                   'hw_machine_type': 'q35',
                                   'hypervisor_type': 'qemu'}),
                (guests.bootable(), {'disk_format': 'raw'})):
            self.assertActive(self.staged(data, **members))

    def test_concurrent_imports_have_separate_results(self):
        good = self.glance.create(**GENERATION_2)
        bad = self.glance.create(**GENERATION_2)
        self.glance.put(good, GOOD, 'stage')
        self.glance.put(bad, BIOS, 'stage')
        self.glance.import_image(bad)
        self.glance.import_image(good)
        self.assertRefused(bad, 'HV302')
        self.assertActive(good)


class IgnoredRulesTestCase(ImportTestCase):

    options = {'config': PLUGIN + '[hyperv_sched]\nignored_rules = HV115\n'}

    def test_ignored_rules_do_not_refuse(self):
        self.assertActive(self.staged(
            GOOD, hw_disk_bus='ide', **GENERATION_2))


class MisconfiguredTestCase(ImportTestCase):

    options = {'config': PLUGIN + '[hyperv_sched]\nignored_rules = HV1O6\n'}

    def test_import_fails_with_the_reason(self):
        self.assertRefused(
            self.staged(GOOD, **GENERATION_2), 'HV1O6: no such rule')


class CrashTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        # Glance's own module imports eventlet, which Nova forbids.
        option = cfg.ListOpt('image_import_plugins', default=[])
        cfg.CONF.register_opt(option, group='image_import_opts')
        self.addCleanup(cfg.CONF.unregister_opt, option,
                        group='image_import_opts')

    def test_crash_is_refused_with_the_error(self):
        log = self.useFixture(fixtures.FakeLogger())
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'disk')
        path.write_bytes(GOOD)
        image = mock.Mock(
            image_id='id', min_disk=0, disk_format='vhdx',
            container_format='bare', extra_properties={})
        image.name = 'name'
        action = mock.MagicMock()
        judge = import_plugin.ValidateImage(
            'task', 'api_image_import',
            mock.Mock(get=mock.Mock(return_value=image)), 'id', action,
            ['store'], 'glance-direct')
        for where in (validators, boot):
            name = 'validate' if where is validators else 'inspect'
            with mock.patch.object(where, name,
                                   side_effect=LookupError('oops')):
                exc = self.assertRaises(
                    exception.UploadException, judge.execute, path.as_uri())
            self.assertIn('please report it (LookupError: oops)',
                          str(exc))
        self.assertIn('Traceback', log.output)
        action.__enter__.assert_not_called()


class InferredPropertiesTestCase(ImportTestCase):

    options = {'config': PLUGIN + (
        '[hyperv_sched]\nimport_sets_properties = hw_machine_type,'
        'hypervisor_type,hypervisor_version_requires,'
        'trait:CUSTOM_HYPERV_GEN2\n')}

    def test_missing_properties_are_set(self):
        image = self.assertActive(self.staged(
            GOOD, disk_format='vhdx', hypervisor_version_requires='>=10.0'))
        self.assertEqual(
            ('hyperv-gen2', 'hyperv', '>=10.0', 'required'),
            (image['hw_machine_type'], image['hypervisor_type'],
             image['hypervisor_version_requires'],
             image['trait:CUSTOM_HYPERV_GEN2']))

    def test_wrong_value_is_refused_and_not_changed(self):
        image_id = self.staged(GOOD, disk_format='vhdx',
                               hw_machine_type='hyperv-gen1')
        self.assertRefused(image_id, 'HV341')
        self.assertEqual('hyperv-gen1',
                         self.glance.show(image_id)['hw_machine_type'])

    def test_images_of_other_hypervisors_are_not_changed(self):
        image = self.assertActive(self.staged(
            guests.bootable(), disk_format='raw'))
        self.assertNotIn('hypervisor_type', image)


class WebDownloadTestCase(ImportTestCase):

    @classmethod
    def setUpClass(cls):
        cls.port = cls.serve({'good': GOOD, 'bios': BIOS})
        cls.options = {'config': PLUGIN + (
            '[import_filtering_opts]\nallowed_hosts = [127.0.0.1]\n'
            f'allowed_ports = [{cls.port}]\n')}
        super().setUpClass()

    def download(self, name):
        image_id = self.glance.create(**GENERATION_2)
        status, text = self.glance.import_image(
            image_id, 'web-download',
            uri=f'http://127.0.0.1:{self.port}/{name}')
        self.assertEqual(202, status, text)
        return image_id

    def test_accepted(self):
        self.assertActive(self.download('good'))

    def test_refused(self):
        image_id = self.download('bios')
        self.assertRefused(image_id, 'HV302')
        self.assertEqual('queued', self.glance.show(image_id)['status'])
