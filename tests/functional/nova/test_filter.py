# SPDX-License-Identifier: Apache-2.0
"""HyperVGenerationFilter run by nova-scheduler."""

from tests.functional.nova import cloud

NO_VALID_HOST = 'No valid host was found. '


class PlacementOfServersTestCase(cloud.HyperVCloud):
    """Only this filter stands between the server and a wrong host."""

    filters = ('ComputeFilter', cloud.FILTER)

    def landed_on(self, image_id, count=6):
        servers = [self.boot(image_id) for _ in range(count)]
        self.assertEqual({'ACTIVE'}, {s['status'] for s in servers})
        return {self.host_of(s) for s in servers}

    def test_generation_2_lands_on_2012_r2_and_newer_only(self):
        self.assertEqual(
            {'ws2012r2', 'ws2022'},
            self.landed_on(self.image('gen2', **cloud.GENERATION_2)))

    def test_generation_2_needs_no_version_property(self):
        image = self.image('bare', hw_machine_type='hyperv-gen2')
        self.assertEqual({'ws2012r2', 'ws2022'}, self.landed_on(image))

    def test_version_requirement_narrows_the_hosts(self):
        image = self.image('new', hw_machine_type='hyperv-gen2',
                           hypervisor_version_requires='>=10.0')
        self.assertEqual({'ws2022'}, self.landed_on(image, count=2))

    def test_generation_1_lands_on_any_hyperv_host(self):
        image = self.image('gen1', 'vhd', hw_machine_type='hyperv-gen1')
        self.assertEqual({'ws2012', 'ws2012r2', 'ws2022'},
                         self.landed_on(image))

    def test_image_that_asks_nothing_lands_anywhere(self):
        image = self.image('cirros', 'qcow2')
        self.assertEqual({'ws2012', 'ws2012r2', 'ws2022', 'kvm'},
                         self.landed_on(image, count=8))


class NoValidHostTestCase(cloud.HyperVCloud):
    """The fault of the server says why."""

    hosts = ('ws2012', 'kvm')
    filters = ('ComputeFilter', cloud.FILTER)

    def fault_of(self, server):
        self.assertEqual('ERROR', server['status'])
        return server['fault']['message']

    def test_create_tells_codes_counts_and_reasons(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        self.assertEqual(
            NO_VALID_HOST +
            'HV401 host-not-hyperv (1 host): the host runs QEMU, the image '
            'needs Hyper-V; HV402 host-too-old (1 host): the host runs '
            'Hyper-V 6.2, generation 2 needs >=6.3',
            self.fault_of(self.boot(image)))

    def test_multi_create_tells_every_server(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        request = self._build_server(image_uuid=image, networks='none',
                                     name='many')
        self.api.post_server({'server': {**request, 'min_count': 3}})
        servers = [self.settle(s) for s in self.api.get_servers()]
        self.assertEqual(3, len(servers))
        for server in servers:
            self.assertIn('HV402 host-too-old (1 host)',
                          self.fault_of(server))

    def test_build_number_satisfies_no_host(self):
        image = self.image('build', hw_machine_type='hyperv-gen1',
                           hypervisor_version_requires='>=10.0.17763')
        self.assertIn(
            'HV404 version-requirement-unmet (1 host): the host runs '
            'Hyper-V 6.2, the image requires >=10.0.17763',
            self.fault_of(self.boot(image)))

    def test_unknown_generation_is_refused_on_every_host(self):
        image = self.image('gen3', hw_machine_type='hyperv-gen3')
        self.assertEqual(
            NO_VALID_HOST +
            'HV405 request-invalid (2 hosts): no host can meet the image: '
            "HV101 hw_machine_type is 'hyperv-gen3', which no Hyper-V host "
            'knows',
            self.fault_of(self.boot(image)))

    def test_rebuild_with_a_generation_2_image_tells_why(self):
        server = self.boot(
            self.image('gen1', 'vhd', hw_machine_type='hyperv-gen1'))
        self.assertEqual('ws2012', self.host_of(server))
        image = self.image('gen2', **cloud.GENERATION_2)
        self.api.post_server_action(
            server['id'], {'rebuild': {'imageRef': image}})
        server = self._wait_for_state_change(server, 'ERROR')
        self.assertIn('HV402 host-too-old (1 host)', self.fault_of(server))


class WithheldReasonTestCase(cloud.HyperVCloud):

    hosts = ('ws2012',)
    filters = ('ComputeFilter', cloud.FILTER)

    def setUp(self):
        self.flags(explain_no_valid_host=False, group='hyperv_sched')
        super().setUp()

    def test_fault_says_what_nova_says(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertEqual(
            NO_VALID_HOST + 'There are not enough hosts available.',
            server['fault']['message'])
