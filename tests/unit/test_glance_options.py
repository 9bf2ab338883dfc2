# SPDX-License-Identifier: Apache-2.0

import importlib.metadata

from hyperv_sched import glance_options
from tests.unit import base


class NameTestCase(base.TestCase):

    def test_entry_points_have_the_name(self):
        points = importlib.metadata.distribution('hyperv-sched').entry_points
        for group in ('glance.image_import.plugins', 'paste.filter_factory'):
            self.assertEqual({'hyperv_generation'}, {
                point.name for point in points.select(group=group)})
        self.assertEqual('hyperv_generation', glance_options.NAME)


class FilterOptionsTestCase(base.TestCase):

    def read(self, **options):
        name, = options
        return glance_options.read_filter_option(options, name)

    def test_defaults(self):
        self.assertEqual(
            {'report_only': True, 'max_body': 1048576, 'oversized': 'pass',
             'read_active': True},
            {name: glance_options.read_filter_option({}, name)
             for name in glance_options.FILTER_OPTIONS})

    def test_booleans(self):
        for text, value in (('true', True), ('False', False), ('1', True),
                            ('no', False)):
            self.assertIs(value, self.read(report_only=text))
            self.assertIs(value, self.read(read_active=text))

    def test_max_body_is_at_least_1(self):
        self.assertEqual(1, self.read(max_body='1'))
        error = self.assertRaises(ValueError, self.read, max_body='0')
        self.assertEqual("max_body is '0'. Valid values: a number of bytes, "
                         'at least 1', str(error))

    def test_oversized(self):
        for value in ('pass', 'refuse'):
            self.assertEqual(value, self.read(oversized=value))

    def test_invalid_values(self):
        for options in ({'report_only': 'ja'}, {'read_active': ''},
                        {'max_body': '1M'}, {'max_body': '-1'},
                        {'oversized': 'drop'}):
            self.assertRaises(ValueError, self.read, **options)
