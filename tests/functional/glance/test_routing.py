# SPDX-License-Identifier: Apache-2.0
"""The filter and Glance's own router take a request for the same."""

import io
import random
from unittest import mock

from glance.api.v2 import router
from glance.common import wsgi
from oslo_config import cfg
from paste import urlmap
import routes.middleware
import testtools
import webob

from hyperv_sched import document as image_document
from hyperv_sched.glance import api_filter
from hyperv_sched.glance import stored
from tests import guests
from tests import samples

#: The action of Glance's controllers, and what the filter has for it.
ACTIONS = {
    'create': ('POST', None), 'update': ('PATCH', None),
    'upload': ('PUT', 'file'), 'stage': ('PUT', 'stage'),
    'import_image': ('POST', 'import')}
SEGMENTS = ('images', 'images', 'images', 'id', 'id', 'file', 'stage',
            'import', 'locations', 'actions', 'v2', '.', '..', '', '',
            '%2f', ';x', ' ', 'images\n', 'id\n', 'file\n', '\xe1', '\xff')
QUERIES = ('', '', 'x=1', '_method=POST', '_method=put', '_method=PATCH',
           '%5fmethod=PUT', '%5Fmethod=GET', '_method=', '_method=%ff',
           'x=%ff&_method=GET', '_method=GET&_method=POST', 'x=_method',
           '_methods=GET', '+_method=GET')


class RoutingTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.routed = []
        # There is no schema-image.json, nor a configuration.
        with mock.patch.object(cfg.ConfigOpts, 'find_file',
                               return_value=None):
            api = router.API(wsgi.APIMapper())
        below = routes.middleware.RoutesMiddleware(self._dispatch, api.map)
        self.application = urlmap.URLMap()
        self.application['/v2'] = below

    def _dispatch(self, environ, start_response):
        match = environ['wsgiorg.routing_args'][1]
        self.routed.append((match.get('action'), match.get('image_id')))
        return webob.Response(status=404)(environ, start_response)

    def test_any_path_and_query(self):
        choose = random.Random(20261125).choice  # noqa: S311
        seen = set()
        for number in range(20000):
            path = '/v2' + ''.join('/' + choose(SEGMENTS)
                                   for _ in range(number % 5 + 1))
            environ = {
                **webob.Request.blank('/').environ,
                'PATH_INFO': path, 'QUERY_STRING': choose(QUERIES),
                'REQUEST_METHOD': choose(('POST', 'PUT', 'PATCH', 'GET'))}
            route = api_filter._route(webob.Request(dict(environ)))
            self.routed.clear()
            webob.Request(dict(environ)).get_response(self.application)
            action, image_id = (*self.routed, (None, None))[0]
            if action not in ACTIONS:
                continue
            seen.add(action)
            self.assertIsNotNone(route, environ)
            self.assertEqual(ACTIONS[action], (route.method, route.action))
            if image_id is not None:
                # The filter asks for the same image.
                self.routed.clear()
                self.assertRaises(
                    image_document.InvalidDocument, stored.StoredImage(
                        self.application, environ, route.path).record)
                self.assertEqual([('show', image_id)], self.routed, environ)
        self.assertEqual({*ACTIONS}, seen)


class Counting(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


class UploadCostTestCase(testtools.TestCase):
    """What an upload is read for, by bytes."""

    def upload(self, data, **record):
        """Return what is read, and what Glance gets."""
        def application(environ, start_response):
            request = webob.Request(environ)
            if request.method == 'GET':
                return webob.Response(json={
                    'id': 'id', 'status': 'queued', **record})(
                        environ, start_response)
            self.got = request.body_file_raw.read(len(data))
            return webob.Response(status=204)(environ, start_response)

        source = Counting(data)
        request = webob.Request.blank(
            '/v2/images/id/file', method='PUT',
            content_type='application/octet-stream')
        request.body_file = source
        request.content_length = len(data)
        source.count = 0
        judge = api_filter.HyperVGeneration(application)
        self.assertIsNone(judge.process_request(request))
        count = source.count
        request.get_response(application)
        self.assertEqual(data, self.got)
        return count

    def test_nothing_for_other_hypervisors(self):
        data = samples.vhdx(block_size=samples.MIB, guest=guests.bootable())
        for record in ({'hypervisor_type': 'qemu', 'disk_format': 'vhdx'},
                       {'hw_machine_type': 'q35', 'disk_format': 'raw'}):
            self.assertEqual(0, self.upload(data, **record))

    def test_first_bytes_of_all_that_may_be_for_hyperv(self):
        data = samples.vhdx(block_size=samples.MIB, guest=guests.bootable())
        for record in ({'disk_format': 'vhdx'}, {'disk_format': 'raw'},
                       {'hypervisor_type': 'hyperv', 'disk_format': 'vhd'}):
            self.assertEqual(32774, self.upload(data, **record))
        self.assertEqual(3, self.upload(b'abc', disk_format='raw'))
