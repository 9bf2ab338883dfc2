# SPDX-License-Identifier: Apache-2.0

import logging
import os
import pathlib
import stat
import subprocess
import sys
from unittest import mock

import fixtures
from oslo_config import cfg
from oslo_config import fixture as config
from prometheus_client import parser

from hyperv_sched import conf
from hyperv_sched import metrics
from hyperv_sched import rules
from tests import files
from tests.unit import base

TOP = pathlib.Path(__file__).parents[2]

#: Counts in a process of its own, for argv: file, moment, number.
COUNT = """
import sys
from oslo_config import cfg
from hyperv_sched import conf, metrics, rules
conf.register_opts(cfg.CONF)
cfg.CONF([])
cfg.CONF.set_override('metrics_file', sys.argv[1], 'hyperv_sched')
# The others may hold the lock for as long as they like.
metrics._ATTEMPTS = 100_000
for _ in range(int(sys.argv[3])):
    metrics.count_refusal(
        sys.argv[2], [rules.CATALOGUE['HV402'].finding()])
"""


def finding(code, cause=None):
    return rules.CATALOGUE[code].finding(cause=cause)


def samples(path):
    """Return the values in a file by name, moment and code."""
    return {(name, labels['moment'], labels['code']): value
            for family in parser.text_string_to_metric_families(
                pathlib.Path(path).read_text())
            for name, labels, value, *_ in family.samples}


class MetricsTestCase(files.FilesMixin, base.TestCase):

    def setUp(self):
        super().setUp()
        conf.register_opts(cfg.CONF)
        self.path = str(self.directory / 'hyperv_sched.prom')
        self.config = self.useFixture(config.Config(cfg.CONF))
        self.config.config(group='hyperv_sched', metrics_file=self.path)
        writer = metrics._Writer()
        self.useFixture(fixtures.MonkeyPatch(
            'hyperv_sched.metrics._WRITER', writer))
        self.log = self.useFixture(fixtures.FakeLogger(
            'hyperv_sched.metrics', level=logging.WARNING))

    def count(self, *codes, moment='scheduling', **options):
        metrics.count_refusal(moment, map(finding, codes), **options)

    def names(self):
        return sorted(os.listdir(self.directory))


class CountTestCase(MetricsTestCase):

    def test_nothing_is_written_by_default(self):
        self.config.config(group='hyperv_sched', metrics_file=None)
        self.count('HV402')
        self.assertEqual([], self.names())

    def test_text_is_that_of_the_exposition_format(self):
        self.count('HV402')
        self.assertEqual(
            '# HELP hyperv_sched_refusals_total Refusals, once for each rule '
            'that caused one.\n'
            '# TYPE hyperv_sched_refusals_total counter\n'
            'hyperv_sched_refusals_total{code="HV402",moment="scheduling"} '
            '1.0\n', pathlib.Path(self.path).read_text())
        self.assertEqual(['hyperv_sched.prom', 'hyperv_sched.prom.lock'],
                         self.names())

    def test_refusal_counts_once_for_each_rule(self):
        self.count('HV402', 'HV401', 'HV402')
        self.count('HV402', moment='spawn')
        self.count('HV402', moment='spawn')
        self.assertEqual({
            (metrics.REFUSALS, 'scheduling', 'HV401'): 1,
            (metrics.REFUSALS, 'scheduling', 'HV402'): 1,
            (metrics.REFUSALS, 'spawn', 'HV402'): 2}, samples(self.path))

    def test_rule_is_that_of_the_first_cause(self):
        metrics.count_refusal('rebuild', [finding(
            'HV505', finding('HV502', finding('HV202')))])
        self.assertEqual({(metrics.REFUSALS, 'rebuild', 'HV202'): 1},
                         samples(self.path))

    def test_report_only_is_another_counter(self):
        self.count('HV202', moment='image_create', report_only=True)
        self.assertEqual({(metrics.REPORT_ONLY, 'image_create', 'HV202'): 1},
                         samples(self.path))

    def test_processes_add_to_one_file(self):
        self.count('HV402')
        processes = [subprocess.Popen(
            [sys.executable, '-c', COUNT, self.path, moment, '20'], cwd=TOP)
            for moment in ('spawn', 'spawn', 'rebuild')]
        self.assertEqual([0, 0, 0], [p.wait() for p in processes])
        self.assertEqual({
            (metrics.REFUSALS, 'scheduling', 'HV402'): 1,
            (metrics.REFUSALS, 'spawn', 'HV402'): 40,
            (metrics.REFUSALS, 'rebuild', 'HV402'): 20}, samples(self.path))

    @base.without_windows('permissions of a group')
    def test_other_users_can_read_the_file(self):
        self.addCleanup(os.umask, os.umask(0o077))
        self.count('HV402')
        self.assertEqual(0o644, stat.S_IMODE(os.stat(self.path).st_mode))

    def test_child_does_not_count_again_what_its_parent_has_not_written(self):
        metrics._WRITER._pending['name', 'spawn', 'HV402'] += 1
        metrics._WRITER.reset()
        self.count('HV402')
        self.assertEqual({(metrics.REFUSALS, 'scheduling', 'HV402'): 1},
                         samples(self.path))

    def test_windows_locks_the_first_byte(self):
        msvcrt = mock.Mock(LK_NBLCK=2)
        with mock.patch.dict(sys.modules, msvcrt=msvcrt), \
                mock.patch.object(metrics.os, 'name', 'nt'):
            metrics._lock(7)
        msvcrt.locking.assert_called_once_with(7, 2, 1)


