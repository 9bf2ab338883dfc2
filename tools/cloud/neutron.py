# SPDX-License-Identifier: Apache-2.0
"""As much of the Networking API as Nova needs for servers without a network.

Every collection is there, and empty. Run as ``python -m tools.cloud.neutron
PORT``.
"""

from __future__ import annotations

import http.server
import json
import re
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what is read; everything else is not there."""

    protocol_version = 'HTTP/1.1'

    def do_GET(self) -> None:
        """Respond with versions, extensions or an empty collection."""
        path = self.path.partition('?')[0].rstrip('/')
        collection = re.fullmatch(r'/v2\.0/([a-z-]+)', path)
        if collection:
            self._answer(200, {collection[1].replace('-', '_'): []})
        elif path == '/v2.0':
            self._answer(200, {'resources': []})
        elif path == '':
            self._answer(200, {'versions': [{
                'id': 'v2.0', 'status': 'CURRENT', 'links': [{
                    'rel': 'self',
                    'href': f'http://{self.headers["Host"]}/v2.0/'}]}]})
        else:
            self._refuse()

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get('Content-Length', 0)))
        self._answer(404, {'NeutronError': {
            'type': 'HTTPNotFound', 'detail': '',
            'message': f'this cloud has no networks: {self.path}'}})

    do_POST = do_PUT = do_DELETE = _refuse

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    """Server that ends although connections are open."""

    daemon_threads = True


if __name__ == '__main__':
    Server(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
