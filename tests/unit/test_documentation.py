# SPDX-License-Identifier: Apache-2.0
"""What the documentation and the messages of the package may hold."""

import configparser
import contextlib
import importlib
import importlib.metadata
import io
import json
import pathlib
import re
import sys

import fixtures
import jsonschema
import yaml

from hyperv_sched import compatibility
from hyperv_sched import conf
from hyperv_sched import document
from hyperv_sched import objects
from hyperv_sched.cli import main
from hyperv_sched.cli.status import command as status_command
from tests import documentation
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
                ("Set x_requires='>=6.3'", r"Set \ ``x_requires='>=6.3'``\ "),
                ('Set {property}=scsi', r'Set \ ``{property}=scsi``\ '),
                ('the trait {required}', 'the trait {required}')):
            self.assertEqual(expected, self.markup.marked(text))


#: The blocks that no test runs or reads, by page and first line, and why.
NOT_CHECKED = {
    'README.rst': {
        'tools/test': 'runs these tests'},
    'architecture.rst': {
        'image lint,        Glance:            nova-scheduler:    '
        'nova-compute:': 'a diagram'},
    'install.rst': {
        r'py -m venv .venv\hyperv-sched': 'py is in the installer of Windows',
        'apt-get install python3-pip': 'changes the system'},
    'prepare.rst': {
        r'create vdisk file=C:\images\windows.vhdx maximum=40960 '
        'type=expandable': 'Windows',
        r'dism /Get-ImageInfo /ImageFile:D:\sources\install.wim': 'Windows',
        r'dir S:\EFI\Boot\bootx64.efi': 'Windows',
        r'C:\Windows\System32\Sysprep\sysprep.exe /generalize /oobe /shutdown':
            'Windows',
        'mbr2gpt /validate /disk:0 /allowFullOS': 'Windows',
        'ls /boot/efi/EFI/BOOT': 'in the guest',
        'cd /boot/efi/EFI': 'in the guest',
        'grub-install --target=x86_64-efi --efi-directory=/boot/efi \\':
            'in the guest',
        'grub-install --target=x86_64-efi --efi-directory=/boot/efi '
        '--removable': 'in the guest',
        "echo 'add_drivers+=\" hv_vmbus hv_storvsc hv_netvsc \"' \\":
            'in the guest',
        'tools/secure_boot_data.py --dbx FILE --source SOURCE --date '
        'YYYY-MM-DD': 'needs a file of Microsoft',
        r"printf '%s\n' hv_vmbus hv_storvsc hv_netvsc >> "
        '/etc/initramfs-tools/modules': 'in the guest',
    },
}


#: Blocks of other kinds, and the tests that read or run them.
ELSEWHERE = {
    'README.rst': {
        'tools/demo': 'functional, by its name as a module',
        'python3 -m venv .venv/hyperv-sched   # Debian: apt-get install '
        'python3-venv': 'packaging'},
    'install.rst': {
        'ln -s /usr/local/lib/python3.13/dist-packages/nova/virt/hyperv_sched '
        '/usr/lib/python3/dist-packages/nova/virt':
            'packaging, by the command that the check prints',
        '[[local|localrc]]': 'DevStackTestCase'},
    'devcloud.rst': {
        'stestr --test-path ./tests/e2e run --serial': 'tox.ini'},
    'metadefs.rst': {'glance-manage db load_metadefs': 'functional, e2e'},
    'scheduler.rst': {'nova-manage image_property set': 'e2e'},
    'status.rst': {
        'hyperv-sched-status --version': 'unit, PageTestCase of its command'},
}

#: Files that pages show, and what reads or runs them.
INCLUDED = {
    '../../README.rst': 'tests/unit/test_doc_sessions.py',
    '../../etc/glance/glance-api-paste.ini.snippet': 'tools/cloud/config.py',
    '../../etc/glance/glance-image-import.conf.snippet':
        'tools/cloud/config.py',
    '../../etc/glance/policy.yaml.snippet':
        'tests/functional/glance/test_guards.py',
    '../../etc/kolla/config/nova/nova-scheduler.conf':
        'tests/packaging/test_rollout.py',
    '../../etc/kolla/kolla-build.conf':
        'tests/functional/test_rollout_files.py',
    '../../etc/nova/nova.conf.snippet': 'tools/cloud/config.py',
    '../../etc/openstack-ansible/user_variables_hyperv_sched.yml':
        'tests/functional/test_rollout_files.py',
    '../../etc/prometheus/hyperv_sched.rules.yml':
        'tests/functional/test_prometheus.py',
    'devcloud-tour.sh': 'tests/e2e/test_devcloud.py',
    'fault.txt': 'tests/unit/test_documentation.py',
    'guards.csv': 'tests/functional/glance/test_guards.py',
    'install-light.sh': 'tests/packaging/test_wheel.py',
    'install-pipx.sh': 'tests/packaging/test_wheel.py',
    'install-venv.sh': 'tests/packaging/test_wheel.py',
    'plugins.csv': 'tests/functional/glance/test_plugins.py',
    'refusal-notification.json': 'tests/functional/nova/test_refusals.py',
}

