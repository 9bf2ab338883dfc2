# SPDX-License-Identifier: Apache-2.0
"""The API filter in a real Glance, by each way in."""

import http.client
import json
import pathlib
import urllib.parse

import requests
import testtools

from hyperv_sched.glance import api_filter
from tests import guests
from tests import properties
from tests import samples
from tests import signing
from tests.functional.glance import api

GENERATION_2 = {'disk_format': 'vhdx', **properties.GENERATION_2}
VHDX = samples.uefi_vhdx()
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

    def test_other_hypervisors_and_warnings_are_accepted(self):
        self.assertAccepted(201, self.create(
            disk_format='qcow2', hw_machine_type='q35'))
        self.assertAccepted(201, self.create(
            **{**GENERATION_2, 'disk_format': 'vhd'}))

    def test_snapshot_of_a_server_is_not_refused_by_its_old_record(self):
        record = {'hw_machine_type': 'hyperv-gen2', 'image_type': 'snapshot',
                  'instance_uuid': 'server'}
        self.assertRefused('HV102', self.create(
            disk_format='vhdx', **record))
        self.assertAccepted(201, self.create(
            base_image_ref='image', **record))

    def test_snapshot_of_a_server_on_a_volume_has_no_file(self):
        snapshot = {
            **GENERATION_2, 'disk_format': 'raw', 'block_device_mapping':
                json.dumps([{'boot_index': 0, 'source_type': 'snapshot'}])}
        self.assertAccepted(204, self.glance.request(
            f'/v2/images/{self.glance.create(**snapshot)}/file', 'PUT', b'',
            'octet-stream'))

    def test_equivalent_values_are_normalized(self):
        wrong = {**GENERATION_2, 'hw_disk_bus': 'ide'}
        for members in ({**wrong, 'min_disk': 1.0},
                        {**wrong, 'properties': 'a property'}):
            self.assertRefused('HV115', self.create(**members))
        padded = json.dumps(wrong).encode() + b' ' * 2 ** 19
        for path, method, body in (
                ('/v2/images', 'POST', padded),
                ('/v2/images%0a', 'POST', wrong),
                ('/v2/images?_method=PUT&x=%ff', 'POST', wrong),
                ('/v2/images?_method=POST', 'PUT', wrong)):
            self.assertRefused(
                'HV115', self.glance.request(path, method, body))

    def test_query_that_is_not_text(self):
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

    def test_chunked_document(self):
        answer = requests.post(
            f'{self.glance.url}/v2/images', iter([json.dumps(
                {**GENERATION_2, 'hw_disk_bus': 'ide'}).encode()]),
            headers={'Content-Type': 'application/json',
                     **self.glance.identity}, timeout=60)
        self.assertRefused('HV115', (answer.status_code, answer.text))

    def test_client_without_accept_header_gets_json(self):
        # As openstacksdk changes and uploads; it shows no plain text.
        answer = requests.post(
            f'{self.glance.url}/v2/images',
            json={**GENERATION_2, 'hw_disk_bus': 'ide'},
            headers={'Accept': '', **self.glance.identity}, timeout=60)
        self.assertRefused('HV115 disk-bus-ide: ', (
            answer.status_code, answer.json()['message']))

    def test_invalid_requests_are_passed_to_glance(self):
        for body in (b'{', b'[]', b'{"hw_machine_type": 2}',
                     b'[' * 100000, b'"text"'):
            self.assertIn(self.glance.request(
                '/v2/images', 'POST', body)[0], (400, 500), body)
        self.assertNotIn('is not validated', self.glance.log_text())


