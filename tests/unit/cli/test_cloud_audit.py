# SPDX-License-Identifier: Apache-2.0

import csv
import io
import json
import pathlib
import re

import jsonschema
from prometheus_client import parser

from hyperv_sched import audit
from hyperv_sched import compatibility
from hyperv_sched.cli import audit_output
from tests.unit.cli import base

ETC = pathlib.Path(__file__).parents[3] / 'etc/hyperv-sched'
IMAGE = {'id': 'i', 'name': 'n', 'hw_machine_type': 'hyperv-gen2',
         'hypervisor_type': 'hyperv', 'hypervisor_version_requires': '>=6.3',
         'disk_format': 'vhdx', 'container_format': 'bare'}
#: HTML, an escape sequence, a right-to-left override, a formula.
HOSTILE = '=</script><script>alert(1)</script>\x1b[2J\u202e'


def host(name, version=10000, **members):
    return {'hypervisor_hostname': name, 'hypervisor_type': 'hyperv',
            'hypervisor_version': version, **members}


class AuditTestCase(base.CommandTestCase):

    def audit(self, images, hosts, *argv):
        return self.run_command(
            'cloud', 'audit', '--images', self.file(
                'images.json', json.dumps(images).encode()),
            '--hosts', self.file('hosts.json', json.dumps(
                {'hypervisors': hosts}).encode()), *argv)

    def test_exit_codes(self):
        for hosts, argv, code in (
                ([host('a')], (), 0), ([host('a', 6002)], (), 1),
                ([host('a'), host('b', state='down')], (), 0),
                ([host('a'), host('b', state='down')],
                 ('--fail-on', 'warning'), 1)):
            self.assertEqual(code, self.audit([IMAGE], hosts, *argv)[0],
                             (hosts, argv))

    def test_text_begins_with_totals(self):
        _, out, _ = self.audit([IMAGE], [host('a'), host('b', 0)])
        self.assertEqual(
            ['1 image for Hyper-V, 1 that only some hosts can run',
             '2 hosts, 2 of Hyper-V, 1 without a version', '0 servers', '',
             'error    HV403  host-version-unknown', '  1 host: b'],
            out.splitlines()[:6])

    def test_servers_of_unknown_images_are_counted(self):
        for number, line in (
                (0, None),
                (1, '(1 server with a root volume or a deleted image)'),
                (2, '(2 servers with a root volume or a deleted image)')):
            stream = io.StringIO()
            audit_output.write_text(audit.audit((), (), [
                audit.Server(str(index), '', '', 'host')
                for index in range(number)], compatibility.Policy()), stream)
            lines = [text for text in stream.getvalue().splitlines()
                     if text.startswith('(')]
            self.assertEqual([line] if line else [], lines)

    def test_images_without_the_trait_are_one_paragraph(self):
        hosts = [host('a', traits=['CUSTOM_HYPERV_GEN2'])]
        for images, subject, end in (
                ([IMAGE], '1 image: i (n)', ' i'),
                ([IMAGE, {**IMAGE, 'id': 'j'}], '2 images: i (n), j (n)',
                 '\n  IMAGE')):
            code, out, _ = self.audit(images, hosts)
            self.assertEqual(0, code)
            self.assertEqual(
                f'info     HV122  trait-missing\n  {subject}\n'
                '  the image does not require the trait CUSTOM_HYPERV_GEN2; '
                'every host that can\n  run generation 2 has it\n'
                '  Fix: openstack image set --property '
                f'trait:CUSTOM_HYPERV_GEN2=required --{end}\n',
                out.partition('\n\n')[2])

    def test_json_follows_its_schema(self):
        _, out, _ = self.audit([IMAGE], [host('a'), host('b', 0)],
                               '-f', 'json')
        document = json.loads(out)
        jsonschema.validate(document, json.loads(
            (ETC / 'audit.schema.json').read_text()))
        group, = document['image_groups']
        self.assertEqual(
            [True, False],
            [document['verdicts'][number]['accepted']
             for number in group['verdicts']])

    def test_csv(self):
        _, out, _ = self.audit([IMAGE], [host('a', 6002)], '-f', 'csv')
        self.assertEqual([('image', 'i', 'HV409')], [
            (row['subject'], row['id'], row['code'])
            for row in csv.DictReader(io.StringIO(out))])

    def test_hostile_names_are_harmless(self):
        page = self.directory / 'report.html'
        for formatter in ('table', 'csv', 'json'):
            _, out, err = self.audit(
                [{**IMAGE, 'id': HOSTILE, 'name': HOSTILE}],
                [host(HOSTILE, 0)], '-f', formatter, '--output', str(page))
            self.assertEqual('', err)
            self.assertTrue(all(c == '\n' or c.isprintable() for c in out))
            if formatter == 'csv':
                self.assertTrue(all(cell[:1] != '=' for row in csv.reader(
                    io.StringIO(out)) for cell in row))
        text = page.read_text()
        self.assertNotIn('alert(1)</script>', text)
        self.assertEqual(2, text.count('</script>'))
        self.assertTrue(all(c == '\n' or c.isprintable() for c in text))

    def test_page_loads_nothing(self):
        page = self.directory / 'report.html'
        self.audit([IMAGE], [host('a')], '--output', str(page))
        text = page.read_text()
        self.assertIn("content=\"default-src 'none'; base-uri 'none'; "
                      "form-action 'none'; script-src 'sha256-", text)
        self.assertIsNone(re.search(r'\b(?:src|href)=|url\(|@import', text))

    def test_findings_are_counted_for_prometheus(self):
        path = self.directory / 'audit.prom'
        self.audit([IMAGE, {**IMAGE, 'id': 'j'}], [host('a'), host('b', 0)],
                   '--prometheus', str(path))
        values = {
            sample.labels['code']: sample.value for family
            in parser.text_string_to_metric_families(path.read_text())
            for sample in family.samples
            if sample.name == 'hyperv_sched_audit_findings'
            and sample.labels['moment'] == 'audit'}
        self.assertEqual((1, 2), (values['HV403'], values['HV410']))

    def test_file_of_metrics_of_others_is_kept(self):
        path = self.directory / 'other.prom'
        path.write_text('load 1\n')
        code, _, err = self.audit([IMAGE], [host('a')],
                                  '--prometheus', str(path))
        self.assertEqual((2, 'load 1\n'), (code, path.read_text()))
        self.assertIn('other.prom has other content', err)

    def test_page_that_cannot_be_written_exits_2(self):
        code, out, err = self.audit([IMAGE], [host('a')], '--output',
                                    str(self.directory))
        self.assertEqual(2, code)
        self.assertIn('cannot be written: Is a directory', err)
        self.assertTrue(out)

    def test_wrong_usage_exits_2(self):
        for argv in (('--hosts', '-', '--images', '-'),
                     ('--content', '--images', 'x'),
                     ('--fail-on', 'info')):
            code, _, err = self.run_command('cloud', 'audit', *argv)
            self.assertEqual(2, code, argv)
            self.assertTrue(err, argv)
