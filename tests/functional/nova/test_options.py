# SPDX-License-Identifier: Apache-2.0
"""A wrong option of [hyperv_sched] keeps the services from starting."""

import json
import pathlib
import subprocess
import sys
import tempfile

import testtools

#: Loads the driver and the filter as nova-compute and nova-scheduler do, with
#: each of the files.
START = """
import json, sys, types
import nova.conf
from nova import config
from nova import objects
from nova.scheduler import filters
from nova.virt import driver
from nova.virt import fake
import oslo_log.log as logging
import io, logging as python_logging

broken = types.ModuleType('nova.virt.broken')
sys.modules['nova.virt.broken_fakes'] = broken
broken.Number = 1
broken.NoDriver = object
results = []
for path in json.loads(sys.argv[1]):
    nova.conf.CONF(['--config-file', path], project='nova')
    stream = io.StringIO()
    handler = python_logging.StreamHandler(stream)
    logger = python_logging.getLogger('nova.virt.driver')
    logger.addHandler(handler)
    try:
        loaded = type(driver.load_compute_driver(None)).__name__
    except SystemExit as exc:
        loaded = exc.code
    logger.removeHandler(handler)
    try:
        filters.HostFilterHandler().get_matching_classes(
            ['hyperv_sched.filters.HyperVGenerationFilter'])[0]()
        filtered = None
    except Exception as exc:
        filtered = str(exc)
    results.append([loaded, stream.getvalue(), filtered])
print(json.dumps(results))
"""


GOOD = 'compute_driver = fake.FakeDriver'
MISSPELLED = f'{GOOD}\ngen2_minimum_version = 2012R2'
#: Drivers that are none, and what the log says of each.
DRIVERS = {
    'devcloudd.HostDriver': 'ModuleNotFoundError',
    'fake.FakeDriverr': 'is not a compute driver',
    'fake': 'is not a compute driver',
    '': 'is not a compute driver',
    '.': 'cannot be imported',
    'hyperv_sched.EnforcedDriver': 'is not a compute driver',
    'nova.virt.fake.FakeDriver': 'ModuleNotFoundError',
    'broken_fakes.Number': 'is not a compute driver',
    'broken_fakes.NoDriver': 'is not a compute driver'}


class StartTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        """Start all in one process: importing Nova takes longest."""
        super().setUpClass()
        texts = (GOOD, MISSPELLED,
                 *(f'compute_driver = {name}' for name in DRIVERS))
        with tempfile.TemporaryDirectory() as directory:
            files = []
            for number, text in enumerate(texts):
                file = pathlib.Path(directory, f'{number}.conf')
                file.write_text(
                    '[DEFAULT]\ncompute_driver = '
                    f'hyperv_sched.EnforcedDriver\n[hyperv_sched]\n{text}\n')
                files.append(str(file))
            done = subprocess.run(
                [sys.executable, '-W', 'ignore', '-c', START,
                 json.dumps(files)], capture_output=True, text=True,
                cwd=pathlib.Path(__file__).parents[3])
        if done.returncode:
            raise AssertionError(done.stderr)
        cls.results = dict(zip(texts, (
            (file, *result) for file, result in zip(
                files, json.loads(done.stdout.splitlines()[-1]),
                strict=True)), strict=True))

    def start(self, text):
        """Start both services with a text below [hyperv_sched].

        :returns: its file, the driver's class or the exit code of
            nova-compute, its log, and the error of nova-scheduler
        """
        return self.results[text]

    def test_good_options_start_both(self):
        _, loaded, _, filtered = self.start(GOOD)
        self.assertEqual('EnforcedFakeDriver', loaded)
        self.assertIsNone(filtered)

    def test_misspelled_version_starts_neither(self):
        file, loaded, log, filtered = self.start(MISSPELLED)
        self.assertEqual(1, loaded)
        words = (f'[hyperv_sched] gen2_minimum_version in {file} is not '
                 'valid: ')
        self.assertIn(words, log)
        self.assertIn(words, filtered)
        self.assertNotIn('is not of type', log)

    def test_wrong_driver_is_named_with_its_option(self):
        for name, words in DRIVERS.items():
            file, loaded, log, filtered = self.start(
                f'compute_driver = {name}')
            self.assertEqual(1, loaded, name)
            self.assertIn(
                f"[hyperv_sched] compute_driver ({file}) is '{name}', which ",
                log)
            self.assertIn(words, log)
            self.assertIsNone(filtered)
