# SPDX-License-Identifier: Apache-2.0
"""The filter's answer to requests and records that make no sense."""

from concurrent import futures
import logging
import types

import hypothesis
from hypothesis import strategies as st
from nova import exception
from nova import objects
from nova.scheduler import host_manager
import testtools

from hyperv_sched import conf
from hyperv_sched import filters
from hyperv_sched.filters import hyperv_generation_filter
from tests.functional.nova import cloud
from tests.unit import base  # noqa: F401 (hypothesis without deadlines)

_JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(),
    st.binary(), st.just([]), st.just({}), st.just(object()),
    st.sampled_from(['hyperv', 'HyperV', 'QEMU', 6002, 6003, 10000, 6003.0,
                     '6003', -6003, 2**63]))


class Broken:
    """A record, or a request, of which nothing can be read."""

    def __getattr__(self, name):
        raise RuntimeError(name)


def host(hypervisor_type, hypervisor_version, name='host'):
    state = host_manager.HostState(name, name, 'cell')
    state.hypervisor_type = hypervisor_type
    state.hypervisor_version = hypervisor_version
    return state


def request(**properties):
    return objects.RequestSpec(image=objects.ImageMeta.from_dict(
        {'id': 'image', 'disk_format': 'vhdx', 'properties': properties}))


GOOD = (host('hyperv', 6003), host('hyperv', 10000))


class FilterTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        objects.register_all()
        self.filter = filters.HyperVGenerationFilter()
        self.logs = []
        handler = logging.Handler()
        handler.emit = self.logs.append
        logger = logging.getLogger(hyperv_generation_filter.__name__)
        self.logger = logger
        self.addCleanup(logger.removeHandler, handler)
        self.addCleanup(logger.setLevel, logger.level)
        # Not to the log of the services as well: some tests write much.
        self.addCleanup(setattr, logger, 'propagate', logger.propagate)
        logger.propagate = False
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)

    def passed(self, spec, *hosts):
        return list(self.filter.filter_all(list(hosts), spec))


class HostRecordTestCase(FilterTestCase):

    @hypothesis.settings(
        suppress_health_check=[hypothesis.HealthCheck.differing_executors])
    @hypothesis.given(st.lists(st.tuples(_JUNK, _JUNK), max_size=5))
    def test_broken_records_do_not_affect_other_hosts(self, records):
        hosts = [host(*record) for record in records]
        passed = self.passed(request(**cloud.GENERATION_2), GOOD[0], *hosts,
                             GOOD[1])
        self.assertIs(GOOD[0], passed[0])
        self.assertIs(GOOD[1], passed[-1])
        for state in passed:
            self.assertEqual('hyperv', state.hypervisor_type.lower())
            self.assertIs(int, type(state.hypervisor_version))
            self.assertGreaterEqual(state.hypervisor_version, 6003)

    def test_unreadable_record_rejects_one_host_only(self):
        self.assertEqual(
            [*GOOD], self.passed(request(hypervisor_type='hyperv'),
                                 GOOD[0], Broken(), GOOD[1]))

    def test_newer_versions_pass_and_the_order_is_kept(self):
        newer = host('hyperv', 11000)
        self.assertEqual(
            [GOOD[0], newer, GOOD[1]],
            self.passed(request(**cloud.GENERATION_2), GOOD[0], newer,
                        host('hyperv', 6002), GOOD[1]))

    def test_filter_all_and_host_passes_agree(self):
        spec = request(**cloud.GENERATION_2)
        for passes, state in (
                (True, host('hyperv', 6003)), (True, host('HyperV', 10000)),
                (False, host('hyperv', 6002)), (False, host('hyperv', 6003.0)),
                (False, host('hyperv', '6003')), (False, host('hyperv', [])),
                (False, host(['hyperv'], 6003)), (False, host('QEMU', 6003)),
                (False, Broken())):
            self.assertIs(passes, self.filter.host_passes(state, spec))
            self.assertEqual([GOOD[0], state][:1 + passes],
                             self.passed(spec, GOOD[0], state))
        self.assertTrue(self.filter.host_passes(Broken(), request()))


class RequestTestCase(FilterTestCase):

    def test_request_that_asks_nothing_returns_the_same_list(self):
        hosts = [*GOOD, Broken()]
        for spec in (request(), request(hw_machine_type='q35'),
                     objects.RequestSpec(image=None),
                     objects.RequestSpec(image=objects.ImageMeta()),
                     request(hypervisor_version_requires='>=6.3')):
            self.assertIs(hosts, self.filter.filter_all(hosts, spec))

    def test_unreadable_request_is_refused_with_a_reason(self):
        for spec in (Broken(), None, types.SimpleNamespace(image='x'),
                     objects.RequestSpec()):
            exc = self.assertRaises(exception.NoValidHost, self.passed, spec,
                                    *GOOD)
            self.assertIn('HV405 request-invalid (2 hosts)', str(exc))

    @hypothesis.settings(
        suppress_health_check=[hypothesis.HealthCheck.differing_executors])
    @hypothesis.given(st.dictionaries(st.sampled_from(
        ['hw_machine_type', 'img_hv_type', 'img_hv_requested_version']),
        _JUNK))
    def test_any_request_ends_in_hosts_or_no_valid_host(self, properties):
        image = types.SimpleNamespace(
            id='x', obj_attr_is_set=lambda name: name in ('id', 'properties'),
            properties=types.SimpleNamespace(
                obj_attr_is_set=properties.__contains__, **properties))
        try:
            passed = self.passed(types.SimpleNamespace(image=image), *GOOD)
        except exception.NoValidHost as exc:
            self.assertIn('HV40', str(exc))
        else:
            self.assertLessEqual(set(passed), set(GOOD))

    def test_empty_list_raises_nothing(self):
        self.assertEqual([], self.passed(request(**cloud.GENERATION_2)))


