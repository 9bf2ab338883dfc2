# SPDX-License-Identifier: Apache-2.0
"""What tools/devcloud does before it starts an OpenStack."""

import contextlib
import io
import os
import pathlib
import socket
import sys
import threading

import fixtures
import testtools

from tools.cloud import errors
from tools.cloud import main
from tools.cloud import process
from tools.cloud import services
from tools.cloud import state as cloud_state
from tools.cloud import steps

_PATIENT = 'import signal; signal.pause()'

#: Says that it is ready, with a child, then does not end when it is asked to.
_STUBBORN = '''
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', sys.argv[1]])
print('ready', flush=True)
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

    def test_a_port_that_somebody_listens_on_is_not_free(self):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            port = listener.getsockname()[1]
            self.assertFalse(cloud_state.is_free(port))
        self.assertTrue(cloud_state.is_free(port))

    def test_a_path_with_a_blank_is_refused_with_the_way_out(self):
        error = self.assertRaises(errors.CloudError, cloud_state.State,
                                  pathlib.Path('/tmp/a cloud'))
        self.assertIn('--state', str(error))

    def test_purge_leaves_what_is_not_ours(self):
        self.state.create()
        (self.root / 'notes').write_text('mine')
        self.state.purge()
        self.assertEqual(['notes'], os.listdir(self.root))

    def test_two_commands_do_not_change_one_cloud_at_once(self):
        self.state.create()
        with self.state.locked():
            code, _, said = self.run_command('stop', 'glance')
        self.assertEqual(1, code)
        self.assertIn(str(os.getpid()), said)


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
        return child

    def test_stubborn_ones_are_killed_with_their_children(self):
        self.spawn(_STUBBORN)
        while 'ready' not in self.log.read_text():
            pass
        self.assertEqual(2, len(process.find(self.state)))
        self.assertEqual(
            ['service'], process.stop(self.state, patience=0.2))
        self.assertEqual([], process.find(self.state))

    def test_a_service_whose_first_process_died_is_not_up(self):
        child = self.spawn(_STUBBORN)
        while 'ready' not in self.log.read_text():
            pass
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
            services.Service('service', (sys.executable, '-c', program),
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
