# SPDX-License-Identifier: Apache-2.0
"""From a disk image to a server; and images that are refused before."""

import json
import subprocess
import uuid

from tests import guests
from tests import properties
from tests import samples
from tests.e2e import base
from tests.e2e import cloud as e2e_cloud
from tools.cloud import state as cloud_state

NAMESPACE = 'OS::Compute::HyperVGeneration'


class FirstPathTestCase(base.StoryTestCase):
    """The path from a disk to a server."""

    def test_metadefs_are_imported(self):
        images = self.cloud.admin.image
        self.addCleanup(images.delete_metadef_namespace, NAMESPACE)
        self.addCleanup(images.update_metadef_namespace, NAMESPACE,
                        is_protected=False)
        self.cloud.run(
            'glance-manage', 'db', 'load_metadefs', '--path',
            cloud_state.TOP / 'etc/metadefs/compute-hyperv-generation.json',
            '--merge', '--overwrite')
        found = self.cloud.demo.image.get(
            f'/metadefs/namespaces/{NAMESPACE}').json()
        self.assertEqual(
            ['hyperv-gen1', 'hyperv-gen2'],
            sorted(found['properties']['hw_machine_type']['enum']))
        self.assertIn('OS::Glance::Image', [
            kind['name'] for kind in found['resource_type_associations']])

    def test_lint_upload_boot_list(self):
        path, name = self.cloud.file(), f'story-{uuid.uuid4()}'
        self.cloud.run(
            'hyperv-sched', 'image', 'lint', '--disk-format', 'vhdx',
            *properties.options(e2e_cloud.GENERATION_2), path)
        image = self.cloud.answer(
            'hyperv-sched', 'image', 'upload', '--os-cloud', 'demo',
            '--name', name, path)
        self.addCleanup(self.cloud.demo.image.delete_image, image['id'])
        self.assertEqual('active', image['status'])
        self.assertEqual(e2e_cloud.GENERATION_2, {
            key: image['properties'][key] for key in e2e_cloud.GENERATION_2})
        created = self.cloud.answer(
            'openstack', 'server', 'create', '--image', name, '--flavor',
            'small', '--no-network', '--wait', name)
        self.cloud.remove(created['id'])
        self.assertEqual(
            [(created['id'], 'ACTIVE')],
            [(server['ID'], server['Status'])
             for server in self.cloud.answer('openstack', 'server', 'list')
             if server['Name'] == name])
        server = self.cloud.admin.compute.get_server(created['id'])
        self.assertIn(server.compute_host, e2e_cloud.NEW_ENOUGH)
        self.assertEqual(
            {server.compute_host}, self.cloud.allocated(server))

    def test_qcow2_is_converted_and_boots(self):
        name = f'story-{uuid.uuid4()}'
        raw = self.cloud.file(guests.bootable(), 'disk.raw')
        path = f'{raw}.qcow2'
        subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                        raw, path], check=True)
        image = self.cloud.answer(
            'hyperv-sched', 'image', 'upload', '--os-cloud', 'demo',
            '--name', name, path)
        self.addCleanup(self.cloud.demo.image.delete_image, image['id'])
        self.assertEqual(('active', 'vhdx'),
                         (image['status'], image['disk_format']))
        found = self.cloud.demo.image.get_image(image['id'])
        self.assertEqual('ACTIVE', self.cloud.boot(found).status)

    def test_glance_client_imports(self):
        image = self.cloud.imported(
            self.cloud.file(), **e2e_cloud.GENERATION_2)
        self.assertEqual('active', image.status)
        self.assertEqual('ACTIVE', self.cloud.boot(image).status)

    def test_generation_1_runs_on_any_hyper_v(self):
        image = self.cloud.image(
            samples.bios_vhdx(), **e2e_cloud.GENERATION_1)
        with self.cloud.only('ws2012', 'kvm'):
            server = self.cloud.boot(image)
        self.assertEqual(('ACTIVE', 'ws2012'),
                         (server.status, server.compute_host))

    def test_other_images_are_left_alone(self):
        image = self.cloud.image(
            samples.qcow2() + bytes(1024), 'qcow2', hypervisor_type='qemu')
        server = self.cloud.boot(image)
        self.assertEqual(('ACTIVE', 'kvm'),
                         (server.status, server.compute_host))