class DamagedFileTestCase(MetricsTestCase):

    def test_counters_start_again(self):
        head = '# HELP hyperv_sched_refusals_total x\n'
        key = 'hyperv_sched_refusals_total{code="HV402",moment="scheduling"}'
        for text in ('', head, f'{head}{key} x\n', f'{head}{key}\n',
                     f'{head}{key} NaN\n', f'{head}{key} -1\n',
                     f'{head}{key} +Inf\n', f'{head}{key} 9e99\n',
                     f'{head}{{{{\n', f'{head}\0\n'):
            pathlib.Path(self.path).write_text(text)
            self.count('HV402')
            self.assertEqual({(metrics.REFUSALS, 'scheduling', 'HV402'): 1},
                             samples(self.path), text)
        self.assertEqual('', self.log.output)

    def test_labels_that_no_refusal_has_are_dropped(self):
        pathlib.Path(self.path).write_text(
            '# HELP hyperv_sched_refusals_total x\n'
            'hyperv_sched_refusals_total{code="<b>",moment="spawn"} 3\n'
            'hyperv_sched_refusals_total{code="HV402"} 3\n'
            'up{code="HV402",moment="spawn"} 3\n')
        self.count('HV402')
        self.assertEqual({(metrics.REFUSALS, 'scheduling', 'HV402'): 1},
                         samples(self.path))


class ErrorTestCase(MetricsTestCase):
    """An error of the file is logged once, and never raised."""

    def test_file_of_others_is_not_replaced(self):
        for text in ('[DEFAULT]\n', '# HELP up x\nup 1\n', ' ',
                     '# HELP hyperv_sched_audit_findings x\n'):
            pathlib.Path(self.path).write_text(text)
            self.count('HV402')
            self.count('HV402')
            self.assertEqual(text, pathlib.Path(self.path).read_text())
        self.assertEqual(
            '[hyperv_sched] metrics_file is not updated: ValueError: '
            f'{self.path} has other content and is not replaced\n',
            self.log.output)

    def test_file_that_is_too_large_is_not_replaced(self):
        text = b'# HELP hyperv_sched_refusals_total x\n'
        for size, replaced in ((1_048_577, False), (1_048_576, True)):
            pathlib.Path(self.path).write_bytes(text.ljust(size, b'#'))
            self.count('HV402')
            self.assertEqual(replaced, os.path.getsize(self.path) < 1000)
        self.assertEqual(1, self.log.output.count('has other content'))

    @base.without_windows('FIFOs')
    def test_pipe_is_not_opened(self):
        os.mkfifo(self.path)
        self.count('HV402')
        self.assertIn('is not a regular file', self.log.output)

    def test_missing_directory(self):
        self.config.config(group='hyperv_sched',
                           metrics_file=f'{self.path}/no/x.prom')
        self.count('HV402')
        self.count('HV401')
        self.assertEqual(1, self.log.output.count('\n'), self.log.output)
        self.assertIn('No such file or directory', self.log.output)

    def test_refusal_that_is_not_written_is_added_to_the_next_one(self):
        pathlib.Path(self.path).write_text('[DEFAULT]\n')
        self.count('HV402')
        os.unlink(self.path)
        self.count('HV401')
        self.assertEqual({
            (metrics.REFUSALS, 'scheduling', 'HV401'): 1,
            (metrics.REFUSALS, 'scheduling', 'HV402'): 1},
            samples(self.path))

    def test_locked_file_delays_one_refusal_only(self):
        with mock.patch.object(metrics.time, 'sleep') as sleep, \
                metrics._locked(self.path, 1):
            for _ in range(3):
                self.count('HV402')
        self.assertEqual(99, sleep.call_count)
        self.assertEqual(1, self.log.output.count('\n'), self.log.output)
        self.count('HV402')
        self.assertEqual({(metrics.REFUSALS, 'scheduling', 'HV402'): 4},
                         samples(self.path))

    def test_few_errors_are_logged_if_each_is_another_one(self):
        for number in range(20):
            self.config.config(group='hyperv_sched',
                               metrics_file=f'/no/{number}.prom')
            self.count('HV402')
        self.assertEqual(10, self.log.output.count('\n'))

    def test_option_that_is_not_registered(self):
        with mock.patch.object(metrics, 'CONF', cfg.ConfigOpts()):
            self.count('HV402')
        self.assertIn('NoSuch', self.log.output)


class AuditTestCase(MetricsTestCase):

    def test_gauges_have_the_labels_of_the_counters(self):
        metrics.write_audit(self.path, {'HV202': 3, 'HV402': 0})
        self.assertEqual({
            (metrics.AUDIT_FINDINGS, 'audit', 'HV202'): 3,
            (metrics.AUDIT_FINDINGS, 'audit', 'HV402'): 0},
            samples(self.path))
        self.assertIn('# TYPE hyperv_sched_audit_findings gauge\n',
                      pathlib.Path(self.path).read_text())

    def test_findings_that_are_gone_are_removed(self):
        metrics.write_audit(self.path, {'HV202': 3})
        metrics.write_audit(self.path, {'HV402': 1})
        self.assertEqual({(metrics.AUDIT_FINDINGS, 'audit', 'HV402'): 1},
                         samples(self.path))
        metrics.write_audit(self.path, {})
        self.assertEqual({}, samples(self.path))

    def test_file_of_others_is_not_replaced(self):
        pathlib.Path(self.path).write_text('[DEFAULT]\n')
        self.assertRaises(ValueError, metrics.write_audit, self.path, {})
        os.unlink(self.path)
        self.count('HV402')
        counters = pathlib.Path(self.path).read_text()
        self.assertRaises(ValueError, metrics.write_audit, self.path, {})
        self.assertEqual(counters, pathlib.Path(self.path).read_text())
        self.assertRaises(OSError, metrics.write_audit,
                          f'{self.path}/x.prom', {})
