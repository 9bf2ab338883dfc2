# SPDX-License-Identifier: Apache-2.0
"""The API filter in a real Glance, by each way in."""

import http.client
import json
import urllib.parse

import requests
import testtools

from tests import guests
from tests import samples
from tests.functional.glance import api

GENERATION_2 = {
    'disk_format': 'vhdx', 'hw_machine_type': 'hyperv-gen2',
    'hypervisor_type': 'hyperv', 'hypervisor_version_requires': '>=6.3'}
VHDX = samples.vhdx(block_size=samples.MIB, guest=guests.bootable())
DRAFT_4 = 'openstack-images-v2.0-json-patch'


class APIFilterTestCase(api.APITestCase):

    options = {'guard': 'report_only = false'}

    def assertRefused(self, code, answer):
        status, text = answer
        self.assertEqual(400, status, text)
        self.assertIn(code, text)

    def assertAccepted(self, status, answer):
        self.assertEqual((status, answer[1]), answer)


class CreateTestCase(APIFilterTestCase):

    def create(self, **members):
        return self.glance.request('/v2/images', 'POST', {
            'container_format': 'bare', **members})

    def test_rules_over_several_properties(self):
        self.assertAccepted(201, self.create(**GENERATION_2))
        self.assertRefused('HV102', self.create(
            disk_format='vhdx', hw_machine_type='hyperv-gen2'))
        self.assertRefused('HV107', self.create(
            **{**GENERATION_2, 'disk_format': 'qcow2'}))

    def test_other_hypervisors_and_what_is_only_odd_pass(self):
        self.assertAccepted(201, self.create(
            disk_format='qcow2', hw_machine_type='q35'))
        self.assertAccepted(201, self.create(
            **{**GENERATION_2, 'disk_format': 'vhd'}))

    def test_other_ways_to_say_the_same(self):
        wrong = {**GENERATION_2, 'hw_disk_bus': 'ide'}
        for members in ({**wrong, 'min_disk': 1.0},
                        {**wrong, 'properties': 'a property'}):
            self.assertRefused('HV115', self.create(**members))
        padded = json.dumps(wrong).encode() + b' ' * 2 ** 20
        for path, method, body in (
                ('/v2/images', 'POST', padded),
                ('/v2/images%0a', 'POST', wrong),
                ('/v2/images?_method=PUT&x=%ff', 'POST', wrong),
                ('/v2/images?_method=POST', 'PUT', wrong)):
            self.assertRefused(
                'HV115', self.glance.request(path, method, body))

    def test_query_that_is_no_text(self):
        image_id = self.glance.create(**GENERATION_2)
        for path, method, body, code, *media_type in (
                ('/v2/images', 'POST', {
                    **GENERATION_2, 'hw_disk_bus': 'ide'}, 'HV115'),
                (f'/v2/images/{image_id}', 'PATCH', [{
                    'op': 'remove', 'path': '/hypervisor_type'}], 'HV102',
                 'openstack-images-v2.1-json-patch'),
                (f'/v2/images/{image_id}/stage', 'PUT',
                 samples.dynamic_vhd(), 'HV202', 'octet-stream')):
            self.assertRefused(code, self.glance.request(
                f'{path}?x=%ff', method, body, *media_type))

    def test_document_in_chunks(self):
        answer = requests.post(
            f'{self.glance.url}/v2/images', iter([json.dumps(
                {**GENERATION_2, 'hw_disk_bus': 'ide'}).encode()]),
            headers={'Content-Type': 'application/json',
                     **self.glance.identity}, timeout=60)
        self.assertRefused('HV115', (answer.status_code, answer.text))

    def test_client_that_accepts_nothing_is_told_in_json(self):
        # As openstacksdk changes and uploads; it shows no plain text.
        answer = requests.post(
            f'{self.glance.url}/v2/images',
            json={**GENERATION_2, 'hw_disk_bus': 'ide'},
            headers={'Accept': '', **self.glance.identity}, timeout=60)
        self.assertRefused('HV115 disk-bus-ide: ', (
            answer.status_code, answer.json()['message']))

    def test_what_is_not_understood_is_left_to_glance(self):
        for body in (b'{', b'[]', b'{"hw_machine_type": 2}',
                     b'[' * 100000, b'"text"'):
            self.assertIn(self.glance.request(
                '/v2/images', 'POST', body)[0], (400, 500), body)
        self.assertNotIn('is not judged', self.glance.said())


class ChangeTestCase(APIFilterTestCase):

    def test_is_judged_with_what_stays(self):
        image_id = self.glance.create(**GENERATION_2)
        self.assertRefused('HV115', self.glance.patch(
            image_id, hw_disk_bus='ide'))
        self.assertRefused('HV107', self.glance.patch(
            image_id, disk_format='qcow2'))
        self.assertAccepted(200, self.glance.patch(
            image_id, hw_disk_bus='scsi', os_type='linux'))

    def test_removal(self):
        image_id = self.glance.create(**GENERATION_2)
        self.assertRefused('HV102', self.glance.request(
            f'/v2/images/{image_id}', 'PATCH',
            [{'op': 'remove', 'path': '/hypervisor_type'}],
            'openstack-images-v2.1-json-patch'))

    def test_older_media_type(self):
        image_id = self.glance.create(**GENERATION_2)
        for change, code in (({'remove': '/hypervisor_type'}, 'HV102'),
                             ({'add': '/hw_disk_bus', 'value': 'ide'},
                              'HV115')):
            self.assertRefused(code, self.glance.request(
                f'/v2/images/{image_id}', 'PATCH', [change], DRAFT_4))

    def test_image_that_was_wrong_before_can_be_changed(self):
        loose = self.useFixture(api.GlanceAPI())
        image_id = loose.create(**{**GENERATION_2, 'hypervisor_type': 'qemu'})
        strict = self.useFixture(Second(loose, 'report_only = false'))
        self.assertAccepted(200, strict.patch(image_id, name='another'))
        self.assertRefused('HV115', strict.patch(
            image_id, hw_disk_bus='ide'))
        self.assertAccepted(200, strict.patch(
            image_id, hypervisor_type='hyperv'))

    def test_image_that_is_not_there_is_left_to_glance(self):
        self.assertEqual(404, self.glance.patch(
            'nothing', hw_disk_bus='ide')[0])


