# SPDX-License-Identifier: Apache-2.0
"""Licenses of the dependencies."""

import email.message
import importlib.metadata
from unittest import mock

import testtools

from tools import licenses


class LicensesTestCase(testtools.TestCase):

    def stated(self, **fields):
        """Return the licenses of a distribution with such metadata."""
        message = email.message.Message()
        for name, values in fields.items():
            for value in values:
                message[name.replace('_', '-')] = value
        with mock.patch.object(importlib.metadata, 'metadata',
                               return_value=message):
            return licenses.licenses('some')

    def test_all_dependencies_at_run_time_have_an_allowed_license(self):
        found = licenses.dependencies('hyperv-sched', licenses.EXTRAS)
        self.assertLessEqual({'cliff', 'oslo-config', 'stevedore',
                              'openstacksdk', 'requests'}, found)
        # Extras for tests do not count.
        self.assertEqual(set(), found & {'hyperv-sched', 'stestr', 'nova'})
        self.assertEqual([], [
            (name, stated) for name in sorted(found)
            if (stated := licenses.refused(licenses.licenses(name)))])

    def test_copyleft_and_unknown_licenses_are_refused(self):
        for fields, expected in (
                ({'License_Expression': ['GPL-3.0-or-later']},
                 ['GPL-3.0-or-later']),
                ({'License_Expression': ['MIT AND AGPL-3.0-only']},
                 ['AGPL-3.0-only']),
                ({'Classifier': ['License :: OSI Approved :: GNU General '
                                 'Public License v2 (GPLv2)']},
                 ['GNU General Public License v2 (GPLv2)']),
                ({'License': ['Apache-2.0 with Commons Clause']},
                 ['Apache-2.0 with Commons Clause']),
                ({}, ['no license'])):
            self.assertEqual(
                expected, licenses.refused(self.stated(**fields)))

    def test_license_is_read_from_the_newest_field(self):
        classifier = 'License :: OSI Approved :: MIT License'
        self.assertEqual(['ISC'], self.stated(
            License_Expression=['ISC'], Classifier=[classifier]))
        self.assertEqual(['MIT License'], self.stated(
            License=['GPL'], Classifier=[
                'Topic :: Other', 'License :: OSI Approved', classifier]))
        self.assertEqual(['BSD'], self.stated(License=['BSD\nand so on']))
