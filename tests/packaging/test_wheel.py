# SPDX-License-Identifier: Apache-2.0
"""The files of a release: what they hold, and what the wheel does.

Runs in an environment that has Nova and not this package: the tests install
and uninstall it there.
"""

import atexit
import functools
import hashlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import testtools

from tests import guests

TOP = pathlib.Path(__file__).parents[2]
DISTRIBUTION = 'hyperv-sched'
NOVA_CONF = '''
[DEFAULT]
compute_driver = hyperv_sched.EnforcedDriver
[hyperv_sched]
compute_driver = fake.FakeDriver
'''
LOAD_DRIVER = '''
import sys
from nova import conf
from nova.virt import driver
conf.CONF([], project="nova", default_config_files=sys.argv[1:])
print(type(driver.load_compute_driver(None)).__name__)
'''


def run(*command, **kwargs):
    return subprocess.run(command, check=True, text=True, cwd='/',
                          stdout=subprocess.PIPE, **kwargs).stdout


def pip(python, *argv):
    return run(python, '-m', 'pip', '-q', '--disable-pip-version-check',
               *argv)


@functools.cache
def build():
    """Build both files of a release; return the directory they are in.

    They are built from a clean copy of what is tracked, in ``source``, which
    has the tag 1.2.3; the wheel from the source distribution. All tests of a
    process share them.
    """
    directory = tempfile.TemporaryDirectory()
    atexit.register(directory.cleanup)
    source = copy_checkout(pathlib.Path(directory.name, 'source'))
    for words in ('init -q', 'add --all', 'commit -q -m all', 'tag 1.2.3'):
        run('git', '-C', source, '-c', 'user.name=x', '-c', 'user.email=x',
            *words.split())
    run('uv', 'build', '-q', '--out-dir', directory.name, source)
    return pathlib.Path(directory.name)


def copy_checkout(source):
    """Copy what is tracked, for commands that write into a checkout."""
    for name in run('git', '-C', TOP, 'ls-files', '--cached', '--others',
                    '--exclude-standard', '-z').split('\0')[:-1]:
        if (TOP / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, target)
    return source


class WheelFixtureTestCase(testtools.TestCase):
    """Has the wheel, and a directory of the class's own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.built = build()
        cls.wheel, = cls.built.glob('*.whl')


class SourceDistributionTestCase(WheelFixtureTestCase):

    def names(self):
        """Return the files in it, without the directory of the version."""
        path, = self.built.glob('*.tar.gz')
        with tarfile.open(path) as archive:
            return {member.name.partition('/')[2]: member.name
                    for member in archive if member.isfile()}

    def test_holds_all_that_is_tracked(self):
        tracked = set(run('git', '-C', self.built / 'source', 'ls-files',
                          '-z').split('\0')[:-1])
        names = self.names()
        self.assertEqual(set(), tracked - names.keys())
        self.assertEqual(
            {'PKG-INFO', 'hyperv_sched.egg-info'},
            {name.partition('/')[0] for name in names.keys() - tracked})

    def test_has_tests_documentation_and_configuration(self):
        names = self.names()
        for name in ('tests/unit/test_rules.py', 'doc/source/index.rst',
                     'etc/nova/hyperv_sched.conf.sample', 'tox.ini',
                     'tools/test', 'SECURITY.md', 'LICENSE'):
            self.assertIn(name, names)

    def test_has_the_version_of_the_tag(self):
        self.assertEqual('hyperv_sched-1.2.3/PKG-INFO',
                         self.names()['PKG-INFO'])
        self.assertEqual('hyperv_sched-1.2.3-py3-none-any.whl',
                         self.wheel.name)

    def test_archive_of_git_has_the_version_of_the_tag(self):
        home = pathlib.Path(self.directory.name)
        source = self.built / 'source'
        run('git', '-C', source, 'archive', '--prefix=archive/', '-o',
            home / 'archive.tar', '1.2.3')
        with tarfile.open(home / 'archive.tar') as archive:
            archive.extractall(home)  # noqa: S202 (made here)
        run('uv', 'build', '-q', '--sdist', '--out-dir', home,
            home / 'archive')
        self.assertTrue((home / 'hyperv_sched-1.2.3.tar.gz').exists())


class WheelTestCase(WheelFixtureTestCase):

    def names(self):
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.namelist()

    def test_puts_one_file_below_nova_and_no_package_of_novas(self):
        self.assertEqual(
            ['nova/virt/hyperv_sched/__init__.py'],
            [name for name in self.names() if name.startswith('nova')])

    def test_holds_the_package_and_nothing_else(self):
        metadata = 'hyperv_sched-1.2.3.dist-info/'
        names = {name for name in self.names()
                 if not name.startswith(metadata)}
        self.assertEqual(
            set(run('git', '-C', self.built / 'source', 'ls-files', '-z',
                    'hyperv_sched', 'nova').split('\0')[:-1]), names)
        self.assertLessEqual(
            {'hyperv_sched/py.typed', 'hyperv_sched/cli/audit.html',
             'hyperv_sched/disk/templates.json'}, names)
        self.assertEqual(
            {'METADATA', 'RECORD', 'WHEEL', 'entry_points.txt',
             'licenses/LICENSE', 'top_level.txt'},
            {name.removeprefix(metadata) for name in self.names()
             if name.startswith(metadata)})


class LaptopTestCase(WheelFixtureTestCase):
    """A fresh environment without Nova, Glance or an SDK."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        home = pathlib.Path(cls.directory.name, 'laptop')
        cls.bin = home / 'bin'
        run('uv', 'venv', '-q', '--python', sys.executable, home)
        run('uv', 'pip', 'install', '-q', '--python', cls.bin / 'python',
            cls.wheel)

    def lint(self, *argv):
        return subprocess.run(
            [self.bin / 'hyperv-sched', 'image', 'lint', *argv],
            stdout=subprocess.DEVNULL, check=False).returncode

    def test_lint_works_with_the_exit_codes_of_the_contract(self):
        disk = pathlib.Path(self.directory.name, 'disk')
        raw = disk.with_name('raw')
        uefi = guests.bootable(size=8 * 1024 ** 2)
        bios = guests.bios_bootable(size=8 * 1024 ** 2)
        for kind, guest, machine_type, expected in (
                ('vhdx', uefi, 'hyperv-gen2', 0),
                ('vhdx', bios, 'hyperv-gen2', 1),
                ('vpc', uefi, 'hyperv-gen2', 1),
                ('vpc', bios, 'hyperv-gen1', 0),
                ('qcow2', bios, 'hyperv-gen1', 1)):
            raw.write_bytes(guest)
            run('qemu-img', 'convert', '-f', 'raw', '-O', kind, raw, disk)
            self.assertEqual(expected, self.lint(
                disk, '--property', f'hw_machine_type={machine_type}',
                '--property', 'hypervisor_type=hyperv'), kind)
        self.assertEqual(2, self.lint('/nonexistent'))

    def test_no_service_came_along(self):
        installed = run('uv', 'pip', 'freeze', '--python',
                        self.bin / 'python').lower()
        self.assertIn('oslo-utils==', installed)
        for name in ('nova==', 'glance==', 'openstacksdk=='):
            self.assertNotIn(name, installed)