class Second(api.GlanceAPI):
    """The same images, behind an API with a filter."""

    def __init__(self, first, guard):
        super().__init__(guard=guard)
        self.first = first

    def _setUp(self):
        self.root = self.first.root
        self.config_file = self.first.config_file
        (self.root / 'paste.ini').write_text(self._pipeline())
        self.url = f'http://127.0.0.1:{self._serve()}'


class UploadTestCase(APIFilterTestCase):

    def test_label_is_held_against_the_first_bytes(self):
        image_id = self.glance.create(
            **{**GENERATION_2, 'disk_format': 'vhd'})
        for action in ('file', 'stage'):
            self.assertRefused(
                'HV201', self.glance.put(image_id, VHDX, action))
        self.assertEqual('queued', self.glance.show(image_id)['status'])
        # Nothing was stored: the same image takes the right file.
        self.glance.patch(image_id, disk_format='vhdx')
        self.assertAccepted(204, self.glance.put(image_id, VHDX))
        self.assertEqual('active', self.glance.show(image_id)['status'])

    def test_accepted_file_is_stored_whole(self):
        image_id = self.glance.create(**GENERATION_2)
        self.assertAccepted(204, self.glance.put(image_id, VHDX))
        stored = self.glance.root / 'images' / image_id
        self.assertEqual(VHDX, stored.read_bytes())

    def test_in_chunks(self):
        for disk_format, expected in (('vhd', 400), ('vhdx', 204)):
            image_id = self.glance.create(
                **{**GENERATION_2, 'disk_format': disk_format})
            self.assertEqual(expected, self.glance.put(
                image_id, (VHDX[at:at + 70000]
                           for at in range(0, len(VHDX), 70000)))[0])
        stored = self.glance.root / 'images' / image_id
        self.assertEqual(VHDX, stored.read_bytes())

    def test_what_glance_refuses_unread_does_not_wait_for_a_body(self):
        image_id = self.glance.create(**GENERATION_2)
        address = urllib.parse.urlparse(self.glance.url)
        for path, kind, expected in (
                ('/v2/images/nothing/file', 'octet-stream', 404),
                (f'/v2/images/{image_id}/file', 'json', 415)):
            connection = http.client.HTTPConnection(
                address.netloc, timeout=60)
            self.addCleanup(connection.close)
            connection.putrequest('PUT', path)
            for name, value in {
                    'Content-Type': f'application/{kind}',
                    'Content-Length': '1000000',
                    **self.glance.identity}.items():
                connection.putheader(name, value)
            connection.endheaders(b'ten bytes.')
            self.assertEqual(expected, connection.getresponse().status)

    def test_small_and_undecided_files_are_left_to_glance(self):
        fixed = samples.fixed_vhd(guest=guests.bootable())
        for data in (b'x', fixed):
            image_id = self.glance.create(disk_format='raw')
            self.assertAccepted(204, self.glance.put(image_id, data))
        image_id = self.glance.create(disk_format='qcow2')
        self.assertAccepted(
            204, self.glance.put(image_id, samples.qcow2()))

    def test_vhdx_is_nothing_else_whoever_is_to_run_it(self):
        for disk_format in ('raw', 'qcow2'):
            image_id = self.glance.create(disk_format=disk_format)
            self.assertRefused('HV201', self.glance.put(image_id, VHDX))


class ImportTestCase(APIFilterTestCase):

    def test_properties_are_judged_before_the_task_begins(self):
        loose = self.useFixture(api.GlanceAPI())
        image_id = loose.create(
            **{**GENERATION_2, 'hypervisor_type': 'qemu'})
        strict = self.useFixture(Second(loose, 'report_only = false'))
        self.assertAccepted(204, strict.put(image_id, VHDX, 'stage'))
        self.assertRefused('HV103', strict.import_image(image_id))


class ReportOnlyTestCase(api.APITestCase):

    options = {'guard': ''}

    def test_is_the_default_and_tells_what_it_would_refuse(self):
        status, text = self.glance.request('/v2/images', 'POST', {
            'hw_machine_type': 'hyperv-gen2', 'name': 'x\ny'})
        self.assertEqual(201, status, text)
        self.assertIn('Would be refused: POST /v2/images: HV102',
                      self.glance.said())
        self.assertEqual('x\ny', json.loads(text)['name'])


class ConfigurationTestCase(testtools.TestCase):

    def test_misspelt_rule_keeps_glance_from_starting(self):
        glance = self.useFixture(api.GlanceAPI(
            guard='', config='[hyperv_sched]\nignored_rules = HV1O6\n'))
        self.assertRaises(OSError, glance.request, '/v2/images')
        self.assertIn('HV1O6: no such rule', glance.said())
