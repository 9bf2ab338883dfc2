# SPDX-License-Identifier: Apache-2.0
"""Hosts, servers and traits, and answers that Nova never sends."""

import json

from hyperv_sched import audit
from hyperv_sched import inventory
from hyperv_sched.cli import compute_api
from hyperv_sched.cli import rest
from tests.unit import base
from tests.unit.cli.responses import Response
from tests.unit.cli.responses import Server

RAW = {'id': 'u', 'hypervisor_hostname': 'a', 'hypervisor_type': 'hyperv',
       'hypervisor_version': 10000, 'state': 'up', 'status': 'enabled',
       'service': {'host': 'h', 'id': 1}}


def response(status=200, **document):
    return Response(status, json.dumps(document).encode())


def link(key, query):
    return {f'{key}_links': [
        {'rel': 'next', 'href': f'http://elsewhere/x?{query}'}]}


class ComputeTestCase(base.TestCase):

    def hosts(self, *responses):
        errors = []
        self.server = Server(*responses)
        hosts = compute_api.Compute(self.server).hosts(
            errors.append, lambda amount: None)
        return hosts, errors

    def refused(self, read, *responses):
        return str(self.assertRaises(rest.CloudError, read, *responses))

    def test_all_pages_are_read_with_an_old_microversion(self):
        hosts, errors = self.hosts(
            response(hypervisors=[RAW], **link('hypervisors', 'marker=u')),
            response(hypervisors=[{**RAW, 'id': 'v',
                                   'hypervisor_hostname': 'b'}]))
        self.assertEqual((['a', 'b'], []),
                         ([host.name for host in hosts], errors))
        self.assertEqual({'2.53'}, {options['microversion']
                                    for options in self.server.options})

    def test_host_that_is_listed_twice_counts_once(self):
        hosts, errors = self.hosts(response(hypervisors=[RAW, RAW]))
        self.assertEqual((1, []), (len(hosts), errors))
        hosts, errors = self.hosts(response(hypervisors=[
            RAW, {**RAW, 'hypervisor_version': 6002}]))
        self.assertEqual(
            ([10000], ['the host a is listed twice, with different values. '
                       'The first ones are used']),
            ([host.hypervisor_version for host in hosts], errors))

    def test_host_that_cannot_be_read_is_an_error(self):
        hosts, errors = self.hosts(response(hypervisors=[RAW, {}, 7]))
        self.assertEqual((1, 2), (len(hosts), len(errors)))

    def test_page_that_fails_fails_the_list(self):
        """A part of the hosts would make statements on images wrong."""
        self.assertIn('500', self.refused(
            self.hosts, response(hypervisors=[RAW], **link(
                'hypervisors', 'marker=u')), Response(500)))

    def test_same_page_again_ends_the_list(self):
        hosts, _ = self.hosts(response(hypervisors=[RAW], **link(
            'hypervisors', 'marker=u')))
        self.assertEqual((1, 2), (len(hosts), len(self.server.paths)))

    def test_other_answers_are_refused(self):
        for document in ({}, {'hypervisors': {}}, {'hypervisors': None}):
            self.assertIn('has no list of hypervisors', self.refused(
                self.hosts, response(**document)))
        self.assertIn('is not a JSON object', self.refused(
            self.hosts, Response(body=b'[' * 100000)))

    def test_missing_right_is_named(self):
        self.assertIn(
            'The right os_compute_api:os-hypervisors:list-detail is missing',
            self.refused(self.hosts, Response(403)))

    def servers(self, *servers):
        return [*compute_api.Compute(Server(response(
            servers=list(servers)))).servers(lambda amount: None)]

    def test_servers_with_a_guest_are_read(self):
        raw = {'id': 's', 'name': 'n', 'status': 'ACTIVE',
               'image': {'id': 'i'}, 'OS-EXT-SRV-ATTR:host': 'h'}
        self.assertEqual(
            [audit.Server('s', 'n', 'i', 'h'), audit.Server('s', 'n', '',
                                                            'h')],
            self.servers(raw, {**raw, 'image': ''}, {
                **raw, 'status': 'ERROR'}, {
                **raw, 'status': 'SHELVED_OFFLOADED'}, {
                **raw, 'OS-EXT-SRV-ATTR:host': None}, 'odd'))

    def test_servers_without_hosts_are_refused(self):
        self.assertIn(
            'os_compute_api:os-extended-server-attributes is missing',
            self.refused(self.servers, {'id': 's'}))


class PlacementTestCase(base.TestCase):

    def read(self, *responses):
        hosts = [inventory.Host('a', uuid='u'), inventory.Host('b', uuid='v')]
        return [host.traits for host in compute_api.Placement(
            Server(*responses)).read_traits(hosts, ['T', 'S'])]

    def test_traits_of_hosts(self):
        self.assertEqual(
            [frozenset('S'), frozenset(('S', 'T'))],
            self.read(
                response(traits=['S', 'T', 'U', 7]),
                response(resource_providers=[{'uuid': 'u'}, {'uuid': 'v'}]),
                response(resource_providers=[{'uuid': 'v'}, 7])))

    def test_unknown_trait_is_a_trait_of_no_host(self):
        # No more requests than hosts have traits, whatever images name.
        self.assertEqual([frozenset(), frozenset()],
                         self.read(response(traits=['U'])))

    def test_missing_right_is_named(self):
        for responses, right in (
                ([], 'placement:traits:list'),
                ([response(traits=['T'])], 'placement:resource_providers:list'
                 )):
            error = self.assertRaises(rest.CloudError, self.read, *responses,
                                      Response(403))
            self.assertIn(f'The right {right} is missing', str(error))
