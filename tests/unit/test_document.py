# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import document
from tests.unit import base


class NormaliseTestCase(base.TestCase):

    def test_takes_the_shape_of_the_openstack_client(self):
        self.assertEqual(
            {'id': 'x', 'hw_machine_type': 'hyperv-gen2'},
            document.normalize({
                'id': 'x', 'properties': {'hw_machine_type': 'hyperv-gen2'}}))

    def test_drops_what_is_not_set(self):
        self.assertEqual({}, document.normalize({'disk_format': None}))

    def test_novas_name_wins_as_it_does_in_nova(self):
        self.assertEqual(
            {'hypervisor_type': 'hyperv',
             'overridden': {'hypervisor_type': 'qemu'}},
            document.normalize({'hypervisor_type': 'qemu',
                                'img_hv_type': 'HyperV'}))

    def test_both_names_of_one_mind_are_one(self):
        self.assertEqual(
            {'hypervisor_type': 'hyperv', 'architecture': 'x86_64',
             'hw_vm_mode': 'hvm'},
            document.normalize({
                'hypervisor_type': 'HyperV', 'img_hv_type': 'hyperv',
                'architecture': 'amd64', 'hw_architecture': 'X86_64',
                'vm_mode': 'hv'}))

    def test_value_is_the_one_that_nova_reads(self):
        for name, value, read in (
                ('architecture', 'i386', 'i686'),
                ('architecture', 'X86_32P', 'i686'),
                ('architecture', 'AArch64', 'AArch64'),
                ('hypervisor_type', 'QEMU', 'QEMU'),
                ('hypervisor_type', 'HYPERV', 'hyperv'),
                ('hw_vm_mode', 'Baremetal', 'hvm'),
                ('hw_vm_mode', 'PV', 'PV')):
            self.assertEqual({name: read}, document.normalize({name: value}))

    def test_refuses_what_is_no_object(self):
        for raw in ([], 'text', 1, None):
            self.assertRaises(
                document.InvalidDocumentError, document.normalize, raw)

    def test_refuses_a_property_that_is_no_text(self):
        self.assertRaises(document.InvalidDocumentError, document.normalize,
                          {'hw_machine_type': 2})

    def test_value_that_nova_refuses_is_not_in_its_place(self):
        self.assertEqual(
            {'os_type': 'linux',
             'refused': {'os_secure_boot': {
                 'actual': 'Required', 'required': 'required'}}},
            document.normalize(
                {'os_type': 'linux', 'os_secure_boot': 'Required'}))

    def test_misspelled_name_is_reported(self):
        self.assertEqual(
            {'os-type': 'linux', 'misspelled': {'os-type': {
                'actual': 'linux', 'required': 'os_type'}}},
            document.normalize({'os-type': 'linux'}))

    def test_any_value_can_be_refused(self):
        for value in (float('inf'), float('nan'), [], {}, '9' * 5000, 'x'):
            for name in ('hw_cpu_cores', 'hw_video_model'):
                self.assertIn(name, document.normalize(
                    {name: value})['refused'], value)

    def test_no_property_is_a_member_of_ours(self):
        self.assertEqual({}, document.normalize(dict.fromkeys(
            ('content', 'misspelled', 'overridden', 'refused'), 'x')))

    def test_leaves_the_callers_document_alone(self):
        raw = {'img_hv_type': 'hyperv'}
        document.normalize(raw)
        self.assertEqual({'img_hv_type': 'hyperv'}, raw)


class RootVolumeTestCase(base.TestCase):

    def test_snapshot_of_a_server_on_a_volume_has_no_file(self):
        for mapping, expected in (
                ('[{"boot_index": 0, "source_type": "snapshot"}]', True),
                ([{'boot_index': 0}], True),
                ('[{"boot_index": null}, {"boot_index": 0}]', True),
                ('[{"boot_index": null}]', False), ('[]', False),
                ('[' * 100000, False), ('{"boot_index": 0}', False),
                ('no JSON', False), ([0], False), (7, False)):
            raw = {'disk_format': 'raw', 'block_device_mapping': mapping}
            whole = document.extend(
                document.normalize(raw), content={'format': 'unknown'})
            read = document.without_file(whole)
            self.assertEqual(
                expected, {'disk_format', 'content'}.isdisjoint(read), mapping)
            self.assertTrue(expected or read is whole)

    def test_image_cannot_claim_it_by_a_property(self):
        self.assertEqual({}, document.normalize({'root_volume': True}))


class LabelTestCase(base.TestCase):

    def test_is_the_id_then_the_name(self):
        self.assertEqual('1', document.label({'id': '1', 'name': 'n'}))
        self.assertEqual('n', document.label({'name': 'n'}))
        self.assertEqual('-', document.label({}))

    def test_length_is_limited(self):
        self.assertEqual(255, len(document.label({'name': 'x' * 255})))
        self.assertEqual(255, len(document.label({'name': 'x' * 256})))


class FlavorTestCase(base.TestCase):

    def test_requirements_of_a_flavor(self):
        image = document.normalize({'hw_machine_type': 'hyperv-gen2'})
        for extra_specs, added in (
                ({}, {}), ({'os:secure_boot': 'disabled'}, {}),
                ({'os:secure_boot': 'required'},
                 {'os_secure_boot': 'required',
                  'os:secure_boot': 'required'}),
                ({'os:resolution': '1920x1200'},
                 {'os:resolution': '1920x1200'})):
            self.assertEqual({**image, **added},
                             document.add_flavor(image, extra_specs))

    def test_secure_boot_of_image_and_flavor_is_that_of_the_image(self):
        image = document.normalize({'os_secure_boot': 'required'})
        self.assertEqual(image, document.add_flavor(
            image, {'os:secure_boot': 'required'}))
