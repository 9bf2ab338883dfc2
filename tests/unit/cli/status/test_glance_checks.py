# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.cli.status import glance_checks
from hyperv_sched.cli.status import results
from tests.unit.cli.status import base

KEYSTONE = '[paste_deploy]\nflavor = keystone\n'
USE = 'use = egg:hyperv-sched#hyperv_generation\nreport_only = false'

#: As in Glance 30 and newer, and before.
BY_FLAVOR = '''
[composite:glance-api]
paste.composite_factory = glance.api:root_app_factory
/: api
/healthcheck: healthcheck
[composite:glance-api-keystone]
paste.composite_factory = glance.api:root_app_factory
/: api
/healthcheck: healthcheck
[composite:api]
paste.composite_factory = glance.api:pipeline_factory
default = cors unauthenticated-context rootapp
keystone = {pipeline}
'''
BY_SECTION = '''
[pipeline:glance-api]
pipeline = cors unauthenticated-context rootapp
[pipeline:glance-api-keystone]
pipeline = {pipeline}
'''
APPS = '''
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[app:healthcheck]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:unauthenticated-context]
paste.filter_factory = glance.api.middleware.context:Unauthenticated.factory
'''


class GlanceTestCase(base.StatusTestCase):

    def judge(self, check, glance='', paste=None):
        return list(check(self.read(glance=glance, paste=paste)))


class ImageConversionTestCase(GlanceTestCase):

    def judge_plugins(self, value, output=''):
        return self.judge(
            glance_checks.image_conversion,
            f'[image_import_opts]\nimage_import_plugins = {value}\n'
            f'[image_conversion]\n{output}\n')

    def test_fails_in_each_position_and_format(self):
        for value in ('[image_conversion]',
                      '[image_conversion, hyperv_generation]',
                      '[hyperv_generation, image_conversion]'):
            self.assertProblem(base.FAILURE, 'converts imported disks to raw',
                               self.judge_plugins(value))
            for made in ('qcow2', 'raw', 'vmdk'):
                self.assertProblem(
                    base.FAILURE, f'converts imported disks to {made}',
                    self.judge_plugins(value, f'output_format = {made}'))

    def test_others(self):
        self.assertEqual([], self.judge_plugins(
            '[image_decompression, hyperv_generation]'))


class ImportPluginTestCase(GlanceTestCase):

    def judge_plugins(self, value):
        return self.judge(
            glance_checks.import_plugin,
            f'[image_import_opts]\nimage_import_plugins = {value}\n')

    def test_right(self):
        self.assertEqual([], self.judge_plugins(
            "[inject_image_metadata, 'hyperv_generation']"))

    def test_not_configured(self):
        self.assertProblem(base.WARNING, 'lacks hyperv_generation',
                           self.judge(glance_checks.import_plugin))

    def test_others_only(self):
        self.assertProblem(base.WARNING, 'lacks hyperv_generation',
                           self.judge_plugins('[no_op]'))

    def test_misspelled(self):
        for wrong in ('hyperv_generaton', 'hyperv-generation',
                      'HyperV_Generation', 'hyperv_generation_2'):
            self.assertProblem(
                base.FAILURE, f'has {wrong}: Glance logs a warning',
                self.judge_plugins(f'[no_op, {wrong}]'))

    def test_before_a_plugin_that_changes_the_image(self):
        for other in ('inject_image_metadata', 'image_decompression',
                      'image_conversion', 'plugin_of_somebody'):
            self.assertProblem(
                base.FAILURE, f'before {other}',
                self.judge_plugins(f'[hyperv_generation, no_op, {other}]'))

    def test_before_a_plugin_that_changes_nothing(self):
        self.assertEqual([], self.judge_plugins('[hyperv_generation, no_op]'))

    def test_last_of_two_positions_is_checked(self):
        self.assertEqual([], self.judge_plugins(
            '[hyperv_generation, image_decompression, hyperv_generation]'))

    def test_no_package_offers_it(self):
        self.entry_points.clear()
        self.assertProblem(base.FAILURE, 'No installed package offers',
                           self.judge_plugins('[hyperv_generation]'))

    def test_not_importable(self):
        self.entry_points = {
            key: ImportError('no taskflow') for key in self.entry_points}
        self.assertProblem(base.FAILURE, 'ImportError: no taskflow',
                           self.judge_plugins('[hyperv_generation]'))

    def test_not_tried_without_glance(self):
        self.versions.clear()
        self.assertProblem(base.WARNING, 'glance is not installed',
                           self.judge_plugins('[hyperv_generation]'))

    def test_without_brackets_glance_cannot_read_it(self):
        self.assertRaises(results.OptionValueError, self.judge_plugins,
                          'hyperv_generation')

    def test_skipped_without_its_configuration(self):
        self.assertSkipped('no configuration of Glance',
                           glance_checks.import_plugin, self.read(nova=''))


