# SPDX-License-Identifier: Apache-2.0
"""image lint of images that are in a cloud."""

import json
from unittest import mock

import requests.adapters

from tests import guests
from tests import samples
from tests.functional.glance import cloud

GOOD = samples.uefi_vhdx()


class LintTestCase(cloud.CloudTestCase):

    def lint(self, *argv):
        code, out, err = self.run_command(
            'image', 'lint', '-f', 'json', *argv)
        return code, [(found['image'], found['code'], found['severity'])
                      for found in json.loads(out or '[]')], err

    def test_good_image_has_no_findings(self):
        image = self.image(self.file('disk', GOOD), **cloud.GENERATION_2)
        for name in (image['id'], image['name']):
            self.assertEqual((0, [], ''), self.lint('--image', name))

    def test_disk_that_does_not_boot_has_a_finding(self):
        image = self.image(
            self.file('disk', samples.vhdx()), **cloud.GENERATION_2)
        self.assertEqual((1, [(image['id'], 'HV301', 'error')], ''),
                         self.lint('--image', image['id']))

    def test_content_reveals_a_wrong_disk_format(self):
        image = self.image(self.file('disk', GOOD), 'raw',
                           **cloud.GENERATION_2)
        self.assertEqual((1, [(image['id'], 'HV201', 'error')], ''),
                         self.lint('--image', image['id']))

    def test_image_without_content_is_linted_by_its_properties(self):
        image = self.image(hw_machine_type='hyperv-gen1')
        self.assertEqual((1, [(image['id'], 'HV102', 'error')], ''),
                         self.lint('--image', image['id']))

    def test_special_characters_in_names(self):
        for name in ('a, "b" \\c', 'in:x,y', '../images', '%2e?#&', '\u00fc'):
            image = self.image(name=name, hw_machine_type='hyperv-gen1')
            code, found, _ = self.lint('--image', name)
            self.assertEqual((1, [image['id']]),
                             (code, [identity for identity, *_ in found]))

    def test_missing_and_ambiguous_names_exit_2(self):
        image = self.image()
        self.image(name=image['name'])
        wrong = self.image(hw_machine_type='hyperv-gen1')
        code, found, err = self.lint(
            '--image', 'nowhere', '--image', image['name'],
            '--image', wrong['id'])
        self.assertEqual((2, [(wrong['id'], 'HV102', 'error')]),
                         (code, found))
        self.assertEqual(
            ["no image has the id or name 'nowhere'",
             f"2 images have the name '{image['name']}'. Give the id"],
            err.splitlines())

    def test_other_images_cost_no_request(self):
        image = self.image(self.file('disk', samples.qcow2()), 'qcow2')
        traffic = cloud.Traffic()
        with traffic.counted():
            self.assertEqual((0, [], ''), self.lint('--image', image['id']))
        self.assertEqual(0, traffic.requests)

    def test_options_override_properties_of_the_image(self):
        image = self.image(self.file('disk', GOOD))
        code, found, _ = self.lint(
            '--image', image['id'], '--property',
            'hw_machine_type=hyperv-gen2')
        self.assertEqual((1, ['HV102', 'HV106']),
                         (code, [code for _, code, _ in found]))


class TrafficTestCase(cloud.CloudTestCase):
    """How little is read of a large image."""

    def check(self, path, requests, size):
        image = self.image(path, **cloud.GENERATION_2)
        traffic = cloud.Traffic()
        with traffic.counted():
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'json', '--image', image['id'])
        self.assertEqual((0, [], ''), (code, json.loads(out), err))
        self.assertLessEqual(traffic.requests, requests)
        self.assertLessEqual(traffic.bytes, size)

    def test_table_of_40_960_scattered_blocks(self):
        program = guests.program(size=2 * samples.MIB, signed=True)
        esp = guests.fat({
            'EFI/BOOT/BOOTX64.EFI': program,
            'EFI/Microsoft/Boot/bootmgfw.efi': program,
            'EFI/Microsoft/Boot/BCD': b'regf' + bytes(4092)},
            clusters=66000, bits=32)
        self.check(cloud.large_disk(
            self.directory, 40 * samples.GIB, samples.MIB, esp),
            13, samples.MIB)

    def test_linux_with_four_boot_stages(self):
        shim = guests.program(size=950 * 1024, signed=True, shim=True)
        esp = guests.fat({
            'EFI/BOOT/BOOTX64.EFI': shim,
            'EFI/BOOT/fbx64.efi': guests.program(size=90 * 1024),
            'EFI/linux/BOOTX64.CSV': guests.boot_entries('shimx64.efi'),
            'EFI/linux/shimx64.efi': shim,
            'EFI/linux/grubx64.efi': guests.program(
                size=2 * samples.MIB, signed=True)},
            clusters=66000, bits=32)
        self.check(cloud.large_disk(
            self.directory, 40 * samples.GIB, 16 * samples.MIB, esp),
            16, samples.MIB)


