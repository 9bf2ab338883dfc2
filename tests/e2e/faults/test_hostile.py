# SPDX-License-Identifier: Apache-2.0
"""Hostile images, at each way into the cloud."""

from concurrent import futures
import json
import random

import openstack

from tests import guests
from tests import properties
from tests import samples
from tests.e2e import base
from tests.e2e import cloud as e2e_cloud

MIB = samples.MIB


def _disks():
    """Return the images with the expected finding of each."""
    good = samples.uefi_vhdx()
    return {
        'parent': (samples.vhdx(flags=2, block_size=MIB,
                                guest=guests.bootable()), 'HV206'),
        'size without end': (samples.vhdx(
            # What a column of Glance's database can hold.
            virtual_size=2 ** 63 - MIB, block_size=MIB), 'HV2'),
        'table without end': (samples.vhdx(
            block_size=MIB, bat_size=2 ** 32 - MIB), 'HV2'),
        'end is missing': (good[:3 * MIB], 'HV208'),
        'noise': (b'vhdxfile' + random.Random(1).randbytes(MIB), 'HV2'),
    }


class HostileDiskTestCase(base.StoryTestCase):

    def assert_well(self):
        """The services are there, and none has failed by itself."""
        self.assertEqual('ACTIVE', self.cloud.boot(
            self.cloud.image(**e2e_cloud.GENERATION_2)).status)

    def test_lint(self):
        for name, (disk, code) in _disks().items():
            path = self.cloud.file(disk)
            found = json.loads(self.cloud.run(
                'hyperv-sched', 'image', 'lint', '-f', 'json',
                '--disk-format', 'vhdx',
                *properties.options(e2e_cloud.GENERATION_2), path,
                exit_code=1).stdout)
            self.assertTrue(
                [finding for finding in found
                 if finding['code'].startswith(code)], (name, found))

    def test_glance_direct(self):
        self.assert_refused(lambda disk: self.cloud.imported(
            self.cloud.file(disk), **e2e_cloud.GENERATION_2))

    def test_web_download(self):
        self.assert_refused(lambda disk: self.cloud.downloaded(
            disk, **e2e_cloud.GENERATION_2))

    def assert_refused(self, bring):
        mark = self.cloud.mark('glance')
        for name, (disk, code) in _disks().items():
            image = bring(disk)
            self.assertNotEqual('active', image.status, name)
            self.assertIn(code, self.cloud.task_message(image), name)
        self.assertNotIn('is not validated', self.cloud.log('glance', mark))
        self.assert_well()

    def test_upload_and_lint_in_the_cloud(self):
        # Glance and the API filter see the first bytes only.
        mark = self.cloud.mark('glance')
        images = {}
        for name, (disk, code) in _disks().items():
            try:
                images[self.cloud.image(
                    disk, **e2e_cloud.GENERATION_2).id] = name, code
            except openstack.exceptions.HttpException as exc:
                self.assertLess(exc.response.status_code, 500, name)
        self.assertNotIn('is not validated', self.cloud.log('glance', mark))
        found = json.loads(self.cloud.run(
            'hyperv-sched', 'image', 'lint', '--os-cloud', 'demo',
            '-f', 'json', *(word for image in images
                            for word in ('--image', image)),
            exit_code=1 if images else 2).stdout)
        for image, (name, code) in images.items():
            self.assertTrue(
                [finding for finding in found
                 if finding['image'] == image
                 and finding['code'].startswith(code)], (name, found))
        self.assert_well()

    def test_boot_of_what_glance_let_in(self):
        disk, _ = _disks()['parent']
        for data in (disk, samples.bios_vhdx()):
            image = self.cloud.image(data, **e2e_cloud.GENERATION_2)
            server = self.cloud.boot(image)
            if server.status == 'ACTIVE':
                self.assertIn(server.compute_host, e2e_cloud.NEW_ENOUGH)
            else:
                self.assertEqual(set(), self.cloud.allocated(server))


