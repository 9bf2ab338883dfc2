# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.cli.status import results
from tests.unit import base


class SimilarityTestCase(base.TestCase):

    def test_misspelled_name(self):
        """Case, "-", "_" and blanks do not count."""
        for name, found in (
                ('hyperv-generation', True), ('Hyperv_Generation', True),
                ('hyperv_generate', True), ('hyperv_gene', True),
                ('hyperv_gen', False), ('image_conversion', False),
                ('inject_image_metadata', False)):
            self.assertEqual(
                name if found else None, results.find_misspelled(
                    'hyperv_generation', ['no_op', name]), name)

    def test_name_that_contains_the_wanted_name(self):
        self.assertEqual('my_hyperv_generation_2', results.find_misspelled(
            'hyperv_generation', ['my_hyperv_generation_2']))

    def test_last_part_of_a_dotted_name(self):
        self.assertEqual('nova.EnforcedDriver', results.find_misspelled(
            'hyperv_sched.EnforcedDriver', ['nova.EnforcedDriver']))

    def test_misspelled_section(self):
        for name, expected in (
                ('hyperv-sched', True), ('hyperv_sc', True),
                ('hyperv_s', False), ('hyperv', False),
                ('my_hyperv_sched_of_site', False)):
            self.assertEqual(expected, results.is_misspelled_section(
                'hyperv_sched', name), name)
        self.assertFalse(results.is_misspelled_section(
            'scheduler', 'filter_scheduler'))


class FormatValueTestCase(base.TestCase):

    def test_value_is_escaped_and_cut(self):
        self.assertEqual(r'a\nb\x1b', results.format_value('a\nb\x1b'))
        for length, expected in ((199, 199), (200, 200), (201, 200)):
            self.assertEqual(
                expected, len(results.format_value('a' * length)))
