# SPDX-License-Identifier: Apache-2.0
"""Run the sessions that the documentation shows."""

import contextlib
import io
import os
import re
import textwrap
from unittest import mock

from hyperv_sched import text
from hyperv_sched.cli import main
from tests import documentation

#: What differs between computers: sizes of files, directories and UUIDs,
#: which a page can abbreviate.
_VARIABLE = re.compile(
    r'\b\d+\.\d [KMG]iB|(?<= in )/\S+|\b[0-9a-f]{8}-[0-9a-f-]*(?:\.\.\.)?')

#: Where a page wraps commands that are printed to be pasted.
_WIDTH = 80


class SessionsMixin:
    """Runs sessions in the directory of a test case."""

    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)

    def run_line(self, line):
        """Run the command of a line; return its exit code and output."""
        (program, *argv), = documentation.split_commands(line)
        self.assertEqual('hyperv-sched', program)
        terminal = io.StringIO()
        # The pages are for a POSIX shell, on Windows, too.
        with contextlib.redirect_stdout(terminal), \
                contextlib.redirect_stderr(terminal), \
                mock.patch.object(text, 'default_shell', lambda: 'sh'):
            code = main.main(argv)
        return code, terminal.getvalue()

    def run_session(self, block):
        """Return the session with the actual output."""
        code = None
        lines = []
        for command in documentation.command_lines(block):
            lines.append(documentation.PROMPT + command)
            if command == 'echo $?':
                lines.append(str(code))
                continue
            code, output = self.run_line(command)
            for line in output.splitlines():
                lines += textwrap.wrap(
                    line, _WIDTH, break_long_words=False,
                    break_on_hyphens=False
                ) if line.startswith('openstack ') else [line]
        return '\n'.join(lines)

    def check_session(self, block, files):
        """Assert that the output of a session is the one of the page.

        :param files: the content of the files of the page, by name
        """
        for name, data in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        actual = _VARIABLE.sub('#', self.run_session(block))
        expected = _VARIABLE.sub('#', block.joined)
        pattern = '.*'.join(map(re.escape, expected.split(
            f'\n{documentation.ELISION}')))
        if not re.fullmatch(pattern, actual, re.DOTALL):
            # Shows the difference.
            self.assertEqual(expected, actual, block.page)
