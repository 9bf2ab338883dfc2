# SPDX-License-Identifier: Apache-2.0
"""Files, pipes and shells of Windows."""

import csv
import json
import pathlib
import re
import subprocess
import textwrap

import fixtures
import testtools

from hyperv_sched import text
from tests import samples
from tests.windows import client

#: Opens the file of the first argument as a virtual machine does, without
#: sharing it, and runs the command with the others.
_IN_USE = textwrap.dedent('''\
    import ctypes, sys
    create = ctypes.windll.kernel32.CreateFileW
    create.restype = ctypes.c_void_p
    assert create(sys.argv[1], 0xc0000000, 0, None, 3, 0, None)
    from hyperv_sched.cli import main
    sys.exit(main.main(sys.argv[2:]))
    ''')

#: Reads one byte of the output of a command, as "more" that is left.
_CLOSED_PIPE = textwrap.dedent('''\
    import subprocess, sys
    process = subprocess.Popen(
        [sys.executable, '-m', 'hyperv_sched', *sys.argv[1:]],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    process.stdout.read(1)
    process.stdout.close()
    print(process.stderr.read())
    print(process.wait())
    ''')

_OPENSTACK = textwrap.dedent('''\
    #include <stdio.h>
    int main(int argc, char **argv) {
        for (int index = 1; index < argc; index++)
            printf("<%s>\\n", argv[index]);
        printf(";\\n");
        return 0;
    }
    ''')


class CommandTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.top = client.windows_path(self.directory)

    def file(self, name, data=None):
        (self.directory / name).write_bytes(
            samples.dynamic_vhd() if data is None else data)
        return f'{self.top}/{name}'

    def lint(self, *arguments):
        return client.run(
            'hyperv-sched', 'image', 'lint', '-f', 'json', '--property',
            'hw_machine_type=hyperv-gen2', *arguments)


class FilesTestCase(CommandTestCase):

    def found(self, *arguments):
        code, out, err = self.lint(*arguments)
        return code, {finding['image'].replace('\\', '/').rpartition('/')[2]
                      for finding in json.loads(out)}, err

    def test_patterns_and_directories(self):
        for name in ('a.vhd', 'b.vhd', '\u65e5 \u00fc.vhd', 'c.txt'):
            self.file(name)
        disks = {'a.vhd', 'b.vhd', '\u65e5 \u00fc.vhd'}
        for argument, expected in (
                (f'{self.top}/*.vhd', disks), (f'{self.top}\\?.vhd',
                                               {'a.vhd', 'b.vhd'}),
                (self.top, disks | {'c.txt'})):
            self.assertEqual((1, expected, b''), self.found(argument))

    def test_file_that_a_virtual_machine_has_open(self):
        path = self.file('a.vhd')
        code, _, err = client.run(
            'client', '-c', _IN_USE, path, 'image', 'lint', path)
        self.assertEqual(2, code)
        self.assertIn(b'another program has it open', err)

    def test_lines_of_csv(self):
        code, out, _ = client.run(
            'hyperv-sched', 'image', 'lint', '-f', 'csv', self.file('a.vhd'),
            '--property', 'hw_machine_type=hyperv-gen2')
        self.assertEqual(1, code)
        self.assertNotIn(b'\r\r', out)
        rows = list(csv.reader(out.decode().splitlines()))
        self.assertEqual(out.count(b'\r\n'), len(rows))
        self.assertLess(1, len(rows))


class PipeTestCase(CommandTestCase):

    def test_reader_that_stops_is_no_error(self):
        self.file('a.vhd')
        for arguments in (('metadefs', 'export'), ('rule', 'list'),
                          ('image', 'lint', '-f', 'json', self.top)):
            code, out, err = client.run(
                'client', '-c', _CLOSED_PIPE, *arguments)
            self.assertEqual((0, b''), (code, err))
            self.assertRegex(out, rb"^b''\r\n(141|[01])\r\n$")


class ShellTestCase(CommandTestCase):
    """Printed commands, typed at the prompt of cmd.exe."""

    #: cmd.exe of wine replaces %PATH% where Microsoft's does not.
    NAMES = ('a b', "it's", 'a&b', 'a|b>c<d', '(a)', 'a^b', '100%', '!x!',
             'a\\', 'a b\\', '--x', 'a"b', '"', '')

    def setUp(self):
        super().setUp()
        source = self.directory / 'openstack.c'
        source.write_text(_OPENSTACK)
        subprocess.run(['x86_64-w64-mingw32-gcc', source, '-o',
                        self.directory / 'openstack.exe'], check=True)

    def type(self, lines):
        """Return the last arguments of the commands."""
        console = client.Console.start('cmd',
                                       environ={'WINEPATH': self.top})
        console.wait(lambda: console.output.endswith(b'>'))
        for number, line in enumerate(lines, 1):
            console.type(f'{line}\r'.encode())
            console.wait(lambda number=number: console.output.count(
                b'\n;') == number or console.code is not None)
        console.type(b'exit\r')
        console.wait()
        return re.findall(b'<([^\r\n]*)>[\r\n]+;', console.output)

    def test_words_arrive(self):
        for shell in ('cmd', 'windows'):
            words, lines = [], []
            for name in self.NAMES:
                try:
                    lines.append(text.command_line(
                        ('openstack', '--', name), shell))
                except text.UnquotableError:
                    continue
                words.append(name.encode())
            self.assertGreater(len(words), 8)
            self.assertEqual(words, self.type(lines), shell)