class ChangeTestCase(APIFilterTestCase):

    def test_change_is_validated_with_other_properties(self):
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

    def test_image_with_errors_can_be_changed(self):
        loose = self.useFixture(api.GlanceAPI())
        image_id = loose.create(**{**GENERATION_2, 'hypervisor_type': 'qemu'})
        strict = self.useFixture(Second(loose, 'report_only = false'))
        self.assertAccepted(200, strict.patch(image_id, name='another'))
        self.assertRefused('HV115', strict.patch(
            image_id, hw_disk_bus='ide'))
        self.assertAccepted(200, strict.patch(
            image_id, hypervisor_type='hyperv'))

    def test_missing_image_is_passed_to_glance(self):
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

    def test_disk_format_is_compared_with_the_first_bytes(self):
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

    def test_accepted_file_is_stored_completely(self):
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

    def test_unsupported_media_type_does_not_read_the_body(self):
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

    def test_other_formats_are_refused_as_vhdx(self):
        for data, code in (
                (guests.bootable(), 'HV203'),
                (samples.fixed_vhd(guest=guests.bootable()), 'HV203'),
                (samples.dynamic_vhd(), 'HV202'), (b'A' * 100000, 'HV204'),
                (samples.qcow2(), 'HV203'), (VHDX[1:], 'HV204'),
                (b'vhdxfil', 'HV204'), (b'x', 'HV204'), (b'', 'HV205')):
            for action in ('file', 'stage'):
                image_id = self.glance.create(**GENERATION_2)
                self.assertRefused(
                    code, self.glance.put(image_id, data, action))
                self.assertFalse(
                    (self.glance.root / 'images' / image_id).exists())

    def test_fixed_vhd_cannot_be_detected(self):
        image_id = self.glance.create(
            disk_format='vhd', hypervisor_type='hyperv')
        self.assertAccepted(204, self.glance.put(
            image_id, samples.fixed_vhd(guest=guests.bootable()), 'stage'))
        image_id = self.glance.create(
            disk_format='vhd', hypervisor_type='hyperv')
        self.assertRefused('HV203', self.glance.put(
            image_id, samples.qcow2(), 'stage'))

    def test_files_for_other_hypervisors_are_passed_to_glance(self):
        fixed = samples.fixed_vhd(guest=guests.bootable())
        for data in (b'x', fixed):
            image_id = self.glance.create(disk_format='raw')
            self.assertAccepted(204, self.glance.put(image_id, data))
        for members in ({}, {'hypervisor_type': 'qemu'},
                        {'hw_machine_type': 'q35'}):
            image_id = self.glance.create(disk_format='qcow2', **members)
            self.assertAccepted(
                204, self.glance.put(image_id, samples.qcow2()))

    def test_vhdx_content_is_checked_for_any_hypervisor(self):
        for disk_format in ('raw', 'qcow2'):
            image_id = self.glance.create(disk_format=disk_format)
            self.assertRefused('HV201', self.glance.put(image_id, VHDX))


class PathTestCase(APIFilterTestCase):
    """Whatever path Glance takes for an operation is judged."""

    WRONG = json.dumps({**GENERATION_2, 'hw_disk_bus': 'ide'}).encode()
    CREATE = ('/v2/images', '//v2/images', '/v2//images', '/v2/images/',
              '/v2/images//', '/v2///images//', '/v2.9/images',
              '/v2.15//images', '/v2/images%0a', '/v2%2fimages',
              '/v2/%2fimages', '/v2/images?%5fmethod=PUT',
              '/v2/images?%5Fmethod=GET&x', '/v2/images?x=%ff&_method=PUT',
              '/v2/images?_method=', '/v2/images?_method=post')
    #: Glance itself has nothing there.
    NOTHING = ('/v2/./images', '/v2/x/../images', '/v2/images/.',
               '/v2/Images', '/v2/images;x', '/v2/images%20', '/images',
               '/v3/images', '/v2/images?_method=PUT')

    def test_create(self):
        for path in self.CREATE:
            self.assertRefused('HV115', self.glance.request(
                path, 'POST', self.WRONG))
        for path in self.NOTHING:
            self.assertNotIn(self.glance.request(
                path, 'POST', self.WRONG)[0], (200, 201), path)

    def test_create_with_the_version_in_a_header(self):
        self.assertRefused('HV115', self.glance.request(
            '/images', 'POST', self.WRONG,
            Accept='application/vnd.openstack.images-v2'))

    def test_change_and_upload(self):
        image_id = self.glance.create(**GENERATION_2)
        wrong = [{'op': 'add', 'path': '/hw_disk_bus', 'value': 'ide'}]
        for images in ('/v2/images', '//v2//images', '/v2.9///images'):
            for image in (image_id, f'/{image_id}', f'{image_id}/',
                          f'{image_id}%0a', f'{image_id}?%5fmethod=GET'):
                self.assertRefused('HV115', self.glance.request(
                    f'{images}/{image}', 'PATCH', wrong,
                    'openstack-images-v2.1-json-patch'))
            for action in ('file', '/file', 'stage', 'stage/', 'file%0a',
                           'file?%5fmethod=GET', '/stage//'):
                self.assertRefused('HV203', self.glance.request(
                    f'{images}/{image_id}/{action}', 'PUT',
                    samples.qcow2(), 'octet-stream'))
        self.assertEqual('queued', self.glance.show(image_id)['status'])


