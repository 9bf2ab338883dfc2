# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import audit
from hyperv_sched import compatibility
from hyperv_sched import document
from hyperv_sched import inventory
from hyperv_sched import validators
from tests.properties import GENERATION_2
from tests.unit import base

GEN2_TRAIT = frozenset(('CUSTOM_HYPERV_GEN2',))


def host(name, version=10000, kind='hyperv', **members):
    return inventory.Host(name, kind, version, name, **members)


def run(images, hosts, servers=()):
    targets = []
    for properties in images:
        record = document.flatten(properties)
        targets.append((record, None, validators.validate(
            document.normalize(record))))
    return audit.audit(targets, hosts, servers, compatibility.Policy())


def entries(result, *codes):
    return [(entry.subject, entry.id, entry.finding.code)
            for entry in result.entries if entry.finding.code in codes]


class ImageTestCase(base.TestCase):

    def test_image_that_no_host_can_run(self):
        result = run([{'id': 'a', **GENERATION_2}], [
            host('x', 6002), host('y', 6002), host('z', 0, 'QEMU')])
        self.assertEqual([('image', 'a', 'HV409')],
                         entries(result, 'HV409', 'HV410'))
        finding, = (entry.finding for entry in result.entries
                    if entry.finding.code == 'HV409')
        self.assertEqual(
            'none of 3 hosts can run the image: HV402 host-too-old: 2 hosts, '
            'HV401 host-not-hyperv: 1 host', finding.message)

    def test_change_that_admits_hosts_is_the_fix(self):
        result = run([{'id': 'a', **GENERATION_2,
                       'hypervisor_version_requires': '>=10.0'}],
                     [host('x', 6003), host('y', 6002)])
        finding, = (entry.finding for entry in result.entries
                    if entry.finding.code == 'HV409')
        self.assertEqual("Set hypervisor_version_requires='>=6.3': 1 of 2 "
                         'hosts more', finding.fix)

    def test_image_that_some_hosts_can_run(self):
        result = run([{'id': 'a', **GENERATION_2}],
                     [host('x', 6002), host('y')])
        self.assertEqual([('image', 'a', 'HV410')],
                         entries(result, 'HV409', 'HV410'))

    def test_image_that_all_hyperv_hosts_can_run(self):
        result = run([{'id': 'a', **GENERATION_2}],
                     [host('x', 6003), host('kvm', 1, 'QEMU')])
        self.assertEqual([], entries(result, 'HV409', 'HV410'))

    def test_images_for_others_are_counted_only(self):
        result = run([{'id': 'a', 'disk_format': 'qcow2'}], [host('x')])
        self.assertEqual((1, 0, ()), (
            result.other_images, result.totals['images_for_hyperv'],
            result.image_groups))

    def test_equal_images_are_compared_once(self):
        result = run([{'id': str(number), **GENERATION_2}
                      for number in range(9)], [host('x'), host('y')])
        group, = result.image_groups
        self.assertEqual((9, 1, 2), (
            len(group.images), len(group.verdicts), group.accepted))

    def test_traits_of_other_images_hide_no_trait_of_a_host(self):
        others = [{'id': str(number), **GENERATION_2,
                   f'trait:CUSTOM_A{number:03}': 'required'}
                  for number in range(60)]
        result = run([*others, {'id': 'z', **GENERATION_2,
                                'trait:CUSTOM_Z': 'required'}],
                     [host('x', traits=frozenset(('CUSTOM_Z',)))])
        self.assertEqual(
            [1], [group.accepted for group in result.image_groups
                  if group.images[0].id == 'z'])


