# SPDX-License-Identifier: Apache-2.0

import json

import jsonschema

from hyperv_sched import inventory
from hyperv_sched.cli import host_files
from tests.unit.cli import base


class HostFileTestCase(base.CommandTestCase):

    def read(self, text):
        errors = []
        try:
            hosts = host_files.read(
                self.file('hosts', text.encode()), errors.append)
        except host_files.base.UsageError as exc:
            return str(exc).partition(': ')[2]
        return hosts, errors

    def test_json_and_yaml_are_read(self):
        expected = ([inventory.Host('a', service_host='a')], [])
        self.assertEqual(expected, self.read(
            '{"hypervisors": [{"hypervisor_hostname": "a"}]}'))
        self.assertEqual(expected, self.read(
            'hypervisors:\n- hypervisor_hostname: a\n'))

    def test_equal_host_that_is_listed_twice_counts_once(self):
        hosts, errors = self.read('hypervisors:\n' + 2 * (
            '- hypervisor_hostname: a\n'))
        self.assertEqual((1, []), (len(hosts), errors))

    def test_contradiction_is_an_error(self):
        hosts, errors = self.read(
            'hypervisors:\n- hypervisor_hostname: a\n'
            '- {hypervisor_hostname: a, hypervisor_type: hyperv}\n')
        self.assertEqual(
            ([None], ['the host a is listed twice, with different values. '
                      'The first ones are used']),
            ([host.hypervisor_type for host in hosts], errors))

    def test_what_is_refused(self):
        def host(*lines):
            return '\n  '.join(('hypervisors:\n- hypervisor_hostname: a',
                                *lines))

        for text, reason in (
                ('[]', 'must be an object with the list "hypervisors"'),
                ('hypervisors: []', 'holds no host'),
                ('hypervisors: [{}]', 'host 1: hypervisor_hostname must be'),
                (host('hypervisor_type: Hyper-V'),
                 'host 1: hypervisor_type must be hyperv, not Hyper-V'),
                (host('hypervisor_type: hyperv', 'hypervisor_version: 10'),
                 'host 1: hypervisor_version 10 is not as Nova has it'),
                (host('hypervisor_type: hyperv', 'hypervisor_version: -1'),
                 'host 1: hypervisor_version -1 is not as Nova has it'),
                (host('windows_version: "10.0"'),
                 'host 1: windows_version 10.0 has no build'),
                (host('hypervisor_version: 6003',
                      'windows_version: 10.0.20348'),
                 'host 1: windows_version 10.0.20348 contradicts '
                 'hypervisor_version 6003'),
                ('{', 'is neither JSON nor YAML'),
                ('a: &a [x]\nhypervisors: [*a, *a]',
                 'aliases (*name) are not supported'),
                ('a: ' + '[' * 30 + ']' * 30, 'too deep'),
                ('[' * 100000, 'is neither JSON nor YAML'),
                ('!!python/object:os.system {}', 'is neither JSON nor YAML'),
                ('!!bool x', 'is neither JSON nor YAML'),
                ('!!int ""', 'is neither JSON nor YAML'),
                ('!!timestamp x', 'is neither JSON nor YAML'),
                ('\x00', 'is neither JSON nor YAML')):
            self.assertIn(reason, self.read(text), text[:40])

    def test_schema_and_reader_agree(self):
        validator = jsonschema.Draft202012Validator(base.load_schema('hosts'))
        good = {'hypervisor_hostname': 'a'}
        for members, is_valid in (
                ({}, True), ({'hypervisor_version': None}, True),
                ({'hypervisor_version': 10000}, True),
                ({'hypervisor_version': '10.0'}, False),
                ({'state': 'down'}, True), ({'state': 'gone'}, False),
                ({'traits': ['A']}, True), ({'traits': [1]}, False),
                ({'supported_instances': [['a', 'b', 'c']]}, True),
                ({'supported_instances': [['a', 'b']]}, False),
                ({'hypervisor_hostname': ''}, False),
                ({'cpu_info': {}}, True)):
            document = {'hypervisors': [{**good, **members}]}
            self.assertEqual(is_valid, validator.is_valid(document), members)
            read = self.read(json.dumps(document))
            self.assertEqual(is_valid, not isinstance(read, str), members)
