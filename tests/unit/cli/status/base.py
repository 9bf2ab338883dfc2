# SPDX-License-Identifier: Apache-2.0
"""Configuration files and a simulated environment for the checks."""

import types
from unittest import mock

from oslo_upgradecheck import upgradecheck

from hyperv_sched.cli.status import configuration
from hyperv_sched.cli.status import environment
from hyperv_sched.cli.status import results
from tests import files
from tests.unit import base

WARNING = upgradecheck.Code.WARNING
FAILURE = upgradecheck.Code.FAILURE


class ComputeDriver:
    """Driver base class of Nova."""


class HyperVDriver(ComputeDriver):
    """Driver of compute-hyperv."""


class StatusTestCase(files.FilesMixin, base.TestCase):
    """Simulates an environment with Nova 34 and Glance 33.

    Tests change the versions and the objects that can be imported.
    """

    def setUp(self):
        super().setUp()
        self.versions = {'nova': '34.0.0', 'glance': '33.0.0'}
        self.importable = {
            'hyperv_sched.filters.HyperVGenerationFilter': object,
            'nova.virt.hyperv_sched.EnforcedDriver': object,
            'nova.virt.driver.ComputeDriver': ComputeDriver,
            'nova.virt.compute_hyperv.driver.HyperVDriver': HyperVDriver,
            'hyperv_sched.glance.api_filter:factory': object,
        }
        self.entry_points = {
            ('glance.image_import.plugins', 'hyperv_generation'): object,
            ('paste.filter_factory', 'hyperv_generation'): object,
        }
        for name, fake in (
                ('version', self.versions.get),
                ('import_path', self._import),
                ('import_driver',
                 lambda name: self._import(f'nova.virt.{name}')),
                ('find_misplaced_install', lambda service: None),
                ('import_factory', self._import),
                ('entry_point', self._entry_point),
                ('load_own', self._load_own)):
            patch = mock.patch.object(environment, name, fake)
            patch.start()
            self.addCleanup(patch.stop)

    def _import(self, path):
        try:
            found = self.importable[path]
        except KeyError:
            raise ModuleNotFoundError(f'No module named {path!r}') from None
        if isinstance(found, Exception):
            raise found
        return found

    def _entry_point(self, group, name):
        if (group, name) not in self.entry_points:
            return None
        return types.SimpleNamespace(
            load=lambda: self._load_own(group, name))

    def _load_own(self, group, name):
        found = self.entry_points[group, name]
        if isinstance(found, Exception):
            raise found
        return found

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def read(self, nova=None, glance=None, paste=None):
        """Read configurations from text."""
        return configuration.read(
            nova=() if nova is None else [self.write('nova.conf', nova)],
            glance=() if glance is None else [
                self.write('glance-api.conf', glance)],
            glance_paste=None if paste is None else self.write(
                'glance-api-paste.ini', paste))

    def assertProblem(self, code, text, found):
        """Assert that there is one problem with this code and text."""
        self.assertEqual([code], [problem.code for problem in found], found)
        self.assertIn(text, found[0].text)

    def assertSkipped(self, text, check, deployment):
        """Assert that a check does not apply, and its reason."""
        try:
            found = list(check(deployment))
        except results.NotApplicableError as exc:
            self.assertIn(text, str(exc))
        else:
            self.fail(f'not skipped: {found}')
