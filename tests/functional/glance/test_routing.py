# SPDX-License-Identifier: Apache-2.0
"""What the filter judges: the requests that Glance routes, and no more."""

import pathlib
import subprocess
import sys

import testtools
import webob

from hyperv_sched.glance import api_filter
from tests import files
from tests import samples


class RoutingTestCase(testtools.TestCase):

    def test_filter_and_router_agree(self):
        done = subprocess.run(
            [sys.executable, '-m', 'testtools.run',
             'tests.functional.glance.routing'],
            check=False, cwd=pathlib.Path(__file__).parents[3], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertIn('Ran 1 test', done.stdout)


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

        source = files.CountingFile(data)
        request = webob.Request.blank(
            '/v2/images/id/file', method='PUT',
            content_type='application/octet-stream')
        request.body_file = source
        request.content_length = len(data)
        source.bytes_read = 0
        judge = api_filter.HyperVGeneration(application)
        self.assertIsNone(judge.process_request(request))
        count = source.bytes_read
        request.get_response(application)
        self.assertEqual(data, self.got)
        return count

    def test_uploads_for_other_hypervisors_are_not_read(self):
        data = samples.uefi_vhdx()
        for record in ({'hypervisor_type': 'qemu', 'disk_format': 'vhdx'},
                       {'hw_machine_type': 'q35', 'disk_format': 'raw'}):
            self.assertEqual(0, self.upload(data, **record))

    def test_first_bytes_of_possible_hyperv_images_are_read(self):
        data = samples.uefi_vhdx()
        for record in ({'disk_format': 'vhdx'}, {'disk_format': 'raw'},
                       {'hypervisor_type': 'hyperv', 'disk_format': 'vhd'}):
            self.assertEqual(32774, self.upload(data, **record))
        self.assertEqual(3, self.upload(b'abc', disk_format='raw'))


class ChangeCostTestCase(testtools.TestCase):
    """What is read of an active image before its properties change."""

    def change(self, **properties):
        """Return the paths that the filter reads."""
        paths = []

        def application(environ, start_response):
            paths.append(environ['PATH_INFO'])
            response = webob.Response(json={
                'id': 'id', 'status': 'active', 'size': 65536,
                'disk_format': 'vhdx'})
            if paths[-1].endswith('/file'):
                response = webob.Response(body=bytes(65536), status=206)
            return response(environ, start_response)

        request = webob.Request.blank(
            '/v2/images/id', method='PATCH',
            content_type='application/openstack-images-v2.1-json-patch',
            json=[{'op': 'add', 'path': f'/{name}', 'value': value}
                  for name, value in properties.items()])
        api_filter.HyperVGeneration(application).process_request(request)
        return paths

    def test_content_for_other_hypervisors_is_not_read(self):
        record, content = '/v2/images/id', '/v2/images/id/file'
        self.assertEqual([record], self.change(
            hw_machine_type='q35', hypervisor_type='qemu'))
        self.assertEqual([record, content], self.change(
            hw_machine_type='hyperv-gen2', hypervisor_type='hyperv')[:2])
