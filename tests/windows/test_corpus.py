# SPDX-License-Identifier: Apache-2.0
"""Verdicts on Windows are those on Linux, for each disk of the firmware tests.

tests.firmware compares the verdicts on Linux with real firmware.
"""

import collections
import json
import pathlib
import subprocess
import sys

import fixtures
import testtools

from tests.firmware import images
from tests.firmware import test_firmware
from tests.windows import client


def _finish(command, *arguments):
    done = subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, timeout=600)
    return done.returncode, done.stdout, done.stderr


class CorpusTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)

    def build(self):
        """Build all disks; return their paths by their properties."""
        paths = collections.defaultdict(list)
        for record in test_firmware.RECORDS:
            directory = self.directory / record.name
            directory.mkdir()
            image = images.build(record.steps, directory)
            if image.disk != image.path:
                image.disk.unlink()
            properties = {**test_firmware.GENERATION_2, **record.properties}
            paths[tuple(properties.items())].append(image.path)
        return paths

    def test_findings_are_byte_by_byte_those_on_linux(self):
        count = 0
        for properties, paths in self.build().items():
            arguments = ['image', 'lint', '-f', 'json', *(
                word for name, value in properties
                for word in ('--property', f'{name}={value}'))]
            on_linux = _finish([sys.executable, '-m', 'hyperv_sched'],
                               *arguments, *paths)
            code, out, err = client.run(
                'hyperv-sched', *arguments, *map(client.windows_path, paths))
            self.assertEqual(on_linux, (
                code, *(text.replace(b'\r\n', b'\n').replace(b'"Z:', b'"')
                        for text in (out, err))))
            self.assertEqual(b'', err)
            count += len({finding['image']
                          for finding in json.loads(on_linux[1])})
        # Most disks of the corpus have a fault.
        self.assertGreater(count, 300)
