# SPDX-License-Identifier: Apache-2.0
"""SARIF output against the schema of OASIS."""

import json
import os
import pathlib
import subprocess
import sys
import tarfile

import jsonschema
import testtools

from tests import files
from tests import guests
from tests import properties
from tests import samples

COMMAND = pathlib.Path(sys.executable).with_name('hyperv-sched')
GOOD = samples.uefi_vhdx()
#: One error for generation 2: HV202.
VHD = samples.dynamic_vhd(guest=guests.bootable())
GENERATION_2 = properties.options(properties.GENERATION_2)


def _validator():
    with tarfile.open(os.environ['SARIF_OM']) as source:
        schema, = (json.load(source.extractfile(name))
                   for name in source.getnames()
                   if name.endswith('/sarif-2.1.0-rtm.4.json'))
    formats = jsonschema.FormatChecker(('uri', 'uri-reference'))
    return jsonschema.validators.validator_for(schema)(
        schema, format_checker=formats)


class SarifTestCase(files.FilesMixin, testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.validator = _validator()

    def run_of(self, *argv, stdin=''):
        """Lint; return the one run of the log, which is valid."""
        done = subprocess.run(
            [COMMAND, 'image', 'lint', '-f', 'sarif', *argv], text=True,
            input=stdin, stdout=subprocess.PIPE, check=False,
            cwd=self.directory)
        log = json.loads(done.stdout)
        self.assertEqual(
            [], [e.message for e in self.validator.iter_errors(log)])
        # What no schema can say.
        run, = log['runs']
        codes = [r['id'] for r in run['tool']['driver']['rules']]
        self.assertEqual([r['ruleId'] for r in run['results']],
                         [codes[r['ruleIndex']] for r in run['results']])
        # No parser trips over a half of a character.
        json.dumps(log, ensure_ascii=False).encode()
        return run

    def uris(self, run):
        return [r['locations'][0]['physicalLocation']['artifactLocation'][
            'uri'] for r in run['results']]

    def put(self, name, data):
        path = os.path.join(os.fsencode(self.directory), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(data)
        return name

    def test_schema_rejects_what_is_no_uri(self):
        """The formats are looked at, which takes another package."""
        for uri in ('a b', 'C:\\disk', '%zz'):
            self.assertRaises(
                jsonschema.ValidationError, self.validator.validate,
                {'version': '2.1.0', 'runs': [
                    {'tool': {'driver': {'name': 'x'}}, 'artifacts': [
                        {'location': {'uri': uri}}]}]})

    def test_no_findings(self):
        run = self.run_of(
            self.put('good.vhdx', GOOD), *GENERATION_2)
        self.assertEqual([], run['results'])

    def test_every_severity(self):
        run = self.run_of(
            '--property', 'hypervisor_type=hyperv', '--property',
            'hw_machine_type=hyperv-gen2', '--property',
            'hw_scsi_model=lsilogic',
            '--property', 'architecture=i686')
        self.assertEqual({'error', 'warning', 'note'},
                         {r['level'] for r in run['results']})

    def test_odd_names_of_files(self):
        names = {
            'a disk.vhd': 'a%20disk.vhd',
            'd\u00efsk \u78c1.vhd': 'd%C3%AFsk%20%E7%A3%81.vhd',
            'back\\slash.vhd': 'back%5Cslash.vhd',
            'c:colon.vhd': 'c%3Acolon.vhd',
            'line\nfeed\x1b.vhd': 'line%0Afeed%1B.vhd',
            'not-utf-8-\udcff.vhd': 'not-utf-8-%FF.vhd',
            'what?#100%.vhd': 'what%3F%23100%25.vhd',
            'below/this one.vhd': 'below/this%20one.vhd'}
        for name in names:
            self.put(name, VHD)
        run = self.run_of(*names, *GENERATION_2)
        self.assertEqual(list(names.values()), self.uris(run))

    def test_absolute_name_is_a_file_uri(self):
        self.put('a disk.vhd', VHD)
        for root, expected in ((f'{self.directory}', 'file://'),
                               (f'/{self.directory}', 'file:///')):
            run = self.run_of(f'{root}/a disk.vhd', *GENERATION_2)
            self.assertEqual(
                [f'{expected}{self.directory}/a%20disk.vhd'], self.uris(run))

    def test_properties_alone_are_nowhere(self):
        run = self.run_of('--property', 'hw_machine_type=hyperv-gen3',
                          '--property', 'hypervisor_type=hyperv')
        self.assertEqual([[]], [r['locations'] for r in run['results']])

    def test_documents_have_names_and_no_files(self):
        images = [
            {'hw_machine_type': 'hyperv-gen3', 'hypervisor_type': 'hyperv',
             **name} for name in (
                 {'id': 'c0ffee'}, {'name': 'web server\\ \u78c1\n'},
                 {'name': '\ud800'}, {})]
        logical = [[{'fullyQualifiedName': 'c0ffee'}],
                   [{'fullyQualifiedName':
                    'web server\\ \u78c1\\n'}],
                   [{'fullyQualifiedName': '\\ud800'}]]
        run = self.run_of('--image-json', '-', stdin=json.dumps(images))
        self.assertEqual(
            [[{'logicalLocations': name}] for name in logical] + [[]],
            [r['locations'] for r in run['results']])
        self.put('all images.json', json.dumps(images).encode())
        run = self.run_of('--image-json', 'all images.json')
        self.assertEqual(['all%20images.json'] * 4, self.uris(run))
        self.assertEqual(
            logical + [None],
            [r['locations'][0].get('logicalLocations')
             for r in run['results']])

    def test_control_characters_in_values(self):
        value = ''.join(map(chr, range(1, 32))) + '\x7f\x85\u2028\U0001f4be'
        run = self.run_of('--property', f'hw_machine_type=hyperv{value}')
        for result in run['results']:
            text = result['message']['text'].replace('\n', '')
            self.assertTrue(text.isprintable(), text)
