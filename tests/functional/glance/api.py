# SPDX-License-Identifier: Apache-2.0
"""A real glance-api on SQLite, served by gunicorn on a free port."""

import atexit
import concurrent.futures
import contextlib
import functools
import http.server
import json
import multiprocessing
from multiprocessing import forkserver
from multiprocessing import reduction
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import threading
from unittest import mock
import urllib.error
import urllib.request

import fixtures
import requests
import testtools

from tests import forked
from tests.functional.glance import served

_CONFIG = '''
[DEFAULT]
enabled_backends = local:file
transport_url = fake://
worker_self_reference_url = http://127.0.0.1
[database]
connection = sqlite:///{root}/glance.sqlite?timeout=60
[glance_store]
default_backend = local
[local]
filesystem_store_datadir = {root}/images
[os_glance_staging_store]
filesystem_store_datadir = {root}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {root}/tasks
[paste_deploy]
config_file = {root}/paste.ini
{more}
'''

#: A request is long enough to wait for.
_PATIENCE = 50_000


#: What Keystone's middleware says of a user.
_IDENTITY = {
    'X-Identity-Status': 'Confirmed', 'X-User-Id': 'user',
    'X-Project-Id': 'project'}


@functools.cache
def _manager():
    """Return glance-manage, ready to run."""
    manager = forked.Command(f'{served.__name__}:manage', 'glance.cmd.manage')
    atexit.register(manager.close)
    return manager


def _manage(config_file, *argv):
    done = _manager().run('--config-file', config_file, *argv)
    done.check_returncode()
    return done


@functools.cache
def _empty_database():
    """Return the file of a database: its migrations take longest of all."""
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        config_file = root / 'glance-api.conf'
        config_file.write_text(_CONFIG.format(root=root, more=''))
        _manage(config_file, 'db', 'sync')
        return (root / 'glance.sqlite').read_bytes()


