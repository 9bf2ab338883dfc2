# SPDX-License-Identifier: Apache-2.0
"""The generation of virtual machines, read from os-win by real drivers.

Nova's record of the image is that of an image that a rebuild was refused.
"""

import contextlib
from unittest import mock

import fixtures
from nova import exception
from nova import objects
from nova.image import glance
from os_win import exceptions as os_win_exceptions
from oslo_utils.fixture import uuidsentinel

from hyperv_sched.compute import origin
from tests import samples
from tests.drivers import enforced
from tests.drivers import test_enforced

OLD, NEW = test_enforced.OLD, test_enforced.NEW

#: What Nova's API puts into the record for the other image.
REFUSED = {
    'image_hw_machine_type': 'hyperv-gen2',
    'image_hypervisor_version_requires': '>=6.3',
    'image_base_image_ref': uuidsentinel.refused,
}

#: Ways in which a driver acts on a guest of generation 1, on a host that
#: runs no other. The image of a rescue is the guest's own.
OPERATIONS = ('rescue', 'finish_migration', 'finish_revert_migration',
              'check_can_live_migrate_destination', 'pre_live_migration',
              'migrate_disk_and_power_off', 'attach_volume', 'reboot',
              'power_on')


class Guest(test_enforced.Server):
    """A guest of generation 1."""

    def __init__(self, kept, **kwargs):
        super().__init__(hw_machine_type='hyperv-gen1', **kwargs)
        metadata = self.instance.system_metadata
        metadata['image_base_image_ref'] = uuidsentinel.image
        if kept:
            origin.record(self.instance)
        metadata.update(REFUSED)

    def recorded(self):
        return self.instance.system_metadata['image_hw_machine_type']


