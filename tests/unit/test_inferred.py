# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import inferred
from tests.unit import base

GENERATION_1 = {'format': 'vhd', 'generation': 'hyperv-gen1'}
GENERATION_2 = {'format': 'vhdx', 'generation': 'hyperv-gen2'}


class LearnedTestCase(base.TestCase):

    def test_each_generation(self):
        self.assertEqual(
            {'hw_machine_type': 'hyperv-gen1', 'hypervisor_type': 'hyperv'},
            inferred.infer_properties(GENERATION_1))
        found = inferred.infer_properties(GENERATION_2)
        self.assertEqual(inferred.NAMES, tuple(found))
        self.assertEqual('>=6.3', found['hypervisor_version_requires'])

    def test_nothing_where_the_disk_does_not_tell(self):
        for content in ({'format': 'vhdx', 'generation': None}, {},
                        {'format': 'raw', 'generation': 'hyperv-gen2'}):
            self.assertEqual({}, inferred.infer_properties(content))

    def test_a_value_that_is_there_stays(self):
        self.assertEqual(
            ['hypervisor_type', 'hypervisor_version_requires',
             'trait:CUSTOM_HYPERV_GEN2'],
            list(inferred.missing_properties(
                {'hw_machine_type': 'x'}, GENERATION_2)))

    def test_images_of_other_hypervisors_need_none(self):
        self.assertEqual(
            {}, inferred.missing_properties(
                {'hypervisor_type': 'qemu'}, GENERATION_2))
