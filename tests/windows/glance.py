# SPDX-License-Identifier: Apache-2.0
"""An Image API without a login that reads slowly, on a port of its own."""

import http.server
import json
import threading
import time

import fixtures


class Handler(http.server.BaseHTTPRequestHandler):

    def log_message(self, *args):
        """Print nothing."""

    def respond(self, code, document=None):
        body = b'' if document is None else json.dumps(document).encode()
        self.send_response(code)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        port = self.server.server_address[1]
        self.respond(200, {'versions': [{
            'id': 'v2.9', 'status': 'CURRENT', 'links': [
                {'rel': 'self', 'href': f'http://127.0.0.1:{port}/v2/'}]}]})

    def do_POST(self):
        length = int(self.headers['Content-Length'])
        self.respond(201, json.loads(self.rfile.read(length)))

    def do_PUT(self):
        self.server.upload_started.set()
        while self.rfile.read1(65536):
            time.sleep(0.01)
        self.close_connection = True

    def do_DELETE(self):
        self.server.deleted.append(self.path.rpartition('/')[2])
        self.respond(204)


class Glance(fixtures.Fixture):

    def _setUp(self):
        self.server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        self.server.upload_started = threading.Event()
        self.server.deleted = []
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)
        self.url = f'http://127.0.0.1:{self.server.server_address[1]}'
