# SPDX-License-Identifier: Apache-2.0

import json

from hyperv_sched import objects
from hyperv_sched import rules
from tests.unit import base
from tests.unit.objects.base import over_the_wire


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
