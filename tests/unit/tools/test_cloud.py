# SPDX-License-Identifier: Apache-2.0
"""What tools/devcloud does before it starts an OpenStack."""

import contextlib
import io
import json
import os
import pathlib
import re
import socket
import sys
import threading

import fixtures
import testtools

from tools.cloud import config
from tools.cloud import errors
from tools.cloud import main
from tools.cloud import process
from tools.cloud import services
from tools.cloud import software
from tools.cloud import state as cloud_state
from tools.cloud import steps

_PATIENT = 'import signal; print("ready", flush=True); signal.pause()'

#: Starts a child, which is ready, and does not end when it is to.
_STUBBORN = '''
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', sys.argv[1]])
signal.pause()
'''


class StateTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.root = pathlib.Path(directory, 'cloud')
        self.state = cloud_state.State(self.root)

    def run_command(self, *argv):
        """Return exit code, output and messages."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.main(['--state', str(self.root), *argv])
        return code, out.getvalue(), err.getvalue()


class DirectoryTestCase(StateTestCase):

    def test_ports_are_kept_and_differ(self):
        self.state.create()
        ports = self.state.ports
        self.assertEqual(len(cloud_state.PORTS), len(set(ports.values())))
        self.assertEqual(ports, cloud_state.State(self.root).ports)

    def test_a_port_with_a_listener_is_not_free(self):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            port = listener.getsockname()[1]
            self.assertFalse(cloud_state.is_free(port))

    def test_a_path_with_a_blank_is_refused_with_the_fix(self):
        error = self.assertRaises(errors.CloudError, cloud_state.State,
                                  pathlib.Path('/tmp/a cloud'))
        self.assertIn('--state', str(error))

    def test_purge_leaves_what_is_not_ours(self):
        self.state.create()
        (self.root / 'notes').write_text('mine')
        self.state.purge()
        self.assertEqual(['notes'], os.listdir(self.root))

    def test_files_of_others_are_not_replaced(self):
        for name in ('.gitignore', 'cloud', 'clouds.yaml', 'software'):
            root = self.root.with_name(f'with-{name}')
            root.mkdir()
            (root / name).write_text('mine')
            for command in (('up',), ('down', '--purge')):
                out, err = io.StringIO(), io.StringIO()
                with (contextlib.redirect_stdout(out),
                      contextlib.redirect_stderr(err)):
                    code = main.main(['--state', str(root), *command])
                self.assertEqual(1, code)
                self.assertIn(f'{root} has no cloud, but its own {name}. ',
                              err.getvalue())
                self.assertEqual([name], os.listdir(root))
                self.assertEqual('mine', (root / name).read_text())

    def test_two_commands_do_not_change_one_cloud_at_once(self):
        self.state.create()
        with self.state.locked():
            code, _, said = self.run_command('stop', 'glance')
        self.assertEqual(1, code)
        self.assertIn(str(os.getpid()), said)


class PermissionsTestCase(StateTestCase):

    def setUp(self):
        super().setUp()
        # Everything that is created has all permissions that it requests.
        self.addCleanup(os.umask, os.umask(0))

    def assertMode(self, mode, path):
        self.assertEqual(f'{mode:o}', f'{path.stat().st_mode & 0o777:o}',
                         path)

    def test_an_existing_state_directory_becomes_private(self):
        self.root.mkdir(mode=0o755)
        for _ in range(2):
            with self.state.locked(create=True):
                self.assertMode(0o700, self.root)
            self.root.chmod(0o777)
            self.state.create()

    def test_a_directory_with_other_files_keeps_its_mode(self):
        self.root.mkdir()
        self.root.chmod(0o755)
        (self.root / 'notes').write_text('mine')
        with self.state.locked(create=True):
            self.state.create()
        self.assertMode(0o755, self.root)
        self.assertMode(0o700, self.state.data)

    def test_every_file_of_the_cloud_is_private(self):
        unpack(self.state, DEBIAN_13)
        self.state.create()
        config.write(self.state)
        child = process.spawn(self.state, 'service', [
            sys.executable, '-c', 'open("database", "w"); print("hello")'],
            self.state.log / 'service.log', {})
        self.assertEqual(0, child.wait())
        files = [path for path in self.state.data.rglob('*')
                 if path.is_file()]
        for name in ('settings.json', 'nova.conf', 'openrc', 'service.log',
                     'rabbitmq-definitions.json', 'database'):
            self.assertIn(name, [path.name for path in files])
        for path in (*files, self.state.clouds_yaml):
            self.assertMode(0o600, path)
        self.assertMode(0o700, self.state.data)


#: The paths that the packages of a Debian release have.
DEBIAN_12 = (
    'usr/sbin/mariadbd',
    'usr/share/mysql/charsets/Index.xml',
    'usr/share/mysql/english/errmsg.sys',
    'usr/share/mysql/mysql_performance_tables.sql',
    'usr/share/mysql/mysql_system_tables.sql',
    'usr/share/mysql/mysql_system_tables_data.sql',
    'usr/lib/erlang/erts-13.1.5/bin/epmd',
    'usr/lib/erlang/erts-13.1.5/bin/erlexec',
    'usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server',
    'usr/lib/x86_64-linux-gnu/liburing.so.2',
    'lib/x86_64-linux-gnu/libtinfo.so.6',
)
DEBIAN_13 = (
    'usr/sbin/mariadbd',
    'usr/share/mariadb/charsets/Index.xml',
    'usr/share/mariadb/english/errmsg.sys',
    'usr/share/mariadb/mariadb_performance_tables.sql',
    'usr/share/mariadb/mariadb_system_tables.sql',
    'usr/share/mariadb/mariadb_system_tables_data.sql',
    'usr/lib/erlang/erts-15.2.7/bin/epmd',
    'usr/lib/erlang/erts-15.2.7/bin/erlexec',
    'usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5/sbin/rabbitmq-server',
    'usr/lib/aarch64-linux-gnu/liburing.so.2',
)

#: Of Glance, whose release is pinned.
GLANCE_PASTE = '''
[composite:glance-api]
keystone = cors healthcheck authtoken context rootapp
'''


def unpack(state, paths):
    """Create what is read of the installed software."""
    for path in paths:
        (state.debian / path).parent.mkdir(parents=True, exist_ok=True)
        (state.debian / path).write_text(f'-- {path}\n')
    paste = state.venv / 'etc/glance/glance-api-paste.ini'
    paste.parent.mkdir(parents=True)
    paste.write_text(GLANCE_PASTE)


class ReleaseTestCase(StateTestCase):
    """Paths and names that differ between releases are looked up."""

    def test_every_path_is_found(self):
        for number, (release, share, erts, rabbitmq, libraries) in enumerate((
                (DEBIAN_12, 'mysql', '13.1.5', '3.10.8',
                 {'lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'}),
                (DEBIAN_13, 'mariadb', '15.2.7', '4.0.5',
                 {'usr/lib/aarch64-linux-gnu'}))):
            state = cloud_state.State(self.root / str(number))
            unpack(state, release)
            state.create()
            config.write(state)
            top = state.debian
            options = (state.etc / 'my.cnf').read_text().splitlines()
            self.assertIn(f'lc-messages-dir = {top}/usr/share/{share}',
                          options)
            self.assertIn(
                f'character-sets-dir = {top}/usr/share/{share}/charsets',
                options)
            self.assertEqual(
                top / f'usr/share/{share}/{share}_system_tables.sql',
                software.mariadb_file(state, '{}_system_tables.sql'))
            known = services.services(state)
            self.assertEqual(
                [top / 'usr/sbin/mariadbd',
                 top / f'usr/lib/erlang/erts-{erts}/bin/epmd',
                 top / 'usr/lib/rabbitmq/lib'
                 f'/rabbitmq_server-{rabbitmq}/sbin/rabbitmq-server'],
                [next(iter(known[name].argv()))
                 for name in ('mariadb', 'epmd', 'rabbitmq')])
            self.assertEqual(
                {f'{top}/{path}' for path in libraries},
                set(software.library_path(state).split(':')))

    def test_a_path_that_is_missing_is_named_with_those_tried(self):
        for gone, tried in (
                ('usr/sbin/mariadbd', 'usr/libexec/mariadbd'),
                ('usr/lib/erlang/erts-15.2.7/bin/erlexec', 'erts-*'),
                ('usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5/sbin/'
                 'rabbitmq-server', 'usr/lib*/rabbitmq/lib/*/sbin/'),
                ('usr/share/mariadb/english/errmsg.sys',
                 'usr/share/mysql/english/errmsg.sys')):
            state = cloud_state.State(self.root / gone.replace('/', '-'))
            unpack(state, [path for path in DEBIAN_13 if path != gone])
            state.create()

            def use(state=state):
                config.write(state)
                for service in services.services(state).values():
                    list(service.argv())

            error = self.assertRaises(errors.CloudError, use)
            self.assertIn(str(state.debian), str(error))
            self.assertIn(tried, str(error))

    def test_the_newest_of_several_wins(self):
        unpack(self.state, (*DEBIAN_13, *DEBIAN_12))
        self.assertEqual('erts-15.2.7',
                         software.erlang_runtime(self.state).parent.name)


class RequirementsTestCase(testtools.TestCase):

    def test_what_builds_the_wheel_is_installed(self):
        # Otherwise the wheel has no version: uv does not look.
        required = re.search(
            r'^\[build-system\]\nrequires = (.*)$',
            (cloud_state.TOP / 'pyproject.toml').read_text(), re.MULTILINE)
        installed = (cloud_state.TOP / 'tools/cloud/etc/requirements.txt'
                     ).read_text().splitlines()
        self.assertLessEqual({*json.loads(required[1])}, {*installed})


class PackagesTestCase(testtools.TestCase):
    """Names of packages come from apt."""

    #: As ``apt-cache depends`` writes it, of two releases.
    DEPENDENCIES = '''\
mariadb-server
  Depends: mariadb-server-core
mariadb-server-core
  Depends: libc6
libc6
rabbitmq-server
  Depends: <erlang-base-hipe>
<erlang-base-hipe>
erlang-base
erlang-inets
'''

    def test_services_and_erlang_are_unpacked(self):
        self.assertEqual(
            ['mariadb-server-core', 'rabbitmq-server', 'erlang-base',
             'erlang-inets'],
            software.packages_to_unpack(self.DEPENDENCIES))
        self.assertIn(
            'mariadb-server-core-10.6', software.packages_to_unpack(
                self.DEPENDENCIES.replace('core', 'core-10.6')))

    def test_a_service_that_the_release_lacks_is_named(self):
        for name in ('mariadb-server-core', 'rabbitmq-server',
                     'erlang-base'):
            error = self.assertRaises(
                errors.CloudError, software.packages_to_unpack,
                self.DEPENDENCIES.replace(f'\n{name}\n', '\n'))
            self.assertIn(f'apt has no package {name} ', str(error))
        error = self.assertRaises(
            errors.CloudError, software.packages_to_unpack,
            'E: No packages found\n')
        self.assertIn('E: No packages found', str(error))


class CommandTestCase(StateTestCase):

    def test_commands_that_need_a_cloud_say_how_to_get_one(self):
        for argv in (('status',), ('env',), ('start', 'glance'),
                     ('stop', 'glance'), ('restart', 'glance'),
                     ('install',)):
            code, _, said = self.run_command(*argv)
            self.assertEqual(1, code, argv)
            self.assertIn('tools/devcloud up', said, argv)
        self.assertFalse(self.root.exists())

    def test_down_is_fine_where_nothing_is_up(self):
        self.assertEqual(0, self.run_command('down')[0])
        self.assertEqual(0, self.run_command('down', '--purge')[0])

    def test_status_tells_that_all_are_down(self):
        self.state.create()
        code, said, _ = self.run_command('status')
        self.assertEqual(3, code)
        self.assertIn(f'{self.state.ports["glance"]}', said)

    def test_an_unknown_service_is_answered_with_those_there_are(self):
        self.state.create()
        code, _, said = self.run_command('stop', 'cinder')
        self.assertEqual(1, code)
        self.assertIn('nova-scheduler', said)


class ProcessTestCase(StateTestCase):

    def setUp(self):
        super().setUp()
        self.state.create()
        self.log = self.state.log / 'service.log'

    def spawn(self, program, name='service'):
        child = process.spawn(self.state, name,
                              [sys.executable, '-c', program, _PATIENT],
                              self.log, {})
        self.addCleanup(child.wait)
        self.addCleanup(process.stop, self.state, patience=0)
        # A program that has just begun has no environment for a moment.
        while 'ready' not in self.log.read_text():
            self.assertIsNone(child.poll(), self.log.read_text())
        return child

    def test_stubborn_ones_are_killed_with_their_children(self):
        self.spawn(_STUBBORN)
        self.assertEqual(2, len(process.find(self.state)))
        self.assertEqual(
            ['service'], process.stop(self.state, patience=0.2))
        self.assertEqual([], process.find(self.state))

    def test_a_service_whose_first_process_died_is_not_up(self):
        child = self.spawn(_STUBBORN)
        child.kill()
        child.wait()
        self.assertEqual({}, process.leaders(self.state))
        left, = process.find(self.state)
        self.assertNotEqual(child.pid, left.pid)

    def test_another_cloud_has_other_processes(self):
        child = self.spawn(_PATIENT)
        self.assertEqual(
            [child.pid], [found.pid for found in process.find(self.state)])
        # The path of the one begins with that of the other.
        other = cloud_state.State(self.root.with_name('clou'))
        self.assertEqual([], process.find(other))

    def start(self, program, ready):
        services.start(
            self.state,
            services.Service('service',
                             lambda: (sys.executable, '-c', program),
                             ready), threading.Event())

    def test_a_service_that_ends_is_reported_with_its_log(self):
        error = self.assertRaises(
            errors.CloudError, self.start,
            'raise SystemExit("no such option")', lambda *_: False)
        self.assertIn('service has ended', str(error))
        self.assertIn('no such option', error.log.read_text())

    def test_the_port_of_another_program_is_named(self):
        port = self.state.ports['glance']
        listener = socket.create_server(('127.0.0.1', port))
        self.addCleanup(listener.close)
        error = self.assertRaises(
            errors.CloudError, services.start, self.state,
            services.services(self.state)['glance'], threading.Event())
        self.assertIn(str(port), str(error))


class StepsTestCase(testtools.TestCase):

    def test_what_is_needed_comes_first_and_what_is_not_there_is_skipped(
            self):
        order = []
        steps.run(
            [steps.Step('api', lambda _: order.append('api'),
                        ('database', 'broker')),
             steps.Step('database', lambda _: order.append('database'))],
            lambda name, seconds: None)
        self.assertEqual(['database', 'api'], order)

    def test_a_failure_ends_the_others_and_is_raised(self):
        begun = threading.Event()
        ended = []

        def fail(unwanted):
            begun.wait()
            raise errors.CloudError('broken')

        def wait(unwanted):
            begun.set()
            unwanted.wait()
            ended.append('waiting')

        error = self.assertRaises(
            errors.CloudError, steps.run,
            [steps.Step('fail', fail), steps.Step('wait', wait),
             steps.Step('never', ended.append, ('fail',))],
            lambda name, seconds: None)
        self.assertEqual('broken', str(error))
        self.assertEqual(['waiting'], ended)