@functools.cache
def _servers():
    """Return a context whose processes have imported Glance.

    That takes longer than all else that a server does before it serves.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(
        ['glance.api.v2.router', 'glance.common.wsgi_app',
         'gunicorn.app.wsgiapp', served.__name__])
    # What is freed leaves the process at once: see resident().
    with mock.patch.dict(os.environ, MALLOC_MMAP_THRESHOLD_='1048576'):
        forkserver.ensure_running()
    return context


class _Log(fixtures.Fixture):
    """A file for what a server says; gone with the test."""

    def _setUp(self):
        with contextlib.ExitStack() as stack:
            self.file = stack.enter_context(tempfile.TemporaryFile())
            self.addCleanup(stack.pop_all().close)


class GlanceAPI(fixtures.Fixture):
    """Glance with a database of its own; every user is an administrator.

    :param files: to put beside its configuration
    :param config: sections of glance-api.conf
    :param guard: lines for the API filter in its paste configuration; None
        for no filter
    :param plain: the pipeline is a section of its own, as up to Glance 29:
        no composite folds the slashes of a path in front of it
    :param policy: what is in policy.yaml
    :param roles: of the one who asks
    :param anonymous: requests without a user, as clients without Keystone send
    """

    def __init__(self, files=(), config='', guard=None, policy='',
                 roles='admin', anonymous=False, plain=False):
        super().__init__()
        self.anonymous = anonymous
        self.policy = policy
        self.identity = {'X-Roles': roles, **_IDENTITY}
        self.files = files
        self.config = config
        self.guard = guard
        self.plain = plain

    def _setUp(self):
        self.root = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.config_file = self.root / 'glance-api.conf'
        self.config_file.write_text(_CONFIG.format(
            root=self.root, more=self.config))
        (self.root / 'paste.ini').write_text(self._pipeline())
        (self.root / 'policy.yaml').write_text(self.policy)
        for path in self.files:
            shutil.copy(path, self.root)
        (self.root / 'glance.sqlite').write_bytes(_empty_database())
        self.url = f'http://127.0.0.1:{self._serve()}'

    def _pipeline(self):
        stock = pathlib.Path(
            sys.prefix, 'etc/glance/glance-api-paste.ini').read_text()
        if self.anonymous:
            return stock
        # Glance looks at who asks, as it does behind Keystone: what belongs
        # to a user that it cannot store.
        stock = stock.replace(' unauthenticated-context ', ' context ')
        guards = '' if self.guard is None else 'hyperv_generation '
        pipeline = ('cors http_proxy_to_wsgi versionnegotiation osprofiler '
                    f'context {guards}pairing rootapp')
        if self.plain:
            stock = stock.replace('[composite:glance-api]', (
                f'[pipeline:glance-api]\npipeline = {pipeline}\n'
                '[composite:unused]'), 1)
        else:
            stock = stock.replace(
                'cors http_proxy_to_wsgi versionnegotiation osprofiler '
                'context rootapp', pipeline, 1)
        if pipeline not in stock:
            raise AssertionError(stock)
        return stock + (
            '\n[filter:hyperv_generation]\n'
            f'use = egg:hyperv-sched#hyperv_generation\n{self.guard or ""}\n'
            '[filter:pairing]\npaste.filter_factory = '
            'tests.functional.glance.pairing:factory\n')

    def manage(self, *argv):
        """Run glance-manage."""
        return _manage(self.config_file, *argv)

    def _serve(self):
        # Connections wait in the socket's queue until the worker is up, and
        # end with the server: it alone has the socket.
        listener = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(listener.close)
        port = listener.getsockname()[1]
        self.log = self.useFixture(_Log()).file
        server = self.server = _servers().Process(
            target=served.run, args=(listener, self.root),
            kwargs={'log': reduction.DupFd(self.log.fileno())})
        server.start()
        self.addCleanup(server.join)
        self.addCleanup(server.terminate)
        listener.close()
        return port

    def resident(self):
        """Return the memory of the server's worker, in bytes."""
        process = pathlib.Path(f'/proc/{self.server.pid}')
        worker, = (process / f'task/{process.name}/children'
                   ).read_text().split()
        pages = pathlib.Path(f'/proc/{worker}/statm').read_text().split()[1]
        return int(pages) * os.sysconf('SC_PAGE_SIZE')

    def request(self, path, method='GET', body=None, media='json',
                **headers):
        """Ask the API; return the status and the text of its answer.

        :param body: bytes or a file are sent as they are, else as JSON
        :param headers: with underscores for hyphens
        """
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310
            self.url + path, method=method, data=body,
            headers={'Content-Type': f'application/{media}',
                     **self.identity, **{
                         name.replace('_', '-'): value
                         for name, value in headers.items()}})
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode()

    def create(self, **members):
        """Create an image; return its id."""
        status, text = self.request('/v2/images', 'POST', {
            'container_format': 'bare', **members})
        if status != 201:
            raise AssertionError(text)
        return json.loads(text)['id']

    def show(self, image_id):
        return json.loads(self.request(f'/v2/images/{image_id}')[1])

    def patch_together(self, image_id, *changes):
        """Make changes that are judged before any is made; return answers."""
        with concurrent.futures.ThreadPoolExecutor(len(changes)) as pool:
            return list(pool.map(lambda members: self.request(
                f'/v2/images/{image_id}', 'PATCH',
                [{'op': 'add', 'path': f'/{name}', 'value': value}
                 for name, value in members.items()],
                'openstack-images-v2.1-json-patch', X_Pair='yes'), changes))

    def patch(self, image_id, **members):
        """Set members of an image; return status and text."""
        return self.request(
            f'/v2/images/{image_id}', 'PATCH',
            [{'op': 'add', 'path': f'/{name}', 'value': value}
             for name, value in members.items()],
            'openstack-images-v2.1-json-patch')

    def put(self, image_id, data, action='file'):
        """Upload or stage data; return status and text.

        As the clients of OpenStack do it, which read the answer of a server
        that wants no more.
        """
        answer = requests.put(
            f'{self.url}/v2/images/{image_id}/{action}', data, timeout=600,
            headers={'Content-Type': 'application/octet-stream',
                     **self.identity})
        return answer.status_code, answer.text

    def import_image(self, image_id, method='glance-direct', **options):
        """Import an image; return status, and text where it is refused."""
        return self.request(
            f'/v2/images/{image_id}/import', 'POST',
            {'method': {'name': method, **options}})

    def task(self, image_id):
        """Wait for the import of an image; return the newest task."""
        for _ in range(_PATIENCE):
            # To list tasks is to write (Glance removes old ones): requested
            # all the time, it would keep the import from writing.
            if 'os_glance_import_task' in self.show(image_id):
                continue
            tasks = json.loads(
                self.request(f'/v2/images/{image_id}/tasks')[1])['tasks']
            newest = max(tasks, key=lambda task: task['created_at'])
            if newest['status'] in ('success', 'failure'):
                return newest
        raise AssertionError(f'the import does not end: {self.log_text()}')

    def log_text(self):
        """Return the log of the server."""
        self.log.seek(0)
        return self.log.read().decode()


class APITestCase(testtools.TestCase):
    """Tests that share one Glance."""

    options = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.glance = GlanceAPI(**cls.options)
        cls.addClassCleanup(cls.glance.cleanUp)
        cls.glance.setUp()

    @classmethod
    def serve(cls, files):
        """Serve files on loopback, for web-download; return the port."""
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        for name, data in files.items():
            pathlib.Path(directory.name, name).write_bytes(data)
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0),
            functools.partial(_Web, directory=directory.name))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        cls.addClassCleanup(thread.join)
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        return server.server_port


class _Web(http.server.SimpleHTTPRequestHandler):

    def log_message(self, *args):
        """Log no requests."""
