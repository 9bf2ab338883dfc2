# SPDX-License-Identifier: Apache-2.0
"""Modules of the driver that use Nova's objects, without a cloud."""

import json
import tempfile
import types
from unittest import mock

from nova import exception
from nova import rpc
from nova.image import glance
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslo_utils.fixture import uuidsentinel
import testtools

from hyperv_sched import compatibility
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched.compute import checks
from hyperv_sched.compute import compute_hyperv
from hyperv_sched.compute import devices
from hyperv_sched.compute import enforcement
from hyperv_sched.compute import hosts
from hyperv_sched.compute import images
from hyperv_sched.compute import notifications
from tests.unit.compute import test_operations

DISK = {'disk_bus': 'scsi'}


class DevicesTestCase(testtools.TestCase):

    def test_disk_buses_of_each_kind_of_device(self):
        for info in (
                {'image': [DISK]}, {'ephemerals': [DISK]},
                {'block_device_mapping': [{'disk_bus': None}, DISK]},
                {'swap': DISK, 'image': None}):
            self.assertEqual(('scsi',), devices.disk_buses(info))
        for info in (None, {}, {'swap': None, 'ephemerals': []}):
            self.assertEqual((), devices.disk_buses(info))

    def test_root_is_a_volume_if_the_mapping_has_its_name(self):
        mapping = [{'mount_device': '/dev/sda'}]
        for root, is_volume in (('/dev/sda', True), ('/dev/sdb', False),
                                (None, False)):
            self.assertIs(is_volume, devices.root_is_volume({
                'root_device_name': root, 'block_device_mapping': mapping,
                'swap': None, 'ephemerals': []}))
        self.assertIs(False, devices.root_is_volume(None))

    def test_buses_are_written_in_upper_case(self):
        info = {'ephemerals': [{'disk_bus': 'scsi'}, {}],
                'swap': {'disk_bus': 'Ide'}}
        compute_hyperv.normalize_disk_buses(info)
        self.assertEqual({'ephemerals': [{'disk_bus': 'SCSI'}, {}],
                          'swap': {'disk_bus': 'IDE'}}, info)


class HostsTestCase(testtools.TestCase):

    def test_driver_without_os_win_is_queried_for_its_resources(self):
        driver = mock.Mock(
            spec=['get_available_nodes', 'get_available_resource'])
        driver.get_available_nodes.return_value = ['here']
        driver.get_available_resource.side_effect = lambda node: {
            'hypervisor_type': 'QEMU',
            'hypervisor_version': {'here': 8002000}[node]}
        host = hosts.Host(driver)
        # During an evacuation the instance is still on its old node.
        for node in ('here', 'the old one'):
            self.assertEqual(
                ('QEMU', 8002000),
                host.hypervisor_info_for(types.SimpleNamespace(node=node)))
        self.assertIsNone(host.windows_version())
        self.assertIsNone(host.vm_generation(mock.Mock()))
        self.assertIsNone(host.cached_image_path('image'))

    def test_virtual_machine_that_cannot_be_read_has_no_generation(self):
        driver = mock.Mock()
        vmutils = driver._vmops._vmutils
        instance = mock.Mock()
        for exists, generation, expected in (
                (True, [2], 2), (False, [2], None),
                (True, OSError('no WMI'), None)):
            vmutils.vm_exists.return_value = exists
            vmutils.get_vm_generation.side_effect = generation
            self.assertEqual(
                expected, hosts.Host(driver).vm_generation(instance))


class Chunks:
    """What glanceclient returns of an image: an iterator of its chunks."""

    def __init__(self):
        self.wrapped = iter((b'vhdxfile', bytes(70000), b'end'))

    def __iter__(self):
        return self.wrapped


