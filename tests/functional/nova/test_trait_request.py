# SPDX-License-Identifier: Apache-2.0
"""[hyperv_sched] require_trait in nova-scheduler."""

import logging
from unittest import mock

import fixtures
from nova import objects
from nova.scheduler import request_filter
import testtools

from hyperv_sched.filters import trait_request
from tests.functional.nova import cloud


class RegistrationTestCase(testtools.TestCase):
    """The request filter is added as a whole, or not at all."""

    def setUp(self):
        super().setUp()
        objects.register_all()
        self.logged = self.useFixture(fixtures.FakeLogger(
            'hyperv_sched.filters.trait_request', level=logging.INFO))
        self.addCleanup(trait_request.configure, None)
        self.own = list(request_filter.ALL_REQUEST_FILTERS)

    def added(self):
        return [entry for entry in request_filter.ALL_REQUEST_FILTERS
                if entry not in self.own]

    def test_filter_is_added_once_with_one_line_of_log(self):
        for _ in range(2):
            trait_request.configure(lambda spec: frozenset())
        self.assertEqual(1, len(self.added()))
        self.assertEqual(2, len(self.logged.output.splitlines()))
        trait_request.configure(None)
        self.assertEqual(self.own, request_filter.ALL_REQUEST_FILTERS)
        self.assertEqual(2, len(self.logged.output.splitlines()))

    def test_nothing_is_added_to_a_nova_that_is_different(self):
        def more(ctxt, request_spec, more):
            raise AssertionError

        def process(ctxt, request_spec):
            raise AssertionError

        for name, value in (
                ('ALL_REQUEST_FILTERS', tuple(self.own)),
                ('ALL_REQUEST_FILTERS', []),
                ('ALL_REQUEST_FILTERS', [*self.own, more]),
                ('ALL_REQUEST_FILTERS', [*self.own, None]),
                ('process_reqspec', more), ('process_reqspec', process),
                ('process_reqspec', None)):
            with mock.patch.object(request_filter, name, value):
                trait_request.configure(lambda spec: frozenset('A'))
                self.assertEqual([], [
                    entry for entry in request_filter.ALL_REQUEST_FILTERS
                    if isinstance(entry, trait_request.TraitRequest)])
        self.assertEqual(7, self.logged.output.count(
            'require_trait has no effect: '))

    def test_error_leaves_the_request_as_it_is(self):
        def fail(spec):
            raise ValueError('broken')

        spec = objects.RequestSpec()
        trait_request.configure(fail)
        entry, = self.added()
        self.assertFalse(entry(None, spec))
        self.assertEqual(set(), spec.root_required)
        self.assertIn('ValueError: broken', self.logged.output)


class RequiredCloud(cloud.EnforcedCloud):
    """Placement offers two of many hosts: both of Windows Server 2022."""

    hosts = ('kvm', 'ws2012', 'ws2019', 'ws2022', 'ws2022b')
    filters = ('ComputeFilter', cloud.FILTER)

    def setUp(self):
        self.flags(max_placement_results=2, group='scheduler')
        self.flags(require_trait=True, group='hyperv_sched')
        self.addCleanup(trait_request.configure, None)
        super().setUp()


class RequiredTestCase(RequiredCloud):

    def test_each_image_finds_a_host_that_can_run_it(self):
        newest = {'ws2019', 'ws2022', 'ws2022b'}
        for properties, expected in (
                (cloud.GENERATION_2, newest),
                ({'hypervisor_type': 'hyperv'}, {*newest, 'ws2012'}),
                ({'hypervisor_type': 'hyperv',
                  'hypervisor_version_requires': '>=10.0'}, newest)):
            server = self.boot(self.image('image', **properties))
            self.assertEqual('ACTIVE', server['status'], server)
            self.assertIn(self.host_of(server), expected)

    def test_guest_migrates_to_the_release_that_made_it(self):
        server = self.boot(self.image('gen2', **cloud.GENERATION_2),
                           host='ws2022')
        server = self._migrate_server(server)
        self.assertEqual('ws2022b', self.host_of(server))
