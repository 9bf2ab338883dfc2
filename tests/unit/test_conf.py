# SPDX-License-Identifier: Apache-2.0

import pathlib
import tempfile

from oslo_config import cfg
from oslo_config import generator

from hyperv_sched import conf
from tests.unit import base


class OptionsTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.conf = cfg.ConfigOpts()
        conf.register_opts(self.conf)
        self.conf([])

    def test_defaults_are_those_of_the_design(self):
        options = self.conf.hyperv_sched
        self.assertEqual('6.3', options.gen2_minimum_version)
        self.assertEqual('reject', options.unknown_host_version)
        self.assertTrue(options.explain_no_valid_host)
        self.assertEqual('compute_hyperv.driver.HyperVDriver',
                         options.compute_driver)

    def test_minimum_that_no_host_reports_is_refused(self):
        for version in ('R2', '6.0', '2016', '10.0.17763'):
            self.assertRaises(
                ValueError, self.conf.set_override, 'gen2_minimum_version',
                version, 'hyperv_sched')


class SampleTestCase(base.TestCase):

    def test_shipped_sample_is_up_to_date(self):
        shipped = (pathlib.Path(__file__).parents[2] /
                   'etc/nova/hyperv_sched.conf.sample')
        with tempfile.NamedTemporaryFile('r') as fresh:
            generator.main(['--namespace', 'hyperv_sched',
                            '--output-file', fresh.name])
            self.assertEqual(shipped.read_text(), fresh.read())
