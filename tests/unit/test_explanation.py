# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import compatibility
from hyperv_sched import document
from hyperv_sched import explanation
from hyperv_sched import inventory
from tests.properties import GENERATION_2
from tests.unit import base

HOSTS = (('ws2012', 'hyperv', 6002), ('ws2012r2', 'hyperv', 6003),
         ('ws2022', 'hyperv', 10000), ('kvm', 'QEMU', 8002000),
         ('new', 'hyperv', 0))


def image(**properties):
    return explanation.read_image(
        document.flatten({'id': 'i', **properties}), compatibility.Policy())


def explain(*hosts, **properties):
    hosts = [inventory.Host(*host, host[0]) for host in hosts or HOSTS]
    return explanation.explain(image(**properties), inventory.group(hosts))


def codes(result):
    """Return the codes of errors by host."""
    return {host.name: ' '.join(f.code for f in verdict.errors)
            for group, verdict in zip(
                result.groups, result.verdicts, strict=True)
            for host in group.hosts}


def changes(result):
    return [(str(change), change.admitted) for change in result.changes]


class ExplainTestCase(base.TestCase):

    def test_reason_of_each_host(self):
        result = explain(**GENERATION_2)
        self.assertEqual(
            {'ws2012': 'HV402', 'ws2012r2': '', 'ws2022': '', 'kvm': 'HV401',
             'new': 'HV403'}, codes(result))
        self.assertEqual((5, 2), (result.hosts, result.accepted))

    def test_hosts_are_counted_by_their_first_error(self):
        self.assertEqual(
            {'HV402': 1, 'HV401': 1, 'HV403': 1},
            {finding.code: number for finding, number
             in explain(**GENERATION_2).rejected.items()})

    def test_hosts_that_nova_alone_lets_through(self):
        result = explain(hw_machine_type='hyperv-gen2')
        self.assertEqual((5, 3), (
            result.stock(True), result.stock(True, False)))

    def test_feature_of_2016_rejects_older_hosts(self):
        result = explain(**{
            **GENERATION_2, 'hypervisor_version_requires': '>=6.3',
            'os_type': 'linux', 'os_secure_boot': 'required'})
        self.assertEqual(('HV404', ''), tuple(
            codes(result)[host] for host in ('ws2012r2', 'ws2022')))

    def test_error_that_prevents_every_build(self):
        result = explain(**{**GENERATION_2, 'os_secure_boot': 'required'})
        self.assertEqual('HV405', codes(result)['ws2022'])
        self.assertEqual(0, result.accepted)

    def test_image_for_no_hypervisor_runs_anywhere(self):
        result = explain(disk_format='qcow2')
        self.assertEqual((5, []), (result.accepted, result.changes))

    def test_down_host_is_accepted_with_a_warning(self):
        result = explanation.explain(image(**GENERATION_2), inventory.group([
            inventory.Host('a', 'hyperv', 10000, 'a', 'down', 'disabled')]))
        self.assertEqual((1, 0), (result.accepted, result.available))
        warning, = result.verdicts[0].warnings
        self.assertEqual(
            ('HV407', 'nova-compute on the host is down and disabled'),
            (warning.code, warning.message))

    def test_required_trait(self):
        wanted = image(**GENERATION_2, **{'trait:A': 'required',
                                          'trait:B': 'forbidden'})
        self.assertEqual(('A',), wanted.traits)
        for traits, expected in ((None, []), (frozenset('A'), []),
                                 (frozenset('B'), ['HV406'])):
            host = inventory.Host('h', 'hyperv', 10000, traits=traits)
            self.assertEqual(expected, [
                finding.code for finding in wanted.compare(host).errors])

    def test_secure_boot_needs_the_trait_that_nova_requires(self):
        trait = 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'
        for policy, traits, expected in (
                ('required', None, []), ('required', {trait}, []),
                ('required', {'OTHER'}, ['HV406']),
                ('optional', {'OTHER'}, [])):
            host = inventory.Host(
                'h', 'hyperv', 10000, traits=traits and frozenset(traits))
            found = image(**GENERATION_2, os_type='windows',
                          os_secure_boot=policy).compare(host).errors
            self.assertEqual(expected, [finding.code for finding in found])
            for finding in found:
                self.assertIn('hyperv_sched.EnforcedDriver', finding.fix)

    def test_flavor_that_requires_secure_boot_is_named(self):
        wanted = explanation.read_image(
            document.Record({'hypervisor_type': 'hyperv'}),
            compatibility.Policy(), extra_specs={'os:secure_boot': 'required'})
        error, = wanted.compare(inventory.Host('h', 'hyperv', 10000)).errors
        self.assertIn('HV110 the flavor has os:secure_boot=required',
                      error.message)
        self.assertIn('a flavor without os:secure_boot', error.fix)

    def test_host_that_nova_itself_refuses_is_not_available(self):
        result = explain(**GENERATION_2, hw_vm_mode='xen')
        self.assertGreater(result.accepted, 0)
        self.assertEqual(0, result.available)


class ChangesTestCase(base.TestCase):

    def test_version_requirement_that_is_too_strict(self):
        result = explain(**{**GENERATION_2,
                            'hypervisor_version_requires': '>=10.0'})
        self.assertEqual(
            [("set hypervisor_version_requires='>=6.3'", 1)],
            changes(result))

    def test_old_name_of_a_property_is_kept(self):
        result = explain(**{
            'hw_machine_type': 'hyperv-gen2', 'img_hv_type': 'hyperv',
            'img_hv_requested_version': '>=10.0'})
        self.assertEqual([("set img_hv_requested_version='>=6.3'", 1)],
                         changes(result))

    def test_type_of_another_hypervisor(self):
        result = explain(hw_machine_type='hyperv-gen2',
                         hypervisor_type='qemu')
        self.assertEqual([("set hypervisor_type='hyperv'", 2)],
                         changes(result))

    def test_trait_that_no_host_has(self):
        hosts = [inventory.Host('a', 'hyperv', 10000, traits=frozenset())]
        result = explanation.explain(
            image(**GENERATION_2, **{'trait:X': 'required'}),
            inventory.group(hosts))
        self.assertEqual([('remove trait:X', 1)], changes(result))

    def test_generation_that_is_valid_is_never_changed(self):
        result = explain(('ws2012', 'hyperv', 6002), **GENERATION_2)
        self.assertEqual([], changes(result))

    def test_name_of_a_property_is_escaped(self):
        hosts = [inventory.Host('a', 'hyperv', 10000, traits=frozenset())]
        result = explanation.explain(
            image(**GENERATION_2, **{'trait:\x1b[2J': 'required'}),
            inventory.group(hosts))
        self.assertEqual('remove trait:\\x1b[2J', str(result.changes[0]))


class KindTestCase(base.TestCase):

    def test_images_that_differ_in_the_name_are_of_one_kind(self):
        self.assertEqual(image(name='a', **GENERATION_2).kind,
                         image(name='b', **GENERATION_2).kind)

    def test_properties_that_a_verdict_depends_on_tell_kinds_apart(self):
        kinds = {image(**GENERATION_2, **more).kind for more in (
            {}, {'architecture': 'i686'}, {'os_secure_boot': 'required'},
            {'trait:A': 'required'}, {'vm_mode': 'hvm'},
            {'hw_disk_bus': 'nonsense'})}
        self.assertEqual(6, len(kinds))
