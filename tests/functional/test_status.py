# SPDX-License-Identifier: Apache-2.0
"""The installed command, over the samples of a real Nova and Glance.

Each mistake is made in a configuration that was right before, and seen by
what the services themselves read and import.
"""

import functools
import json
import pathlib
import subprocess
import sys
import tempfile

import fixtures
import testtools

from tests import forked

TOP = pathlib.Path(__file__).parents[2]
BIN = pathlib.Path(sys.executable).parent
CONTEXT = 'authtoken context'
FILTER = ('[filter:hyperv_generation]\n'
          'use = egg:hyperv-sched#hyperv_generation\nreport_only = false')


def run(*argv, cwd='/', **kwargs):
    return subprocess.run(argv, text=True, capture_output=True, check=False,
                          cwd=cwd, **kwargs)


@functools.cache
def sample(*namespaces):
    """Generate the sample configuration of a service."""
    done = run(BIN / 'oslo-config-generator', *(
        word for namespace in namespaces
        for word in ('--namespace', namespace)))
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


def put(text, group, option, *values):
    """Set an option below the head of its group in a sample."""
    lines = ''.join(f'{option} = {value}\n' for value in values)
    head = f'[{group}]\n'
    if head not in text:
        text += head
    return text.replace(head, head + lines, 1)


class StatusTestCase(testtools.TestCase):

    environment = {}
    #: What the checks import; for the time that it takes.
    modules = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.command = forked.Command(
            'hyperv_sched.cli.status.command:main', *cls.modules)
        cls.addClassCleanup(cls.command.close)

    @property
    def nova_sample(self):
        return sample('nova.conf', 'hyperv_sched')

    @property
    def glance_sample(self):
        return sample('glance.api', 'glance')

    @property
    def paste_sample(self):
        return pathlib.Path(
            sys.prefix, 'etc/glance/glance-api-paste.ini').read_text()

    def status(self, *argv, installed=False, **texts):
        """Run the checks over these texts; return exit code and results.

        :param installed: run the installed command, not a fork
        """
        options = []
        for name, text in texts.items():
            path = self.directory / f'{name}.conf'
            path.write_text(text)
            options += ['--glance-paste' if name == 'paste' else
                        f'--{name}-conf', path]
        argv = ('upgrade', 'check', '--json', *options, *argv)
        if installed or self.environment:
            done = run(BIN / 'hyperv-sched-status', *argv,
                       env=self.environment)
        else:
            done = self.command.run(*argv)
        self.assertIn(done.returncode, (0, 1, 2), done.stderr)
        return done.returncode, {
            check['check']: check
            for check in json.loads(done.stdout)['checks']}

    def assertMistake(self, code, name, words, **texts):
        """Assert that one check has the worst result."""
        status, results = self.status(**texts)
        self.assertEqual(code, status, results)
        self.assertIn(words, results[name]['details'])
        self.assertEqual([name], [
            check['check'] for check in results.values()
            if check['result'] > 0])


class StartTestCase(testtools.TestCase):

    def test_no_service_is_imported_before_a_check_needs_it(self):
        done = run(sys.executable, '-W', 'ignore', '-c',
                   'import sys\n'
                   'import hyperv_sched.cli.status.command\n'
                   'print(*sorted(sys.modules))', cwd=TOP)
        modules = done.stdout.split()
        self.assertIn('hyperv_sched.cli.status.command', modules)
        self.assertEqual([], [
            name for name in modules
            if name.partition('.')[0] in ('nova', 'glance', 'openstack')
            and name not in ('nova', 'nova.virt')])


