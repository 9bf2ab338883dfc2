# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.cli.status import nova_checks
from hyperv_sched.cli.status import results
from tests.unit.cli.status import base

ALL = 'available_filters = nova.scheduler.filters.all_filters\n'
OURS = 'available_filters = hyperv_sched.filters.HyperVGenerationFilter\n'
ENABLED = ('enabled_filters = ComputeFilter, HyperVGenerationFilter, '
           'ImagePropertiesFilter\n')
HOST = '''
[DEFAULT]
compute_driver = hyperv_sched.EnforcedDriver
[hyperv_sched]
compute_driver = compute_hyperv.driver.HyperVDriver
'''


class NovaTestCase(base.StatusTestCase):

    def judge(self, check, nova):
        return list(check(self.read(nova=nova)))

    def scheduler(self, check, *lines):
        return self.judge(check, '[filter_scheduler]\n' + ''.join(lines))


class AvailableFilterTestCase(NovaTestCase):

    def judge_lines(self, *lines):
        return self.scheduler(nova_checks.available_filter, *lines)

    def test_right(self):
        self.assertEqual([], self.judge_lines(ALL, OURS))

    def test_not_configured(self):
        self.assertProblem(base.FAILURE, 'lacks the filter',
                           self.judge(nova_checks.available_filter, ''))

    def test_missing_beside_others(self):
        self.assertProblem(base.FAILURE, 'lacks the filter',
                           self.judge_lines(ALL))

    def test_misspelled_names_are_reported_with_the_correct_one(self):
        for wrong in ('hyperv_sched.filters.HyperVGenerationFiler',
                      'hyperv_sched.filter.HyperVGenerationFilter',
                      'nova.scheduler.filters.HyperVGenerationFilter',
                      'HyperVGenerationFilter',
                      'hyperv-sched.filters.HyperVGenerationFilter'):
            found = self.judge_lines(ALL, f'available_filters = {wrong}\n')
            self.assertProblem(base.FAILURE, f'has {wrong}.', found)
            self.assertIn(OURS.strip(), found[0].text)

    def test_two_in_one_line(self):
        ours, all_filters = self.judge_lines(
            ALL.strip(), ',', OURS.partition(' = ')[2])
        self.assertIn('on a line of its own', ours.text)
        self.assertIn('no longer has nova.scheduler.filters.all_filters',
                      all_filters.text)

    def test_novas_own_filters_lost(self):
        found = self.judge_lines(OURS, ENABLED)
        self.assertProblem(
            base.FAILURE, 'without ComputeFilter, ImagePropertiesFilter',
            found)

    def test_novas_own_filters_named_one_by_one(self):
        self.assertEqual([], self.judge_lines(
            OURS, 'available_filters = nova.scheduler.filters.'
                  'compute_filter.ComputeFilter\n',
            'enabled_filters = ComputeFilter, HyperVGenerationFilter\n'))

    def test_not_importable(self):
        self.importable.clear()
        self.assertProblem(base.FAILURE, 'ModuleNotFoundError',
                           self.judge_lines(ALL, OURS))

    def test_not_tried_without_nova(self):
        self.versions.clear()
        self.assertProblem(base.WARNING, 'nova is not installed',
                           self.judge_lines(ALL, OURS))

    def test_skipped_without_nova_conf(self):
        self.assertSkipped('no configuration of Nova',
                           nova_checks.available_filter,
                           self.read(glance=''))

    def test_skipped_on_a_hyperv_host(self):
        self.assertSkipped('this is a Hyper-V host',
                           nova_checks.available_filter, self.read(nova=HOST))

    def test_checked_on_a_hyperv_host_with_a_scheduler(self):
        self.assertProblem(
            base.FAILURE, 'lacks the filter', self.judge(
                nova_checks.available_filter,
                HOST + '[filter_scheduler]\n' + ALL))