class AllImagesTestCase(cloud.CloudTestCase):

    def test_every_page_and_hidden_images(self):
        wrong = [self.image(hw_machine_type='hyperv-gen1')['id']
                 for _ in range(4)]
        wrong.append(self.image(hw_machine_type='hyperv-gen1',
                                os_hidden=True)['id'])
        self.image(hw_machine_type='q35')
        with mock.patch('hyperv_sched.cli.image_api.PAGE_SIZE', 2):
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'value', '-c', 'image',
                '--all-images')
        self.assertEqual((1, ''), (code, err))
        # Other tests have images, too.
        self.assertEqual([1] * len(wrong), list(map(
            out.split().count, wrong)))


class StoreTestCase(cloud.CloudTestCase):
    """What a store or a policy makes of requests for content."""

    def answering(self, status):
        """Another store's answer to a range; all else is Glance's."""
        send = requests.adapters.HTTPAdapter.send

        def answer(adapter, request, **options):
            if 'Range' in request.headers:
                if status == 200:
                    del request.headers['Range']
                else:
                    request.headers['Range'] = 'bytes=nonsense'
            return send(adapter, request, **options)

        return mock.patch.object(
            requests.adapters.HTTPAdapter, 'send', answer)

    def test_without_ranges_the_content_is_unknown(self):
        image = self.image(self.file('disk', GOOD), **cloud.GENERATION_2)
        for status in (200, 400):
            with self.answering(status):
                code, out, err = self.run_command(
                    'image', 'lint', '-f', 'json', '--image', image['id'])
            self.assertEqual(
                (1, [(image['id'], 'HV226', 'unknown')], ''),
                (code, [(found['image'], found['code'], found['severity'])
                        for found in json.loads(out)], err))

    def test_download_reads_the_content(self):
        good = self.image(self.file('good', GOOD), **cloud.GENERATION_2)
        bad = self.image(self.file('bad', samples.vhdx()),
                         **cloud.GENERATION_2)
        with self.answering(400):
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'value', '-c', 'image', '-c', 'code',
                '--download', '--image', good['id'], '--image', bad['id'])
        self.assertEqual((1, f'{bad["id"]} HV301\n', ''), (code, out, err))

    def test_image_deleted_during_the_run_exits_2(self):
        image = self.image(self.file('disk', GOOD), **cloud.GENERATION_2)
        send = requests.adapters.HTTPAdapter.send

        def deleting(adapter, request, **options):
            answer = send(adapter, request, **options)
            if 'Range' in request.headers:
                self.glance.request(f'/v2/images/{image["id"]}', 'DELETE')
            return answer

        with mock.patch.object(
                requests.adapters.HTTPAdapter, 'send', deleting):
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'value', '--image', image['id'])
        self.assertEqual(
            (2, f'{image["id"]}: was deleted or changed while it was '
             'read, or its content is lost\n'), (code, err))
        self.assertEqual('', out.strip())


class PermissionTestCase(cloud.PermissionTestCase):

    def test_forbidden_download_is_unknown(self):
        image = self.image(self.file('disk', GOOD), **cloud.GENERATION_2)
        self.forbid('download_image')
        for option in ((), ('--download',)):
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'json', '--image', image['id'],
                *option)
            finding, = json.loads(out)
            self.assertEqual((1, 'unknown', ''),
                             (code, finding['severity'], err))
            self.assertIn('does not let you', finding['message'])


class NoCloudTestCase(cloud.CloudTestCase):

    def test_one_sentence_and_exit_2(self):
        for options, changed in (
                ((), {'OS_AUTH_TYPE': '', 'OS_ENDPOINT': ''}),
                ((), {'OS_ENDPOINT': 'http://127.0.0.1:9'}),
                (('--os-cloud', 'nowhere'), {})):
            self.environment.update(changed)
            code, out, err = self.run_command(
                'image', 'lint', '-f', 'value', '--all-images', *options)
            self.assertEqual((2, ''), (code, out.strip()), err)
            self.assertEqual(1, err.count('\n'), err)
            self.assertIn('cloud', err)
