# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import inventory
from tests.unit import base


def host(name, kind='hyperv', version=10000, **members):
    return inventory.Host(name, kind, version, name, **members)


class FromDocumentTestCase(base.TestCase):

    def test_host_of_nova(self):
        self.assertEqual(
            inventory.Host('n1', 'hyperv', 6003, 'h1', 'down', 'disabled',
                           uuid='u'),
            inventory.from_document({
                'id': 'u', 'hypervisor_hostname': 'n1', 'state': 'down',
                'hypervisor_type': 'hyperv', 'hypervisor_version': 6003,
                'status': 'disabled', 'service': {'host': 'h1', 'id': 3},
                'cpu_info': {'arch': 'x86_64'}}))

    def test_host_of_a_file_has_a_version_of_windows(self):
        self.assertEqual('10.0.20348', inventory.from_document({
            'hypervisor_hostname': 'n1',
            'windows_version': '10.0.20348'}).windows_version)

    def test_host_of_few_members(self):
        self.assertEqual(inventory.Host('n1', service_host='n1'),
                         inventory.from_document(
                             {'hypervisor_hostname': 'n1'}))

    def test_wrong_members_are_refused(self):
        for raw in ('x', {}, {'hypervisor_hostname': ''},
                    *({'hypervisor_hostname': 'n', name: value}
                      for name, value in (
                          ('hypervisor_type', 1), ('hypervisor_version', '1'),
                          ('hypervisor_version', True),
                          ('hypervisor_version', 10.0), ('state', 'unknown'),
                          ('status', None), ('traits', 'A'),
                          ('traits', [1]), ('windows_version', 10.0),
                          ('supported_instances', [['a']]),
                          ('supported_instances', [[1, 2, 3]])))):
            self.assertRaises(inventory.InvalidHostError,
                              inventory.from_document, raw)


class GroupTestCase(base.TestCase):

    def test_equal_hosts_are_one_group_and_the_largest_is_first(self):
        hosts = [host('b', version=6003), host('c'), host('a')]
        self.assertEqual(
            [['c', 'a'], ['b']],
            [[member.name for member in group.hosts]
             for group in inventory.group(hosts)])

    def test_what_sets_hosts_apart(self):
        for members in ({'kind': 'QEMU'}, {'version': 6003},
                        {'state': 'down'}, {'status': 'disabled'},
                        {'traits': frozenset(('T',))},
                        {'supported_instances': ()}):
            self.assertEqual(2, len(inventory.group(
                [host('a'), host('b', **members)], ['T'])), members)

    def test_traits_that_do_not_matter_set_no_hosts_apart(self):
        hosts = [host('a', traits=frozenset('T')),
                 host('b', traits=frozenset('U'))]
        self.assertEqual(1, len(inventory.group(hosts, ['V'])))

    def test_title(self):
        for expected, members in (
                ('hyperv 10.0', {}),
                ('hyperv without a version', {'version': 0}),
                ('QEMU 8002000, down, disabled', {
                    'kind': 'QEMU', 'version': 8002000, 'state': 'down',
                    'status': 'disabled'}),
                ('no hypervisor without a version', {
                    'kind': None, 'version': None})):
            self.assertEqual(expected, inventory.group(
                [host('a', **members)])[0].title)
