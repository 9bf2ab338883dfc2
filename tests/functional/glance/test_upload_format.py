# SPDX-License-Identifier: Apache-2.0
"""The API filter on the first bytes of uploads, in front of a WSGI stub."""

import io
import json

import testtools
import webob

from hyperv_sched.glance import api_filter
from tests import guests
from tests import samples

GENERATION_1 = {'disk_format': 'vhd', 'container_format': 'bare',
                'hypervisor_type': 'hyperv', 'hw_machine_type': 'hyperv-gen1'}


class UploadFormatTestCase(testtools.TestCase):

    def upload(self, body, overrides=((), ()), **record):
        """Upload an image; return the status and the text of the response."""
        received = []

        def glance(environ, start_response):
            request = webob.Request(environ)
            if request.method == 'PUT':
                received.append(request.body)
                response = webob.Response(status=204)
            else:
                response = webob.Response(json={
                    'id': 'x', 'status': 'queued', **GENERATION_1, **record})
            return response(environ, start_response)

        request = webob.Request.blank(
            '/v2/images/x/file', method='PUT',
            content_type='application/octet-stream')
        # Like the body of a server, this cannot be read twice.
        request.body_file = io.BytesIO(body)
        request.content_length = len(body)
        response = request.get_response(api_filter.HyperVGeneration(
            glance, report_only=False, overrides=overrides))
        self.assertEqual([body] if response.status_int == 204 else [],
                         received)
        return response.status_int, response.text

    def test_fixed_vhd_starts_with_any_bytes_of_its_disk(self):
        """Its footer is at the end: the first bytes are raw or unknown."""
        for guest in (guests.bios_bootable(), bytes(samples.MIB),
                      b'text' * 1024):
            status, text = self.upload(samples.fixed_vhd(
                samples.MIB, guest=guest))
            self.assertEqual(204, status, text)

    def test_raw_disk_is_refused_as_vhdx(self):
        status, text = self.upload(guests.bios_bootable(),
                                   disk_format='vhdx')
        self.assertEqual(400, status)
        self.assertIn('HV20', json.loads(text)['message'])

    def test_signature_of_an_iso_is_the_last_that_is_read(self):
        """The five bytes of CD001 end at byte 32774."""
        iso = bytes(32769) + b'CD001'
        for body, expected in ((iso, 400), (iso[:-1], 204),
                               (iso + bytes(100), 400),
                               (bytes(1) + iso, 204)):
            status, text = self.upload(body)
            self.assertEqual(expected, status, text)

    def test_severity_overrides(self):
        body = samples.dynamic_vhd(guest=guests.bios_bootable())
        for ignored, expected in (((), 400), (('HV201',), 204)):
            status, text = self.upload(body, (ignored, ()),
                                       disk_format='vhdx')
            self.assertEqual(expected, status, text)
