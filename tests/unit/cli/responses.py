# SPDX-License-Identifier: Apache-2.0
"""Responses of the services of a cloud, without the cloud."""

import json

from hyperv_sched.cli import base as cli_base
from hyperv_sched.cli import image_api
from hyperv_sched.cli import rest
from tests.unit import base

MIB = 1024 ** 2


class Response:
    """Response of requests."""

    def __init__(self, status=200, body=b'', headers=(), reason='Odd'):
        self.status_code = status
        self.headers = dict(headers)
        self.reason = reason
        self._body = body

    def iter_content(self, size):
        if callable(self._body):
            return self._body()
        return iter([self._body])

    def close(self):
        pass


class Server:
    """Server that sends these responses in order, and repeats the last."""

    def __init__(self, *responses):
        self.responses = list(responses)
        self.paths = []
        self.options = []

    def request(self, path, method, **options):
        self.paths.append(path)
        self.options.append(options)
        response = self.responses[0]
        if len(self.responses) > 1:
            del self.responses[0]
        if isinstance(response, Exception):
            raise response
        return response


def page(images, next_link=None):
    return Response(body=json.dumps(
        {'images': images, 'next': next_link}).encode())


def endless():
    while True:
        yield bytes(MIB)


def client(*responses):
    return image_api.ImageAPI(Server(*responses))


class ImageAPITestCase(base.TestCase):

    def error(self, call, *responses):
        """Return the message of the error that a call ends with."""
        error = self.assertRaises(
            rest.CloudError, lambda: call(client(*responses)))
        self.assertLess(len(str(error)), 4000)
        self.assertIsInstance(error, cli_base.UsageError)
        return str(error)
