# SPDX-License-Identifier: Apache-2.0
"""Requests of the Image API client, and responses that Glance never sends."""

import io
import json
from unittest import mock
import urllib.parse

import requests

from hyperv_sched.cli import base as cli_base
from hyperv_sched.cli import document_files
from hyperv_sched.cli import image_api
from hyperv_sched.cli import rest
from tests.unit import base

MIB = 1024 ** 2
IMAGE = {'id': 'x', 'size': 1000}


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

    def test_no_request_follows_redirects(self):
        """A redirect would send the token to another host."""
        span = {'Content-Range': 'bytes 0-999/1000'}
        for call, response in (
                (lambda api: api.get('x'), Response(body=b'{}')),
                (lambda api: list(api.list_all()), page([])),
                (lambda api: api.find('x'), page([{'id': 'x',
                                                   'name': 'x'}])),
                (lambda api: api.create({}), Response(201, b'{}')),
                (lambda api: api.upload('x', b''), Response(204)),
                (lambda api: api.delete('x'), Response(204)),
                (lambda api: api.source(IMAGE).read(0, 10),
                 Response(206, bytes(1000), span)),
                (lambda api: api.download(IMAGE, io.BytesIO(), mock.Mock()),
                 Response(200, bytes(1000)))):
            server = Server(response, page([]))
            call(image_api.ImageAPI(server))
            self.assertTrue(server.options)
            for options in server.options:
                self.assertIs(False, options['redirect'])

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

    def test_page_without_a_list_of_images_is_an_error(self):
        for body in (b'{}', b'{"images": {}}', b'{"images": null}'):
            self.assertEqual(
                'the response has no list of images',
                self.error(lambda api: list(api.list_all()),
                           Response(body=body)))

    def test_repeated_next_link_ends_the_list(self):
        server = Server(page([IMAGE], '/v2/images?marker=x'))
        images = list(image_api.ImageAPI(server).list_all())
        # Two requests each for hidden images and for the others.
        self.assertEqual((4, 4), (len(images), len(server.paths)))

    def test_hidden_images_are_listed_last(self):
        server = Server(page([{'id': 'a'}]), page([{'id': 'b'}]))
        self.assertEqual(
            [{'id': 'a'}, {'id': 'b'}],
            list(image_api.ImageAPI(server).list_all()))
        self.assertEqual(
            [['false'], ['true']],
            [urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)[
                'os_hidden'] for path in server.paths])

    def test_endless_list_is_an_error(self):
        with mock.patch.object(document_files, 'MAX_DOCUMENTS', 10):
            for count, accepted in ((10, True), (11, False)):
                pages = [page([IMAGE], f'/v2/images?marker={number}')
                         for number in range(count - 1)]
                pages += [page([IMAGE]), page([])]
                if accepted:
                    self.assertEqual(
                        count, len(list(client(*pages).list_all())))
                else:
                    self.assertEqual(
                        'the cloud lists more than 10 images', self.error(
                            lambda api: list(api.list_all()), *pages))

    def test_page_that_is_too_large_is_requested_with_one_image(self):
        """The owner of large images cannot hide those of other users."""
        large = Response(body=b' ' * 2 ** 24 + b'{"images": []}')
        server = Server(
            large, page([IMAGE], '/v2/images?limit=1&marker=x'), page([]),
            page([]))
        self.assertEqual([IMAGE],
                         list(image_api.ImageAPI(server).list_all()))
        self.assertEqual(
            ['200', '1', '200', '200'],
            [urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)[
                'limit'][0] for path in server.paths])
        self.error(lambda api: list(api.list_all()), large)

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

    def test_id_is_quoted_in_the_path(self):
        server = Server(Response(404))
        api = image_api.ImageAPI(server)
        self.assertRaises(rest.CloudError, api.get, '../../v3/users?x')
        self.assertEqual(['/images/..%2F..%2Fv3%2Fusers%3Fx'], server.paths)

    def test_content_range_other_than_requested_is_a_changed_image(self):
        for value in ('', 'bytes 0-999/1001', 'bytes 1-1000/1000',
                      'bytes 0-999/*'):
            api = client(Response(206, bytes(1000),
                                  {'Content-Range': value}))
            self.assertRaises(image_api.ImageChangedError,
                              api.source(IMAGE).read, 0, 10)

    def test_range_longer_than_requested_is_an_error(self):
        self.error(
            lambda api: api.source(IMAGE).read(0, 10),
            Response(206, endless, {'Content-Range': 'bytes 0-999/1000'}))

    def test_invalid_size_is_unavailable_content(self):
        for size in (None, -1, True, '1000', 1.5):
            self.assertRaises(
                image_api.ContentUnavailableError,
                image_api.ImageAPI(None).source, {'size': size})

    def test_download_of_another_length_is_an_error(self):
        target, line = mock.Mock(), mock.Mock()
        api = client(Response(200, bytes(999)))
        self.assertRaises(
            image_api.ImageChangedError, api.download, IMAGE, target, line)
        self.error(lambda api: api.download(IMAGE, target, line),
                   Response(200, endless))

    def test_forbidden_content_is_unavailable(self):
        api = client(Response(403, b'not yours'))
        error = self.assertRaises(
            image_api.ContentUnavailableError, api.source(IMAGE).read, 0, 10)
        self.assertEqual(
            'the cloud does not let you download it: not yours', str(error))

    def test_deleted_content_is_a_changed_image(self):
        for status in (204, 404, 410):
            self.assertRaises(
                image_api.ImageChangedError,
                client(Response(status)).source(IMAGE).read, 0, 10)

    def test_store_without_ranges_is_unavailable_content(self):
        for status in (200, 400, 416, 501):
            self.assertRaises(
                image_api.ContentUnavailableError,
                client(Response(status)).source(IMAGE).read, 0, 10)

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