class PlainPathTestCase(PathTestCase):

    options = {**APIFilterTestCase.options, 'plain': True}


class BodyTestCase(APIFilterTestCase):

    options = {'guard': 'report_only = false\nmax_body = 1000'}
    WRONG = {**GENERATION_2, 'hw_disk_bus': 'ide'}

    def post(self, length, chunked):
        """Create a wrong image by a body of so many bytes."""
        body = json.dumps(self.WRONG).encode().ljust(length)
        answer = requests.post(
            f'{self.glance.url}/v2/images',
            iter([body[:100], body[100:]]) if chunked else body,
            headers={'Content-Type': 'application/json',
                     **self.glance.identity}, timeout=60)
        return answer.status_code, answer.text

    def test_limit_on_both_sides(self):
        for chunked in (False, True):
            self.assertRefused('HV115', self.post(1000, chunked))
            self.assertOversized(self.post(1001, chunked))

    def assertOversized(self, answer):
        self.assertAccepted(201, answer)
        self.assertEqual('ide', json.loads(answer[1])['hw_disk_bus'])
        self.assertIn('Passed to Glance: POST /v2/images: the body is larger '
                      'than 1000 bytes', self.glance.log_text())

    def test_oversized_change_is_validated_afterwards(self):
        image_id = self.glance.create(**GENERATION_2)
        self.assertAccepted(200, self.glance.patch(
            image_id, hw_disk_bus='ide', description='x' * 1000))
        self.assertIn(f'Image {image_id} is invalid after a change',
                      self.glance.log_text())


class RefusedBodyTestCase(BodyTestCase):

    options = {'guard': (
        'report_only = false\nmax_body = 1000\noversized = refuse')}

    def assertOversized(self, answer):
        self.assertEqual(413, answer[0], answer)
        self.assertIn('larger than 1000 bytes (max_body)', answer[1])

    def test_oversized_change_is_validated_afterwards(self):
        image_id = self.glance.create(**GENERATION_2)
        self.assertOversized(self.glance.patch(
            image_id, hw_disk_bus='ide', description='x' * 1000))
        self.assertNotIn('hw_disk_bus', self.glance.show(image_id))


class MemoryTestCase(APIFilterTestCase):

    options = {'guard': 'report_only = false\nmax_body = 10000000'}

    def test_refused_requests_do_not_grow_the_memory(self):
        def post(number):
            self.assertRefused('HV101', self.glance.request(
                '/v2/images', 'POST', {
                    'hw_machine_type': f'hyperv-{number}' + 'x' * 2 ** 22,
                    'disk_format': 'vhdx'}))

        post(0)
        before = self.glance.resident()
        for number in range(1, 31):
            post(number)
        # The values alone are 120 MiB.
        self.assertLess(self.glance.resident() - before, 2 ** 25)


