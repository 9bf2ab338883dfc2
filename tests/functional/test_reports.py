# SPDX-License-Identifier: Apache-2.0
"""Reports for CI systems against their schemas."""

import json
import os
import pathlib
import subprocess
import sys
import tarfile
from xml.etree import ElementTree

import jsonschema
import testtools
import xmlschema

from tests import files

COMMAND = pathlib.Path(sys.executable).with_name('hyperv-sched')

#: What GitLab documents of a code quality report: all members are required.
GITLAB = {
    'type': 'array', 'items': {
        'type': 'object', 'required': [
            'description', 'check_name', 'fingerprint', 'severity',
            'location'],
        'properties': {
            'description': {'type': 'string', 'minLength': 1},
            'check_name': {'type': 'string', 'minLength': 1},
            'fingerprint': {'type': 'string', 'minLength': 1},
            'severity': {'enum': [
                'info', 'minor', 'major', 'critical', 'blocker']},
            'location': {
                'type': 'object', 'required': ['path', 'lines'],
                'properties': {
                    'path': {'type': 'string',
                             'not': {'pattern': r'^(\./|/)'}},
                    'lines': {'type': 'object', 'required': ['begin'],
                              'properties': {
                                  'begin': {'type': 'integer'}}}}}}}}

#: Names of images that a report must not interpret.
HOSTILE = ('<script>alert(1)</script>', ']]>', '&lt;', '\x1b[31mred', '\0',
           'evil\u202egnp.vhdx', '=1+1', '\ufffe', '\ud800', 'a\nb', '\u78c1',
           '"x\'')


def _junit_schema():
    with tarfile.open(os.environ['JUNIT_XSD']) as source:
        name, = (name for name in source.getnames()
                 if name.endswith('/junit-10.xsd'))
        return xmlschema.XMLSchema(source.extractfile(name).read().decode())


class ReportsTestCase(files.FilesMixin, testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.junit = _junit_schema()

    def lint(self, report, images, *argv):
        return subprocess.run(
            [COMMAND, 'image', 'lint', '-f', report, *argv],
            input=json.dumps(images), check=False, cwd=self.directory,
            text=True, stdout=subprocess.PIPE).stdout

    def images(self):
        return [{'name': name, 'hypervisor_type': 'hyperv',
                 'hw_machine_type': f'hyperv-gen2{name}'}
                for name in HOSTILE]

    def test_junit(self):
        for images in (self.images(), [{'name': 'x', 'disk_format': 'qcow2'}],
                       [{'name': 'x', 'hypervisor_type': 'hyperv',
                         'hw_machine_type': 'hyperv-gen2',
                         'hw_disk_bus': 'ide', 'disk_format': 'vhd'}],
                       [{'ID': 'x', 'Name': 'y'}]):
            text = self.lint('junit', images, '--image-json', '-')
            self.junit.validate(text)
            self.assertTrue(text.isascii())

    def test_junit_has_a_suite_for_each_image(self):
        root = ElementTree.fromstring(self.lint(
            'junit', self.images(), '--image-json', '-'))
        names = [suite.get('name') for suite in root]
        self.assertEqual(len(HOSTILE), len(names))
        self.assertTrue(all(map(str.isprintable, names)), names)

    def test_gitlab(self):
        for images in (self.images(), []):
            report = json.loads(self.lint(
                'gitlab', images or [{'name': 'x'}], '--image-json', '-'))
            jsonschema.validate(report, GITLAB)
            self.assertEqual(len(report), len(
                {finding['fingerprint'] for finding in report}))
            for finding in report:
                self.assertTrue(finding['description'].isprintable())
                self.assertTrue(finding['location']['path'].isprintable())

    def test_gitlab_names_a_file_from_the_working_directory(self):
        (self.directory / 'sub').mkdir()
        path = self.file('sub/disk.vhdx', b'vhdxfile' + bytes(100_000))
        for name in (path, 'sub/disk.vhdx', './sub/disk.vhdx'):
            report = json.loads(self.lint('gitlab', None, name))
            self.assertEqual(
                {'sub/disk.vhdx'},
                {finding['location']['path'] for finding in report})
