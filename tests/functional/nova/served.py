# SPDX-License-Identifier: Apache-2.0
"""The API of Nova and placement in this process, on loopback."""

import socketserver
import threading
from wsgiref import simple_server

import fixtures
from nova.api import wsgi


class _Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True


class _Handler(simple_server.WSGIRequestHandler):

    def log_message(self, *args):
        """Log no requests."""


class Served(fixtures.Fixture):
    """Serve a WSGI application; ``url`` is its address.

    :param environ: added to each request, as middleware in front adds it
    """

    def __init__(self, application, **environ):
        super().__init__()
        self.application = application
        self.environ = environ

    def _setUp(self):
        def serve(environ, start_response):
            return self.application({**environ, **self.environ},
                                    start_response)

        server = simple_server.make_server(
            '127.0.0.1', 0, serve, _Server, _Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f'http://127.0.0.1:{server.server_port}'


def compute_api(user, roles, project):
    """Return a fixture with the Compute API for one user.

    Nova's own tests stub out Keystone.
    """
    return Served(
        wsgi.Loader().load_app('osapi_compute'), HTTP_X_AUTH_USER=user,
        HTTP_X_ROLES=roles, HTTP_X_AUTH_PROJECT_ID=project)
