# SPDX-License-Identifier: Apache-2.0
"""HyperVGenerationFilter run by nova-scheduler."""

import logging
import pathlib
from unittest import mock

import fixtures
from nova import filters as nova_filters
from nova.scheduler.filters import compute_filter

from tests.functional.nova import cloud

NO_VALID_HOST = 'No valid host was found. '
OFFERED = 'Of the hosts that placement offered: '


class FilterTestCase(cloud.SharedCloudTestCase):

    def configure(self, group, **values):
        """Let the filters read other options, until the end of the test."""
        self.flags(group, **values)
        manager = self.scheduler.manager.host_manager
        patch = mock.patch.object(
            manager, 'enabled_filters',
            [type(enabled)() for enabled in manager.enabled_filters])
        patch.start()
        self.addCleanup(patch.stop)


class PlacementOfServersTestCase(cloud.SharedCloudTestCase):
    """Only this filter stands between the server and a wrong host."""

    class Cloud(cloud.HyperVCloud):
        filters = ('ComputeFilter', cloud.FILTER)

    def setUp(self):
        super().setUp()
        # Nova prefers empty hosts.
        self.addCleanup(self.delete_servers)

    def assert_lands_on(self, image_id, *hosts):
        """Assert that servers land on these hosts, and on no other.

        Nova prefers the emptiest host: each of these has one server before
        the last comes, which another host would get.
        """
        servers = [self.boot(image_id) for _ in (*hosts, 'one more')]
        self.assertEqual({'ACTIVE'}, {s['status'] for s in servers})
        self.assertEqual({*hosts}, {self.host_of(s) for s in servers})

    def test_generation_2_lands_on_2012_r2_and_newer_only(self):
        self.assert_lands_on(self.image('gen2', **cloud.GENERATION_2),
                             'ws2012r2', 'ws2022')

    def test_generation_2_needs_no_version_property(self):
        self.assert_lands_on(self.image('bare', hw_machine_type='hyperv-gen2'),
                             'ws2012r2', 'ws2022')

    def test_version_requirement_narrows_the_hosts(self):
        image = self.image('new', hw_machine_type='hyperv-gen2',
                           hypervisor_version_requires='>=10.0')
        self.assert_lands_on(image, 'ws2022')

    def test_generation_1_lands_on_any_hyperv_host(self):
        image = self.image('gen1', 'vhd', hw_machine_type='hyperv-gen1')
        self.assert_lands_on(image, 'ws2012', 'ws2012r2', 'ws2022')

    def test_image_that_asks_nothing_lands_anywhere(self):
        self.assert_lands_on(self.image('cirros', 'qcow2'),
                             'ws2012', 'ws2012r2', 'ws2022', 'kvm')


