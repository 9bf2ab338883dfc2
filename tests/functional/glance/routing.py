# SPDX-License-Identifier: Apache-2.0
"""The filter and Glance's own router take a request for the same.

A process of its own runs this: Glance's router imports eventlet, which Nova
on native threads forbids.
"""

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
                # The filter requests the same image.
                self.routed.clear()
                self.assertRaises(
                    image_document.InvalidDocumentError, stored.StoredImage(
                        self.application, environ, route.path).record)
                self.assertEqual([('show', image_id)], self.routed, environ)
        self.assertEqual({*ACTIONS}, seen)