class ActiveTestCase(APIFilterTestCase):
    """The content is judged when an image in use gets other properties."""

    BIOS = samples.bios_vhdx()

    def active(self, data, **members):
        image_id = self.glance.create(**members)
        self.assertAccepted(204, self.glance.put(image_id, data))
        return image_id

    def generation_2(self, image_id):
        return self.glance.patch(image_id, **{
            name: value for name, value in GENERATION_2.items()
            if name != 'disk_format'})

    def test_generation_1_disk_does_not_become_generation_2(self):
        for members in ({}, {'hypervisor_type': 'qemu'},
                        {'hw_machine_type': 'hyperv-gen1',
                         'hypervisor_type': 'hyperv'}):
            image_id = self.active(self.BIOS, disk_format='vhdx', **members)
            self.assertRefused('HV302', self.generation_2(image_id))
            self.assertEqual(members.get('hw_machine_type'),
                             self.glance.show(image_id).get(
                                 'hw_machine_type'))

    def test_generation_2_disk_does(self):
        image_id = self.active(VHDX, disk_format='vhdx')
        self.assertAccepted(200, self.generation_2(image_id))
        self.assertRefused('HV341', self.glance.patch(
            image_id, hw_machine_type='hyperv-gen1'))

    def disk_of_anybody(self):
        """Return a disk whose loader no template trusts."""
        loader = signing.sign(signing.program(), signing.signer('Anybody'))
        guest = guests.gpt([(guests.ESP, 64, guests.fat(
            {'EFI/BOOT/BOOTX64.EFI': loader}, clusters=400))])
        return samples.vhdx(len(guest), samples.MIB, guest=guest)

    def require_secure_boot(self, image_id):
        return self.glance.patch(
            image_id, os_secure_boot='required', os_type='linux',
            hypervisor_version_requires='>=10.0')

    def test_secure_boot_needs_a_signer_that_the_template_trusts(self):
        image_id = self.active(self.disk_of_anybody(), disk_format='vhdx')
        self.assertAccepted(200, self.generation_2(image_id))
        self.assertRefused('HV336', self.require_secure_boot(image_id))
        self.assertAccepted(200, self.glance.patch(
            image_id, os_secure_boot='disabled', os_type='linux',
            hypervisor_version_requires='>=10.0'))

    def test_existing_errors_can_be_corrected_step_by_step(self):
        loose = self.useFixture(api.GlanceAPI())
        strict = self.useFixture(Second(loose, 'report_only = false'))
        image_id = loose.create(**GENERATION_2)
        loose.put(image_id, self.BIOS)
        self.assertAccepted(200, strict.patch(image_id, os_type='linux'))
        self.assertAccepted(200, strict.patch(
            image_id, hw_machine_type='hyperv-gen1'))

    def test_second_property_with_the_same_error_is_refused(self):
        loose = self.useFixture(api.GlanceAPI(guard=None))
        image_id = loose.create(**GENERATION_2, hw_input_bus='ps2')
        strict = self.useFixture(Second(loose, 'report_only = false'))
        self.assertAccepted(200, strict.patch(image_id, hw_input_bus='pci'))
        self.assertRefused('HV124', strict.patch(
            image_id, hw_sound_model='loud'))
        self.assertAccepted(200, strict.patch(image_id, hw_input_bus='usb'))


class UnreadActiveTestCase(ActiveTestCase):
    """Content that the user cannot read is not validated."""

    options = {'guard': 'report_only = false\nread_active = false'}

    def test_generation_1_disk_does_not_become_generation_2(self):
        image_id = self.active(self.BIOS, disk_format='vhdx')
        self.assertAccepted(200, self.generation_2(image_id))

    def test_generation_2_disk_does(self):
        image_id = self.active(VHDX, disk_format='vhdx')
        self.assertAccepted(200, self.generation_2(image_id))

    def test_secure_boot_needs_a_signer_that_the_template_trusts(self):
        image_id = self.active(self.disk_of_anybody(), disk_format='vhdx')
        self.assertAccepted(200, self.generation_2(image_id))
        self.assertAccepted(200, self.require_secure_boot(image_id))


class NoDownloadTestCase(UnreadActiveTestCase):

    options = {'guard': 'report_only = false',
               'policy': '"download_image": "!"\n'}

    def test_unread_content_is_logged(self):
        image_id = self.active(self.BIOS, disk_format='vhdx')
        self.assertAccepted(200, self.generation_2(image_id))
        self.assertIn('is not validated with its new properties: Glance does '
                      'not return a range of it: 403', self.glance.log_text())


