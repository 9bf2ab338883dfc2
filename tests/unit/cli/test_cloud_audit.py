# SPDX-License-Identifier: Apache-2.0

from prometheus_client import parser

from tests.unit.cli import audits
from tests.unit.cli.audits import IMAGE
from tests.unit.cli.audits import host


class CloudAuditTestCase(audits.AuditTestCase):

    def test_exit_codes(self):
        for hosts, argv, code in (
                ([host('a')], (), 0), ([host('a', 6002)], (), 1),
                ([host('a'), host('b', state='down')], (), 0),
                ([host('a'), host('b', state='down')],
                 ('--fail-on', 'warning'), 1)):
            self.assertEqual(code, self.audit([IMAGE], hosts, *argv)[0],
                             (hosts, argv))

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
