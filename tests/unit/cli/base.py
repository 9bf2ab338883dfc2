# SPDX-License-Identifier: Apache-2.0

import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
from unittest import mock

import fixtures

from hyperv_sched.cli import main
from tests import files
from tests import guests
from tests import properties
from tests import samples
from tests.unit import base

BOOTABLE = samples.uefi_vhdx()
#: One error for generation 2: HV202.
VHD = samples.fixed_vhd(guest=guests.bootable())
GENERATION_2 = properties.options(properties.GENERATION_2)

_SCHEMAS = pathlib.Path(__file__).parents[3] / 'etc/hyperv-sched'


def load_schema(name):
    """Return the JSON Schema of an input or output that is installed."""
    return json.loads((_SCHEMAS / f'{name}.schema.json').read_text())


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self):
        return True

    def screen(self):
        """Return the final line of the terminal."""
        line, at = [], 0
        for sign in self.getvalue():
            if sign == '\r':
                at = 0
                continue
            line[at:at + 1] = sign
            at += 1
        return ''.join(line).rstrip()


class CommandTestCase(files.FilesMixin, base.TestCase):

    def run_command(self, *argv, stdin='', stdout=None):
        """Run a command; return its exit code, output and messages."""
        out, err = stdout or io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), \
                contextlib.redirect_stderr(err), \
                mock.patch.object(sys, 'stdin', io.TextIOWrapper(
                    io.BytesIO(stdin if isinstance(stdin, bytes)
                               else stdin.encode()))):
            try:
                code = main.main(argv)
            except SystemExit as exc:
                code = exc.code
        return code, '' if stdout else out.getvalue(), err.getvalue()


class ConvertTestCase(CommandTestCase):
    """Runs "image convert" on files that it refuses."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            shutil, 'which', lambda name: name))
        self.output = str(self.directory / 'out.vhdx')

    def refused(self, data, *argv):
        """Run a command that starts no program; return code and errors."""
        path = self.file('in', data)
        with mock.patch.object(subprocess, 'Popen') as started:
            code, out, err = self.run_command(
                'image', 'convert', path, self.output, *argv)
        started.assert_not_called()
        self.assertEqual(['in'], os.listdir(self.directory))
        return code, out + err