class ContentTestCase(testtools.TestCase):

    def read(self, chunks, disk_format='vhdx', path=None):
        """Return the content of an image in Glance or in a file."""
        host = mock.Mock()
        host.cached_image_path.return_value = path
        with mock.patch.object(glance.API, 'download', side_effect=chunks
                               if isinstance(chunks, Exception)
                               else lambda *args: chunks):
            return images.read_content(
                {'id': 'image', 'disk_format': disk_format}, None, host)

    def test_first_64_kib_are_read(self):
        closed = []

        def chunks():
            try:
                yield b'vhdxfile' + bytes(65527)
                yield b'x'
                raise AssertionError('more is read')
            finally:
                closed.append(True)

        self.assertEqual({'format': 'vhdx', 'file_size': 65536},
                         self.read(chunks()))
        self.assertEqual([True], closed)

    def test_image_whose_signature_nova_verifies(self):
        """Nova has read all chunks then, and none is left."""
        options = self.useFixture(config_fixture.Config(cfg.CONF))
        for group, verifier in (
                ({'verify_glance_signatures': True}, mock.Mock()),
                ({'verify_glance_signatures': False,
                  'enable_certificate_validation': True}, None),
                ({'default_trusted_certificate_ids': ['id']}, mock.Mock())):
            options.config(group='glance', **group)
            host = mock.Mock()
            host.cached_image_path.return_value = None
            with mock.patch.object(
                    glance.GlanceImageServiceV2, '_get_verifier',
                    return_value=verifier), mock.patch.object(
                        glance.GlanceClientWrapper, 'call',
                        return_value=Chunks()):
                self.assertEqual(
                    {'format': 'vhdx', 'file_size': 65536},
                    images.read_content(
                        {'id': uuidsentinel.image}, None, host))
            if verifier:
                self.assertEqual(3, verifier.update.call_count)
                verifier.verify.assert_called_once_with()

    def test_signature_of_a_fixed_vhd_is_not_at_the_start(self):
        for disk_format, name in (('vhd', 'vhd'), ('raw', 'unknown'),
                                  (None, 'unknown')):
            self.assertEqual(name, self.read(
                iter([bytes(4096)]), disk_format)['format'])
        self.assertEqual('qcow2', self.read(
            iter([b'QFI\xfb' + bytes(508)]), 'vhd')['format'])

    def test_cached_file_is_read_instead_of_glance(self):
        with tempfile.NamedTemporaryFile(suffix='.vhd') as file:
            file.write(bytes(70000))
            file.flush()
            self.assertEqual(
                {'format': 'vhd', 'file_size': 65536},
                self.read(OSError('not read'), 'vhdx', file.name))

    def test_errors_become_findings(self):
        for error, code, words in (
                (exception.ImageNotFound(image_id='image'), 'HV502',
                 'is deleted'),
                (exception.ImageNotAuthorized(image_id='image'), 'HV502',
                 'is deactivated'),
                (OSError('Glance is down'), 'HV509', 'Glance is down'),
                (ValueError('no JSON'), 'HV509', 'no JSON')):
            unavailable = self.assertRaises(
                checks.ImageUnavailableError, self.read, error)
            self.assertEqual(code, unavailable.finding.code)
            self.assertIn(words, unavailable.finding.message)


class RefusalTestCase(testtools.TestCase):

    REQUIREMENT = compatibility.requirement({
        'hw_machine_type': 'hyperv-gen2'})

    def finding(self):
        return checks.image_not_found('image')

    def test_exceptions_of_the_table_are_those_of_nova(self):
        for name, refusals in test_operations.REFUSALS.items():
            for code, class_name in refusals.values():
                error = enforcement.make_exception(
                    name, rules.CATALOGUE[code].finding())
                self.assertIs(getattr(exception, class_name), type(error))
                self.assertIn(code, str(error))

    def test_refusal_is_one_log_line_and_one_notification(self):
        instance = mock.Mock(uuid=uuidsentinel.server)
        with mock.patch.object(rpc, 'get_versioned_notifier') as notifier, \
                mock.patch.object(notifications, 'LOG') as log:
            self.assertRaises(
                exception.ImageUnacceptable, enforcement.refuse, 'evacuate',
                None, instance, self.finding(), self.REQUIREMENT,
                lambda: ('hyperv', 6003))
        (_, event, payload), _ = notifier.return_value.error.call_args
        self.assertEqual('hyperv_sched.refusal', event)
        refusal = objects.Refusal.obj_from_primitive(payload)
        (text, line), _ = log.warning.call_args
        self.assertEqual('Refused: %s', text)
        for members in (json.loads(line), refusal.as_dict()):
            self.assertEqual(
                ('rebuild', 'HV502', uuidsentinel.server),
                tuple(members[name] for name in (
                    'operation', 'code', 'instance_uuid')))
            self.assertEqual('hyperv-gen2', members['requirement'][
                'generation'])
            self.assertEqual('6.3', members['host_capability'][
                'hypervisor_version'])
        log.exception.assert_not_called()

    def test_refusal_does_not_depend_on_notification_or_host(self):
        instance = mock.Mock(uuid=uuidsentinel.server)
        with mock.patch.object(rpc, 'get_versioned_notifier',
                               side_effect=OSError('no bus')):
            self.assertRaises(
                exception.InvalidDiskInfo, enforcement.refuse,
                'attach_volume', None, instance, self.finding(),
                self.REQUIREMENT, mock.Mock(side_effect=OSError('no WMI')))