class OriginMixin:

    def setUp(self):
        super().setUp()
        self.saved = self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'save')).mock

    def with_machine(self, release, generation):
        """Load the driver on a host that has the virtual machine.

        :param generation: None where it has none; an error to raise
        """
        driver, acted = self.load(release)
        vmutils = mock.Mock()
        driver._vmops._vmutils = vmutils
        vmutils.vm_exists.return_value = generation is not None
        vmutils.get_vm_generation.side_effect = [generation] * 9
        return driver, acted

    def test_generation_of_the_virtual_machine_is_restored(self):
        """Guests of an older release have no copy of the record."""
        for kept in (False, True):
            for method in OPERATIONS:
                for call in test_enforced.calls_of(method):
                    server = Guest(kept, bus=(
                        'IDE' if method == 'attach_volume' else 'SCSI'))
                    driver, acted = self.with_machine(OLD, 1)
                    self.ask(driver, server, call, going_to=6002)
                    self.assertEqual('hyperv-gen1', server.recorded())
                    self.assertNotEqual([], acted.mock_calls)

    def test_copied_record_is_restored_without_a_virtual_machine(self):
        for generation in (None, os_win_exceptions.OSWinException('no WMI')):
            for method in OPERATIONS:
                for call in test_enforced.calls_of(method):
                    server = Guest(True, bus=(
                        'IDE' if method == 'attach_volume' else 'SCSI'))
                    driver, acted = self.with_machine(OLD, generation)
                    self.ask(driver, server, call, going_to=6002)
                    self.assertEqual('hyperv-gen1', server.recorded())
                    self.assertNotIn(
                        'image_hypervisor_version_requires',
                        server.instance.system_metadata)
                    self.assertNotEqual([], acted.mock_calls)

    def test_refused_rebuild_restores_the_record(self):
        for kept in (False, True):
            for call in test_enforced.calls_of('rebuild'):
                server = Guest(kept, content=samples.dynamic_vhd())
                server.record['properties']['hw_machine_type'] = (
                    'hyperv-gen2')
                server.arguments['image_meta'] = objects.ImageMeta.from_dict(
                    server.record)
                server.arguments['evacuate'] = False
                server.instance.image_ref = uuidsentinel.refused
                driver, acted = self.with_machine(NEW, 1)
                self.assertRaises(exception.ImageUnacceptable, self.ask,
                                  driver, server, call)
                self.assertEqual([], [
                    call for call in acted.mock_calls
                    if '_vmutils' not in str(call)])
                self.assertEqual('hyperv-gen1', server.recorded())
                self.assertEqual(
                    uuidsentinel.image if kept else uuidsentinel.refused,
                    server.instance.image_ref)

    def test_evacuated_guest_keeps_its_generation(self):
        for call in test_enforced.calls_of('rebuild'):
            server = Guest(True)
            server.arguments['evacuate'] = True
            image_meta = objects.ImageMeta.from_instance(server.instance)
            server.arguments['image_meta'] = image_meta
            driver, _ = self.with_machine(OLD, None)
            self.assertRaises(NotImplementedError, self.ask, driver, server,
                              call)
            self.assertEqual('hyperv-gen1', server.recorded())
            self.assertEqual('hyperv-gen1',
                             image_meta.properties.hw_machine_type)

    def test_snapshot_gets_the_properties_of_the_guest(self):
        for kept in (False, True):
            for call in test_enforced.calls_of('snapshot'):
                server = Guest(kept)
                server.record.update(name='snapshot', properties={
                    'hw_machine_type': 'hyperv-gen2',
                    'image_type': 'snapshot', 'owner_set': 'this'})
                driver, _ = self.with_machine(NEW, 1)
                driver._snapshotops = mock.Mock()
                with mock.patch.object(glance.API, 'update') as update:
                    self.ask(driver, server, call)
                properties = update.call_args.args[-1]['properties']
                self.assertEqual('hyperv-gen1',
                                 properties['hw_machine_type'])
                self.assertEqual('snapshot', properties['image_type'])
                self.assertEqual('this', properties['owner_set'])
                driver._snapshotops.snapshot.assert_called_once()

    def test_record_of_a_guest_of_an_older_release_is_copied_once(self):
        server = test_enforced.Server(hw_machine_type='hyperv-gen1')
        before = dict(server.instance.system_metadata)
        driver, _ = self.with_machine(NEW, 1)
        for expected in (1, 1):
            self.ask(driver, server, test_enforced.calls_of('reboot')[0])
            self.assertEqual(expected, self.saved.call_count)
        after = server.instance.system_metadata
        self.assertEqual(before, {
            key: value for key, value in after.items() if key in before})
        self.assertEqual('hyperv-gen1',
                         after['hyperv_sched:image_hw_machine_type'])

    def test_guest_rebuilt_without_enforcement_keeps_its_new_record(self):
        server = Guest(True)
        server.instance.image_ref = uuidsentinel.refused
        driver, _ = self.with_machine(NEW, 2)
        self.ask(driver, server, test_enforced.calls_of('reboot')[0])
        self.assertEqual('hyperv-gen2', server.recorded())
        self.assertEqual(
            (uuidsentinel.refused, 'hyperv-gen2'),
            tuple(server.instance.system_metadata[f'hyperv_sched:{name}']
                  for name in ('ref', 'image_hw_machine_type')))

    def test_new_server_does_not_query_virtual_machines(self):
        driver, _ = self.with_machine(NEW, 1)
        for call in test_enforced.calls_of('spawn'):
            with contextlib.suppress(NotImplementedError):
                self.ask(driver, test_enforced.Server(), call)
        driver._vmops._vmutils.vm_exists.assert_not_called()


class ComputeHyperVTestCase(OriginMixin, test_enforced.DriverTestCase):

    name = enforced.COMPUTE_HYPERV


class ClusterTestCase(OriginMixin, test_enforced.DriverTestCase):

    name = enforced.CLUSTER


class DriverOfNovaTestCase(OriginMixin, test_enforced.DriverTestCase):

    name = enforced.NOVA_28
    reads_glance = False
