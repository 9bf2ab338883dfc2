# SPDX-License-Identifier: Apache-2.0

import json
import subprocess
import sys

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fixture

from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement
from hyperv_sched.rules import conditions
from hyperv_sched.rules import definitions
from tests.unit import base

#: A changed hash means that old and new no longer understand each other:
#: raise the object's version along with it.
FINGERPRINTS = {
    'HostCapability': '1.0-45402d1ec9b1ad17bc3427bd5887e488',
    'ImageRequirement': '1.3-79b4706389c6fde455bb80a7bd0e4d82',
    'Refusal': '1.1-114e7be7cfa06239ad2f8d34cd241935',
}


class VersionsTestCase(base.TestCase):

    def test_fingerprints_change_with_the_version_only(self):
        classes = {
            name: [c for c in found
                   if c.OBJ_PROJECT_NAMESPACE == 'hyperv_sched']
            for name, found in
            ovo_base.VersionedObjectRegistry.obj_classes().items()}
        checker = fixture.ObjectVersionChecker(
            {name: found for name, found in classes.items() if found})
        expected, actual = checker.test_hashes(FINGERPRINTS)
        self.assertEqual(expected, actual)


class ImportTestCase(base.TestCase):

    def test_commands_start_without_versioned_objects(self):
        subprocess.run(
            [sys.executable, '-W', 'ignore', '-c',
             'import sys, hyperv_sched.cli.main, hyperv_sched.cli.lint, '
             'hyperv_sched.cli.upload, hyperv_sched.cli.rule, '
             'hyperv_sched.validators, hyperv_sched.disk; '
             'sys.exit("oslo_versionedobjects" in sys.modules)'], check=True)


def over_the_wire(sent):
    """What the other side gets."""
    # What has changed is a list in no order, and part of the comparison.
    sent.obj_reset_changes()
    return type(sent).obj_from_primitive(sent.obj_to_primitive())


class ImageRequirementTestCase(base.TestCase):

    def test_survives_the_wire(self):
        sent = objects.ImageRequirement.from_document({
            'hw_machine_type': 'hyperv-gen2',
            'hypervisor_version_requires': '>=6.3,<11.0'})
        received = over_the_wire(sent)
        self.assertEqual(sent, received)
        self.assertTrue(versions.satisfies(
            versions.Version('6.3'), received.version_requires))

    def test_selectors_are_the_properties_that_the_scope_reads(self):
        read = conditions.members(
            conditions.ref('hyperv'), definitions.DEFINITIONS)
        self.assertEqual({'hw_machine_type', 'hypervisor_type', 'content'},
                         read)
        self.assertEqual(('hw_machine_type', 'hypervisor_type'),
                         image_requirement.SELECTORS)

    def test_defect_leaves_no_demand(self):
        requirement = objects.ImageRequirement.from_document(
            {'hw_machine_type': 'hyperv-gen3'})
        self.assertIsNone(requirement.generation)
        self.assertEqual(('HV405', 'HV101', 'hyperv-gen3'), (
            requirement.invalid.code, requirement.invalid.cause.code,
            requirement.invalid.actual))
        self.assertEqual(str(requirement.invalid),
                         str(over_the_wire(requirement).invalid))

    def test_refuses_a_requirement_that_nova_would_refuse(self):
        self.assertRaises(ValueError, objects.ImageRequirement,
                          version_requires='~=6.3')
        self.assertRaises(ValueError, objects.ImageRequirement,
                          version_requires=6.3)


class HostCapabilityTestCase(base.TestCase):

    def test_survives_the_wire(self):
        sent = objects.HostCapability.from_reported('hyperv', 6003)
        received = over_the_wire(sent)
        self.assertEqual(sent, received)
        self.assertEqual(versions.Version('6.3'),
                         received.hypervisor_version)

    def test_counts_no_other_hypervisor_on_hypervs_scale(self):
        host = objects.HostCapability.from_reported('QEMU', 8002000)
        self.assertIsNone(host.hypervisor_version)
        self.assertFalse(host.is_hyperv)

    def test_reads_any_record(self):
        for record in ((None, None), ([], {}), (1, '6003'), ('', -1)):
            host = objects.HostCapability.from_reported(*record)
            self.assertFalse(host.is_hyperv)
            self.assertIsNone(host.hypervisor_version)


class RefusalTestCase(base.TestCase):

    def test_survives_the_wire(self):
        refusal = objects.Refusal.of(
            rules.CATALOGUE['HV501'].finding('an\nimage', None),
            host='hv1', operation='spawn',
            instance_uuid='5c1f6a7e-3a5b-4a0e-9f64-0f9f6a1d9a11')
        self.assertIsNone(refusal.actual)
        self.assertEqual('an\\nimage', refusal.image)
        self.assertIsNone(refusal.cause)
        self.assertEqual(refusal, over_the_wire(refusal))

    def test_cause_is_a_value(self):
        cause = rules.CATALOGUE['HV402'].finding('an\nimage', '6.2')
        refusal = objects.Refusal.of(
            rules.CATALOGUE['HV501'].finding('an\nimage', cause=cause),
            host='hv1', operation='spawn',
            instance_uuid='5c1f6a7e-3a5b-4a0e-9f64-0f9f6a1d9a11')
        for members in (
                refusal.as_dict(),
                refusal.obj_to_primitive()['versioned_object.data'],
                over_the_wire(refusal).as_dict()):
            self.assertEqual(
                ('HV501', '6.2', 'HV402', '6.2', '>=6.3', 'an\\nimage'),
                (members['code'], members['actual'],
                 *(members['cause'][name] for name in (
                     'code', 'actual', 'required', 'image'))))
        json.dumps(refusal.as_dict())

    def test_has_the_requirement_and_the_capability(self):
        refusal = objects.Refusal.of(
            rules.CATALOGUE['HV501'].finding(), host='hv1',
            operation='spawn',
            instance_uuid='5c1f6a7e-3a5b-4a0e-9f64-0f9f6a1d9a11',
            requirement=objects.ImageRequirement.from_document({
                'hw_machine_type': 'hyperv-gen2',
                'hypervisor_version_requires': '>=6.3'}),
            host_capability=objects.HostCapability.from_reported(
                'hyperv', 6002))
        for members in (refusal.as_dict(), over_the_wire(refusal).as_dict()):
            self.assertEqual(
                {'generation': 'hyperv-gen2', 'version_requires': '>=6.3',
                 'invalid': None, 'needs_2016': None}, members['requirement'])
            self.assertEqual(
                {'hypervisor_type': 'hyperv', 'hypervisor_version': '6.2'},
                members['host_capability'])
        primitive = refusal.obj_to_primitive()['versioned_object.data']
        self.assertEqual(
            'ImageRequirement',
            primitive['requirement']['versioned_object.name'])