#: What can be before a command: the times of a crontab, a key of YAML.
BEFORE = re.compile(r'^(?:(?:[\d*]+ ){5}|\s*- (?:run: )?)')

#: A command in the text, whose first word may be left out.
INLINE = re.compile(
    r'(?:openstack hyperv |hyperv-sched )?'
    r'((?:-[qv] )?(?:cloud|host|image|rule|metadefs) [a-z-]+\b.*)')


def own_commands(line):
    """Return the words of the commands of this package in a line."""
    line = BEFORE.sub('', line).strip()
    if 'hyperv-sched' not in line:
        return []
    return [words for words in documentation.split_commands(line)
            if re.split(r'[/\\]', words[0])[-1].startswith('hyperv-sched')
            and len(words) > 1]


class CommandsMixin:
    """Parses commands of this package."""

    def parser_of(self, words):
        """Return the parser of a command, and the words that it parses."""
        program, *words = words
        program = re.split(r'[/\\]', program)[-1]
        if program == 'hyperv-sched-status':
            return status_command.build_parser(), words
        while words and words[0] in ('-q', '--quiet', '-v', '--debug'):
            del words[0]
        if words[:1] in (['complete'], ['--version']):
            return None, words
        app = main.HyperVSched()
        factory, name, words = app.command_manager.find_command(words)
        return factory(app, None).get_parser(name), words

    def check_command(self, words):
        """Assert that a command of this package can be parsed."""
        parser, arguments = self.parser_of(words)
        if parser is None:
            return
        with contextlib.redirect_stderr(io.StringIO()) as errors, \
                contextlib.redirect_stdout(io.StringIO()):
            try:
                parser.parse_args(arguments)
            except (Exception, SystemExit) as exc:
                if getattr(exc, 'code', 1):
                    self.fail(f'{words}: {errors.getvalue()}{exc!r}')


class BlockTestCase(CommandsMixin, base.TestCase):
    """Each block is run, read or listed with the reason why it is not."""

    def kind(self, block):
        """Return how a block is checked."""
        if block.is_session:
            return 'session'
        if block.language:
            return block.language
        if block.text.startswith('hypervisors:'):
            return 'yaml'
        for table in (ELSEWHERE, NOT_CHECKED):
            if any(block.first.startswith(first)
                   for first in table.get(block.page, ())):
                return 'listed'
        if block.text.startswith('openstack '):
            # tests/functional parses these.
            return 'openstack'
        if any(own_commands(line)
               for line in documentation.command_lines(block)):
            return 'command'
        if block.page == 'prepare.rst':
            # tests/firmware runs the others of this page.
            return 'firmware'
        return None

    def test_each_block_is_checked_or_listed(self):
        self.assertEqual([], [
            (block.page, block.first) for block in documentation.blocks()
            if self.kind(block) is None])

    def test_lists_have_no_block_that_is_gone(self):
        for table in (ELSEWHERE, NOT_CHECKED):
            for page, reasons in table.items():
                firsts = [block.first for block in documentation.blocks()
                          if block.page == page]
                for first in reasons:
                    self.assertTrue(
                        any(found.startswith(first) for found in firsts),
                        (page, first))

    def test_each_kind_has_blocks(self):
        kinds = {self.kind(block) for block in documentation.blocks()}
        self.assertEqual({
            'command', 'firmware', 'ini', 'listed', 'openstack', 'powershell',
            'session', 'yaml'}, kinds)

    def test_each_included_file_is_read_by_a_test(self):
        included = {
            name for path in documentation.pages() for name in re.findall(
                r'(?:literalinclude::|:file:) (\S+)', path.read_text())}
        self.assertEqual(INCLUDED.keys(), included)
        for name, reader in INCLUDED.items():
            # The table itself has all names.
            self.assertEqual(reader == 'tests/unit/test_documentation.py',
                             name == 'fault.txt')
            self.assertIn(
                pathlib.Path(name).name, (TOP / reader).read_text())


