# SPDX-License-Identifier: Apache-2.0
"""The cloud as a test uses it: clients, hosts, services, images, servers."""

import contextlib
import io
import os
import pathlib
import time
import uuid

import fixtures
import openstack

from tests import guests
from tests import samples
from tools.cloud import cloud as clouds
from tools.cloud import hosts
from tools.cloud import state as cloud_state

GENERATION_2 = {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
                'hypervisor_version_requires': '>=6.3'}

#: Seconds that anything in the cloud may take on a busy machine.
PATIENCE = 180


def uefi_disk():
    """A VHDX that starts by UEFI."""
    return samples.vhdx(block_size=samples.MIB, guest=guests.bootable())


def bios_disk():
    """A VHDX that starts by BIOS only."""
    return samples.vhdx(block_size=samples.MIB, guest=guests.bios_bootable())


class Cloud(fixtures.Fixture):
    """The cloud that is up; what a test makes in it is gone afterwards.

    ``admin`` and ``demo`` are connections of openstacksdk; demo has the role
    member and no other.
    """

    def _setUp(self):
        self.state = cloud_state.State(pathlib.Path(
            os.environ.get('DEVCLOUD_STATE', cloud_state.TOP / '.devcloud')))
        self._cloud = clouds.Cloud(self.state)
        if not self.state.clouds_yaml.exists():
            raise AssertionError(
                f'no cloud in {self.state.root}: run tools/devcloud up')
        self.admin = self._connect('admin')
        self.demo = self._connect('demo')

    def _connect(self, user):
        config = openstack.config.OpenStackConfig(
            config_files=[str(self.state.clouds_yaml)], load_envvars=False)
        connection = openstack.connection.Connection(
            config=config.get_one(user))
        # host and the like are told by newer versions only.
        connection.compute.default_microversion = '2.90'
        self.addCleanup(connection.close)
        return connection

    # Hosts and services

    @staticmethod
    def hosts(hypervisor=None, enforced=None, version=None):
        """Names of the hosts of a kind.

        :param version: what they must at least have
        """
        return [host.name for host in hosts.HOSTS
                if hypervisor in (None, host.hypervisor)
                and enforced in (None, host.enforced)
                and (version is None or host.version >= version)]

    def start(self, *services):
        """Start services; they are ready then."""
        self._cloud.start(services, lambda name, seconds: None)

    def stop(self, *services, kill=False):
        """End services; with kill as a crash would."""
        self._cloud.stop(services, kill)

    def restart(self, *services):
        """End services and start them; they are ready then."""
        self._cloud.restart(services, lambda name, seconds: None)

    @contextlib.contextmanager
    def without(self, *services, kill=False):
        """A cloud in which services are down; up again in the end."""
        self.stop(*services, kill=kill)
        try:
            yield
        finally:
            self.start(*services)

    def said(self, service):
        """What a service has logged so far."""
        return (self.state.log / f'{service}.log').read_text(
            errors='replace')

    # Images and servers

    def image(self, data=None, disk_format='vhdx', name=None, user=None,
              **properties):
        """Upload an image, as the user demo, and return it.

        :param data: a disk that starts by UEFI, if there is none
        :raises openstack.exceptions.HttpException: Glance refuses it; what
            was made of it is removed with the rest
        """
        images = (user or self.demo).image
        image = images.create_image(
            name or f'image-{uuid.uuid4()}', disk_format=disk_format,
            container_format='bare', **properties)
        self.addCleanup(images.delete_image, image.id)
        image.data = io.BytesIO(uefi_disk() if data is None else data)
        answer = image.upload(images)
        openstack.exceptions.raise_from_response(answer)
        return images.get_image(image.id)

    def boot(self, image, user=None, flavor='small', patience=PATIENCE,
             **attributes):
        """Create a server, and return it once it is ACTIVE or in ERROR."""
        compute = (user or self.demo).compute
        server = compute.create_server(
            name=f'server-{uuid.uuid4()}', image_id=image.id,
            flavor_id=compute.find_flavor(flavor).id, networks='none',
            **attributes)
        self.addCleanup(self._delete, server)
        return self.settle(server, patience=patience)

    def _delete(self, server):
        compute = self.admin.compute
        compute.delete_server(server.id, force=False)
        compute.wait_for_delete(
            compute.get_server(server.id)
            if compute.find_server(server.id, all_projects=True) else server,
            wait=PATIENCE)

    def settle(self, server, *statuses, patience=PATIENCE):
        """Wait until nothing is done to a server any more.

        :param statuses: to wait for, where it does not begin at once
        :returns: the server as an administrator sees it
        """
        def settled():
            current = self.server(server)
            busy = current.task_state or current.status == 'BUILD'
            wanted = not statuses or current.status in statuses
            return current if wanted and not busy else None
        return self.wait_for(settled, lambda: (
            f'{server.id} is {self.server(server).status}'), patience)

    def server(self, server):
        """The server as it is now, as an administrator sees it."""
        return self.admin.compute.get_server(server.id)

    def host_of(self, server):
        return self.server(server).compute_host

    def fault(self, server):
        """What the user reads of a server in ERROR; '' for none."""
        fault = self.demo.compute.get_server(server.id).fault
        return fault['message'] if fault else ''

    @staticmethod
    def wait_for(condition, otherwise=lambda: 'it did not happen',
                 patience=PATIENCE):
        """Ask until the answer is true, and return it.

        :param otherwise: tells how things stand if that never comes
        """
        deadline = time.monotonic() + patience
        while True:
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(otherwise())
            time.sleep(0.2)
