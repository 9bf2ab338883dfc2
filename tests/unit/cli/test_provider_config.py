# SPDX-License-Identifier: Apache-2.0

import json

import yaml

from tests.unit.cli import base

UUID = '8f5c1b1e-0d35-4f39-9d61-5a0b3c2f7e10'


def host(name, hypervisor='hyperv', version=10000, **members):
    return {'hypervisor_hostname': name, 'hypervisor_type': hypervisor,
            'hypervisor_version': version, **members}


class ProviderConfigTestCase(base.CommandTestCase):

    def write(self, *hosts, argv=()):
        code, out, err = self.run_command(
            'host', 'provider-config', *argv, '--hosts', self.file(
                'hosts.json', json.dumps({'hypervisors': hosts}).encode()))
        return code, yaml.safe_load(out), err

    def providers(self, *hosts, argv=()):
        code, document, err = self.write(*hosts, argv=argv)
        self.assertEqual((0, ''), (code, err))
        self.assertEqual({'schema_version': '1.0'}, document['meta'])
        return [({**provider['identification']}, [
            trait.removeprefix('CUSTOM_')
            for trait in provider['traits']['additional']])
            for provider in document['providers']]

    def test_each_hyperv_host_has_its_custom_traits(self):
        self.assertEqual([
            ({'name': 'old'}, ['HYPERV']),
            ({'name': 'mid'}, ['HYPERV', 'HYPERV_GEN2', 'HYPERV_WS2012R2']),
            ({'name': 'new'}, ['HYPERV', 'HYPERV_GEN2', 'HYPERV_WS2012R2',
                               'HYPERV_WS2016']),
            ({'name': '2022'}, ['HYPERV', 'HYPERV_GEN2', 'HYPERV_WS2012R2',
                                'HYPERV_WS2016', 'HYPERV_WS2019',
                                'HYPERV_WS2022']),
            ({'name': 'unknown'}, ['HYPERV']),
        ], self.providers(
            host('old', version=6002), host('mid', version=6003), host('new'),
            host('2022', windows_version='10.0.20348'),
            host('unknown', version=0), host('kvm', 'QEMU', 8002000)))

    def test_host_that_reports_its_traits_is_left_out(self):
        self.assertEqual(
            ['plain', 'file'], [found['name'] for found, _ in self.providers(
                host('enforced', traits=['COMPUTE_FIRMWARE_BIOS']),
                host('plain', traits=[]),
                host('file', traits=['CUSTOM_HYPERV_GEN2']))])

    def test_named_hosts_are_written(self):
        hosts = [host('a'), host('b'), host('c')]
        self.assertEqual(
            ['a', 'c'], [found['name'] for found, _ in self.providers(
                *hosts, argv=('c', 'a'))])
        code, document, err = self.write(*hosts, argv=('a', 'd'))
        self.assertEqual((2, None, "no host has the name 'd'\n"),
                         (code, document, err))

    def test_named_host_that_needs_no_file_exits_2(self):
        hosts = [host('kvm', 'QEMU', 8002000),
                 host('enforced', traits=['COMPUTE_FIRMWARE_BIOS'])]
        for name, reason in (
                ('kvm', 'kvm needs no file: it does not run Hyper-V\n'),
                ('enforced', 'enforced needs no file: it reports its traits '
                 'itself\n')):
            self.assertEqual((2, None, reason),
                             self.write(*hosts, argv=(name,)))

    def test_options_of_the_scheduler_decide_on_generation_2(self):
        for expected, hosts, argv in (
                (['HYPERV', 'HYPERV_WS2012R2'], host('a', version=6003),
                 ('--gen2-minimum-version', '10.0')),
                (['HYPERV', 'HYPERV_GEN2'], host('a', version=0),
                 ('--unknown-host-version', 'accept'))):
            (_, traits), = self.providers(hosts, argv=argv)
            self.assertEqual(expected, traits)

    def test_host_whose_name_nova_reads_otherwise_has_its_uuid(self):
        for name in ('$COMPUTE_NODE', 'a' * 201, UUID.replace('8', '9')):
            self.assertEqual([{'uuid': UUID}], [
                found for found, _ in self.providers(host(name, id=UUID))])
            code, document, err = self.write(host(name, id=7), host('b'))
            self.assertEqual((2, 1), (code, len(document['providers'])))
            self.assertIn('is left out: Nova finds it neither', err)
        self.assertEqual([{'name': 'a' * 200}], [
            found for found, _ in self.providers(host('a' * 200, id=UUID))])

    def test_two_hosts_of_one_name_have_their_uuids(self):
        other = UUID.replace('8', '9')
        self.assertEqual(
            [{'uuid': UUID}, {'uuid': other}],
            [found for found, _ in self.providers(
                host('a', id=UUID, service={'host': 'x'}),
                host('a', id=other, service={'host': 'y'}))])

    def test_hostile_name_is_a_text(self):
        name = '\u202e"]}\n- {identification: {uuid: x}} # \U0001f600'
        self.assertEqual([({'name': name}, ['HYPERV'])],
                         self.providers(host(name, version=0)))

    def test_cloud_without_hyperv_has_an_empty_file(self):
        self.assertEqual([], self.providers(host('kvm', 'QEMU', 8002000)))
