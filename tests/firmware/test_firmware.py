# SPDX-License-Identifier: Apache-2.0
"""The linter agrees with firmware.

Each image is judged on both sides, by the one table in
:mod:`tests.firmware.corpus`.
"""

import collections
import pathlib

import fixtures
import testtools

from hyperv_sched import disk
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.disk import secure_boot
from hyperv_sched.disk import templates
from tests.firmware import boot
from tests.firmware import corpus
from tests.firmware import images
from tests.firmware import signed

GENERATION_2 = {
    'hw_machine_type': 'hyperv-gen2',
    'hypervisor_type': 'hyperv',
    'hypervisor_version_requires': '>=6.3',
}
RECORDS = [*corpus.CORPUS, *signed.CORPUS]
TELLING = [record for record in RECORDS if record.telling]
OTHERS = [record for record in RECORDS if not record.telling]


def each(records):
    """Add a test for each record to a test case."""
    def decorate(case):
        for record in records:
            def test(self, record=record):
                self.check(record, self.build(record))
            name = f"test_{record.name.replace('-', '_')}"
            setattr(case, name, test)
        return case
    return decorate


def policy(record):
    """Return what the linter verifies for Secure Boot."""
    if record.properties.get('os_secure_boot') != 'required':
        return None
    return secure_boot.Policy(record.keys or templates.load(), True)


class ImageTestCase(testtools.TestCase):

    def build(self, record):
        directory = self.useFixture(fixtures.TempDir()).path
        return images.build(record.steps, pathlib.Path(directory))


@each(RECORDS)
class LinterTestCase(ImageTestCase):
    """The table against the linter."""

    def check(self, record, image):
        found = collections.defaultdict(set)
        with disk.open_file(image.path) as file:
            content = disk.inspect_file(
                file, policy(record), drivers=True).as_dict()
        for finding in validators.validate({
                **GENERATION_2, **record.properties, 'content': content}):
            found[finding.severity].add(finding.code)
        self.assertEqual(record.errors, found['error'] | found['unknown'])
        self.assertLessEqual(
            record.warnings, found['warning'] | found['info'])


class FirmwareTestCase(ImageTestCase):

    def check(self, record, image):
        self.assertEqual(record.boots, boot.starts(
            record.machine, image, in_container=not record.bare))


@each(signed.CORPUS)
class OtherFirmwareWithoutSecureBootTestCase(ImageTestCase):
    """Without Secure Boot, firmware starts all but damaged programs."""

    def check(self, record, image):
        self.assertEqual(record.name not in signed.DAMAGED, boot.starts(
            boot.UEFI, image))


@each(TELLING)
class TellingFirmwareTestCase(FirmwareTestCase):
    """The table against firmware: a few images of each kind."""


@each(OTHERS)
class OtherFirmwareTestCase(FirmwareTestCase):
    """The table against firmware: other images, for a quarter of an hour."""


class CorpusTestCase(testtools.TestCase):

    def test_each_rule_on_files_has_an_image(self):
        shown = frozenset().union(*(
            record.errors | record.warnings for record in RECORDS))
        # HV226 is about images in a cloud, whose content was not read.
        self.assertEqual(
            {code for code in rules.CATALOGUE
             if code[:3] in ('HV2', 'HV3')} - {'HV226'},
            {code for code in shown if code[:3] in ('HV2', 'HV3')})

    def test_each_name_is_given_once(self):
        names = [record.name for record in RECORDS]
        self.assertCountEqual(set(names), names)
