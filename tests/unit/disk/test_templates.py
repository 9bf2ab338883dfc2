# SPDX-License-Identifier: Apache-2.0

import datetime
import hashlib
import json
import pathlib

from hyperv_sched.disk import templates
from tests.unit import base

DATA = json.loads(pathlib.Path(templates.__file__).with_name(
    'templates.json').read_text())


class TemplatesTestCase(base.TestCase):

    def test_certificates(self):
        self.assertEqual({
            'windows': ('MicrosoftWindows', [
                ('Microsoft Windows Production PCA 2011', '2011', 'e8e95f07'),
                ('Windows UEFI CA 2023', '2023', '076f1fea')]),
            'linux': ('MicrosoftUEFICertificateAuthority', [
                ('Microsoft Corporation UEFI CA 2011', '2011', '48e99b99'),
                ('Microsoft UEFI CA 2023', '2023', 'f6124e34'),
                ('Azure Services Linux Kmod PCA', '2023', 'ca400f91')]),
        }, {os_type: (template.name, [
            (anchor.certificate.name, anchor.year, hashlib.sha256(
                anchor.certificate.encoded).hexdigest()[:8])
            for anchor in template.db])
            for os_type, template in templates.load().items()})

    def test_all_certificates_have_keys_and_may_issue_others(self):
        for template in templates.load().values():
            for anchor in template.db:
                self.assertIsNotNone(anchor.certificate.key)
                self.assertTrue(anchor.certificate.is_ca)

    def test_revoked_hashes(self):
        for template in templates.load().values():
            self.assertGreaterEqual(len(template.dbx.hashes), 431)
            self.assertEqual({32}, set(map(len, template.dbx.hashes)))

    def test_sources_and_dates(self):
        for part in (DATA, DATA['dbx']):
            self.assertIn('github.com/microsoft/', part['source'])
            self.assertIn('Microsoft Corporation', part['license'])
            datetime.date.fromisoformat(part['date'])

    def test_templates_of_hosts_with_certificates_of_one_year(self):
        template = templates.load()['linux']
        self.assertEqual(
            ['Microsoft Corporation UEFI CA 2011'],
            [a.certificate.name for a in template.restrict(['2011']).db])
        self.assertEqual(template, template.restrict(['2011', '2023']))
        self.assertEqual((), template.restrict([]).db)
