# SPDX-License-Identifier: Apache-2.0
"""Installations of distributions: from their disk to a server.

Each is installed by debootstrap from the archive of its distribution, as
root, which takes minutes; so CI does not run this.
"""

import json
import pathlib
import subprocess
import uuid

from tests.e2e import base
from tools.cloud import state as cloud_state

_SCRIPT = pathlib.Path(__file__).parents[1] / 'installation.sh'
_UBUNTU_KEYRING = (cloud_state.TOP / '.venv/ubuntu-keyring'
                   / 'usr/share/keyrings/ubuntu-archive-keyring.gpg')

#: Release, archive, keys of the archive, and kernel.
DEBIAN = ('bookworm', 'http://deb.debian.org/debian',
          '/usr/share/keyrings/debian-archive-keyring.gpg',
          'linux-image-cloud-amd64')
UBUNTU = ('jammy', 'http://archive.ubuntu.com/ubuntu', _UBUNTU_KEYRING,
          'linux-image-virtual')


class DistributionTestCase(base.StoryTestCase):

    def install(self, distribution):
        """Install a distribution; return the raw disk."""
        path = self.cloud.directory / 'disk.raw'
        subprocess.run(['unshare', '--mount', _SCRIPT, path, *distribution],
                       check=True, stdout=subprocess.DEVNULL)
        return path

    def check(self, path):
        """Convert, lint, boot and upload a disk; create a server."""
        converted = self.cloud.directory / 'disk.vhdx'
        self.run_command('convert', path, converted)
        self.run_command(
            'lint', '--disk-format', 'vhdx',
            '--property', 'hw_machine_type=hyperv-gen2',
            '--property', 'hypervisor_type=hyperv',
            '--property', 'hypervisor_version_requires=>=10.0',
            '--property', 'os_secure_boot=required',
            '--property', 'os_type=linux', converted)
        for options in ((), ('--secure-boot', 'linux')):
            booted = json.loads(self.run_command(
                'boot', *options, '-f', 'json', converted))
            self.assertEqual(('kernel', True), (
                booted['reached'], booted['agree']), booted)
        converted.unlink()
        name = f'story-{uuid.uuid4()}'
        uploaded = json.loads(self.run_command(
            'upload', '--os-cloud', 'demo', '--name', name, '-f', 'json',
            path))
        self.addCleanup(
            self.cloud.demo.image.delete_image, uploaded['id'])
        self.assertEqual(
            ('active', 'vhdx', 'hyperv-gen2', 'linux'),
            (uploaded['status'], uploaded['disk_format'],
             uploaded['properties']['hw_machine_type'],
             uploaded['properties']['os_type']))
        image = self.cloud.demo.image.get_image(uploaded['id'])
        # The disk has 3 GiB.
        flavor = self.cloud.demo.compute.find_flavor('large').id
        server = self.cloud.settle(self.cloud.create(image, flavor=flavor))
        self.assertEqual('ACTIVE', server.status)

    def run_command(self, name, *argv):
        return self.cloud.run('hyperv-sched', 'image', name, *argv).stdout

    def test_debian_as_raw_and_as_qcow2(self):
        raw = self.install(DEBIAN)
        self.check(raw)
        qcow2 = raw.with_suffix('.qcow2')
        subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                        raw, qcow2], check=True)
        self.check(qcow2)

    def test_ubuntu_as_qcow2(self):
        raw = self.install(UBUNTU)
        qcow2 = raw.with_suffix('.qcow2')
        subprocess.run(['qemu-img', 'convert', '-c', '-f', 'raw', '-O',
                        'qcow2', raw, qcow2], check=True)
        self.check(qcow2)
