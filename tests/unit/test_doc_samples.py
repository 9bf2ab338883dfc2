# SPDX-License-Identifier: Apache-2.0
"""The sessions that the documentation shows are what the commands print."""

import os
import pathlib
import shlex
import textwrap

from tests import guests
from tests import samples
from tests.unit.cli import base

SAMPLES = pathlib.Path(__file__).parents[2] / 'doc/source/samples'

#: The files of the sessions: a disk that was installed for generation 1, and
#: one for generation 2.
FILES = {
    'windows.vhdx': samples.vhdx(
        block_size=samples.MIB, guest=guests.bios_bootable()),
    'debian.vhdx': samples.vhdx(
        block_size=samples.MIB, guest=guests.bootable()),
}
README = SAMPLES.parents[2] / 'README.rst'

#: What a terminal shows between output and messages.
PROMPT = '$ '


class SampleTestCase(base.CommandTestCase):

    def test_sessions(self):
        sessions = sorted(SAMPLES.glob('*.txt'))
        self.assertTrue(sessions)
        for name, data in FILES.items():
            self.file(name, data)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        for path in sessions:
            text = path.read_text()
            shown = ''
            for line in text.splitlines():
                if not line.startswith(PROMPT):
                    continue
                program, *argv = shlex.split(line.removeprefix(PROMPT))
                self.assertEqual('hyperv-sched', program)
                _, out, err = self.run_command(*argv)
                shown += f'{line}\n{out}{err}'
            self.assertEqual(text, shown, path.name)

    def test_readme_has_one_of_them(self):
        sample = (SAMPLES / 'refused.txt').read_text()
        self.assertIn(textwrap.indent(sample, '    '), README.read_text())