class NoValidHostTestCase(FilterTestCase):
    """The fault of the server says why."""

    class Cloud(cloud.HyperVCloud):
        hosts = ('ws2012', 'kvm')
        filters = ('ComputeFilter', cloud.FILTER)

    def fault_of(self, server):
        self.assertEqual('ERROR', server['status'])
        return server['fault']['message']

    def test_create_tells_codes_counts_and_reasons(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        self.assertEqual(
            NO_VALID_HOST + OFFERED +
            'HV401 host-not-hyperv (1 host): the host runs QEMU, the image '
            'needs Hyper-V; HV402 host-too-old (1 host): the host runs '
            'Hyper-V 6.2, gene... Use a Hyper-V host, or an image for this '
            'hypervisor',
            self.fault_of(self.boot(image)))

    def test_reason_can_be_withheld(self):
        self.configure('hyperv_sched', explain_no_valid_host=False)
        server = self.boot(self.image('gen2', **cloud.GENERATION_2))
        self.assertEqual(
            NO_VALID_HOST + 'There are not enough hosts available.',
            self.fault_of(server))

    def test_request_without_hosts_is_counted_once_for_each_rule(self):
        path = self.useFixture(fixtures.TempDir()).join('nova.prom')
        image = self.image('gen2', **cloud.GENERATION_2)
        with cloud.metrics_file(path):
            self.boot(image)
        self.assertEqual(
            ['hyperv_sched_refusals_total{code="HV401",moment="scheduling"} '
             '1.0',
             'hyperv_sched_refusals_total{code="HV402",moment="scheduling"} '
             '1.0'], pathlib.Path(path).read_text().splitlines()[2:])

    def test_multi_create_tells_every_server(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        request = self._build_server(image_uuid=image, networks='none',
                                     name='many')
        before = {server['id'] for server in self.api.get_servers()}
        self.api.post_server({'server': {**request, 'min_count': 3}})
        servers = [self.settle(server) for server in self.api.get_servers()
                   if server['id'] not in before]
        self.assertEqual(3, len(servers))
        for server in servers:
            self.assertIn('HV402 host-too-old (1 host)',
                          self.fault_of(server))

    def test_build_number_satisfies_no_host(self):
        image = self.image('build', hw_machine_type='hyperv-gen1',
                           hypervisor_version_requires='>=10.0.17763')
        self.assertIn(
            '; HV404 version-requirement-unmet (1 host)',
            self.fault_of(self.boot(image)))

    def test_unknown_generation_is_refused_on_every_host(self):
        image = self.image('gen3', hw_machine_type='hyperv-gen3')
        self.assertEqual(
            NO_VALID_HOST + OFFERED +
            'HV405 request-invalid (2 hosts): no host can meet the image: '
            "HV101 hw_machine_type is 'hyperv-gen3', which no Hyper-V host "
            'knows. Correct the image: hyperv-sched image lint tells how',
            self.fault_of(self.boot(image)))

    def test_rebuild_with_a_generation_2_image_tells_why(self):
        server = self.boot(
            self.image('gen1', 'vhd', hw_machine_type='hyperv-gen1'))
        self.assertEqual('ws2012', self.host_of(server))
        image = self.image('gen2', **cloud.GENERATION_2)
        self.api.post_server_action(
            server['id'], {'rebuild': {'imageRef': image}})
        server = self._wait_for_state_change(server, 'ERROR')
        # It is the server's own host, not one that placement offered.
        self.assertEqual(
            NO_VALID_HOST +
            'HV402 host-too-old (1 host): the host runs Hyper-V 6.2, '
            'generation 2 needs >=6.3. Use a host of version >=6.3, or a '
            'generation 1 image', self.fault_of(server))


class EnforcedTestCase(cloud.SharedCloudTestCase):
    """Hosts with the enforced driver, which reports a trait for Secure Boot.

    Placement offers no others for an image that requires it.
    """

    class Cloud(cloud.EnforcedCloud):
        hosts = ('ws2012r2', 'ws2022')
        filters = ('ComputeFilter', cloud.FILTER)

    def test_secure_boot_of_linux_lands_on_2016_and_newer(self):
        image = self.image('linux', os_secure_boot='required',
                           os_type='linux', **cloud.GENERATION_2)
        for _ in range(2):
            server = self.boot(image)
            self.assertEqual(['ws2022'], self.attempts(server))

    def test_flavor_adds_to_what_the_image_requires(self):
        image = self.image('gen2', os_type='linux', **cloud.GENERATION_2)
        for extra_spec in ({'os:resolution': '1024x768'},
                           {'os:secure_boot': 'required'}):
            # Newer releases of the API do not know os:resolution any more.
            with mock.patch.object(self.api, 'microversion', '2.60'):
                flavor = self._create_flavor(extra_spec=extra_spec)
            server = self.boot(image, flavor_id=flavor)
            self.assertEqual(['ws2022'], self.attempts(server))

    def test_image_that_no_host_runs_is_rejected_with_the_cause(self):
        for code, properties in (
                ('HV109', {'architecture': 'i686'}),
                ('HV111', {'os_secure_boot': 'required'}),
                ('HV128', {'architecture': 'aarch64'}),
                ('HV110', {'hw_machine_type': 'hyperv-gen1',
                           'os_secure_boot': 'required'})):
            server = self.boot(self.image(
                code, **{**cloud.GENERATION_2, **properties}))
            self.assertEqual('ERROR', server['status'])
            self.assertEqual([], self.attempts(server))
            self.assertIn(f': no host can meet the image: {code} ',
                          server['fault']['message'])


class OldHostTestCase(cloud.SharedCloudTestCase):
    """The only host runs generation 2, and lacks a feature of the image."""

    class Cloud(cloud.EnforcedCloud):
        hosts = ('ws2012r2',)
        filters = ('ComputeFilter', cloud.FILTER)

    def test_reason_names_the_feature_and_the_version(self):
        server = self.boot(self.image(
            'linux', os_secure_boot='required', os_type='linux',
            **cloud.GENERATION_2))
        self.assertEqual(
            NO_VALID_HOST + OFFERED +
            'HV404 version-requirement-unmet (1 host): the host runs Hyper-V '
            '6.3, the image requires >=10.0 (HV112 secure-boot-linux-version)'
            '. Correct the requirement, or use another host',
            server['fault']['message'])


class OfferedHostsTestCase(FilterTestCase):
    """The one capable host falls to a filter before this one."""

    class Cloud(cloud.HyperVCloud):
        hosts = ('ws2012', 'kvm', 'ws2022')
        filters = ('ComputeFilter', 'AllHostsFilter', cloud.FILTER)

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            level=logging.INFO, format='%(name)s %(message)s'))

    def refused(self):
        """Boot a server while the one host that can run it is down."""
        with mock.patch.object(
                compute_filter.ComputeFilter, 'host_passes',
                lambda _, host, spec: host.host != 'ws2022'):
            return self.boot(self.image('gen2', **cloud.GENERATION_2))

    def test_line_of_nova_on_all_filters_is_logged(self):
        server = self.refused()
        self.assertIn(
            'Filtering removed all hosts for the request with instance ID '
            f"'{server['id']}'. Filter results: ["
            "'ComputeFilter: (start: 3, end: 2)', "
            "'AllHostsFilter: (start: 2, end: 2)', "
            "'HyperVGenerationFilter: (start: 2, end: 0)']",
            self.log.output)

    def test_log_has_all_words_and_the_names(self):
        self.refused()
        self.assertIn(
            'HV401 host-not-hyperv (1 host: kvm): the host runs QEMU, the '
            'image needs Hyper-V. Use a Hyper-V host, or an image for this '
            'hypervisor; HV402 host-too-old (1 host: ws2012): ',
            self.log.output)

    def test_nova_finds_no_earlier_results_by_another_name(self):
        """The filter reads a variable of Nova's."""
        self.assertIn(
            'part_filter_results',
            nova_filters.BaseFilterHandler.get_filtered_objects
            .__code__.co_varnames)

    def test_option_is_not_named_where_placement_has_no_more(self):
        self.assertIn(f'{OFFERED}HV401', self.refused()['fault']['message'])

    def test_option_is_named_where_there_may_be_more_hosts(self):
        self.configure('scheduler', max_placement_results=3)
        self.assertIn('Of the hosts that placement offered '
                      '(max_placement_results=3): HV401 ',
                      self.refused()['fault']['message'])