class SchedulerTestCase(StatusTestCase):

    modules = ('hyperv_sched.filters',
               'nova.scheduler.filters.image_props_filter')

    def nova(self, available=None, enabled=None):
        text = self.nova_sample
        if available is None:
            available = ('nova.scheduler.filters.all_filters',
                         'hyperv_sched.filters.HyperVGenerationFilter')
        if enabled is None:
            enabled = ('ComputeFilter,HyperVGenerationFilter,'
                       'ImagePropertiesFilter')
        text = put(text, 'filter_scheduler', 'available_filters', *available)
        return put(text, 'filter_scheduler', 'enabled_filters', enabled)

    def test_right(self):
        status, results = self.status(installed=True, nova=self.nova())
        self.assertEqual(0, status, results)
        for name in ('Nova available filters', 'Nova enabled filters',
                     'Nova version', 'Options of [hyperv_sched]'):
            self.assertEqual(0, results[name]['result'])
        for name in ('Nova compute driver', 'Glance import plugin'):
            self.assertEqual(-1, results[name]['result'])

    def test_sample_as_it_is_lacks_the_filter(self):
        status, results = self.status(nova=self.nova_sample)
        self.assertEqual(2, status)
        for name in ('Nova available filters', 'Nova enabled filters'):
            self.assertIn('lacks the filter', results[name]['details'])

    def test_misspelled(self):
        self.assertMistake(
            2, 'Nova enabled filters', 'HyperVGenerationFiltre',
            nova=self.nova(enabled='ComputeFilter,HyperVGenerationFiltre'))
        self.assertMistake(
            2, 'Nova available filters', 'HyperVGenerationFiltre',
            nova=self.nova(available=(
                'nova.scheduler.filters.all_filters',
                'hyperv_sched.filters.HyperVGenerationFiltre')))

    def test_novas_own_filters_lost(self):
        self.assertMistake(
            2, 'Nova available filters', 'without ComputeFilter',
            nova=self.nova(available=(
                'hyperv_sched.filters.HyperVGenerationFilter',)))

    def test_late(self):
        self.assertMistake(
            1, 'Nova enabled filters', 'the user gets no reason',
            nova=self.nova(
                enabled='ImagePropertiesFilter,HyperVGenerationFilter'))

    def test_request_filters_are_those_of_this_nova(self):
        status, results = self.status(
            nova=put(self.nova(), 'hyperv_sched', 'require_trait', 'true'))
        self.assertEqual((0, 0), (
            status, results['Nova request filter']['result']), results)

    def test_prefilter_that_requests_traits_of_others(self):
        self.assertMistake(
            1, 'Nova image pre-filter', 'Set it to false.',
            nova=put(self.nova(), 'scheduler', 'image_metadata_prefilter',
                     'true'))

    def test_snapshots_that_lose_the_generation(self):
        self.assertMistake(
            1, 'Nova snapshots', 'hw_machine_type',
            nova=put(self.nova(), 'DEFAULT',
                     'non_inheritable_image_properties',
                     'cache_in_nova,bittorrent,hw_machine_type'))

    def test_section_that_is_ignored_and_section_that_is_twice(self):
        text = self.nova()
        self.assertMistake(1, 'Sections', 'Write [filter_scheduler].',
                           nova=f'{text}\n[filter-scheduler]\na = b\n')
        self.assertMistake(1, 'Sections', '[filter_scheduler] begins 2',
                           nova=f'{text}\n[filter_scheduler]\n')
        self.assertMistake(
            1, 'Sections', 'enabled_filters is set 2 times',
            nova=f'{text}\n[filter_scheduler]\nenabled_filters ='
                 ' HyperVGenerationFilter\n')

    def test_no_section_of_nova_is_taken_for_another(self):
        _, results = self.status(nova=self.nova())
        self.assertEqual(0, results['Sections']['result'], results)

    def test_configuration_of_the_caller_is_not_the_services(self):
        # No test may write to /etc: there is none of Nova or Glance here.
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (home / 'nova.conf').write_text(self.nova())
        done = run(BIN / 'hyperv-sched-status', 'upgrade', 'check',
                   env={'HOME': str(home)})
        self.assertEqual(255, done.returncode, done.stdout)
        self.assertEqual('', done.stdout)
        self.assertIn(f'{home}/nova.conf', done.stderr)

    def test_no_filter_of_nova_is_taken_for_ours(self):
        done = run(sys.executable, '-W', 'ignore', '-c',
                   'from nova.scheduler import filters\n'
                   'for cls in filters.all_filters(): print(cls.__name__)')
        names = done.stdout.split()
        self.assertIn('ImagePropertiesFilter', names)
        _, results = self.status(nova=self.nova(enabled=','.join(names)))
        self.assertIn('lacks the filter',
                      results['Nova enabled filters']['details'])


class ComputeTestCase(StatusTestCase):

    modules = ('nova.virt.hyperv_sched', 'nova.virt.fake')

    def nova(self, driver='hyperv_sched.EnforcedDriver',
             enforced='fake.FakeDriver'):
        text = put(self.nova_sample, 'DEFAULT', 'compute_driver', driver)
        return put(text, 'hyperv_sched', 'compute_driver', enforced)

    def test_right(self):
        status, results = self.status(installed=True, nova=self.nova())
        self.assertEqual(0, status, results)
        self.assertEqual(0, results['Nova compute driver']['result'])
        self.assertEqual(0, results['Nova enforced driver']['result'])

    def test_bare(self):
        self.assertMistake(
            2, 'Nova compute driver', 'rules are not enforced',
            nova=self.nova(driver='compute_hyperv.driver.HyperVDriver'))

    def test_misspelled(self):
        self.assertMistake(
            2, 'Nova compute driver', 'nova-compute does not start',
            nova=self.nova(driver='hyperv_sched.EnforcedDrive'))

    def test_enforced_driver_gone(self):
        self.assertMistake(
            2, 'Nova enforced driver', 'cannot be imported',
            nova=self.nova(enforced='hyperv.driver.HyperVDriver'))

    def test_enforced_on_what_is_no_driver(self):
        self.assertMistake(
            2, 'Nova enforced driver', 'it is not a driver of Nova',
            nova=self.nova(enforced='fake.FakeVirtAPI'))

    def test_config_drive_that_hyperv_cannot_attach(self):
        self.assertMistake(
            2, 'Nova config drive', 'Set it to iso9660.',
            nova=put(self.nova(), 'DEFAULT', 'config_drive_format', 'vfat'))

    def test_option_misspelled(self):
        self.assertMistake(
            1, 'Options of [hyperv_sched]', 'Write gen2_minimum_version.',
            nova=put(self.nova(), 'hyperv_sched', 'gen2_min_version', '10.0'))


