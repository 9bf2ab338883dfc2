# SPDX-License-Identifier: Apache-2.0
"""A server that answers without end, in every type, encoding and place.

Over real sockets and through all of openstacksdk, keystoneauth and requests:
each of them may read, decode or log a body before the commands see it.
"""

import http.server
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import zlib

import testtools

from hyperv_sched import names
from tests import files
from tests import samples

ID = '11111111-1111-1111-1111-111111111111'
MIB = 1024 ** 2

#: Of one process that reads all of the answers, in MiB: the interpreter and
#: openstacksdk take some 65, a document and its values the rest.
LIMIT = 256
#: MiB that a server can send before it is cut off, with what the buffers of
#: both sides hold. A list of 16 MiB is requested once more, in a shorter page.
MOST_SENT = 64

TYPES = ('application/json', 'text/plain', 'text/html',
         'application/octet-stream', None)
STATUSES = (200, 404, 500)
BODIES = ('blank', 'nested', 'values', 'gzip', 'deflate', 'chunks')


def compressed(window):
    """Return 1000 MiB of zeros in one MiB, of which most is a repetition."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    begin, repeated = (
        packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
        for _ in range(2))
    return begin + 999 * repeated


PIECES = {'blank': b' ' * MIB, 'nested': b'[' * MIB,
          'values': b'[],' * (MIB // 3), 'gzip': compressed(31),
          'deflate': compressed(15)}

#: What runs in a process of its own: all of the requests, one after another.
CLIENT = '''
import json, os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
from hyperv_sched.cli import main
from openstackclient import shell
for line in sys.stdin:
    auth, program, *argv = json.loads(line)
    for name in [name for name in os.environ if name.startswith('OS_')]:
        del os.environ[name]
    os.environ.update(auth)
    run = main.main if program == 'hyperv-sched' else shell.main
    try:
        code = run(argv)
    except BaseException as exc:
        code = repr(exc)
    # ru_maxrss is that of the process that started this one, too.
    with open('/proc/self/status') as status:
        used, = (int(line.split()[1]) for line in status
                 if line.startswith('VmHWM:'))
    print('ENDED', json.dumps([code, used]), flush=True)
'''


class Hostile(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    case = None
    floods = sent = 0

    def log_message(self, *args):
        """Log no requests."""

    def place(self):
        if self.path.endswith('/tokens'):
            return 'token'
        if self.path.strip('/') in ('', 'v2', 'v3'):
            return 'root'
        if self.path.endswith('/file'):
            return 'file' if self.command == 'GET' else 'upload'
        if self.command == 'DELETE':
            return 'delete'
        if self.command == 'POST':
            return 'create'
        path = self.path.partition('?')[0]
        for place in ('hypervisors', 'servers', 'traits', 'providers'):
            if path.endswith((place, f'{place}/detail')):
                return place
        for place in ('compute', 'placement'):
            if path.strip('/') == place:
                return place
        return 'list' if '?' in self.path else 'image'

    def answer(self):
        self.rfile.read(int(self.headers.get('Content-Length') or 0))
        place, media, status, body = type(self).case
        if self.place() == place:
            self.flood(media, status, body)
        elif (self.place(), place) == ('upload', 'delete'):
            # So that there is something to delete.
            self.send_error(500)
        else:
            self.friendly()

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def friendly(self):
        url = f'http://127.0.0.1:{self.server.server_port}'
        status, answer = {
            'root': (300, {'versions': {'values': [{
                'id': 'v3.14', 'status': 'stable',
                'links': [{'rel': 'self', 'href': f'{url}/v3/'}]}]}
                if self.path.startswith('/v3') else [{
                    'id': 'v2.15', 'status': 'CURRENT',
                    'links': [{'rel': 'self', 'href': f'{url}/v2/'}]}]}),
            'token': (201, {'token': {
                'methods': ['password'], 'expires_at': '2999-01-01T00:00:00Z',
                'user': {'id': 'u', 'name': 'u',
                         'domain': {'id': 'd', 'name': 'd'}},
                'catalog': [{'type': 'image', 'id': 'i', 'name': 'glance',
                             'endpoints': [{
                                 'interface': 'public', 'region': 'R',
                                 'region_id': 'R', 'id': 'e',
                                 'url': url}]}]}}),
            'list': (200, {'images': []}),
            'compute': (200, {'version': {
                'id': 'v2.1', 'status': 'CURRENT', 'version': '2.96',
                'min_version': '2.1',
                'links': [{'rel': 'self', 'href': f'{url}/compute'}]}}),
            'placement': (200, {'versions': [{
                'id': 'v1.0', 'status': 'CURRENT', 'max_version': '1.39',
                'min_version': '1.0',
                'links': [{'rel': 'self', 'href': ''}]}]}),
            'hypervisors': (200, {'hypervisors': [{
                'id': ID, 'hypervisor_hostname': 'h',
                'hypervisor_type': 'hyperv', 'hypervisor_version': 10000,
                'state': 'up', 'status': 'enabled'}]}),
            'servers': (200, {'servers': []}),
            'traits': (200, {'traits': [names.GENERATION_2_TRAIT]}),
            'providers': (200, {'resource_providers': []}),
            'image': (200, {'id': ID, 'status': 'active', 'size': 8 * MIB,
                            'disk_format': 'vhdx', 'name': 'x'}),
            'file': (404, {}),
            'create': (201, {'id': ID}),
            'upload': (204, None),
            'delete': (204, None),
        }[self.place()]
        data = b'' if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header('X-Subject-Token', 'token')
        if data:
            self.send_header('Content-Type', 'application/json')
        if status != 204:
            self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def flood(self, media, status, body):
        self.close_connection = True
        type(self).floods += 1
        self.send_response(status)
        if media:
            self.send_header('Content-Type', media)
        if body in ('gzip', 'deflate'):
            self.send_header('Content-Encoding', body)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        if body == 'chunks':
            # One size of a chunk, and no end of it.
            piece = b'0' * MIB
        else:
            data = PIECES[body]
            piece = b'%x\r\n%b\r\n' % (len(data), data)
        try:
            for _ in range(3000):
                self.wfile.write(piece)
                type(self).sent += len(piece)
        except OSError:
            # It was cut off.
            return


class HostileServerTestCase(files.FilesMixin, testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        """Start one server, and one process that runs all commands."""
        super().setUpClass()
        cls.server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), Hostile)
        cls.server.daemon_threads = True
        thread = threading.Thread(target=cls.server.serve_forever)
        thread.start()
        home = tempfile.TemporaryDirectory()
        cls.client = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c',
             CLIENT.format(limit=1024 * MIB)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={
                **os.environ, 'HOME': home.name,
                'XDG_CONFIG_HOME': home.name})
        for stop in (home.cleanup, thread.join, cls.server.server_close,
                     cls.server.shutdown, cls.client.communicate):
            cls.addClassCleanup(stop)

    def check(self, cases, argv, codes=(2,), program='hyperv-sched', **auth):
        client = self.client
        for case in cases:
            Hostile.case, Hostile.floods, Hostile.sent = case, 0, 0
            client.stdin.write(json.dumps([auth, program, *argv]) + '\n')
            client.stdin.flush()
            line = client.stdout.readline()
            # What the command itself prints comes before.
            while line and not line.startswith('ENDED '):
                line = client.stdout.readline()
            code, used = json.loads(line.partition(' ')[2] or '[null, 0]')
            self.assertIn(code, codes, case)
            self.assertLess(used, LIMIT * 1024, case)
            self.assertGreater(Hostile.floods, 0, case)
            self.assertLess(Hostile.sent, MOST_SENT * MIB, case)

    def anonymous(self):
        return {'OS_AUTH_TYPE': 'none', 'OS_ENDPOINT':
                f'http://127.0.0.1:{self.server.server_port}'}

    def cases(self, *places):
        """Every type with every body; the statuses and places in turn."""
        for number, (media, body) in enumerate(
                itertools.product(TYPES, BODIES)):
            turn = number + number // len(BODIES)
            yield (places[turn % len(places)], media,
                   STATUSES[turn // len(places) % 3], body)

    def test_image(self):
        self.check(self.cases('image'), ['image', 'lint', '--image', ID],
                   **self.anonymous())

    def test_versions(self):
        self.check(self.cases('root'), ['image', 'lint', '--image', ID],
                   **self.anonymous())

    def test_token(self):
        self.check(
            self.cases('token'), ['image', 'lint', '--image', ID],
            OS_AUTH_URL=f'http://127.0.0.1:{self.server.server_port}/v3',
            OS_USERNAME='u', OS_PASSWORD='p', OS_PROJECT_NAME='p',
            OS_USER_DOMAIN_NAME='d', OS_PROJECT_DOMAIN_NAME='d')

    def test_list_with_debug_output(self):
        self.check(self.cases('list'),
                   ['--debug', 'image', 'lint', '--all-images'],
                   **self.anonymous())

    def test_plug_in_of_the_openstack_client(self):
        """Its log is that of openstackclient, which has its own levels."""
        self.check(
            itertools.islice(self.cases('image', 'root'), 0, None, 3),
            ['--debug', 'hyperv', 'image', 'lint', '--image', ID], (1, 2),
            'openstack', **self.anonymous())

    def test_content(self):
        """Content that cannot be read is unknown, which is 1."""
        self.check(self.cases('file'),
                   ['image', 'lint', '--image', ID, '--download'], (1, 2),
                   **self.anonymous())

    def test_audit(self):
        """Servers that cannot be read leave an audit of the rest."""
        url = f'http://127.0.0.1:{self.server.server_port}'
        clouds = self.file('clouds.yaml', json.dumps({'clouds': {'test': {
            'auth_type': 'none', 'auth': {'endpoint': url},
            'compute_endpoint_override': f'{url}/compute',
            'image_endpoint_override': url,
            'placement_endpoint_override': f'{url}/placement'}}}).encode())
        self.check(
            self.cases('hypervisors', 'traits', 'providers', 'servers',
                       'list'),
            ['cloud', 'audit', '--os-cloud', 'test'],
            OS_CLIENT_CONFIG_FILE=clouds)

    def test_upload(self):
        path = self.file('disk.vhdx', samples.uefi_vhdx())
        self.check(self.cases('create', 'upload', 'delete'),
                   ['image', 'upload', '--name', 'x', path],
                   **self.anonymous())
