# SPDX-License-Identifier: Apache-2.0
"""Real Nova as the judge of names and values of image properties."""

import hypothesis
from hypothesis import strategies as st
from nova import context
from nova import exception
from nova import objects
from nova import test
from nova.scheduler import request_filter
from nova.scheduler import utils as scheduler_utils
from oslo_utils.fixture import uuidsentinel
import testtools

from hyperv_sched import document
from hyperv_sched import names
from hyperv_sched import nova_values
from hyperv_sched import validators
from tests import properties
from tests.unit import base  # noqa: F401 (hypothesis without deadlines)

#: What every kind of Hyper-V host has (compute-hyperv, ``hostops.py``).
RESOURCES = {'VCPU', 'MEMORY_MB', 'DISK_GB'}

PROPERTIES = objects.ImageMetaProps
LEGACY = PROPERTIES._legacy_property_map

#: Traits that Hyper-V hosts can have.
TRAITS = {'COMPUTE_SECURITY_UEFI_SECURE_BOOT'}

#: Rules of their own say what Nova refuses of these.
OF_OTHER_RULES = ('img_hv_type', 'img_hv_requested_version', 'hw_vm_mode')


def enumeration(name):
    """The values that this Nova has for a property; None: no enumeration."""
    return getattr(PROPERTIES.fields[name]._type, '_valid_values', None)


def refuses(properties):
    try:
        objects.ImageMeta.from_dict({'properties': dict(properties)})
    except ValueError:
        return True
    return False


def as_document(name):
    return names.USED.get(name, name)


class NamesTestCase(testtools.TestCase):

    def test_no_name_of_nova_is_called_misspelled(self):
        known = {*PROPERTIES.fields, *LEGACY, 'vmware_adaptertype'}
        self.assertEqual(
            {}, {name: names.resembled(name) for name in known
                 if names.resembled(name)})

    def test_names_that_nova_reads_have_the_names_of_nova(self):
        """Those that Nova does not have, a driver or Glance has."""
        self.assertEqual(
            {'container_format', 'disk_format', 'hw_cpu_features',
             'img_pdk_reference', 'interactive_serial_port',
             'logging_serial_port', 'min_disk', 'min_ram', 'os_shielded_vm',
             'os_vtpm'},
            set(names.READ) - set(PROPERTIES.fields) - set(LEGACY))


class ValuesTestCase(testtools.TestCase):

    def test_are_those_of_nova(self):
        """An older Nova has some of them, the newest one has them all."""
        found = {
            as_document(name): set(enumeration(name))
            for name in PROPERTIES.fields
            if enumeration(name) and name not in OF_OTHER_RULES}
        newest = 'hw_sound_model' in PROPERTIES.fields
        for name, values in nova_values.ENUMERATIONS.items():
            if newest:
                self.assertEqual(found[name], set(values), name)
            else:
                self.assertLessEqual(
                    found.get(name, set()), set(values), name)
        self.assertLessEqual(set(found), set(nova_values.ENUMERATIONS))

    def test_numbers_are_those_of_nova(self):
        numbers = {
            name for name, field in PROPERTIES.fields.items()
            if type(field._type).__name__ == 'Integer'}
        numbers |= {legacy for legacy, name in LEGACY.items()
                    if name in numbers}
        self.assertLessEqual(numbers, nova_values.INTEGERS)

    @hypothesis.given(
        st.sampled_from(sorted(PROPERTIES.fields)),
        st.sampled_from(sorted({
            *(value for values in nova_values.ENUMERATIONS.values()
              for value in values),
            'x64', 'x86', 'amd64', 'AMD64', 'i386', 'x86_32', 'Windows',
            'windows2022', 'freebsd', 'SCSI', 'IDE', 'hyperv', 'netvsc',
            'VirtualVmxnet3', 'lsiLogicSas', 'ParaVirtual', 'REQUIRED',
            'true', 'True', '', ' ', '1', ' 1 ', '-1', '1.0', '1_0', '٣',
            '0x1', '1' * 5000, 'two'})))
    @hypothesis.settings(max_examples=1000)
    def test_refuses_what_nova_refuses(self, name, value):
        field = PROPERTIES.fields[name]
        if name in OF_OTHER_RULES or not (
                enumeration(name) or type(field._type).__name__ == 'Integer'):
            return
        used = as_document(name)
        ours = nova_values.refuses(used, value)
        if ours:
            self.assertTrue(refuses({name: value}))
        elif refuses({name: value}):
            # A newer Nova takes it.
            self.assertIn(value.lower(), nova_values.ENUMERATIONS[used])
            self.assertNotIn(value.lower(), enumeration(name))

    def test_rules_judge_the_value_that_nova_reads(self):
        for name, values in (
                ('img_hv_type', ('HyperV', 'hyperv', 'QEMU')),
                ('hw_vm_mode', ('HVM', 'hv', 'Baremetal', 'xen')),
                ('hw_architecture', (
                    'X86_64', 'amd64', 'I686', 'i386', 'i486', 'i586',
                    'x86_32', 'X86_32P', 'AArch64', 'armv7l'))):
            for value in values:
                read = getattr(objects.ImageMeta.from_dict(
                    {'properties': {name: value}}).properties, name)
                image = {'hw_machine_type': 'hyperv-gen1',
                         'hypervisor_type': 'hyperv'}
                judged = [
                    [(f.code, f.severity) for f in validators.validate(
                        document.normalize({**image, name: text}))]
                    for text in (value, read)]
                self.assertEqual(judged[1], judged[0], value)
                self.assertEqual(
                    read not in ('hyperv', 'hvm', 'x86_64', 'i686'),
                    ('HV128', 'error') in judged[0]
                    or ('HV121', 'error') in judged[0]
                    or ('HV118', 'error') in judged[0], value)

    def test_intended_value_is_valid(self):
        for name, value, meant in (
                ('architecture', 'x64', 'x86_64'), ('os_type', 'Win?', None),
                ('os_type', 'windows2022', 'windows'),
                ('hw_disk_bus', 'SCSI', 'scsi'),
                ('os_secure_boot', 'Required', 'required')):
            self.assertEqual(meant, nova_values.corrected(name, value))
            self.assertTrue(refuses({name: value}))
            self.assertFalse(meant is not None and refuses({name: meant}))

    def test_finding_for_each_value_that_ends_in_http_400(self):
        for name, value in (
                ('os_secure_boot', 'true'), ('os_secure_boot', 'Required'),
                ('os_type', 'windows2022'), ('os_type', 'freebsd'),
                ('hw_disk_bus', 'SCSI'), ('hw_disk_bus', 'IDE'),
                ('hw_video_model', 'hyperv'), ('hw_vif_model', 'netvsc'),
                ('hw_scsi_model', 'hyperv'), ('architecture', 'x64'),
                ('hw_architecture', 'x64'), ('hw_firmware_type', 'UEFI'),
                ('hw_cpu_cores', 'two'), ('vmware_image_version', 'x')):
            self.assertTrue(refuses({name: value}))
            found = validators.validate(document.normalize({
                **properties.GENERATION_2, name: value}))
            self.assertEqual(
                [('HV124', value)], [(f.code, f.actual) for f in found])


