# SPDX-License-Identifier: Apache-2.0

import pathlib
import tempfile

from oslo_config import cfg
from oslo_config import generator

from hyperv_sched import conf
from tests.unit import base


class OptionsTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.conf = cfg.ConfigOpts()
        conf.register_opts(self.conf)
        self.conf([])

    def test_defaults_are_those_of_the_design(self):
        options = self.conf.hyperv_sched
        self.assertEqual('6.3', options.gen2_minimum_version)
        self.assertEqual('reject', options.unknown_host_version)
        self.assertTrue(options.explain_no_valid_host)
        self.assertFalse(options.require_trait)
        self.assertEqual('compute_hyperv.driver.HyperVDriver',
                         options.compute_driver)

    def test_minimum_that_no_host_reports_is_refused(self):
        for version in ('R2', '6.0', '2016', '10.0.17763'):
            self.assertRaises(
                ValueError, self.conf.set_override, 'gen2_minimum_version',
                version, 'hyperv_sched')


class ReadTestCase(base.TestCase):
    """A service reads its options once, when it starts."""

    #: A wrong value of each option that has any.
    WRONG = {
        'gen2_minimum_version': '2012R2',
        'unknown_host_version': 'allow',
        'explain_no_valid_host': 'perhaps',
        'require_trait': 'perhaps',
        'ignored_rules': 'HV106,HV999',
        'error_rules': 'hv106',
        'import_sets_properties': 'hw_machine_typ',
        'secure_boot_certificates': '2011,2012',
    }

    def load(self, text):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = pathlib.Path(directory.name, 'nova.conf')
        path.write_text(f'[hyperv_sched]\n{text}\n')
        options = cfg.ConfigOpts()
        conf.register_opts(options)
        options([], default_config_files=[str(path)])
        return str(path), options

    def test_wrong_value_names_option_group_and_file(self):
        for name, value in self.WRONG.items():
            path, options = self.load(f'{name} = {value}')
            error = self.assertRaises(
                conf.InvalidOptionError, conf.read, options, 'compute_driver',
                name)
            expected = f'[hyperv_sched] {name} in {path} is not valid: '
            self.assertEqual(expected, str(error)[:len(expected)])
            self.assertIn(value.rpartition(',')[2], str(error))

    def test_path_of_any_characters_is_named(self):
        for path in ('C:\\etc\\nova.conf', "it's.conf", """a'b"c\\.conf"""):
            self.assertEqual(
                f'in {path} is not valid: bad', conf.reason(ValueError(
                    'Value for option x from LocationInfo(location=1, '
                    f'detail={path!r}) is not valid: bad')))

    def test_every_option_but_a_free_one_is_among_them(self):
        (_, options), = conf.list_opts()
        self.assertEqual({'compute_driver', 'metrics_file', *self.WRONG},
                         {option.name for option in options})

    def test_values_come_in_the_order_of_the_names(self):
        _, options = self.load('gen2_minimum_version = 10.0')
        self.assertEqual(
            [True, '10.0'],
            conf.read(options, 'explain_no_valid_host',
                      'gen2_minimum_version'))

    def test_option_is_named_with_its_file(self):
        path, options = self.load('compute_driver = a.B')
        self.assertEqual(f'[hyperv_sched] compute_driver ({path})',
                         conf.location(options, 'compute_driver'))
        self.assertEqual(
            '[hyperv_sched] gen2_minimum_version (not set)',
            conf.location(options, 'gen2_minimum_version'))


class SampleTestCase(base.TestCase):

    def test_shipped_sample_is_up_to_date(self):
        shipped = (pathlib.Path(__file__).parents[2] /
                   'etc/nova/hyperv_sched.conf.sample')
        with tempfile.TemporaryDirectory() as directory:
            fresh = pathlib.Path(directory, 'sample')
            generator.main(['--namespace', 'hyperv_sched',
                            '--wrap-width', '79',
                            '--output-file', str(fresh)])
            self.assertEqual(shipped.read_text(), fresh.read_text())
