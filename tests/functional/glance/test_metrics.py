# SPDX-License-Identifier: Apache-2.0
"""Refusals of glance-api in a file of metrics."""

import pathlib
import tempfile

from prometheus_client import parser

from tests import guests
from tests import properties
from tests import samples
from tests.functional.glance import api

WRONG = {'disk_format': 'vhdx', 'hw_machine_type': 'hyperv-gen3',
         'hypervisor_type': 'hyperv'}
GENERATION_2 = {'disk_format': 'vhdx', **properties.GENERATION_2}
VHD = samples.dynamic_vhd(guest=guests.bootable())


class MetricsTestCase(api.APITestCase):

    report_only = False

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.path = pathlib.Path(directory.name, 'glance.prom')
        cls.options = {
            'guard': f'report_only = {cls.report_only}',
            'config': '[image_import_opts]\n'
                      'image_import_plugins = [hyperv_generation]\n'
                      f'[hyperv_sched]\nmetrics_file = {cls.path}\n'}
        super().setUpClass()

    def refuse(self):
        """Send requests that are refused, unless they are only reported."""
        statuses = [self.glance.request('/v2/images', 'POST', WRONG)[0]]
        image_id = self.glance.create(**GENERATION_2)
        statuses.append(self.glance.patch(
            image_id, hw_machine_type='hyperv-gen3')[0])
        image_id = self.glance.create(**GENERATION_2)
        statuses.append(self.glance.put(image_id, VHD)[0])
        return statuses

    def counters(self):
        return {(name, labels['moment'], labels['code']): value
                for family in parser.text_string_to_metric_families(
                    self.path.read_text())
                for name, labels, value, *_ in family.samples}


class RefusedTestCase(MetricsTestCase):

    def test_api_filter_and_import_plugin_count(self):
        self.assertEqual([400, 400, 400], self.refuse())
        # The first bytes of this disk are those of a VHDX.
        image_id = self.glance.create(**GENERATION_2)
        disk = samples.bios_vhdx()
        self.assertEqual(204, self.glance.put(image_id, disk, 'stage')[0])
        self.glance.import_image(image_id)
        self.assertIn('HV302', self.glance.task(image_id)['message'])
        name = 'hyperv_sched_refusals_total'
        self.assertEqual({
            (name, 'image_create', 'HV101'): 1,
            (name, 'image_update', 'HV101'): 1,
            (name, 'image_upload', 'HV202'): 1,
            (name, 'image_import', 'HV302'): 1}, self.counters())


class ReportedTestCase(MetricsTestCase):

    report_only = True

    def test_api_filter_counts_what_it_would_refuse(self):
        self.assertNotIn(400, self.refuse())
        name = 'hyperv_sched_report_only_refusals_total'
        self.assertEqual({
            (name, 'image_create', 'HV101'): 1,
            (name, 'image_update', 'HV101'): 1,
            (name, 'image_upload', 'HV202'): 1}, self.counters())
