# SPDX-License-Identifier: Apache-2.0
"""A filter for Glance's pipeline that carries out two changes together.

It stands behind the filters that judge: both changes are judged before
either is carried out, one after the other.
"""

import threading

from glance.common import wsgi

#: A request with this header waits for another one.
HEADER = 'X-Pair'


class Pairing(wsgi.Middleware):

    def __init__(self, application):
        super().__init__(application)
        self._judged = threading.Barrier(2, timeout=60)
        self._changing = threading.Lock()

    def process_request(self, req):
        if HEADER not in req.headers:
            return None
        self._judged.wait()
        with self._changing:
            return req.get_response(self.application)


def factory(global_conf, **local_conf):
    return Pairing