class RefusedImageTestCase(base.StoryTestCase):
    """A disk that boots by BIOS, tagged as generation 2."""

    def setUp(self):
        super().setUp()
        self.path = self.cloud.file(samples.bios_vhdx())
        self.options = properties.options(e2e_cloud.GENERATION_2)

    def test_lint_and_import_give_the_same_reason(self):
        linted = json.loads(self.cloud.run(
            'hyperv-sched', 'image', 'lint', '--disk-format', 'vhdx', '-f',
            'json', *self.options, self.path, exit_code=1).stdout)
        reason = next(finding for finding in linted
                      if finding['severity'] == 'error')
        self.assertEqual('HV302', reason['code'])
        image = self.cloud.imported(self.path, **e2e_cloud.GENERATION_2)
        self.assertEqual('queued', image.status)
        output = self.cloud.run('glance', 'image-tasks', image.id).stdout
        for part in ('code', 'message', 'fix'):
            self.assertIn(reason[part], output)

    def test_upload_is_not_begun(self):
        name = f'refused-{uuid.uuid4()}'
        refused = self.cloud.run(
            'hyperv-sched', 'image', 'upload', '--os-cloud', 'demo',
            '--name', name, '--property', 'hw_machine_type=hyperv-gen2',
            self.path, exit_code=1)
        self.assertIn('HV302', refused.stdout + refused.stderr)
        self.assertIsNone(self.cloud.demo.image.find_image(name))

    def test_web_download_is_refused_by_the_plugin(self):
        image = self.cloud.downloaded(
            samples.bios_vhdx(), **e2e_cloud.GENERATION_2)
        self.assertNotEqual('active', image.status)
        self.assertIn('HV302', self.cloud.task_message(image))


class RefusedRequestTestCase(base.StoryTestCase):
    """What the API filter answers, as the openstack client shows it."""

    def refused(self, *argv):
        said = self.cloud.run('openstack', 'image', *argv, exit_code=1)
        self.assertIn('400', said.stderr)
        return said.stderr

    def test_create(self):
        name = f'refused-{uuid.uuid4()}'
        said = self.refused(
            'create', '--disk-format', 'vhdx',
            *properties.options({**e2e_cloud.GENERATION_2,
                                'hw_disk_bus': 'ide'}), name)
        self.assertIn('HV115', said)
        self.assertIsNone(self.cloud.demo.image.find_image(name))

    def test_change(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        said = self.refused(
            'set', '--property', 'hw_machine_type=hyperv-gen3', image.id)
        self.assertIn('HV101', said)
        self.assertEqual('hyperv-gen2', self.cloud.demo.image.get_image(
            image.id).hw_machine_type)

    def test_upload(self):
        name = f'refused-{uuid.uuid4()}'
        said = self.refused(
            'create', '--disk-format', 'vhd', '--file', self.cloud.file(),
            *properties.options(e2e_cloud.GENERATION_2), name)
        self.assertIn('HV201', said)
        self.assertIsNone(self.cloud.demo.image.find_image(name))


class LintOfTheCloudTestCase(base.StoryTestCase):
    """Images that came in before anything guarded Glance."""

    def test_planted_mess_is_found(self):
        good = self.cloud.image(**e2e_cloud.GENERATION_2)
        bios = self.cloud.image(
            samples.bios_vhdx(), **e2e_cloud.GENERATION_2)
        misspelled = self.cloud.image(**e2e_cloud.GENERATION_2)
        self.cloud.spoil(misspelled, hw_machine_type='hyperv-gen3')
        lacking = self.cloud.image(**e2e_cloud.GENERATION_2)
        self.cloud.spoil(lacking, hypervisor_type=None)
        linted = self.cloud.run(
            'hyperv-sched', 'image', 'lint', '--os-cloud', 'demo',
            '--all-images', '-f', 'json', exit_code=1)
        found = {}
        for finding in json.loads(linted.stdout):
            if finding['severity'] in ('error', 'unknown'):
                found.setdefault(finding['image'], []).append(
                    finding['code'])
        self.assertEqual(
            {bios.id: ['HV302'], misspelled.id: ['HV101'],
             lacking.id: ['HV102']},
            {image.id: found.get(image.id)
             for image in (good, bios, misspelled, lacking)
             if image.id in found})
        # The linter corrects errors of properties alone.
        mend = self.cloud.run(
            'hyperv-sched', 'image', 'lint', '--os-cloud', 'demo', '--fix',
            '--image', lacking.id, exit_code=1).stdout
        self.assertIn('--property hypervisor_type=hyperv', mend)
        self.cloud.run('sh', '-c', mend)
        self.cloud.run('hyperv-sched', 'image', 'lint', '--os-cloud', 'demo',
                       '--image', lacking.id)
