# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import metrics
from hyperv_sched.cli.status import configuration
from hyperv_sched.cli.status import configuration_checks
from tests.unit.cli.status import base
from tests.unit.cli.status import test_nova_checks


class SectionsTestCase(test_nova_checks.NovaTestCase):

    def judge_sections(self, text):
        return self.judge(configuration_checks.sections, text)

    def test_right(self):
        self.assertEqual([], self.judge_sections(
            '[DEFAULT]\ndebug = true\n[scheduler]\n[database]\n'
            '[api_database]\n[filter_scheduler]\n'
            + test_nova_checks.ALL + test_nova_checks.OURS
            + test_nova_checks.ENABLED
            + '[hyperv_sched]\n[hyperv]\n[oslo_messaging_rabbit]\n'))

    def test_misspelled(self):
        for wrong, right in (
                ('hyperv-sched', 'hyperv_sched'),
                ('hyperv_shed', 'hyperv_sched'),
                ('hypervsched', 'hyperv_sched'),
                ('filter-scheduler', 'filter_scheduler'),
                ('filters_scheduler', 'filter_scheduler'),
                ('filter_schedular', 'filter_scheduler'),
                (' filter_scheduler ', 'filter_scheduler'),
                ('shceduler', 'scheduler'),
                ('default', 'DEFAULT'),
                ('Default', 'DEFAULT')):
            found = self.judge_sections(f'[{wrong}]\nname = value\n')
            self.assertProblem(base.WARNING, f'[{wrong}] in ', found)
            self.assertIn(f'Write [{right}].', found[0].text)

    def test_misspelled_in_glances_files(self):
        for wrong, right in (('image-import-opts', 'image_import_opts'),
                             ('image_import_opt', 'image_import_opts'),
                             ('image_formats', 'image_format'),
                             ('paste_deployment', 'paste_deploy')):
            found = list(configuration_checks.sections(self.read(
                glance=f'[{wrong}]\nname = value\n')))
            self.assertProblem(base.WARNING, f'Write [{right}].', found)

    def test_case_of_a_section_does_not_matter(self):
        self.assertEqual([], self.judge_sections(
            '[Filter_Scheduler]\n' + test_nova_checks.ENABLED))

    def test_a_section_that_begins_twice(self):
        for second in ('filter_scheduler', 'FILTER_SCHEDULER'):
            self.assertProblem(
                base.WARNING, '[filter_scheduler] begins 2 times',
                self.judge_sections(
                    '[filter_scheduler]\n' + test_nova_checks.ENABLED
                    + f'[DEFAULT]\n[{second}]\n' + test_nova_checks.OURS))

    def test_an_option_that_is_set_twice(self):
        for between in ('', '[DEFAULT]\n[filter_scheduler]\n'):
            self.assertProblem(
                base.WARNING, '[filter_scheduler] enabled_filters is set 2 '
                'times', self.judge_sections(
                    '[filter_scheduler]\n' + test_nova_checks.ENABLED
                    + between + 'enabled_filters = ComputeFilter\n'))

    def test_an_option_of_several_lines_may_be_set_twice(self):
        self.assertEqual([], self.judge_sections(
            '[filter_scheduler]\n' + test_nova_checks.ALL
            + test_nova_checks.OURS))

    def test_sections_of_other_packages_are_ignored(self):
        self.assertEqual([], self.judge_sections(
            '[oslo_policy]\na = 1\na = 2\n[oslo_policy]\n'))

    def test_section_in_two_files_is_not_repeated(self):
        first = self.write('first.conf', '[DEFAULT]\ncompute_driver = a\n')
        second = self.write('second.conf', '[DEFAULT]\ncompute_driver = b\n')
        self.assertEqual([], list(configuration_checks.sections(
            configuration.read(nova=[first, second]))))


class OptionsTestCase(test_nova_checks.NovaTestCase):

    def judge_options(self, text):
        return self.judge(configuration_checks.options, text)

    def test_right(self):
        self.assertEqual([], self.judge_options(
            test_nova_checks.HOST
            + 'gen2_minimum_version = 10.0\nignored_rules = HV106\n'))

    def test_invalid_value_names_option_and_file(self):
        found = self.judge_options(
            '[hyperv_sched]\ngen2_minimum_version = R2\n')
        self.assertProblem(base.FAILURE, 'gen2_minimum_version', found)
        self.assertIn(' in ' + str(self.directory), found[0].text)
        self.assertNotIn('LocationInfo', found[0].text)

    def test_misspelled_option_names_the_right_one(self):
        self.assertProblem(
            base.WARNING, 'Write unknown_host_version.', self.judge_options(
                '[hyperv_sched]\nunknown_hosts_version = accept\n'))

    def test_other_unknown_option(self):
        self.assertProblem(base.WARNING, 'Remove it.', self.judge_options(
            '[hyperv_sched]\ncolor = blue\n'))

    def test_case_of_the_group_does_not_matter(self):
        self.assertProblem(base.WARNING, 'color', self.judge_options(
            '[Hyperv_Sched]\ncolor = blue\n'))

    def test_group_of_the_driver_is_ignored(self):
        self.assertEqual([], self.judge_options(
            '[hyperv]\nvswitch_name = private\n'))

    def test_in_glances_files(self):
        found = list(configuration_checks.options(self.read(
            glance='[hyperv_sched]\ncolor = blue\n')))
        self.assertProblem(base.WARNING, 'glance-api.conf', found)


class MetricsFileTestCase(base.StatusTestCase):

    def judge(self, path):
        return list(configuration_checks.metrics_file(self.read(
            nova=f'[hyperv_sched]\nmetrics_file = {path}\n')))

    def test_right(self):
        path = self.directory / 'hyperv_sched.prom'
        self.assertEqual([], self.judge(path))
        path.write_text('# HELP hyperv_sched_refusals_total x\n')
        self.assertEqual([], self.judge(path))

    def test_not_set(self):
        self.assertSkipped('metrics_file is not set',
                           configuration_checks.metrics_file,
                           self.read(nova='[DEFAULT]\n', glance=''))

    def test_wrong(self):
        other = self.write('other.prom', 'load 1\n')
        (self.directory / 'directory.prom').mkdir()
        audit = self.directory / 'audit.prom'
        metrics.write_audit(str(audit), {'HV402': 1})
        for path, words in (
                ('hyperv_sched.prom', 'Write the whole path'),
                (self.directory / 'hyperv_sched.txt', 'extension prom only'),
                (self.directory / 'missing/a.prom', 'does not exist'),
                (self.directory / 'directory.prom', 'is not a regular file'),
                (other, 'has other content'),
                (audit, 'has other content')):
            self.assertProblem(base.WARNING, words, self.judge(path))

    def test_file_that_two_services_name_is_reported_once(self):
        text = '[hyperv_sched]\nmetrics_file = a.prom\n'
        self.assertProblem(base.WARNING, 'whole path', list(
            configuration_checks.metrics_file(self.read(
                nova=text, glance=text))))