class ApiFilterTestCase(GlanceTestCase):

    def judge_paste(self, pipeline, section=f'[filter:hyperv]\n{USE}\n',
                    glance=KEYSTONE, style=BY_FLAVOR):
        return self.judge(
            glance_checks.api_filter, glance,
            style.format(pipeline=pipeline) + APPS + section)

    def test_right(self):
        for style in (BY_FLAVOR, BY_SECTION):
            self.assertEqual([], self.judge_paste(
                'cors authtoken context hyperv rootapp', style=style))

    def test_right_by_its_factory(self):
        self.assertEqual([], self.judge_paste(
            'context hyperv rootapp', '[filter:hyperv]\npaste.filter_factory '
            '= hyperv_sched.glance.api_filter:factory\n'
            'report_only = false\n'))

    def test_not_configured(self):
        for style in (BY_FLAVOR, BY_SECTION):
            self.assertProblem(
                base.WARNING, 'lacks the API filter', self.judge_paste(
                    'cors authtoken context rootapp', '', style=style))

    def test_in_the_pipeline_of_another_flavor(self):
        for style in (BY_FLAVOR, BY_SECTION):
            self.assertProblem(
                base.FAILURE, 'flavor not set) lacks it',
                self.judge_paste('context hyperv rootapp', glance='',
                                 style=style))

    def test_before_the_context(self):
        self.assertProblem(
            base.FAILURE, 'hyperv is before context',
            self.judge_paste('cors hyperv authtoken context rootapp'))

    def test_not_defined(self):
        for wrong in ('hyperv_generation', 'hyperv_generaton'):
            self.assertProblem(
                base.FAILURE, f'there is no [filter:{wrong}]',
                self.judge_paste(f'context {wrong} rootapp', ''))

    def test_entry_point_misspelled(self):
        for wrong in ('egg:hyperv-sched#hyperv_generaton',
                      'egg:hyperv-shed#hyperv_generation',
                      'egg:hyperv-sched', 'hyperv-sched#hyperv_generation'):
            self.assertProblem(
                base.FAILURE, f'but {wrong}. Write', self.judge_paste(
                    'context hyperv rootapp',
                    f'[filter:hyperv]\nuse = {wrong}\n'
                    'report_only = false\n'))

    def test_distribution_in_its_other_spelling(self):
        self.assertEqual([], self.judge_paste(
            'context hyperv rootapp', '[filter:hyperv]\n'
            'use = egg:hyperv_sched#hyperv_generation\n'
            'report_only = false\n'))

    def test_not_importable(self):
        self.entry_points = {
            key: ImportError('no webob') for key in self.entry_points}
        self.assertProblem(base.FAILURE, 'ImportError: no webob',
                           self.judge_paste('context hyperv rootapp'))

    def test_report_only(self):
        for value, expected in (
                ('report_only = true', [base.WARNING]),
                ('', [base.WARNING]), ('report_only = false', []),
                ('report_only = ja', [base.FAILURE])):
            found = self.judge_paste(
                'context hyperv rootapp', '[filter:hyperv]\n'
                f'use = egg:hyperv-sched#hyperv_generation\n{value}\n')
            self.assertEqual(expected, [problem.code for problem in found])

    def test_filters_of_other_packages_are_ignored(self):
        self.assertProblem(
            base.WARNING, 'lacks the API filter', self.judge_paste(
                'context hyper rootapp',
                '[filter:hyper]\nuse = egg:hyper#audit\n'))

    def test_flavor_without_a_pipeline(self):
        self.assertProblem(
            base.FAILURE, 'there is no application glance-api-keystnoe',
            self.judge_paste('context hyperv rootapp',
                             glance='[paste_deploy]\nflavor = keystnoe\n'))

    def test_pipeline_to_another_application(self):
        self.assertProblem(base.WARNING, 'leads to the Image API',
                           self.judge_paste('context hyperv healthcheck'))

    def test_cycle_of_applications(self):
        self.assertProblem(
            base.FAILURE, 'contain each other', self.judge_paste(
                'context hyperv circle',
                f'[composite:circle]\n/: api\n[filter:hyperv]\n{USE}\n'))

    def test_skipped_without_a_paste_file(self):
        self.assertSkipped(
            'no paste file', glance_checks.api_filter,
            self.read(glance='[paste_deploy]\n'
                             'config_file = /nonexistent/paste.ini\n'))


class OptionsTestCase(GlanceTestCase):

    def test_defaults_are_right(self):
        for check in (glance_checks.parallel_stores,
                      glance_checks.format_match, glance_checks.disk_formats):
            self.assertEqual([], self.judge(check))

    def test_parallel_import_to_several_stores(self):
        parallel = '[image_import_opts]\nmax_parallel_stores = 2\n'
        for stores, expected in (('', 0), ('a:file', 0), ('a:file,b:rbd', 1)):
            found = self.judge(
                glance_checks.parallel_stores,
                f'[DEFAULT]\nenabled_backends = {stores}\n{parallel}')
            self.assertEqual([base.FAILURE] * expected,
                             [problem.code for problem in found])

    def test_format_match_off(self):
        self.assertProblem(
            base.FAILURE, 'require_image_format_match', self.judge(
                glance_checks.format_match,
                '[image_format]\nrequire_image_format_match = false\n'))

    def test_format_match_that_is_not_a_boolean(self):
        self.assertRaises(
            results.OptionValueError, self.judge, glance_checks.format_match,
            '[image_format]\nrequire_image_format_match = perhaps\n')

    def test_formats_of_hyperv_refused(self):
        for formats, code in (('vhd,raw', base.FAILURE),
                              ('vhdx,raw', base.WARNING)):
            for group in ('image_format', 'DEFAULT'):
                self.assertProblem(
                    code, 'disk_formats', self.judge(
                        glance_checks.disk_formats,
                        f'[{group}]\ndisk_formats = {formats}\n'))


class VersionTestCase(GlanceTestCase):

    def test_release_that_does_not_compare(self):
        self.versions['glance'] = '29.0.1'
        self.assertProblem(base.WARNING, 'Glance 29.0.1',
                           self.judge(glance_checks.version))

    def test_first_that_does(self):
        self.versions['glance'] = '30.0.0'
        self.assertEqual([], self.judge(glance_checks.version))

    def test_skipped_where_glance_is_not_installed(self):
        del self.versions['glance']
        self.assertSkipped('not installed', glance_checks.version,
                           self.read(glance=''))
