# SPDX-License-Identifier: Apache-2.0
"""A real glance-api on SQLite, served by gunicorn on a free port."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import fixtures

_CONFIG = '''
[DEFAULT]
enabled_backends = local:file
transport_url = fake://
worker_self_reference_url = http://127.0.0.1
[database]
connection = sqlite:///{root}/glance.sqlite
[glance_store]
default_backend = local
[local]
filesystem_store_datadir = {root}/images
[os_glance_staging_store]
filesystem_store_datadir = {root}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {root}/tasks
[paste_deploy]
config_file = {root}/glance-api-paste.ini
'''


#: What Keystone's middleware says of an administrator.
_IDENTITY = {
    'X-Identity-Status': 'Confirmed', 'X-User-Id': 'admin',
    'X-Project-Id': 'project', 'X-Roles': 'admin'}


class _Log(fixtures.Fixture):
    """A file for what a server says; gone with the test."""

    def _setUp(self):
        with contextlib.ExitStack() as stack:
            self.file = stack.enter_context(tempfile.TemporaryFile())
            self.addCleanup(stack.pop_all().close)


class GlanceAPI(fixtures.Fixture):
    """Glance with a database of its own; everybody is an administrator.

    :param files: to put beside its configuration.
    """

    def __init__(self, files=()):
        super().__init__()
        self.files = files

    def _setUp(self):
        self.root = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.config_file = self.root / 'glance-api.conf'
        self.config_file.write_text(_CONFIG.format(
            root=self.root))
        # Glance looks at who asks, as it does behind Keystone: what belongs
        # to nobody it cannot store.
        shipped = pathlib.Path(sys.prefix, 'etc/glance/glance-api-paste.ini')
        (self.root / shipped.name).write_text(shipped.read_text().replace(
            ' unauthenticated-context ', ' context '))
        (self.root / 'policy.yaml').write_text('"context_is_admin": "@"\n')
        for path in self.files:
            shutil.copy(path, self.root)
        self.manage('db', 'sync')
        self.url = f'http://127.0.0.1:{self._serve()}'

    def manage(self, *argv):
        """Run glance-manage."""
        command = pathlib.Path(sys.executable).with_name('glance-manage')
        return subprocess.run(
            [command, '--config-file', self.config_file, *argv], check=True,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _serve(self):
        # Connections wait in the socket's queue until the worker is up.
        listener = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(listener.close)
        log = self.useFixture(_Log()).file
        server = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m', 'gunicorn',
             '--no-control-socket', '--bind', f'fd://{listener.fileno()}',
             '--worker-class', 'gthread', '--threads', '4',
             'glance.wsgi.api:application'],
            stdout=log, stderr=log, cwd=self.root,
            pass_fds=[listener.fileno()],
            env={**os.environ, 'OS_GLANCE_CONFIG_DIR': str(self.root)})
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        return listener.getsockname()[1]

    def request(self, path, method='GET', body=None, media='json'):
        """Ask the API; return the status and the text of its answer."""
        request = urllib.request.Request(  # noqa: S310
            self.url + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={'Content-Type': f'application/{media}', **_IDENTITY})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode()
