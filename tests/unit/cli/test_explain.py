# SPDX-License-Identifier: Apache-2.0

import csv
import io
import json
from unittest import mock

import jsonschema

from hyperv_sched.cli import cloud
from tests import properties
from tests import samples
from tests.unit.cli import base

HOSTS = '''
hypervisors:
  - hypervisor_hostname: old
    hypervisor_type: hyperv
    hypervisor_version: 6002
  - {hypervisor_hostname: new, hypervisor_type: hyperv,
     hypervisor_version: 10000, traits: [CUSTOM_HYPERV_GEN2]}
'''
IMAGE = {'id': 'i', 'name': 'n', **properties.GENERATION_2}
#: HTML, an escape sequence, a right-to-left override, a formula.
HOSTILE = '=<script>alert(1)</script>\x1b[2J\u202e'


class ExplainTestCase(base.CommandTestCase):

    def explain(self, *argv, hosts=HOSTS, image=IMAGE, stdin=''):
        return self.run_command(
            'host', 'explain', '--hosts',
            self.file('hosts.yaml', hosts.encode()), '--image-json',
            self.file('image.json', json.dumps(image).encode()), *argv,
            stdin=stdin)

    def test_server_on_a_volume(self):
        server = {'id': 'u', 'name': 'n', 'status': 'ERROR', 'image': '',
                  'fault': {'message': 'No valid host was found.'}}
        with mock.patch.object(cloud.Source, 'compute', create=True) as api:
            api.find_server.return_value = server
            for formatter, words in (
                    ('table', 'No valid host was found.'), ('json', ''),
                    ('csv', '')):
                code, out, err = self.run_command(
                    'host', 'explain', '--server', 'n', '-f', formatter)
                self.assertEqual((2, bool(words)), (code, bool(out)))
                self.assertIn(words, out)
                self.assertIn('boots from a volume', err)

    def test_what_nova_alone_would_do(self):
        image = {name: value for name, value in IMAGE.items()
                 if name != 'hypervisor_version_requires'}
        for hosts, words in (
                ({'a': 10000}, '1 host pass'),
                ({'a': 6002}, '1 host pass, which cannot run the image'),
                ({'a': 6002, 'b': 6002},
                 '2 hosts pass, all of which cannot run the image'),
                ({'a': 6002, 'b': 10000},
                 '2 hosts pass, 1 of which cannot run the image')):
            _, out, _ = self.explain(image=image, hosts=json.dumps(
                {'hypervisors': [
                    {'hypervisor_hostname': name, 'hypervisor_type': 'hyperv',
                     'hypervisor_version': version}
                    for name, version in hosts.items()]}))
            self.assertEqual(f'  Nova alone would let {words}',
                             out.splitlines()[1])

    def test_text(self):
        code, out, err = self.explain()
        self.assertEqual((0, ''), (code, err))
        self.assertEqual('Image i (n): 1 of 2 hosts can run it\n'
                         '  Nova alone would let 1 host pass\n'
                         '\n'
                         '1 host cannot run it: hyperv 6.2\n'
                         '  old\n'
                         '  error    HV402  host-too-old\n'
                         '    the host runs Hyper-V 6.2, generation 2 needs '
                         '>=6.3\n'
                         '    Fix: Use a host of version >=6.3, or a '
                         'generation 1 image\n'
                         '\n'
                         '1 host can run it: hyperv 10.0\n'
                         '  new\n'
                         '\n'
                         'Not considered:', out[:out.index(' other filters')])

    def test_error_that_no_host_looks_at_is_named_beside_the_hosts(self):
        words = 'may still fail'
        hosts = self.file('hosts.yaml', HOSTS.encode())
        for disk, expected in (
                (base.BOOTABLE, False),
                (samples.vhdx(block_size=samples.MIB), True)):
            _, out, _ = self.run_command(
                'host', 'explain', '--hosts', hosts,
                self.file('disk.vhdx', disk))
            self.assertIn('1 of 2 hosts can run it', out)
            self.assertEqual(expected, words in out, out)

    def test_exit_code_says_whether_a_host_can_take_the_image(self):
        for hosts, code in (
                (HOSTS, 0), (HOSTS.replace('10000', '6002'), 1),
                (HOSTS.replace('10000', '10000, state: down'), 1),
                (HOSTS.replace('10000', '10000, status: disabled'), 1)):
            self.assertEqual(code, self.explain(hosts=hosts)[0], hosts)

    def test_json_follows_its_schema(self):
        _, out, _ = self.explain('-f', 'json')
        document = json.loads(out)
        jsonschema.validate(document, base.load_schema('explanation'))
        self.assertEqual('1.0', document['version'])
        self.assertEqual(
            [('old', False, False, ['HV402']), ('new', True, True, [])],
            sorted(((row['host'], row['accepted'], row['stock_nova'],
                     [f['code'] for f in row['errors']])
                    for row in document['results']), reverse=True))

    def test_csv(self):
        _, out, _ = self.explain('-f', 'csv')
        self.assertEqual(
            {('old', 'False', 'HV402'), ('new', 'True', '')},
            {(row['host'], row['accepted'], row['code'])
             for row in csv.DictReader(io.StringIO(out))})

    def test_hosts_from_standard_input(self):
        code, out, _ = self.run_command(
            'host', 'explain', '--hosts', '-', '-f', 'json', '--property',
            'hw_machine_type=hyperv-gen2', stdin=HOSTS)
        self.assertEqual((0, 2), (code, len(json.loads(out)['results'])))

    def test_disk_is_explained_with_the_properties_of_an_upload(self):
        path = self.file('disk.vhdx', base.BOOTABLE)
        code, out, _ = self.run_command(
            'host', 'explain', '--hosts', self.file(
                'hosts.yaml', HOSTS.encode()), '-f', 'json', path)
        self.assertEqual((0, {'old': False, 'new': True}), (code, {
            row['host']: row['accepted']
            for row in json.loads(out)['results']}))

    def test_wrong_usage_exits_2(self):
        hosts = self.file('hosts.yaml', HOSTS.encode())
        for argv in ((), ('--image', 'a', '--server', 'b'),
                     ('--image-json', '-', '--hosts', '-'),
                     ('--image-json', '/nonexistent', '--hosts', hosts),
                     ('-f', 'xml', '--hosts', hosts)):
            code, _, err = self.run_command('host', 'explain', *argv)
            self.assertEqual(2, code, argv)
            self.assertTrue(err, argv)

    def test_several_images_are_refused(self):
        code, _, err = self.explain(image=[IMAGE, IMAGE])
        self.assertEqual(2, code)
        self.assertIn('holds 2 images. Give one', err)

    def test_hostile_names_are_harmless(self):
        hosts = json.dumps({'hypervisors': [
            {'hypervisor_hostname': HOSTILE, 'hypervisor_type': HOSTILE}]})
        for argv in ((), ('-f', 'csv'), ('-f', 'json')):
            code, out, err = self.explain(
                *argv, hosts=hosts, image={**IMAGE, 'id': HOSTILE,
                                           'name': HOSTILE})
            self.assertEqual((1, ''), (code, err))
            self.assertTrue(all(c == '\n' or c.isprintable() for c in out))
        self.assertTrue(all(
            cell[:1] != '=' for row in csv.reader(io.StringIO(
                self.explain('-f', 'csv', hosts=hosts, image={
                    **IMAGE, 'id': HOSTILE})[1])) for cell in row))
