# SPDX-License-Identifier: Apache-2.0
"""What answers as no Glance does."""

import json
from unittest import mock
import urllib.parse

import requests
import testtools

from hyperv_sched.cli import base
from hyperv_sched.cli import cloud
from hyperv_sched.cli import inputs


class Answer:
    """As requests has it."""

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


def page(images, following=None):
    return Answer(body=json.dumps(
        {'images': images, 'next': following}).encode())


def endless():
    while True:
        yield bytes(1024 ** 2)


class Server:
    """Answers in turn, the last of them for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def request(self, path, method, **options):
        self.asked.append(path)
        answer = self.answers[0]
        if len(self.answers) > 1:
            del self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


IMAGE = {'id': 'x', 'size': 1000}


class HostileAPITestCase(testtools.TestCase):

    def refused(self, call, *answers):
        """What a call says of answers, in one short line."""
        error = self.assertRaises(
            cloud.CloudError, lambda: call(cloud.Images(Server(*answers))))
        self.assertLess(len(str(error)), 4000)
        self.assertIsInstance(error, base.UsageError)
        return str(error)

    def test_documents_without_end_are_cut_off(self):
        words = self.refused(lambda images: images.get('x'),
                             Answer(body=endless))
        self.assertIn('16777216 bytes', words)

    def test_refusals_without_end_are_cut_off(self):
        words = self.refused(lambda images: images.get('x'),
                             Answer(403, endless))
        self.assertTrue(words.isprintable())

    def test_what_is_no_json_is_refused(self):
        for body in (b'', b'[]', b'"x"', b'{', b'\xff', b'[' * 100_000):
            self.assertIn('JSON', self.refused(
                lambda images: images.get('x'), Answer(body=body)))

    def test_lists_that_are_none_are_refused(self):
        for body in (b'{}', b'{"images": {}}', b'{"images": null}'):
            self.refused(lambda images: list(images.all()),
                         Answer(body=body))

    def test_list_that_runs_in_circles_ends(self):
        server = Server(page([IMAGE], '/v2/images?marker=x'))
        found = list(cloud.Images(server).all())
        # Both the hidden ones and the others.
        self.assertEqual((4, 4), (len(found), len(server.asked)))

    def test_list_without_end_is_refused(self):
        with mock.patch.object(inputs, 'MAX_DOCUMENTS', 10):
            self.refused(
                lambda images: list(images.all()),
                *(page([IMAGE], f'/v2/images?marker={number}')
                  for number in range(20)))

    def test_page_that_is_too_large_is_asked_for_in_short(self):
        """So that no owner of large images hides those of all others."""
        large = Answer(body=b' ' * 2 ** 24 + b'{"images": []}')
        server = Server(
            large, page([IMAGE], '/v2/images?limit=1&marker=x'), page([]),
            page([]))
        self.assertEqual([IMAGE], list(cloud.Images(server).all()))
        self.assertEqual(
            ['200', '1', '200', '200'],
            [urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)[
                'limit'][0] for path in server.asked])
        self.refused(lambda images: list(images.all()), large)

    def test_next_page_is_named_in_short(self):
        for length, refused in ((4096, False), (4097, True)):
            query = 'x' * length
            server = Server(page([], f'/v2/images?{query}'), page([]))
            if refused:
                self.refused(lambda images: list(images.all()),
                             *server.answers)
            else:
                list(cloud.Images(server).all())
                self.assertEqual(f'/images?{query}', server.asked[1])

    def test_values_without_end_are_refused_before_they_are_made(self):
        for piece in (b'[],', b'{},', b'"",', b'1,', b'"\\",",',
                      b'{"a":[1]},'):
            body = b'{"a": [' + piece * 500_001 + b'1]}'
            self.assertIn('500000 values', self.refused(
                lambda images: images.get('x'), Answer(body=body)), piece)

    def test_text_is_no_values(self):
        for text in (',' * 500_001, '[{:' * 500_001, '",' * 500_001):
            found = cloud.Images(Server(Answer(body=json.dumps(
                {'os_type': text}).encode()))).get('x')
            self.assertEqual({'id': 'x', 'os_type': text}, found)

    def test_next_page_is_of_the_same_cloud(self):
        server = Server(page([], 'http://elsewhere/secrets?marker=x'),
                        page([]))
        list(cloud.Images(server).all())
        self.assertEqual('/images?marker=x', server.asked[1])

    def test_id_stays_inside_of_its_path(self):
        server = Server(Answer(404))
        images = cloud.Images(server)
        self.assertRaises(cloud.CloudError, images.get, '../../v3/users?x')
        self.assertEqual(['/images/..%2F..%2Fv3%2Fusers%3Fx'], server.asked)

    def test_other_range_than_asked_for_is_a_changed_image(self):
        for told in ('', 'bytes 0-999/1001', 'bytes 1-1000/1000',
                     'bytes 0-999/*'):
            images = cloud.Images(Server(Answer(
                206, bytes(1000), {'Content-Range': told})))
            self.assertRaises(cloud.Changed,
                              images.source(IMAGE).read, 0, 10)

    def test_range_that_is_longer_than_asked_for_is_refused(self):
        self.refused(
            lambda images: images.source(IMAGE).read(0, 10),
            Answer(206, endless, {'Content-Range': 'bytes 0-999/1000'}))

    def test_size_that_is_none_is_not_read(self):
        for size in (None, -1, True, '1000', 1.5):
            self.assertRaises(
                cloud.Unread, cloud.Images(None).source, {'size': size})

    def test_download_that_is_not_as_long_as_told_is_refused(self):
        target, shown = mock.Mock(), mock.Mock()
        images = cloud.Images(Server(Answer(200, bytes(999))))
        self.assertRaises(
            cloud.Changed, images.download, IMAGE, target, shown)
        self.refused(lambda images: images.download(IMAGE, target, shown),
                     Answer(200, endless))

    def test_download_that_is_forbidden_is_unknown(self):
        images = cloud.Images(Server(Answer(403, b'no')))
        error = self.assertRaises(
            cloud.Unread, images.source(IMAGE).read, 0, 10)
        self.assertIn('no', str(error))

    def test_lost_connections_are_told(self):
        self.assertIn('lost', self.refused(
            lambda images: images.get('x'),
            requests.ConnectionError('lost')))

    def test_reasons_are_those_of_glance(self):
        for body, expected in (
                (b'<html><head><title>415 T</title></head><body><h1>415 T'
                 b'</h1>\nfixed words<br /><br />\nThe &lt;reason&gt;\n\n'
                 b'</body></html>', 'The <reason>'),
                (b'<html><body><h1>400</h1>\nThe reason<br /><br />\n\n'
                 b'</body></html>', 'The reason'),
                (b'plain', 'plain'), (b'', 'Odd'),
                (b'\x1b[2J\xff', '\\x1b[2J\ufffd')):
            self.assertEqual(
                f'the cloud answers 400: {expected}', self.refused(
                    lambda images: images.get('x'), Answer(400, body)))