class AskedOfHostsTestCase(test.NoDBTestCase):
    """What Nova asks placement for, by each value of each property."""

    def requested(self, properties):
        """Return the resources and traits that Nova requests.

        None where Nova refuses such properties in another way.
        """
        extra_specs = {}
        if properties.get('hw_cpu_policy') == 'mixed':
            extra_specs['hw:cpu_dedicated_mask'] = '0'
        spec = objects.RequestSpec(
            image=objects.ImageMeta.from_dict({
                'id': uuidsentinel.image, 'name': 'image',
                'disk_format': 'vhdx', 'properties': dict(properties)}),
            flavor=objects.Flavor(
                name='flavor', vcpus=2, memory_mb=2048, root_gb=1,
                ephemeral_gb=0, swap=0, extra_specs=extra_specs),
            is_bfv=False, requested_resources=[], num_instances=1,
            project_id='project', availability_zone=None,
            request_level_params=objects.RequestLevelParams(
                root_required=set(), root_forbidden=set(), same_subtree=[]))
        admin = context.RequestContext('user', 'project')
        try:
            request_filter.process_reqspec(admin, spec)
            found = scheduler_utils.ResourceRequest.from_request_spec(spec)
        except exception.NovaException:
            return None
        return (set(found.merged_resources()) - RESOURCES
                | found.all_required_traits | set(spec.root_required))

    def asks(self, name, value):
        """Whether a value makes Nova ask for what no Hyper-V host has."""
        return any(
            (self.requested({**others, name: value}) or set()) - TRAITS
            for others in ({}, {'hw_firmware_type': 'uefi',
                                'hw_machine_type': 'q35'}))

    def test_is_an_error_of_ours_and_nothing_else_is(self):
        self.assertEqual(set(), self.requested({}))
        asking, ours = set(), set()
        for name, field in PROPERTIES.fields.items():
            values = enumeration(name) or ()
            if type(field._type).__name__ == 'FlexibleBoolean':
                values = ('true', ' Yes ', 'ON', '1', 'false', 'no', '0',
                          'enabled', '')
            for value in values:
                if self.asks(name, value):
                    asking.add((name, value))
                codes = {f.code for f in validators.validate(
                    document.normalize({
                        'hw_machine_type': 'hyperv-gen2',
                        'hypervisor_type': 'hyperv',
                        'hw_firmware_type': 'uefi', name: value}))}
                if 'HV125' in codes:
                    ours.add((name, value))
        self.assertEqual(asking, ours)
        self.assertIn(('hw_tpm_version', '2.0'), ours)

    def test_secure_boot_requests_a_trait_that_hosts_can_have(self):
        """EnforcedDriver reports it: os_secure_boot is no error."""
        self.assertEqual({'COMPUTE_SECURITY_UEFI_SECURE_BOOT'},
                         self.requested({'os_secure_boot': 'required'}))