class InstallCommandsTestCase(testtools.TestCase):
    """The commands that the documentation prints, in a checkout."""

    def setUp(self):
        super().setUp()
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = pathlib.Path(home.name)
        self.checkout = copy_checkout(self.home / 'checkout')
        self.path = os.environ['PATH']

    def bash(self, script):
        return subprocess.run(
            ['bash', '-e'], input=script, check=True, text=True,
            cwd=self.checkout, stdout=subprocess.PIPE,
            env={**os.environ, 'HOME': str(self.home), 'PATH': self.path}
        ).stdout

    def read(self, name):
        return (self.checkout / 'doc/source' / name).read_text()

    def test_pipx(self):
        run('uv', 'venv', '-q', '--python', sys.executable,
            self.home / 'tools')
        run('uv', 'pip', 'install', '-q', '--python',
            self.home / 'tools/bin/python', 'pipx')
        self.path = f'{self.home}/tools/bin:{self.path}'
        self.assertIn('hyperv-sched 0', self.bash(
            self.read('install-pipx.sh')))

    def test_without_the_libraries_of_services(self):
        disk = self.checkout / 'disk.raw'
        disk.write_bytes(guests.bootable(size=8 * 1024 ** 2))
        self.bash(self.read('install-light.sh'))
        command = self.checkout / '.venv/hyperv-sched/bin/hyperv-sched'
        for argv, code, words in (
                (('image', 'inspect', disk), 0, 'uefi'),
                (('image', 'lint', disk), 1, 'HV203'),
                (('image', 'convert', disk, self.home / 'disk.vhdx'), 0,
                 'disk.vhdx'),
                (('image', 'upload', self.home / 'disk.vhdx', '--name', 'x',
                  '--dry-run'), 0, 'openstack image create'),
                (('host', 'explain', '--property', 'os_type=linux', '--hosts',
                  os.devnull), 2, 'the module oslo_versionedobjects is '
                 'missing: hyperv-sched is installed without')):
            done = subprocess.run(
                [command, *argv], check=False, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual(code, done.returncode, done.stdout)
            self.assertIn(words, done.stdout)

    def test_readme_and_virtual_environment(self):
        text = (self.checkout / 'README.rst').read_text()
        block = text.partition('Usage\n=====')[2].partition('::\n\n')[2]
        commands = block.partition('\n\n')[0]
        *install, version = [
            line for line in self.read('install-venv.sh').splitlines()
            if line and not line.startswith('#')]
        self.assertEqual(2, len(install))
        for line in install:
            self.assertIn(line, [
                command.partition('#')[0].strip()
                for command in commands.splitlines()])
        raw = self.checkout / 'disk.raw'
        raw.write_bytes(guests.bootable(size=8 * 1024 ** 2))
        run('qemu-img', 'convert', '-f', 'raw', '-O', 'vhdx', raw,
            self.checkout / 'disk.vhdx')
        self.bash(commands)
        self.assertIn('hyperv-sched 0', self.bash(version))


class OtherDirectoryTestCase(WheelFixtureTestCase):
    """Beside a Nova that is in another directory.

    So it is where a distribution's packages have Nova, and pip installs
    below ``/usr/local``.
    """

    def setUp(self):
        super().setUp()
        self.local = pathlib.Path(self.directory.name, 'local')
        pip(sys.executable, 'install', '--no-deps', '--target', self.local,
            self.wheel)
        self.environment = {**os.environ, 'PYTHONPATH': str(self.local),
                            'PYTHONWARNINGS': 'ignore'}
        self.nova_conf = pathlib.Path(self.directory.name, 'nova.conf')
        self.nova_conf.write_text(NOVA_CONF)

    def check_driver(self):
        """Return what hyperv-sched-status finds about the driver."""
        done = subprocess.run(
            [sys.executable, self.local / 'bin/hyperv-sched-status',
             'upgrade', 'check', '--json', '--nova-conf', self.nova_conf],
            check=False, text=True, stdout=subprocess.PIPE, cwd='/',
            env=self.environment)
        found, = (check for check in json.loads(done.stdout)['checks']
                  if check['check'] == 'Nova compute driver')
        return found

    def load_driver(self):
        return subprocess.run(
            [sys.executable, '-c', LOAD_DRIVER, self.nova_conf],
            check=False, text=True, stdout=subprocess.PIPE, cwd='/',
            stderr=subprocess.DEVNULL, env=self.environment).stdout

    def test_status_says_where_both_are_and_the_command_that_mends_it(self):
        virt = pathlib.Path(importlib.metadata.distribution(
            'nova').locate_file('nova/virt'))
        self.assertEqual('', self.load_driver())
        found = self.check_driver()
        self.assertEqual(2, found['result'])
        *text, command = found['details'].splitlines()
        for place in (self.local / 'nova/virt', virt):
            self.assertIn(str(place), ' '.join(text))
        self.addCleanup((virt / 'hyperv_sched').unlink)
        subprocess.run(command, shell=True, check=True)
        self.assertEqual('EnforcedFakeDriver\n', self.load_driver())
        self.assertEqual(0, self.check_driver()['result'])


class BesideNovaTestCase(WheelFixtureTestCase):
    """This environment, which has Nova."""

    def setUp(self):
        super().setUp()
        self.nova = pathlib.Path(
            importlib.metadata.distribution('nova').locate_file('nova'))
        self.before = self.state_of_nova()
        self.addCleanup(pip, sys.executable, 'uninstall', '-y', DISTRIBUTION)

    def state_of_nova(self):
        """A hash of each file below Nova's package, but compiled ones."""
        return {
            str(path.relative_to(self.nova)):
                hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.nova.rglob('*')
            if path.is_file() and path.suffix != '.pyc'}

    def assertDriverLoads(self):
        nova_conf = pathlib.Path(self.directory.name, 'nova.conf')
        nova_conf.write_text(NOVA_CONF)
        self.assertEqual('EnforcedFakeDriver\n', run(
            sys.executable, '-W', 'ignore', '-c', LOAD_DRIVER, nova_conf,
            stderr=subprocess.DEVNULL))

    def test_wheel_adds_one_file_and_takes_it_away_again(self):
        pip(sys.executable, 'install', self.wheel)
        after = self.state_of_nova()
        self.assertEqual({'virt/hyperv_sched/__init__.py'},
                         after.keys() - self.before.keys())
        self.assertDriverLoads()
        pip(sys.executable, 'uninstall', '-y', DISTRIBUTION)
        self.assertEqual(self.before, self.state_of_nova())
        run(sys.executable, '-W', 'ignore', '-c', 'import nova.virt.fake')

    def test_editable_install_loads_the_driver_too(self):
        pip(sys.executable, 'install', '-e', TOP)
        self.assertEqual(self.before, self.state_of_nova())
        self.assertDriverLoads()