class GlanceTestCase(StatusTestCase):

    modules = ('hyperv_sched.glance.import_plugin',
               'hyperv_sched.glance.api_filter')

    def texts(self, *changes, flavor='keystone', paste=None,
              plugins='hyperv_generation'):
        glance = put(self.glance_sample, 'image_import_opts',
                     'image_import_plugins', f'[{plugins}]')
        glance = put(glance, 'paste_deploy', 'flavor', flavor)
        for change in changes:
            glance = put(glance, *change)
        return {'glance': glance, 'paste': paste or self.paste()}

    def paste(self, old=CONTEXT, new=f'{CONTEXT} hyperv_generation',
              section=FILTER):
        text = self.paste_sample
        self.assertIn(old, text)
        return f'{text.replace(old, new)}\n{section}\n'

    def test_right_with_and_without_caching(self):
        for flavor in ('keystone', 'keystone+cachemanagement'):
            status, results = self.status(
                installed=True, **self.texts(flavor=flavor))
            self.assertEqual(0, status, results)
            self.assertEqual(0, results['Glance API filter']['result'])
            self.assertEqual(0, results['Glance import plugin']['result'])
            self.assertEqual(-1, results['Nova enabled filters']['result'])

    def test_no_section_of_glance_is_taken_for_another(self):
        _, results = self.status(**self.texts())
        self.assertEqual(0, results['Sections']['result'], results)

    def test_samples_as_they_are_lack_both(self):
        status, results = self.status(
            glance=self.glance_sample, paste=self.paste_sample)
        self.assertEqual(1, status)
        self.assertIn('lacks', results['Glance import plugin']['details'])
        self.assertIn('lacks the API filter',
                      results['Glance API filter']['details'])

    def test_plugin_misspelled(self):
        texts = self.texts()
        texts['glance'] = texts['glance'].replace(
            '[hyperv_generation]', '[hyperv_generaton]')
        self.assertMistake(2, 'Glance import plugin', 'hyperv_generaton',
                           **texts)

    def test_other_flavor(self):
        self.assertMistake(2, 'Glance API filter', 'lacks it',
                           **self.texts(flavor='caching'))

    def test_before_the_context(self):
        self.assertMistake(
            2, 'Glance API filter', 'is before context', **self.texts(
                paste=self.paste(new='authtoken hyperv_generation context')))

    def test_entry_point_misspelled(self):
        self.assertMistake(
            2, 'Glance API filter', 'hyperv_generaton', **self.texts(
                paste=self.paste(section=FILTER.replace(
                    '#hyperv_generation', '#hyperv_generaton'))))

    def test_report_only(self):
        self.assertMistake(
            1, 'Glance API filter', 'report_only', **self.texts(
                paste=self.paste(section=FILTER.replace('false', 'true'))))

    def test_options_of_glance(self):
        for name, code, change in (
                ('Glance parallel import', 2,
                 ('image_import_opts', 'max_parallel_stores', '2')),
                ('Glance content check', 2,
                 ('image_format', 'require_image_format_match', 'false')),
                ('Glance disk formats', 2,
                 ('image_format', 'disk_formats', 'vhd,raw')),
                ('Glance disk formats', 1,
                 ('image_format', 'disk_formats', 'vhdx,raw'))):
            self.assertMistake(code, name, change[1], **self.texts(
                ('DEFAULT', 'enabled_backends', 'a:file,b:file'), change))

    def test_conversion_in_front(self):
        self.assertMistake(
            2, 'Glance image conversion', 'image_conversion',
            **self.texts(plugins='image_conversion,hyperv_generation'))

    def test_broken_plugin(self):
        broken = self.useFixture(fixtures.TempDir()).path
        for module in ('taskflow', 'webob'):
            pathlib.Path(broken, f'{module}.py').write_text(
                'import no_such_module\n')
        self.environment = {'PYTHONPATH': broken}
        _, results = self.status(**self.texts())
        for name in ('Glance import plugin', 'Glance API filter'):
            self.assertEqual(2, results[name]['result'])
            self.assertIn('no_such_module', results[name]['details'])


class DefaultsTestCase(testtools.TestCase):
    """Options read without their service have that service's defaults."""

    def test_are_those_of_the_services_here(self):
        done = run(sys.executable, '-W', 'ignore', '-c', '''
import glance.opts
import nova.conf.opts
from hyperv_sched.cli.status import configuration
for theirs, ours in (
        (nova.conf.opts.list_opts(), configuration.NOVA_OPTS),
        (glance.opts.list_api_opts() + glance.opts.list_image_import_opts(),
         configuration.GLANCE_OPTS)):
    real = {(str(group or 'DEFAULT'), opt.name): opt
            for group, opts in theirs for opt in opts}
    for group, opts in ours.items():
        for opt in opts:
            found = real[group or 'DEFAULT', opt.name]
            assert type(found) is type(opt), opt.name
            assert found.type == opt.type, opt.name
            assert found.default == opt.default, opt.name
            print(opt.name)
''', cwd=TOP)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('max_parallel_stores', done.stdout.split())