class EnabledFilterTestCase(NovaTestCase):

    def judge_list(self, *names):
        return self.scheduler(nova_checks.enabled_filter,
                              f'enabled_filters = {", ".join(names)}')

    def test_right(self):
        self.assertEqual([], self.judge_list(
            'ComputeFilter', 'HyperVGenerationFilter',
            'ImagePropertiesFilter'))

    def test_not_configured(self):
        self.assertProblem(base.FAILURE, 'lacks the filter',
                           self.judge(nova_checks.enabled_filter, ''))

    def test_misspelled(self):
        for wrong in ('HyperVGenerationFiler', 'hypervgenerationfilter',
                      'HyperV_GenerationFilter',
                      'hyperv_sched.filters.HyperVGenerationFilter'):
            self.assertProblem(
                base.FAILURE, f'has {wrong}: nova-scheduler does not start',
                self.judge_list('ComputeFilter', wrong))

    def test_after_image_properties_filter(self):
        self.assertProblem(base.WARNING, 'the user gets no reason',
                           self.judge_list('ImagePropertiesFilter',
                                           'HyperVGenerationFilter'))

    def test_twice(self):
        self.assertProblem(base.WARNING, '2 times', self.judge_list(
            'HyperVGenerationFilter', 'HyperVGenerationFilter'))

    def test_skipped_on_a_hyperv_host(self):
        self.assertSkipped('this is a Hyper-V host',
                           nova_checks.enabled_filter, self.read(nova=HOST))


class ComputeDriverTestCase(NovaTestCase):

    def judge_driver(self, name, more=''):
        return self.judge(nova_checks.compute_driver,
                          f'[DEFAULT]\ncompute_driver = {name}\n{more}')

    def test_right(self):
        self.assertEqual([], self.judge(nova_checks.compute_driver, HOST))

    def test_driver_without_enforcement_names_the_correction(self):
        found = self.judge_driver('compute_hyperv.driver.HyperVDriver')
        self.assertProblem(base.FAILURE, 'rules are not enforced', found)
        self.assertIn('"compute_driver = compute_hyperv.driver.HyperVDriver" '
                      'in [hyperv_sched]', found[0].text)

    def test_misspelled(self):
        for wrong in ('hyperv_sched.EnforceDriver', 'EnforcedDriver',
                      'hyperv_sched.enforceddriver',
                      'hyprev_sched.EnforcedDriver',
                      'nova.virt.hyperv_sched.EnforcedDriver'):
            self.assertProblem(
                base.FAILURE, f'{wrong}: nova-compute does not start',
                self.judge_driver(wrong))

    def test_not_set_with_an_underlying_driver(self):
        self.assertProblem(
            base.FAILURE, 'has no default', self.judge(
                nova_checks.compute_driver, '[hyperv_sched]\n'
                'compute_driver = compute_hyperv.driver.HyperVDriver\n'))

    def test_other_driver_with_options_of_hyperv(self):
        self.assertProblem(
            base.FAILURE, 'libvirt.LibvirtDriver: rules are not enforced',
            self.judge_driver('libvirt.LibvirtDriver',
                              '[hyperv]\nvswitch_name = private\n'))

    def test_not_importable(self):
        del self.importable['nova.virt.hyperv_sched.EnforcedDriver']
        self.assertProblem(base.FAILURE, 'cannot be imported',
                           self.judge(nova_checks.compute_driver, HOST))

    def test_skipped_on_other_hosts(self):
        for nova in ('', '[DEFAULT]\ncompute_driver = libvirt.LibvirtDriver',
                     '[filter_scheduler]\n' + ALL + OURS + ENABLED):
            self.assertSkipped(
                'not a Hyper-V host', nova_checks.compute_driver,
                self.read(nova=nova))


class EnforcedDriverTestCase(NovaTestCase):

    def judge_driver(self, name):
        return self.judge(
            nova_checks.enforced_driver,
            '[DEFAULT]\ncompute_driver = hyperv_sched.EnforcedDriver\n'
            f'[hyperv_sched]\ncompute_driver = {name}')

    def test_right(self):
        self.assertEqual([], self.judge(nova_checks.enforced_driver, HOST))

    def test_default_is_right(self):
        self.assertEqual([], self.judge(
            nova_checks.enforced_driver,
            '[DEFAULT]\ncompute_driver = hyperv_sched.EnforcedDriver\n'))

    def test_not_importable(self):
        self.assertProblem(
            base.FAILURE, 'compute_hyperv.HyperVDriver, named by '
            '[hyperv_sched] compute_driver',
            self.judge_driver('compute_hyperv.HyperVDriver'))

    def test_no_driver(self):
        self.importable['nova.virt.utils.Thing'] = object
        self.assertProblem(base.FAILURE, 'it is not a driver of Nova',
                           self.judge_driver('utils.Thing'))

    def test_itself(self):
        self.assertProblem(base.FAILURE, 'it cannot extend itself',
                           self.judge_driver('hyperv_sched.EnforcedDriver'))