class LogTestCase(FilterTestCase):

    def messages(self, level):
        return [r.getMessage() for r in self.logs if r.levelno == level]

    def test_successful_request_is_logged_at_debug_level(self):
        hosts = (*GOOD, host('hyperv', 6002, 'old'),
                 host('QEMU', 8002000, 'kvm'))
        self.passed(request(**cloud.GENERATION_2), *hosts)
        self.assertEqual([], self.logs)
        self.logger.setLevel(logging.DEBUG)
        self.passed(request(**cloud.GENERATION_2), *hosts)
        self.assertEqual(
            ['2 of 4 hosts can run image image. HV401 host-not-hyperv '
             '(1 host: kvm): the host runs QEMU, the image needs Hyper-V. '
             'Use a Hyper-V host, or an image for this hypervisor; HV402 '
             'host-too-old (1 host: old): the host runs Hyper-V 6.2, '
             'generation 2 needs >=6.3. Use a host of version >=6.3, or a '
             'generation 1 image'], self.messages(logging.DEBUG))

    def test_request_that_fails_names_some_hosts_of_many(self):
        self.assertRaises(
            exception.NoValidHost, self.passed,
            request(**cloud.GENERATION_2),
            *(host('hyperv', 6002, f'h{number}') for number in range(5000)))
        explained, results = self.messages(logging.INFO)
        self.assertIn('(5000 hosts: h0, h1, h2, h3, h4, h5, h6, h7, h8, h9, '
                      '...)', explained)
        self.assertIn("['HyperVGenerationFilter: (start: 5000, end: 0)']",
                      results)

    def test_nothing_where_no_host_was_removed(self):
        self.passed(request(**cloud.GENERATION_2), *GOOD)
        self.passed(request(), host('QEMU', 1))
        self.assertEqual([], self.logs)

    def test_silent_host_is_warned_of_once(self):
        # As Nova has it until a host has reported its usage.
        silent = host(None, None, 'silent')
        for _ in range(3):
            self.passed(request(**cloud.GENERATION_2), *GOOD, silent)
        warning, = self.messages(logging.WARNING)
        self.assertIn('silent', warning)


class ThreadsTestCase(FilterTestCase):

    def test_concurrent_requests_do_not_affect_each_other(self):
        old = host('hyperv', 6002)

        def ask(properties, expected):
            spec = request(**properties)
            for _ in range(300):
                self.assertEqual(expected, self.passed(spec, old, *GOOD))

        with futures.ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask, *args) for args in (
                (cloud.GENERATION_2, [*GOOD]),
                ({'hypervisor_type': 'hyperv'}, [old, *GOOD]),
                ({'hw_machine_type': 'hyperv-gen1',
                  'hypervisor_version_requires': '<6.3'}, [old]),
                ({}, [old, *GOOD]))]
        for answer in asked:
            answer.result()


class MemoryTestCase(FilterTestCase):

    def test_caches_are_bounded(self):
        for number in range(150):
            self.passed(
                request(hw_machine_type='hyperv-gen1',
                        hypervisor_version_requires=f'>={number}.0,<99999.0'),
                host('hyperv', 20_000_000))
        cached = hyperv_generation_filter._cached_matcher.cache_info()
        self.assertEqual(128, cached.currsize)
        spec = request(**cloud.GENERATION_2)
        for number in range(2000):
            self.passed(spec, *GOOD, host('hyperv', -number, f'h{number}'))
        matcher = hyperv_generation_filter._matcher(
            spec, self.filter._policy)
        self.assertEqual(1000, len(matcher._decisions))


class OptionsTestCase(FilterTestCase):

    def override(self, name, value):
        """Start the scheduler with an option."""
        self.addCleanup(cloud.CONF.clear_override, name, conf.GROUP.name)
        cloud.CONF.set_override(name, value, conf.GROUP.name)
        self.filter = filters.HyperVGenerationFilter()

    def test_unknown_version_can_be_accepted(self):
        silent = host('hyperv', 0)
        self.override('unknown_host_version', 'accept')
        self.assertEqual(
            [silent], self.passed(request(**cloud.GENERATION_2), silent))
        self.assertEqual(['Host host has not reported its hypervisor version'],
                         [r.getMessage() for r in self.logs])

    def test_minimum_can_be_raised(self):
        self.override('gen2_minimum_version', '10.0')
        self.assertEqual(
            [GOOD[1]], self.passed(request(**cloud.GENERATION_2), *GOOD))

    def test_reason_is_not_given_if_disabled(self):
        self.override('explain_no_valid_host', False)
        self.assertEqual([], self.passed(request(**cloud.GENERATION_2),
                                         host('hyperv', 6002)))
