# SPDX-License-Identifier: Apache-2.0
"""hyperv-sched-status over the cloud's own configuration, and mistakes in it.

Mistakes are made in copies: the services never see them.
"""

import json
import shutil

from tests.e2e import base

CONTROL = ('nova-common.conf', 'nova.conf', 'nova-scheduler.conf')
COMPUTE = ('nova-common.conf', 'nova-compute-ws2022.conf')
GLANCE = ('glance-image-import.conf', 'glance-api.conf')
PASTE = 'glance-api-paste.ini'

SUCCESS, WARNING, FAILURE = 0, 1, 2


class UpgradeCheckTestCase(base.StoryTestCase):

    def setUp(self):
        super().setUp()
        self.etc = self.cloud.directory / 'etc'
        self.etc.mkdir()
        for name in {*CONTROL, *COMPUTE, *GLANCE, PASTE}:
            shutil.copy(self.cloud.state.etc / name, self.etc)

    def mistake(self, name, right, wrong):
        """Put another text into a file, in which the right one must be."""
        path = self.etc / name
        text = path.read_text()
        self.assertIn(right, text)
        path.write_text(text.replace(right, wrong))

    def check(self, exit_code, nova=(), glance=()):
        """What is not a success: results by the names of checks."""
        options = []
        for name in nova:
            options += ['--nova-conf', self.etc / name]
        for name in glance:
            options += ['--glance-conf', self.etc / name]
        if glance:
            options += ['--glance-paste', self.etc / PASTE]
        done = self.cloud.run('hyperv-sched-status', 'upgrade', 'check',
                              '--json', *options, exit_code=exit_code)
        return {check['check']: check['result']
                for check in json.loads(done.stdout)['checks']
                if check['result'] > SUCCESS}

    def check_all(self, exit_code):
        return self.check(exit_code, CONTROL, GLANCE)

    def test_the_cloud_is_as_it_should_be(self):
        self.assertEqual({}, self.check_all(SUCCESS))
        self.assertEqual({}, self.check(SUCCESS, COMPUTE))

    def test_whole_cloud(self):
        # Hosts of the cloud report the trait; all services are of one Nova.
        done = self.cloud.run(
            'hyperv-sched-status', 'upgrade', 'check', '--json',
            '--os-cloud', 'admin', '--database', *(
                word for name in CONTROL
                for word in ('--nova-conf', self.etc / name)))
        found = {check['check']: check['result']
                 for check in json.loads(done.stdout)['checks']}
        self.assertEqual((SUCCESS, SUCCESS), (
            found['Traits of images and hosts'],
            found['Nova compute versions']), done.stdout)

    def test_misspelled_filter(self):
        self.mistake('nova-scheduler.conf',
                     'enabled_filters = ComputeFilter,HyperVGenerationFilter',
                     'enabled_filters = ComputeFilter,HyperVGenFilter')
        self.assertEqual({'Nova enabled filters': FAILURE},
                         self.check_all(FAILURE))

    def test_filter_that_is_not_available(self):
        self.mistake('nova-scheduler.conf',
                     'hyperv_sched.filters.HyperVGenerationFilter',
                     'hyperv_sched.filter.HyperVGenerationFilter')
        self.assertEqual({'Nova available filters': FAILURE},
                         self.check_all(FAILURE))

    def test_filter_that_cannot_tell_why(self):
        self.mistake('nova-scheduler.conf', 'HyperVGenerationFilter,Compute'
                     'CapabilitiesFilter,ImagePropertiesFilter',
                     'ComputeCapabilitiesFilter,ImagePropertiesFilter,'
                     'HyperVGenerationFilter')
        self.assertEqual({'Nova enabled filters': WARNING},
                         self.check_all(WARNING))

    def test_driver_that_is_not_enforced(self):
        self.mistake('nova-compute-ws2022.conf', 'compute_driver = hyperv_'
                     'sched.EnforcedDriver', 'compute_driver = devcloud.Host'
                     'Driver')
        self.assertEqual({'Nova compute driver': FAILURE},
                         self.check(FAILURE, COMPUTE))

    def test_driver_below_that_is_not_there(self):
        self.mistake('nova-compute-ws2022.conf',
                     'compute_driver = devcloud.HostDriver',
                     'compute_driver = devcloud.HostDrivers')
        self.assertEqual({'Nova enforced driver': FAILURE},
                         self.check(FAILURE, COMPUTE))

    def test_misspelled_plugin(self):
        self.mistake('glance-image-import.conf', '[hyperv_generation]',
                     '[hyperv_generations]')
        self.assertEqual({'Glance import plugin': FAILURE},
                         self.check_all(FAILURE))

    def test_filter_in_no_pipeline(self):
        self.mistake(PASTE, ' hyperv_generation rootapp', ' rootapp')
        self.assertEqual({'Glance API filter': FAILURE},
                         self.check_all(FAILURE))

    def test_filter_that_only_reports(self):
        self.mistake(PASTE, 'report_only = false', 'report_only = true')
        self.assertEqual({'Glance API filter': WARNING},
                         self.check_all(WARNING))

    def test_misspelled_option(self):
        with (self.etc / 'glance-api.conf').open('a') as file:
            file.write('\n[hyperv_sched]\nignored_rule = HV106\n')
        self.assertEqual({'Options of [hyperv_sched]': WARNING},
                         self.check_all(WARNING))