NAMES = (
    'hw_machine_type', 'hypervisor_type', 'hypervisor_version_requires',
    'architecture', 'os_type', 'os_secure_boot', 'hw_firmware_type',
    'hw_disk_bus', 'hw_vm_mode', 'img_hv_requested_version',
    'trait:CUSTOM_HYPERV_GEN2', 'vm_mode', 'os_vtpm', 'requires')
VALUES = (
    '', ' ', '0', '-1', 'hyperv', 'HyperV', 'hyperv-gen1', 'hyperv-gen2',
    'hyperv-gen2 ', 'HYPERV-GEN2', 'hyperv-gen\u0662', 'hyperv-gen2\n',
    '>=6.3', '>=10.0', '>=6.3,<10.0', '>=' + '9' * 200, '>=6.3' * 40,
    ',' * 200, '~=6.3', '===6.3', '>=6.*', '%s%n', '${jndi:ldap://x}',
    "'; DROP TABLE images; --", '../../etc/passwd', '<script>', '\x1b[2J',
    '\u202egen2', 'x' * 255, 'x' * 60_000, '{"a": 1}', '[]', 'null',
    'required', 'scsi', 'ide', 'uefi', 'bios', 'x86_64', 'aarch64', 'hvm')


def _hostile_properties(count):
    """Documents of properties that make sense together by accident only."""
    rng = random.Random(20)
    for _ in range(count):
        properties = dict(rng.sample(tuple(
            e2e_cloud.GENERATION_2.items()), rng.randint(0, 3)))
        for name in rng.sample(NAMES, rng.randint(1, 5)):
            properties[name] = rng.choice(VALUES)
        yield properties


class HostilePropertiesTestCase(base.StoryTestCase):

    #: How many servers are made of those that Glance took.
    BOOTS = 30

    def setUp(self):
        super().setUp()
        self.images = self.cloud.demo.image
        self.pool = self.enterContext(futures.ThreadPoolExecutor(8))

    def create(self, properties):
        return self.images.post('/images', json={
            **properties, 'name': 'hostile', 'disk_format': 'vhdx',
            'container_format': 'bare'})

    def delete(self, image_id):
        self.images.delete_image(image_id)

    def upload(self, image_id):
        """Whether the image is active then."""
        answer = self.images.put(
            f'/images/{image_id}/file', data=samples.uefi_vhdx(),
            headers={'Content-Type': 'application/octet-stream'})
        self.assertIn(answer.status_code, (204, 400))
        return answer.status_code == 204

    def test_1000_images(self):
        logs = {name: self.cloud.mark(name)
                for name in ('glance', 'nova-scheduler')}
        answers = list(self.pool.map(
            self.create, _hostile_properties(1000)))
        taken = [answer.json()['id'] for answer in answers
                 if answer.status_code == 201]
        self.addCleanup(lambda: list(self.pool.map(self.delete, taken)))
        self.assertEqual({201, 400}, {
            answer.status_code for answer in answers})
        # What Glance took the linter takes, too: it has no errors.
        linted = self.cloud.run(
            'hyperv-sched', 'image', 'lint', '--os-cloud', 'demo',
            '--all-images', '-f', 'json', exit_code=0)
        self.assertLessEqual(
            {finding['severity'] for finding in json.loads(linted.stdout)},
            {'warning', 'info'})
        booted = 0
        for image_id in taken:
            if booted < self.BOOTS and self.upload(image_id):
                booted += 1
                self.boot(self.images.get_image(image_id))
        self.assertEqual(self.BOOTS, booted)
        for name, mark in logs.items():
            said = self.cloud.log(name, mark)
            for part in ('Traceback', 'is not validated'):
                self.assertNotIn(part, said)

    def boot(self, image):
        try:
            server = self.cloud.boot(image)
        except openstack.exceptions.BadRequestException:
            # Nova does not take what is no value for it.
            return
        if server.status == 'ERROR':
            self.assertEqual(set(), self.cloud.allocated(server))
        elif image.hw_machine_type == 'hyperv-gen2':
            self.assertIn(server.compute_host, e2e_cloud.NEW_ENOUGH)
