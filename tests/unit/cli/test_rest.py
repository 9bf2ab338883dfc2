# SPDX-License-Identifier: Apache-2.0
"""Responses that no service sends, through the Image API client."""

import json

import requests

from hyperv_sched.cli import image_api
from tests.unit.cli import responses
from tests.unit.cli.responses import MIB
from tests.unit.cli.responses import Response
from tests.unit.cli.responses import Server
from tests.unit.cli.responses import client
from tests.unit.cli.responses import endless
from tests.unit.cli.responses import page


class APITestCase(responses.ImageAPITestCase):

    def test_redirect_is_an_error(self):
        self.assertEqual(
            'the cloud responds with 302: Found', self.error(
                lambda api: api.get('x'),
                Response(302, headers={'Location': 'http://other/'},
                         reason='Found')))

    def test_document_of_16_mib_is_read_and_no_larger_one(self):
        for size, accepted in ((16 * MIB, True), (16 * MIB + 1, False)):
            response = Response(body=b'{}'.ljust(size))
            if accepted:
                self.assertEqual({'id': 'x'}, client(response).get('x'))
            else:
                self.assertEqual(
                    'the response has more than 16777216 bytes',
                    self.error(lambda api: api.get('x'), response))

    def test_endless_document_is_an_error(self):
        message = self.error(lambda api: api.get('x'),
                             Response(body=endless))
        self.assertIn('16777216 bytes', message)

    def test_endless_reason_is_cut(self):
        message = self.error(lambda api: api.get('x'),
                             Response(403, endless))
        self.assertTrue(message.isprintable())

    def test_invalid_json_is_an_error(self):
        for body in (b'', b'[]', b'"x"', b'{', b'\xff', b'[' * 100_000):
            self.assertEqual('the response is not a JSON object', self.error(
                lambda api: api.get('x'), Response(body=body)))

    def test_next_link_has_at_most_4096_characters(self):
        for length, accepted in ((4096, True), (4097, False)):
            query = 'x' * length
            server = Server(page([], f'/v2/images?{query}'), page([]))
            if accepted:
                list(image_api.ImageAPI(server).list_all())
                self.assertEqual(f'/images?{query}', server.paths[1])
            else:
                self.error(lambda api: list(api.list_all()),
                           *server.responses)

    def test_next_link_that_is_not_a_url(self):
        self.assertIn('the link to the next page is not a URL: ', self.error(
            lambda api: list(api.list_all()), page([], 'http://[::1/x')))

    def test_document_has_at_most_500000_values(self):
        for piece in (b'[],', b'{},', b'"",', b'1,', b'"\\",",',
                      b'{"a":[1]},'):
            body = b'{"a": [' + piece * 500_001 + b'1]}'
            self.assertEqual(
                'the response has more than 500000 values', self.error(
                    lambda api: api.get('x'), Response(body=body)), piece)

    def test_punctuation_in_strings_is_not_counted(self):
        for text in (',' * 500_001, '[{:' * 500_001, '",' * 500_001):
            image = client(Response(body=json.dumps(
                {'os_type': text}).encode())).get('x')
            self.assertEqual({'id': 'x', 'os_type': text}, image)

    def test_host_of_the_next_link_is_ignored(self):
        server = Server(page([], 'http://elsewhere/secrets?marker=x'),
                        page([]))
        list(image_api.ImageAPI(server).list_all())
        self.assertEqual('/images?marker=x', server.paths[1])

    def test_lost_connection_is_an_error(self):
        self.assertEqual(
            'the cloud cannot be used: lost', self.error(
                lambda api: api.get('x'), requests.ConnectionError('lost')))

    def test_reason_is_extracted_from_the_html_of_glance(self):
        for body, reason in (
                (b'<html><head><title>415 T</title></head><body><h1>415 T'
                 b'</h1>\nfixed words<br /><br />\nThe &lt;reason&gt;\n\n'
                 b'</body></html>', 'The <reason>'),
                (b'<html><body><h1>400</h1>\nThe reason<br /><br />\n\n'
                 b'</body></html>', 'The reason'),
                (b'plain', 'plain'), (b'', 'Odd'),
                (b'<h1>400</h1><<b>1 < 2</b>', '< 1 < 2'),
                (b'\x1b[2J\xff', '\\x1b[2J\ufffd')):
            self.assertEqual(
                f'the cloud responds with 400: {reason}', self.error(
                    lambda api: api.get('x'), Response(400, body)))
