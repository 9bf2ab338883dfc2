# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import objects
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement
from hyperv_sched.rules import conditions
from hyperv_sched.rules import definitions
from tests.unit import base
from tests.unit.objects.base import over_the_wire


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
