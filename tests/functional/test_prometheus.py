# SPDX-License-Identifier: Apache-2.0
"""The alert rules and the dashboard, read by promtool."""

import json
import pathlib
import re
import shutil
import subprocess

import testtools

from hyperv_sched import metrics
from tests import files
from tests import programs

TOP = pathlib.Path(__file__).parents[2]
RULES = TOP / 'etc/prometheus/hyperv_sched.rules.yml'
DASHBOARD = TOP / 'etc/grafana/hyperv_sched.json'


class PrometheusTestCase(files.FilesMixin, testtools.TestCase):

    def promtool(self, *argv, **options):
        done = subprocess.run(
            [programs.find('promtool'), *argv], text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=self.directory, **options)
        return done.returncode, done.stdout

    def test_alerts_of_counters(self):
        for path in (RULES, pathlib.Path(__file__).with_name(
                'prometheus-alerts.yml')):
            shutil.copy(path, self.directory)
        code, output = self.promtool(
            'test', 'rules', 'prometheus-alerts.yml')
        self.assertEqual(0, code, output)

    def test_file_of_metrics(self):
        path = str(self.directory / 'x.prom')
        metrics.write_audit(path, {'HV202': 3})
        with open(path, 'rb') as file:
            text = file.read()
        text += metrics.format_metrics({
            (metrics.REFUSALS, 'spawn', 'HV202'): 3,
            (metrics.REPORT_ONLY, 'image_create', 'HV101'): 1})
        (self.directory / 'x.prom').write_bytes(text)
        with open(path, 'rb') as file:
            self.assertEqual((0, ''), self.promtool(
                'check', 'metrics', stdin=file))

    def test_expressions_of_the_dashboard(self):
        expressions = [
            target['expr'] for panel in json.loads(
                DASHBOARD.read_text())['panels']
            for target in panel['targets']]
        # A rule file in JSON is one in YAML, too.
        self.file('x.yml', json.dumps({'groups': [{'name': 'x', 'rules': [
            {'record': f'x:{number}', 'expr': re.sub(r'\$\w+', '5m', text)}
            for number, text in enumerate(expressions)]}]}).encode())
        code, output = self.promtool('check', 'rules', 'x.yml')
        self.assertEqual(0, code, output)
        self.assertIn(f'{len(expressions)} rules found', output)

    def test_every_metric_exists_and_is_shown(self):
        for path in (DASHBOARD, RULES):
            names = {*re.findall(r'hyperv_sched_\w+(?=[{)\[ ])',
                                 path.read_text())}
            expected = {*metrics.HELP}
            if path == RULES:
                # What is not refused needs no alert.
                expected.remove(metrics.REPORT_ONLY)
            self.assertEqual(expected, names)
