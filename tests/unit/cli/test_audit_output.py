# SPDX-License-Identifier: Apache-2.0

import csv
import io
import json
import re

import jsonschema

from hyperv_sched import audit
from hyperv_sched import compatibility
from hyperv_sched.cli import audit_output
from tests.unit.cli import audits
from tests.unit.cli import base
from tests.unit.cli.audits import IMAGE
from tests.unit.cli.audits import host

#: HTML, an escape sequence, a right-to-left override, a formula.
HOSTILE = '=</script><script>alert(1)</script>\x1b[2J\u202e'


class OutputTestCase(audits.AuditTestCase):

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
        jsonschema.validate(document, base.load_schema('audit'))
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
