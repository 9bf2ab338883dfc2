# SPDX-License-Identifier: Apache-2.0
"""Distributions in a temporary directory on the path."""

import contextlib
import io
import pathlib
import shutil
import subprocess
import sys

import fixtures

from hyperv_sched.cli.status import environment
from tests.unit import base
from tests.unit.cli.status import base as status_base

TOP = pathlib.Path(__file__).parents[4]
GROUP = 'hyperv_sched.tests.plugins'


class EnvironmentTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.site = pathlib.Path(directory)
        sys.path.insert(0, directory)
        self.addCleanup(sys.path.remove, directory)
        for name in ('status_fine', 'status_broken', 'status_gone'):
            self.addCleanup(sys.modules.pop, name, None)
        (self.site / 'status_fine.py').write_text(
            'print("noise")\nclass Thing:\n    factory = 1\n')
        (self.site / 'status_broken.py').write_text(
            'raise SystemExit("no\\x1b")\n')

    def install(self, name, version='1.0', **entry_points):
        home = self.site / f'{name.replace("-", "_")}-{version}.dist-info'
        home.mkdir()
        (home / 'METADATA').write_text(
            f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
        (home / 'entry_points.txt').write_text(f'[{GROUP}]\n' + ''.join(
            f'{point} = {spec}\n' for point, spec in entry_points.items()))

    def try_import(self, load):
        return list(environment.try_import('It', 'status-service', load))


class VersionTestCase(EnvironmentTestCase):

    def test_installed_version(self):
        self.install('status-service', '26.1.0')
        self.assertEqual('26.1.0', environment.version('status-service'))

    def test_missing_distribution(self):
        self.assertIsNone(environment.version('status-service'))

    def test_major_number(self):
        self.assertEqual(34, environment.major('34.0.0.0rc1'))


class EntryPointTestCase(EnvironmentTestCase):

    def test_found_in_any_distribution(self):
        self.install('status-plugins', thing='status_fine:Thing')
        self.assertEqual('status_fine:Thing', environment.entry_point(
            GROUP, 'thing').value)

    def test_not_found(self):
        self.install('status-plugins', thing='status_fine:Thing')
        self.assertIsNone(environment.entry_point(GROUP, 'think'))

    def test_own(self):
        # The first on the path is the one that counts.
        self.install('hyperv-sched', thing='status_fine:Thing')
        self.assertEqual(
            'Thing', environment.load_own(GROUP, 'thing').__name__)

    def test_entry_point_of_another_distribution_is_not_own(self):
        self.install('status-plugins', thing='status_fine:Thing')
        self.assertRaises(LookupError, environment.load_own, GROUP, 'thing')


class ImportTestCase(EnvironmentTestCase):

    def setUp(self):
        super().setUp()
        self.install('status-service')

    def test_output_of_an_import_is_on_standard_error(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), \
                contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual([], self.try_import(
                lambda: environment.import_path('status_fine.Thing')))
        self.assertEqual('', out.getvalue())

    def test_factory_within_a_class(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(1, environment.import_factory(
                'status_fine:Thing.factory'))

    def test_any_exception_of_a_module_is_reported(self):
        for path, kind in (('status_broken.Thing', 'SystemExit'),
                           ('status_gone.Thing', 'ModuleNotFoundError'),
                           ('status_fine.Think', 'AttributeError'),
                           ('Thing', 'ImportError')):
            with contextlib.redirect_stderr(io.StringIO()):
                found = self.try_import(
                    lambda path=path: environment.import_path(path))
            self.assertEqual([status_base.FAILURE],
                             [problem.code for problem in found])
            self.assertIn(kind, found[0].text)
            self.assertNotIn('\x1b', found[0].text)


class MisplacedInstallTestCase(EnvironmentTestCase):
    """Where only some Python environment has hyperv-sched."""

    def setUp(self):
        super().setUp()
        self.install('status-service')
        ours = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.MonkeyPatch(
            'hyperv_sched.__file__',
            str(ours / 'lib' / 'hyperv_sched' / '__init__.py')))
        self.ours = ours

    def assertPrivate(self, whose):
        found, = self.try_import(object)
        self.assertEqual(status_base.FAILURE, found.code)
        self.assertIn(f'installed for {whose} in {self.ours / "lib"}, and '
                      f'status-service in {self.site}. Install', found.text)

    def test_user_site(self):
        self.useFixture(fixtures.MonkeyPatch(
            'site.getusersitepackages', lambda: str(self.ours)))
        self.assertPrivate('one user')

    def test_virtual_environment_with_system_packages(self):
        self.useFixture(fixtures.MonkeyPatch('sys.prefix', str(self.ours)))
        self.useFixture(fixtures.MonkeyPatch('sys.base_prefix', '/usr'))
        self.assertPrivate('this virtual environment')

    def test_both_in_one_virtual_environment(self):
        self.useFixture(fixtures.MonkeyPatch(
            'sys.prefix', str(self.ours.parent)))
        self.useFixture(fixtures.MonkeyPatch('sys.base_prefix', '/usr'))
        self.assertEqual([], self.try_import(object))

    def test_system(self):
        self.useFixture(fixtures.MonkeyPatch('sys.prefix', str(self.ours)))
        self.useFixture(fixtures.MonkeyPatch(
            'sys.base_prefix', str(self.ours)))
        self.assertEqual([], self.try_import(object))


#: What Nova and drivers of others are, as far as an import goes.
_IMPORT_DRIVER = '''
import sys
from hyperv_sched.cli.status import environment
sys.path[:0] = sys.argv[2:]
try:
    environment.import_driver(sys.argv[1])
except ImportError as exc:
    print(type(exc).__name__)
    print(exc)
    print(getattr(exc, "command", ""))
else:
    print("fine")
'''


class ImportDriverTestCase(base.TestCase):
    """Two directories with a package nova, in another Python process."""

    def setUp(self):
        super().setUp()
        top = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.system, self.local = top / 'system', top / 'lo cal'
        self.put(self.system, 'nova/__init__.py')
        self.put(self.system, 'nova/virt/__init__.py')
        self.put(self.system, 'nova/virt/inside.py', 'class Driver: pass\n')
        self.put(self.local, 'nova/virt/apart/__init__.py',
                 'class Driver: pass\n')
        self.put(self.local, 'nova/virt/broken/__init__.py',
                 'import no_such_module\n')

    def put(self, directory, name, text=''):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def import_driver(self, name):
        return subprocess.run(
            [sys.executable, '-c', _IMPORT_DRIVER, name, self.local,
             self.system], check=True, text=True, cwd=TOP,
            stdout=subprocess.PIPE).stdout.splitlines()

    def test_in_novas_own_directory(self):
        self.assertEqual(['fine'], self.import_driver('inside.Driver'))

    def test_driver_in_another_directory_has_a_command(self):
        kind, text, command = self.import_driver('apart.Driver')
        self.assertEqual('MisplacedError', kind)
        self.assertEqual(
            f'apart is in {self.local / "nova/virt"}, and Nova loads drivers '
            f'from {self.system / "nova/virt"} only', text)
        subprocess.run(command, shell=True, check=True)
        self.assertEqual(['fine'], self.import_driver('apart.Driver'))

    def test_not_there_at_all(self):
        self.assertEqual('ModuleNotFoundError',
                         self.import_driver('gone.Driver')[0])

    def test_missing_dependency_of_a_driver(self):
        shutil.copytree(self.local / 'nova/virt/broken',
                        self.system / 'nova/virt/broken')
        kind, text, command = self.import_driver('broken.Driver')
        self.assertEqual('ModuleNotFoundError', kind)
        self.assertIn('no_such_module', text)