class TraitTestCase(base.TestCase):
    """Hosts report the trait first, then images require it."""

    IMAGE = {'id': 'f0a1', **GENERATION_2}

    def findings(self, *hosts, **properties):
        return [(entry.finding.severity, entry.finding.message.partition(
            '; ')[2], entry.finding.fix) for entry in run(
                [{**self.IMAGE, **properties}], hosts).entries
            if entry.finding.code == 'HV122']

    def test_command_is_given_if_all_hosts_that_can_have_the_trait(self):
        self.assertEqual(
            [('info', 'every host that can run generation 2 has it',
              'openstack image set --property '
              'trait:CUSTOM_HYPERV_GEN2=required -- f0a1')],
            self.findings(
                host('a', traits=GEN2_TRAIT),
                host('b', 6003, traits=GEN2_TRAIT),
                host('old', 6002, traits=frozenset()),
                host('kvm', 1, 'QEMU', traits=frozenset())))

    def test_hosts_without_the_trait_come_first(self):
        first = ('Let all hosts that can run generation 2 report the trait '
                 'before the image requires it')
        self.assertEqual(
            [('info', 'hosts that can run generation 2 lack it: 1 of 2',
              first)],
            self.findings(host('a', traits=GEN2_TRAIT),
                          host('b', traits=frozenset())))

    def test_image_that_needs_nothing(self):
        capable = host('a', traits=GEN2_TRAIT)
        for hosts, properties in (
                ([capable], {'trait:CUSTOM_HYPERV_GEN2': 'required'}),
                ([capable], {'hw_machine_type': 'hyperv-gen1'}),
                ([capable], {'hw_machine_type': 'hyperv-gen3'}),
                ([host('old', 6002, traits=frozenset())], {}),
                # The traits of a host are not known.
                ([capable, host('b')], {})):
            self.assertEqual([], self.findings(*hosts, **properties))

    def test_hostile_id_is_not_in_the_command(self):
        for image_id, expected in (('a\x00b', 'IMAGE'), ('a\n', 'IMAGE'),
                                   ('a' * 65, 'IMAGE'), ('a' * 64, 'a' * 64),
                                   ('$(id)', "'$(id)'")):
            (_, _, command), = self.findings(
                host('a', traits=GEN2_TRAIT), id=image_id)
            self.assertEqual(expected, command.rpartition(' ')[2])


class HostTestCase(base.TestCase):

    def test_host_without_a_version(self):
        result = run([], [host('x', 0), host('kvm', 0, 'QEMU'),
                          host('nothing', None, None)])
        self.assertEqual(
            [('host', 'nothing', 'HV403'), ('host', 'x', 'HV403')],
            sorted(entries(result, 'HV403')))

    def test_host_without_the_trait(self):
        result = run([], [
            host('with', traits=GEN2_TRAIT), host('without',
                                                  traits=frozenset()),
            host('unknown'), host('old', 6002, traits=frozenset()),
            host('kvm', 1, 'QEMU', traits=frozenset())])
        self.assertEqual([('host', 'without', 'HV408')],
                         entries(result, 'HV408'))

    def test_hyperv_host_that_is_down(self):
        result = run([], [host('x', state='down'),
                          host('kvm', 1, 'QEMU', state='down')])
        self.assertEqual([('host', 'x', 'HV407')], entries(result, 'HV407'))


class ServerTestCase(base.TestCase):

    def servers(self, hosts, *on, **properties):
        return entries(run(
            [{'id': 'a', **GENERATION_2, **properties}], hosts,
            [audit.Server(f's{number}', 'n', 'a', name)
             for number, name in enumerate(on)]), 'HV507', 'HV508')

    def test_server_with_another_host(self):
        self.assertEqual([], self.servers([host('x'), host('y')], 'x', 'y'))

    def test_server_on_the_only_host_that_can(self):
        self.assertEqual(
            [('server', 's0', 'HV507')],
            self.servers([host('x'), host('y', 6002)], 'x'))

    def test_server_on_a_host_that_cannot(self):
        self.assertEqual(
            [('server', 's0', 'HV508')],
            self.servers([host('x', 6002), host('y')], 'x'))

    def test_host_that_is_down_is_no_destination(self):
        for members in ({'state': 'down'}, {'status': 'disabled'}):
            self.assertEqual(
                [('server', 's0', 'HV507')],
                self.servers([host('x'), host('y', **members)], 'x'))

    def test_server_on_a_down_host_has_the_others(self):
        self.assertEqual([], self.servers(
            [host('x', state='down'), host('y')], 'x'))

    def test_server_of_generation_1_is_left_out(self):
        self.assertEqual([], self.servers(
            [host('x')], 'x', hw_machine_type='hyperv-gen1'))

    def test_servers_of_unknown_images_are_counted(self):
        result = run([], [host('x')], [
            audit.Server('s', 'n', '', 'x'),
            audit.Server('t', 'n', 'deleted', 'x')])
        self.assertEqual((2, 2), (result.servers, result.unknown_servers))
