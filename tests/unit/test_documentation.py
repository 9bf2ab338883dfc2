# SPDX-License-Identifier: Apache-2.0
"""What the documentation and the messages of the package may hold."""

import importlib
import pathlib
import re
import sys

import fixtures

from tests.unit import base

TOP = pathlib.Path(__file__).parents[2]

#: The border of a simple table of reStructuredText: two columns and more.
SIMPLE_TABLE = re.compile(r'^ *=+(?: +=+)+ *$', re.MULTILINE)

#: The border of a grid table.
GRID_TABLE = re.compile(r'^ *\+(?:[-=]+\+)+ *$', re.MULTILINE)

#: pip or pipx, and all that may be its arguments. The mark that ends a quoted
#: command has no blank before it.
INSTALL = re.compile(
    r'\b(pip|pipx|pip3) (install|inject|download)\b'
    r'((?: +(?:"[^"\n]+"|\'[^\'\n]+\'|[^\s"`\'#]+))*)')

#: What exists on PyPI.
PUBLISHED = {'PyYAML', 'backports.zstd', 'cliff', 'jsonschema',
             'junitparser', 'openstacksdk', 'oslo.log==5.0.0', 'packaging'}

#: A checkout, in all the ways in which it is written.
CHECKOUT = {'.', '".[openstack]"', 'git+ADDRESS_OF_THE_REPOSITORY'}


def documents():
    """Return the files that are rendered, with their text."""
    paths = [TOP / 'README.rst', *TOP.glob('doc/source/**/*.rst'),
             *TOP.glob('releasenotes/notes/*.yaml')]
    return {path: path.read_text() for path in paths}


def sources():
    """Return the files whose text reaches people, with that text."""
    patterns = ('hyperv_sched/**/*.py', 'etc/**/*', 'doc/source/*.sh')
    paths = [path for pattern in patterns
             for path in TOP.glob(pattern) if path.is_file()]
    return {**documents(), **{
        # A message is written in several strings.
        path: re.sub(r"'\s*\n\s*f?'", '', path.read_text())
        for path in paths}}


def unpublished(text):
    """Return the install commands that only work on some machines."""
    found = []
    for _, verb, arguments in INSTALL.findall(text):
        words = [word.rstrip(',;)') for word in arguments.split()
                 if not word.startswith('-')]
        if verb == 'inject':
            # The first is the environment.
            words = words[1:]
        found += [word for word in words
                  if word not in CHECKOUT
                  and word.rstrip('.') not in PUBLISHED]
    return found


class TableTestCase(base.TestCase):
    """Tables are of a kind that a wrapped line cannot tear.

    In a simple table each line with text in the first column is a new row,
    so that a wrapped cell becomes several. Sphinx does not warn of it.
    """

    def test_no_document_has_a_table_that_tears(self):
        found = {str(path.relative_to(TOP)) for path, text in
                 documents().items() if SIMPLE_TABLE.search(text)
                 or GRID_TABLE.search(text)}
        self.assertEqual(set(), found)

    def test_every_document_is_looked_at(self):
        names = {path.name for path in documents()}
        self.assertTrue({'README.rst', 'enforcement.rst', 'install.rst',
                         'scheduler.rst'} <= names)

    def test_what_counts_as_a_table_that_tears(self):
        for text in ('=====  =====\na      b\n=====  =====\n',
                     'x\n\n   == ==\n   a  b\n', '+---+---+\n| a | b |\n'):
            self.assertTrue(SIMPLE_TABLE.search(text)
                            or GRID_TABLE.search(text), text)
        for text in ('=====\nTitle\n=====\n', 'a = b\n', '=  text  =\n'):
            self.assertFalse(SIMPLE_TABLE.search(text)
                             or GRID_TABLE.search(text), text)


class InstallCommandTestCase(base.TestCase):

    def test_no_text_names_an_index_that_lacks_the_package(self):
        found = {str(path.relative_to(TOP)): words for path, text in
                 sources().items() if (words := unpublished(text))}
        self.assertEqual({}, found)

    def test_every_command_is_looked_at(self):
        commands = [' '.join(match[0].split()) for text in sources().values()
                    for match in INSTALL.finditer(text)]
        for command in ('pip install .', 'pipx install .',
                        'pip install --break-system-packages .',
                        'pip install openstacksdk',
                        'pipx inject hyperv-sched openstacksdk',
                        'pip install git+ADDRESS_OF_THE_REPOSITORY'):
            self.assertIn(command, commands)

    def test_what_counts_as_such_a_command(self):
        for text in ("pip install 'hyperv-sched[openstack]'",
                     'pip install hyperv-sched', 'run: pip3 install -U '
                     'hyperv_sched.', '(``pipx install hyperv-sched``)',
                     'pip install . "hyperv-sched[openstack]"'):
            self.assertTrue(unpublished(text), text)


class PageTestCase(base.TestCase):
    """Pages that name what is in the source."""

    def read(self, name):
        return (TOP / 'doc/source' / name).read_text()

    def test_lines_to_look_for_in_logs_are_logged(self):
        table = self.read('operations.rst').partition('Log lines\n')[2]
        lines = re.findall(r'^   \* - ``(.+)``$', table.partition(
            'Clouds with')[0], re.MULTILINE)
        self.assertGreater(len(lines), 5)
        text = ''.join(path.read_text() for path in TOP.glob(
            'hyperv_sched/**/*.py'))
        for line in lines:
            self.assertIn(line, text)

    def test_each_benchmark_is_on_the_page(self):
        self.assertEqual(
            {path.stem for path in TOP.glob('benchmarks/[a-z]*.py')},
            set(re.findall(r'bench -- (\w+)``$', self.read(
                'benchmarks.rst'), re.MULTILINE)))


class MarkupTestCase(base.TestCase):
    """Texts of rules on pages."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'sys.path', [str(TOP / 'doc/ext'), *sys.path]))
        self.markup = importlib.import_module('markup')

    def test_no_character_is_lost(self):
        for text, expected in (
                ('plain', 'plain'),
                (r'to \EFI\BOOT', r'to \\EFI\\BOOT'),
                ('trait X_*, the hyperv-* type',
                 r'trait \ ``X_*``\ , the hyperv-\* type'),
                ('a `b` |c|', r'a \`b\` \|c\|'),
                ("below 1: printf '2\\nw' | gdisk DISK.raw",
                 "below 1: \\ ``printf '2\\nw' | gdisk DISK.raw``\\ "),
                ('set hw_disk_bus=scsi. Then', r'set \ ``hw_disk_bus=scsi``\ '
                 '. Then'),
                ('the trait {required}', 'the trait {required}')):
            self.assertEqual(expected, self.markup.marked(text))
