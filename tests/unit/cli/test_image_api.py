# SPDX-License-Identifier: Apache-2.0
"""Requests of the Image API client, and responses that Glance never sends."""

import io
from unittest import mock
import urllib.parse

from hyperv_sched.cli import document_files
from hyperv_sched.cli import image_api
from hyperv_sched.cli import rest
from tests.unit.cli import responses
from tests.unit.cli.responses import Response
from tests.unit.cli.responses import Server
from tests.unit.cli.responses import client
from tests.unit.cli.responses import endless
from tests.unit.cli.responses import page

IMAGE = {'id': 'x', 'size': 1000}


class ImageAPITestCase(responses.ImageAPITestCase):

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