class CommandTestCase(CommandsMixin, base.TestCase):
    """The commands of this package exist, and so do their options."""

    def test_blocks(self):
        count = 0
        for block in documentation.blocks():
            for line in documentation.command_lines(block):
                if 'hyperv-sched' not in line or block.language == 'ini':
                    continue
                for words in own_commands(line):
                    # The synopsis of a command is not one.
                    if not any(word.startswith('[') for word in words):
                        self.check_command(words)
                        count += 1
        self.assertGreater(count, 25)

    def test_literals_in_the_text(self):
        """They may lack arguments, so that only options are checked."""
        count = 0
        for literal in documentation.inline_literals():
            literal = INLINE.sub(r'hyperv-sched \1', literal)
            for words in own_commands(literal):
                if words[0] == 'hyperv-sched-status':
                    self.check_command(words)
                    continue
                parser, arguments = self.parser_of(words)
                for word in arguments:
                    if parser and word.startswith('-') and word != '-':
                        self.assertIn(word, parser._option_string_actions,
                                      literal)
                count += 1
        self.assertGreater(count, 50)

    def test_examples_of_the_help(self):
        count = 0
        for point in importlib.metadata.entry_points(group='hyperv_sched.cli'):
            for line in (point.load().epilog or '').splitlines():
                for words in own_commands(line):
                    self.check_command(words)
                    count += 1
        self.assertGreater(count, 15)

    def test_what_counts_as_wrong(self):
        for line in ('hyperv-sched image lnit disk.vhdx',
                     'hyperv-sched image lint --properties a=b disk.vhdx',
                     'hyperv-sched image convert disk.raw',
                     'hyperv-sched-status upgrade check --nova'):
            self.assertRaises(
                (AssertionError, ValueError), self.check_command,
                line.split())


class ConfigurationTestCase(base.TestCase):
    """Examples of configuration have options that exist."""

    #: Options of services, which tests/functional gives them.
    SERVICES = {
        ('DEFAULT', 'compute_driver'),
        ('filter_scheduler', 'available_filters'),
        ('filter_scheduler', 'enabled_filters')}

    def read(self, text):
        parser = configparser.RawConfigParser(strict=False)
        parser.default_section = 'none'
        parser.read_string(text)
        return {(section, name): value for section in parser.sections()
                for name, value in parser.items(section)}

    def test_options(self):
        known = {(group.name, opt.name): opt
                 for group, opts in conf.list_opts() for opt in opts}
        count = 0
        for block in documentation.blocks():
            if block.language != 'ini':
                continue
            for option, value in self.read(block.text).items():
                if option in known:
                    known[option].type(value)
                else:
                    self.assertIn(option, self.SERVICES)
                count += 1
        self.assertGreater(count, 8)

    def test_readme_has_the_lines_of_the_sample(self):
        block, = (block for block in documentation.blocks() if
                  (block.page, block.language) == ('README.rst', 'ini'))
        sample = (TOP / 'etc/nova/nova.conf.snippet').read_text()
        lines = [[line for line in text.splitlines()
                  if line and not line.startswith('#')]
                 for text in (block.text, sample)]
        self.assertEqual(*lines)

    def test_yaml(self):
        """Commands in it are checked with those of all blocks."""
        for block in documentation.blocks():
            if block.language == 'yaml':
                self.assertIsInstance(yaml.safe_load(block.text), dict)

    def test_hook_of_pre_commit_exists(self):
        hooks = yaml.safe_load((TOP / '.pre-commit-hooks.yaml').read_text())
        block, = (block for block in documentation.blocks()
                  if block.text.startswith('repos:'))
        self.assertEqual(
            hooks[0]['id'],
            yaml.safe_load(block.text)['repos'][0]['hooks'][0]['id'])

    def test_file_of_hosts_follows_its_schema(self):
        schema = json.loads(
            (TOP / 'etc/hyperv-sched/hosts.schema.json').read_text())
        block, = (block for block in documentation.blocks()
                  if block.text.startswith('hypervisors:'))
        jsonschema.validate(yaml.safe_load(block.text), schema)

    def test_devstack_has_the_settings(self):
        block, = (block for block in documentation.blocks()
                  if block.text.startswith('[[local|localrc]]'))
        settings = (TOP / 'devstack/settings').read_text()
        _, plugin, *variables = block.text.splitlines()
        self.assertIn(f'#   {plugin}\n', settings)
        for line in variables:
            self.assertIn(f'\n{line.partition("=")[0]}=', settings)


class FaultTestCase(base.TestCase):

    def test_fault_is_that_of_the_filter(self):
        requirement = compatibility.requirement(document.Document({
            'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv'}))
        rejected = {}
        for kind, version, count in (
                ('hyperv', 6002, 2), ('QEMU', 8002000, 1)):
            rejected[compatibility.check_host(
                requirement,
                objects.HostCapability.from_reported(kind, version),
                compatibility.Policy())] = count
        text = 'No valid host was found. ' + compatibility.summarize(
            rejected, 'Of the hosts that placement offered: ')
        page = (TOP / 'doc/source/fault.txt').read_text()
        self.assertEqual(text, ' '.join(page.split()))
