# SPDX-License-Identifier: Apache-2.0
"""hyperv_sched.EnforcedDriver in nova-compute, with a real cloud."""

from unittest import mock

from nova import exception
from nova.cmd import manage
from nova.compute import power_state

from hyperv_sched.disk import boot
from tests import hostile
from tests.functional.nova import cloud
from tests.functional.nova import fakes


class EnforcedDriverTestCase(cloud.SharedCloudTestCase):
    """A build is refused with the reason in the fault of the server."""

    def test_driver_is_a_subclass_of_the_configured_one(self):
        driver = self.computes['ws2022'].manager.driver
        self.assertIsInstance(driver, fakes.FakeHostDriver)
        self.assertEqual('EnforcedFakeHostDriver', type(driver).__name__)

    def test_generation_2_is_spawned_on_a_capable_host(self):
        image = self.image('gen2', data=b'vhdxfile', **cloud.GENERATION_2)
        server = self.boot(image, host='ws2022')
        self.assertEqual('ACTIVE', server['status'])

    def test_vhdx_with_disk_format_vhd_is_spawned(self):
        image = self.image('label', 'vhd', data=b'vhdxfile',
                           **cloud.GENERATION_2)
        self.assertEqual('ACTIVE', self.boot(image, host='ws2022')['status'])

    def test_generation_2_from_vhd_fails_after_one_attempt(self):
        image = self.image('vhd', 'vhd', data=b'conectix' + bytes(504),
                           **cloud.GENERATION_2)
        # Whatever host it is that comes first.
        server = self.boot(image)
        self.assertEqual('ERROR', server['status'])
        self.assertIn(
            'aborted: HV502: HV202 the file is VHD, generation 2 runs only '
            'from VHDX. More: hyperv-sched rule show HV202',
            server['fault']['message'])
        self.assertEqual(1, len(self.attempts(server)))

    def test_vhd_with_disk_format_vhdx_is_refused_before_the_spawn(self):
        image = self.image('vhd', data=b'conectix' + bytes(504),
                           **cloud.GENERATION_2)
        with mock.patch.object(fakes.FakeHostDriver, 'spawn') as spawned:
            server = self.boot(image)
        spawned.assert_not_called()
        self.assertIn('HV202 the file is VHD', server['fault']['message'])
        self.assertEqual(1, len(self.attempts(server)))

    def test_file_decides_without_a_disk_format(self):
        for name, data, status in (
                ('vhdx', b'vhdxfile' + bytes(504), 'ACTIVE'),
                ('vhd', b'conectix' + bytes(504), 'ERROR')):
            image = self.image(name, None, data, **cloud.GENERATION_2)
            server = self.boot(image, host='ws2022')
            self.assertEqual(status, server['status'], name)

    def no_glance(self, error):
        return mock.patch.object(
            self.glance, 'download', mock.Mock(side_effect=error))

    def test_generation_2_is_refused_while_glance_is_down(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        with self.no_glance(OSError('Glance is down')):
            server = self.boot(image, az='nova:ws2022')
        self.assertEqual(
            'HV509 image-unavailable: the image cannot be read now: Glance is '
            'down. Try again later', server['fault']['message'])

    def test_generation_1_is_spawned_while_glance_is_down(self):
        with self.no_glance(OSError('Glance is down')):
            for name, properties in (
                    ('plain', {}), ('gen1', {'hypervisor_type': 'hyperv'})):
                server = self.boot(self.image(name, **properties),
                                   host='ws2022')
                self.assertEqual('ACTIVE', server['status'])

    def test_deleted_or_deactivated_image_fails_after_one_attempt(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        for error, words in (
                (exception.ImageNotFound(image_id=image),
                 'HV502 image-unusable: the image is deleted, or not visible '
                 'to this project. Use another image'),
                (exception.ImageNotAuthorized(image_id=image),
                 'HV502 image-unusable: Glance does not let this project '
                 'download the image (for example, while the image is '
                 'deactivated). Reactivate the image, or use another one')):
            with self.no_glance(error):
                server = self.boot(image)
            self.assertEqual(
                f'Build of instance {server["id"]} aborted: {words}',
                server['fault']['message'])
            self.assertEqual(1, len(self.attempts(server)))

    def test_impossible_secure_boot_fails_after_one_attempt(self):
        for name, properties, code in (
                ('gen1', {'hypervisor_type': 'hyperv'}, 'HV110'),
                ('no_os', cloud.GENERATION_2, 'HV111')):
            server = self.boot(self.image(
                name, os_secure_boot='required', **properties))
            self.assertIn('HV502', server['fault']['message'])
            self.assertIn(f': {code} os_secure_boot=',
                          server['fault']['message'])
            self.assertEqual(1, len(self.attempts(server)))

    def test_secure_boot_of_the_flavor_is_checked(self):
        flavor = self._create_flavor(
            extra_spec={'os:secure_boot': 'required'})
        server = self.boot(self.image('gen2', **cloud.GENERATION_2),
                           flavor_id=flavor)
        self.assertIn('HV111', server['fault']['message'])

    def test_qcow2_with_disk_format_vhd_is_refused_as_qcow2(self):
        image = self.image('qcow2', 'vhd', data=b'QFI\xfb' + bytes(508),
                           **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertIn('HV203 the file is qcow2', server['fault']['message'])

    def test_crafted_head_is_not_inspected(self):
        data = hostile.shared(hostile.volume(
            hostile.program(300, hostile.block(8192)), clusters=60), 20, 1)
        self.assertLess(len(data), 65536)
        image = self.image('crafted', data=data, **cloud.GENERATION_2)
        with mock.patch.object(
                boot, 'inspect', wraps=boot.inspect) as inspected:
            server = self.boot(image)
        inspected.assert_not_called()
        self.assertIn('HV203 the file is raw', server['fault']['message'])

    def test_fixed_vhd_is_recognized_by_its_disk_format(self):
        image = self.image('fixed', 'vhd', data=bytes(4096),
                           **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertIn('HV202 the file is VHD', server['fault']['message'])

    def test_forced_host_that_is_too_old_refuses_with_the_reason(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        server = self.boot(image, az='nova:ws2012')
        self.assertEqual('ERROR', server['status'])
        self.assertEqual(
            'HV501: HV402 the host runs Hyper-V 6.2, generation 2 needs '
            '>=6.3. Another host may do', server['fault']['message'])

    def test_generation_1_is_spawned_on_an_old_host(self):
        image = self.image('gen1', 'vhd', hw_machine_type='hyperv-gen1')
        server = self.boot(image, host='ws2012')
        self.assertEqual('ACTIVE', server['status'])

    def test_image_without_properties_is_spawned_on_kvm(self):
        server = self.boot(self.image('cirros', 'qcow2'), host='kvm')
        self.assertEqual('ACTIVE', server['status'])


class RebuildTestCase(cloud.SharedCloudTestCase):
    """Nova runs no filter for a rebuild with the same image."""

    def refused_rebuild(self):
        """Return a server whose image was edited before the rebuild."""
        image = self.image('gen1', hw_machine_type='hyperv-gen1')
        server = self.boot(image, host='ws2012')
        self.glance.images[image]['properties'] = dict(cloud.GENERATION_2)
        self.api.post_server_action(
            server['id'], {'rebuild': {'imageRef': image}})
        return self._wait_for_state_change(server, 'ERROR')

    def test_guest_survives_a_rebuild_with_an_edited_image(self):
        server = self.refused_rebuild()
        self.assertIn('HV505 rebuild-generation: the guest could not come '
                      'back: HV402 the host runs Hyper-V 6.2, generation 2 '
                      'needs >=6.3. Rebuild with an image that this host can '
                      'run', server['fault']['message'])
        self.assertEqual([server['id']], self.guests('ws2012'))

    def test_documented_repair_restores_state_and_allocation(self):
        server = self.refused_rebuild()
        self.assertEqual({}, self._get_allocations_by_server_uuid(
            server['id']))
        self.api.post_server_action(
            server['id'], {'os-resetState': {'state': 'active'}})
        manage.PlacementCommands().heal_allocations(
            instance_uuid=server['id'])
        self.assertNotEqual({}, self._get_allocations_by_server_uuid(
            server['id']))
        self.assertEqual('ACTIVE', self.api.get_server(server['id'])['status'])

    def test_good_image_is_rebuilt(self):
        image = self.image('gen1', 'vhd', hw_machine_type='hyperv-gen1')
        server = self.boot(image, host='ws2012')
        self._rebuild_server(server, image)
        self.assertEqual('ws2012', self.host_of(
            self.api.get_server(server['id'])))


class RescueTestCase(cloud.SharedCloudTestCase):
    """A rescue image needs the generation of the server."""

    def setUp(self):
        super().setUp()
        self.driver = self.computes['ws2022'].manager.driver
        gen1 = {'hw_machine_type': 'hyperv-gen1', 'hypervisor_type': 'hyperv'}
        self.gen1 = self.image('gen1', **gen1)
        self.gen2 = self.image('gen2', **cloud.GENERATION_2)
        self.untagged = self.image('untagged')

    def rescue(self, server, image, status):
        self.api.post_server_action(
            server['id'], {'rescue': {'rescue_image_ref': image}})
        return self._wait_for_state_change(server, status)

    def power(self, server):
        """Return the power state of the guest."""
        return self.driver.instances[server['id']].state

    def refused(self, server, image):
        """Return the reason of a refusal before the driver is called."""
        with mock.patch.object(fakes.FakeHostDriver, 'rescue') as rescue:
            words = self.rescue(server, image, 'ERROR')['fault']['message']
        rescue.assert_not_called()
        return words

    def test_other_generation_is_refused_with_the_reason(self):
        for image, named in ((self.gen1, 'hyperv-gen1'),
                             (self.untagged, 'hyperv-gen1 (the default)')):
            self.assertIn(
                f'HV504 rescue-generation: the rescue image is {named}, the '
                'server is hyperv-gen2. Rescue with an image of '
                'hw_machine_type=hyperv-gen2',
                self.refused(self.boot(self.gen2, host='ws2022'), image))
        for image in (self.gen1, self.untagged):
            self.assertIn(
                'HV504 rescue-generation: the rescue image is hyperv-gen2, '
                'the server is hyperv-gen1. Rescue with an image of '
                'hw_machine_type=hyperv-gen1',
                self.refused(self.boot(image, host='ws2022'), self.gen2))

    def test_running_guest_is_started_again_after_a_refusal(self):
        server = self.boot(self.gen2, host='ws2022')
        self.refused(server, self.gen1)
        self.assertEqual(power_state.RUNNING, self.power(server))
        self.assertEqual(
            {self._get_provider_uuid_by_host('ws2022')},
            set(self._get_allocations_by_server_uuid(server['id'])))

    def test_guest_of_a_server_in_error_runs_on(self):
        server = self.boot(self.gen2, host='ws2022')
        self.refused(server, self.gen1)
        self.refused(server, self.gen1)
        self.assertEqual(power_state.RUNNING, self.power(server))

    def test_installation_media_are_refused(self):
        image = self.image('media', 'iso', **cloud.GENERATION_2)
        self.assertIn('HV502 image-unusable: the rescue image is installation '
                      'media (disk_format=iso)',
                      self.refused(self.boot(self.gen2, host='ws2022'), image))

    def test_stopped_guest_stays_stopped_after_a_refusal(self):
        server = self.boot(self.gen2, host='ws2022')
        self.api.post_server_action(server['id'], {'os-stop': None})
        self._wait_for_state_change(server, 'SHUTOFF')
        self.refused(server, self.gen1)
        self.assertEqual(power_state.SHUTDOWN, self.power(server))

    def test_rescue_image_in_vhd_format_is_refused(self):
        image = self.image('vhd', 'vhd', data=b'conectix' + bytes(504),
                           **cloud.GENERATION_2)
        self.assertIn('HV502: HV202 the file is VHD',
                      self.refused(self.boot(self.gen2, host='ws2022'), image))

    def test_other_hypervisors_have_no_generations(self):
        server = self.boot(self.untagged, host='kvm')
        self.assertIn('HV501 generation-unsupported-here: this host cannot '
                      'run the image: HV401', self.refused(server, self.gen2))

    def test_image_of_the_same_generation_rescues(self):
        for booted, image in ((self.gen2, self.gen2), (self.gen1, self.gen1),
                              (self.untagged, self.gen1),
                              (self.gen1, self.untagged)):
            self.rescue(self.boot(booted, host='ws2022'), image, 'RESCUE')


class TraitsTestCase(cloud.SharedCloudTestCase):
    """Hosts report traits to placement."""

    def traits(self, host, prefix='CUSTOM_'):
        uuid = self._get_provider_uuid_by_host(host)
        return {trait for trait in self._get_provider_traits(uuid)
                if trait.startswith(prefix)}

    def test_each_host_reports_its_traits(self):
        self.assertEqual({'CUSTOM_HYPERV'}, self.traits('ws2012'))
        self.assertEqual(set(), self.traits('kvm'))
        self.assertEqual(
            {'CUSTOM_HYPERV', 'CUSTOM_HYPERV_GEN2', 'CUSTOM_HYPERV_WS2012R2'},
            self.traits('ws2012r2'))
        self.assertEqual(
            {'CUSTOM_HYPERV', 'CUSTOM_HYPERV_GEN2', 'CUSTOM_HYPERV_WS2012R2',
             'CUSTOM_HYPERV_WS2016', 'CUSTOM_HYPERV_WS2019',
             'CUSTOM_HYPERV_WS2022'}, self.traits('ws2022'))

    def test_each_host_reports_the_firmware_of_its_guests(self):
        bios, uefi = 'COMPUTE_FIRMWARE_BIOS', 'COMPUTE_FIRMWARE_UEFI'
        self.assertEqual(
            {'ws2012': {bios}, 'ws2012r2': {bios, uefi},
             'ws2022': {bios, uefi}, 'kvm': set()},
            {host: self.traits(host, 'COMPUTE_FIRMWARE_')
             for host in self.hosts})

    def test_outdated_traits_are_removed_and_others_are_kept(self):
        uuid = self._get_provider_uuid_by_host('ws2012')
        others = set(self._get_provider_traits(uuid))
        self.addCleanup(self._set_provider_traits, uuid, [*others])
        self._create_trait('CUSTOM_OF_AN_OPERATOR')
        self._set_provider_traits(uuid, [
            *others, 'CUSTOM_OF_AN_OPERATOR', 'CUSTOM_HYPERV_GEN2',
            'CUSTOM_HYPERV_WS2022'])
        self.computes['ws2012'].manager.reportclient.clear_provider_cache()
        self._run_periodics()
        self.assertEqual({*others, 'CUSTOM_OF_AN_OPERATOR'},
                         set(self._get_provider_traits(uuid)))

    def test_trait_is_removed_if_the_minimum_version_is_raised(self):
        self.addCleanup(self._run_periodics)
        self.addCleanup(self.restart, 'ws2012r2')
        self.flags(gen2_minimum_version='10.0', group='hyperv_sched')
        self.restart('ws2012r2')
        self._run_periodics()
        self.assertEqual({'CUSTOM_HYPERV', 'CUSTOM_HYPERV_WS2012R2'},
                         self.traits('ws2012r2'))

    def test_image_that_requires_a_trait_is_placed_on_a_host_with_it(self):
        image = self.image('gen2', **cloud.GENERATION_2, **{
            'trait:CUSTOM_HYPERV_WS2019': 'required'})
        server = self.boot(image)
        self.assertEqual('ws2022', self.host_of(server))

    def test_secure_boot_trait_is_reported_with_generation_2(self):
        trait = 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'
        self.assertEqual(
            ['ws2012r2', 'ws2022'],
            [host for host in self.hosts if self.traits(host, trait)])
        self.assertNotIn('supports_secure_boot',
                         fakes.FakeHostDriver.capabilities)

    def test_image_that_requires_secure_boot_is_scheduled(self):
        image = self.image('secure', os_secure_boot='required',
                           os_type='windows', **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertEqual('ACTIVE', server['status'])
        self.assertIn(self.host_of(server), ('ws2012r2', 'ws2022'))
