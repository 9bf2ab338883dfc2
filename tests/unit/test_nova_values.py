# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import nova_values
from tests.unit import base


class AcceptedTestCase(base.TestCase):

    def test_corrects_a_value_whose_intention_is_clear(self):
        for name, value, meant in (
                ('architecture', 'x64', 'x86_64'),
                ('architecture', 'ARM64', 'aarch64'),
                ('os_type', 'windows2022', 'windows'),
                ('os_secure_boot', 'Required', 'required'),
                ('hw_disk_bus', ' SCSI', 'scsi'),
                ('img_signature_hash_method', 'sha-256', 'SHA-256')):
            self.assertEqual(meant, nova_values.accepted(name, value))

    def test_lists_the_values_where_it_is_not(self):
        self.assertEqual('one of required, disabled, optional',
                         nova_values.accepted('os_secure_boot', 'true'))
        self.assertEqual('a whole number',
                         nova_values.accepted('hw_cpu_cores', 'two'))

    def test_fits_into_a_finding_with_whole_words(self):
        for name, values in nova_values.ENUMERATIONS.items():
            text = nova_values.accepted(name, '?')
            self.assertLessEqual(len(text), 120)
            listed = text.removeprefix('one of ').removesuffix(', ...')
            self.assertLessEqual(set(listed.split(', ')), set(values))