class ConfigDriveTestCase(NovaTestCase):

    def judge_format(self, line):
        return self.judge(nova_checks.config_drive,
                          HOST.replace('[DEFAULT]\n', f'[DEFAULT]\n{line}\n'))

    def test_right(self):
        for line in ('', 'config_drive_format = iso9660'):
            self.assertEqual([], self.judge_format(line))

    def test_a_format_that_hyperv_cannot_attach(self):
        self.assertProblem(
            base.FAILURE, 'Set it to iso9660.',
            self.judge_format('config_drive_format = vfat'))

    def test_a_value_that_nova_refuses(self):
        self.assertRaises(results.OptionValueError, self.judge_format,
                          'config_drive_format = iso')

    def test_skipped_on_other_hosts(self):
        self.assertSkipped(
            'not a Hyper-V host', nova_checks.config_drive, self.read(
                nova='[DEFAULT]\nconfig_drive_format = vfat\n'))


class ImagePrefilterTestCase(NovaTestCase):

    def judge_value(self, value):
        return self.judge(
            nova_checks.image_prefilter,
            f'[scheduler]\nimage_metadata_prefilter = {value}\n')

    def test_off(self):
        self.assertEqual([], self.judge_value('false'))
        self.assertEqual([], self.judge(nova_checks.image_prefilter, ''))

    def test_on(self):
        self.assertProblem(base.WARNING, 'Set it to false.',
                           self.judge_value('true'))

    def test_skipped_on_a_hyperv_host(self):
        self.assertSkipped('this is a Hyper-V host',
                           nova_checks.image_prefilter, self.read(nova=HOST))


class SnapshotTestCase(NovaTestCase):

    def judge_names(self, names):
        return self.judge(
            nova_checks.snapshot_properties,
            f'[DEFAULT]\nnon_inheritable_image_properties = {names}\n')

    def test_default_is_right(self):
        self.assertEqual([], self.judge_names('cache_in_nova,bittorrent'))
        self.assertEqual([], self.judge(
            nova_checks.snapshot_properties, ''))

    def test_each_property_that_a_snapshot_needs(self):
        for name in ('hw_machine_type', 'hypervisor_type', 'img_hv_type',
                     'hypervisor_version_requires',
                     'img_hv_requested_version', 'os_secure_boot',
                     'os_type'):
            self.assertProblem(
                base.WARNING, f'has {name}: snapshots',
                self.judge_names(f'cache_in_nova,bittorrent,{name}'))

    def test_several_are_one_problem(self):
        self.assertProblem(
            base.WARNING, 'has hw_machine_type, os_type: snapshots',
            self.judge_names('os_type,hw_machine_type'))


class VersionTestCase(NovaTestCase):

    def test_old(self):
        self.versions['nova'] = '25.1.0'
        self.assertProblem(base.FAILURE, 'Nova 25.1.0',
                           self.judge(nova_checks.version, ''))

    def test_oldest_that_works(self):
        self.versions['nova'] = '26.0.0'
        self.assertEqual([], self.judge(nova_checks.version, ''))

    def test_skipped_where_nova_is_not_installed(self):
        del self.versions['nova']
        self.assertSkipped('not installed', nova_checks.version,
                           self.read(nova=''))

    def test_skipped_without_its_configuration(self):
        self.assertSkipped('no configuration', nova_checks.version,
                           self.read(glance=''))


class RequireTraitTestCase(base.StatusTestCase):

    OPTION = '[hyperv_sched]\nrequire_trait = true\n'

    def problems(self, text, difference=None):
        self.importable[nova_checks.TRAIT_REQUEST] = lambda: difference
        return list(nova_checks.require_trait(self.read(nova=text)))

    def test_known_nova_takes_the_request_filter(self):
        enabled = f'[filter_scheduler]\n{ALL}{OURS}{ENABLED}'
        self.assertEqual([], self.problems(enabled + self.OPTION))
        self.assertEqual([], self.problems(enabled, 'it is new'))

    def test_other_nova_is_a_failure(self):
        self.assertProblem(
            base.FAILURE, 'require_trait', self.problems(
                f'[filter_scheduler]\n{ALL}{OURS}{ENABLED}{self.OPTION}',
                'it is new'))

    def test_option_without_the_filter_is_a_failure(self):
        self.assertProblem(
            base.FAILURE, 'has no effect without HyperVGenerationFilter',
            self.problems('[filter_scheduler]\nenabled_filters = '
                          f'ComputeFilter\n{self.OPTION}'))