class TogetherTestCase(APIFilterTestCase):

    def test_concurrent_changes_that_conflict_are_logged(self):
        image_id = self.glance.create(**GENERATION_2)
        answers = self.glance.patch_together(
            image_id, {'hw_machine_type': 'hyperv-gen1'},
            {'os_secure_boot': 'required', 'os_type': 'windows'})
        self.assertEqual([200, 200], [answer[0] for answer in answers])
        self.assertIn(f'Image {image_id} is invalid after a change: it was '
                      'changed by another request at the same time',
                      self.glance.log_text())
        self.assertIn('HV110', self.glance.log_text())

    def test_concurrent_changes_without_conflict_are_not_logged(self):
        image_id = self.glance.create(**GENERATION_2)
        answers = self.glance.patch_together(
            image_id, {'os_type': 'windows'}, {'hw_disk_bus': 'scsi'})
        self.assertEqual([200, 200], [answer[0] for answer in answers])
        self.assertNotIn(f'Image {image_id} is invalid after',
                         self.glance.log_text())


class ProtectedPropertyTestCase(APIFilterTestCase):
    """Members of this cloud do not see os_secure_boot."""

    options = {
        **APIFilterTestCase.options, 'roles': 'member,reader',
        'files': [pathlib.Path(__file__).with_name(
            'property-protections.conf')],
        'config': '[DEFAULT]\n'
                  'property_protection_file = property-protections.conf\n'}

    def create(self):
        """Create an image as an administrator of the same project."""
        status, text = self.glance.request(
            '/v2/images', 'POST', {
                **GENERATION_2, 'container_format': 'bare',
                'os_type': 'windows', 'os_secure_boot': 'required'},
            X_Roles='admin')
        self.assertEqual(201, status, text)
        return json.loads(text)['id']

    def test_property_is_validated_and_not_quoted(self):
        image_id = self.create()
        self.assertNotIn('os_secure_boot', self.glance.show(image_id))
        answer = self.glance.patch(image_id, hw_machine_type='hyperv-gen1')
        self.assertRefused('HV110', answer)
        self.assertIn('a property that you cannot read', answer[1])
        self.assertNotIn('required', answer[1])
        self.assertNotIn('os_secure_boot', answer[1])

    def test_readable_property_is_quoted(self):
        image_id = self.create()
        answer = self.glance.patch(image_id, hw_disk_bus='ide')
        self.assertRefused('HV115', answer)
        self.assertNotIn('cannot read', answer[1])

    def test_images_of_other_projects_are_missing(self):
        image_id = self.create()
        status, _ = self.glance.request(
            f'/v2/images/{image_id}', 'PATCH',
            [{'op': 'replace', 'path': '/hw_machine_type',
              'value': 'hyperv-gen1'}],
            'openstack-images-v2.1-json-patch',
            X_Project_Id='other', X_User_Id='other')
        self.assertEqual(404, status)


class ImportTestCase(APIFilterTestCase):

    def test_properties_are_validated_before_the_task(self):
        loose = self.useFixture(api.GlanceAPI())
        image_id = loose.create(
            **{**GENERATION_2, 'hypervisor_type': 'qemu'})
        strict = self.useFixture(Second(loose, 'report_only = false'))
        self.assertAccepted(204, strict.put(image_id, VHDX, 'stage'))
        self.assertRefused('HV103', strict.import_image(image_id))


class ReportOnlyTestCase(api.APITestCase):

    options = {'guard': ''}

    def test_report_only_is_the_default_and_logs(self):
        status, text = self.glance.request('/v2/images', 'POST', {
            'hw_machine_type': 'hyperv-gen2', 'name': 'x\ny'})
        self.assertEqual(201, status, text)
        self.assertIn('Would be refused: POST /v2/images: HV102',
                      self.glance.log_text())
        self.assertEqual('x\ny', json.loads(text)['name'])


class ConfigurationTestCase(testtools.TestCase):

    def test_wrong_option_keeps_glance_from_starting(self):
        for guard in ('report_only = ja', 'max_body = 0', 'max_body = 1M',
                      'oversized = drop', 'read_active = never'):
            self.assertRaises(
                ValueError, api_filter.HyperVGeneration.factory, {},
                **dict([guard.split(' = ')]))

    def test_misspelled_rule_keeps_glance_from_starting(self):
        glance = self.useFixture(api.GlanceAPI(
            guard='', config='[hyperv_sched]\nignored_rules = HV1O6\n'))
        self.assertRaises(OSError, glance.request, '/v2/images')
        self.assertIn('HV1O6: no such rule', glance.log_text())
