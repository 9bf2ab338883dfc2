# SPDX-License-Identifier: Apache-2.0

import argparse
import io
import json
import pathlib

from hyperv_sched import rules
from hyperv_sched.cli import findings
from hyperv_sched.cli import sarif
from tests.unit.cli import base


class SarifTestCase(base.CommandTestCase):

    def test_results_refer_to_rules_and_files(self):
        path = self.file('bad disk.vhd', base.VHD)
        _, out, _ = self.run_command('image', 'lint', '-f', 'sarif', path,
                                     *base.GENERATION_2)
        run, = json.loads(out)['runs']
        result, = run['results']
        rule = run['tool']['driver']['rules'][result['ruleIndex']]
        self.assertEqual(('HV202', 'HV202'), (result['ruleId'], rule['id']))
        location = result['locations'][0]['physicalLocation']
        self.assertTrue(location['artifactLocation']['uri'].endswith(
            '/bad%20disk.vhd'))

    def test_location_is_the_file_and_the_image_in_it(self):
        path = self.file('list.json', json.dumps([
            {'id': name, 'hw_machine_type': 'hyperv-gen1'}
            for name in 'ab']).encode())
        for argv, expected in (
                (('--image-json', path), ['a', 'b']),
                (('--documents', path), [f'{path}#a', f'{path}#b'])):
            _, out, _ = self.run_command(
                'image', 'lint', '-f', 'sarif', *argv)
            locations = [result['locations'][0]
                         for result in json.loads(out)['runs'][0]['results']]
            self.assertEqual({pathlib.Path(path).as_uri()}, {
                location['physicalLocation']['artifactLocation']['uri']
                for location in locations})
            self.assertEqual(expected, [
                location['logicalLocations'][0]['fullyQualifiedName']
                for location in locations])

    def test_columns_cannot_be_selected(self):
        code, _, err = self.run_command(
            'image', 'lint', '-f', 'sarif', '-c', 'code', '--property',
            'hw_machine_type=hyperv-gen3')
        self.assertEqual(
            (2, '-f sarif has no columns. Remove -c\n'),
            (code, err))

    def test_levels_of_severities(self):
        """SARIF has no level for unknown, which fails as an error does."""
        for severity, level in (('error', 'error'), ('unknown', 'error'),
                                ('warning', 'warning'), ('info', 'note')):
            finding = rules.CATALOGUE['HV226'].finding(severity=severity)
            columns, rows = findings.to_table(
                [{**findings.to_row(finding), 'file': None, 'title': '-'}],
                'sarif')
            out = io.StringIO()
            sarif.SarifFormatter().emit_list(
                columns, rows, out, argparse.Namespace(columns=[]))
            result, = json.loads(out.getvalue())['runs'][0]['results']
            self.assertEqual(level, result['level'], severity)
