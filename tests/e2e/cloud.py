# SPDX-License-Identifier: Apache-2.0
"""The cloud as a test uses it: clients, hosts, services, images, servers."""

import contextlib
import functools
import http.server
import io
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import uuid

import fixtures
import openstack

from tests import properties
from tests import samples
from tests.properties import options
from tools.cloud import cloud as clouds
from tools.cloud import hosts
from tools.cloud import process
from tools.cloud import state as cloud_state

GENERATION_1 = {'hw_machine_type': 'hyperv-gen1', 'hypervisor_type': 'hyperv'}
GENERATION_2 = properties.GENERATION_2

#: The hosts that can run generation 2.
NEW_ENOUGH = tuple(host.name for host in hosts.HOSTS
                   if host.hypervisor == 'hyperv' and host.version >= 6003)

#: Seconds that anything in the cloud may take on a busy machine.
PATIENCE = 180


class _QuietHandler(http.server.SimpleHTTPRequestHandler):

    def log_message(self, *args):
        """Say nothing."""


class Cloud(fixtures.Fixture):
    """The cloud that is up; what a test makes in it is gone afterwards.

    ``admin`` and ``demo`` are connections of openstacksdk; demo has the role
    member and no other.

    :param alone: no other process uses the cloud, so that all that is held in
        placement afterwards has been left behind
    """

    def __init__(self, alone=True):
        super().__init__()
        self._alone = alone

    def _setUp(self):
        self.state = cloud_state.State(pathlib.Path(
            os.environ.get('DEVCLOUD_STATE', cloud_state.TOP / '.devcloud')))
        self._cloud = clouds.Cloud(self.state)
        if not self.state.clouds_yaml.exists():
            raise AssertionError(
                f'no cloud in {self.state.root}: run tools/devcloud up')
        self.admin = self._connect('admin')
        self.demo = self._connect('demo')
        if self._alone:
            self.addCleanup(self._check_allocations, set(self.consumers()))
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)

    def _connect(self, user):
        config = openstack.config.OpenStackConfig(
            config_files=[str(self.state.clouds_yaml)], load_envvars=False)
        connection = openstack.connection.Connection(
            config=config.get_one(user))
        # newer versions alone return host and the like.
        connection.compute.default_microversion = '2.90'
        self.addCleanup(connection.close)
        return connection

    def run(self, *argv, user='demo', exit_code=0, stdin=os.devnull):
        """Run a command as people do, with the cloud's clients in PATH.

        :param exit_code: what it has to end with; None for anything but 0
        :returns: what it has written: ``stdout``, ``stderr``
        """
        with open(stdin) as source:
            done = subprocess.run(
                [str(word) for word in argv], stdin=source,
                capture_output=True, text=True, check=False,
                cwd=self.directory, timeout=PATIENCE, env={
                    'HOME': str(self.directory), 'LC_ALL': 'C.UTF-8',
                    'OS_CLOUD': user, 'PYTHONWARNINGS': 'ignore',
                    'OS_CLIENT_CONFIG_FILE': str(self.state.clouds_yaml),
                    'PATH': f'{self.state.bin}:{os.environ["PATH"]}'})
        right = (done.returncode != 0 if exit_code is None
                 else done.returncode == exit_code)
        if not right:
            raise AssertionError(
                f'{argv} ended with {done.returncode}:\n'
                f'{done.stdout}\n{done.stderr}')
        return done

    def answer(self, *argv, **kwargs):
        """What a command says in JSON."""
        return json.loads(self.run(*argv, '-f', 'json', **kwargs).stdout)

    def file(self, data=None, name='disk.vhdx'):
        """Write a file, and return its path.

        :param data: a disk that starts by UEFI, if there is none
        """
        path = self.directory / name
        path.write_bytes(samples.uefi_vhdx() if data is None else data)
        return path

    def python(self, *argv):
        """Run Python as the services do, and return what it writes."""
        return self.run(self.state.venv / 'bin/python', *argv).stdout

    def sql(self, database, statement, *values):
        """Write into a database, round every API."""
        self.python('-c', """
import json, sys
import pymysql
port, password, database, statement, values = json.loads(sys.argv[1])
with pymysql.connect(host='127.0.0.1', port=port, user='cloud',
                     password=password, database=database,
                     autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
""", json.dumps([self.state.ports['mariadb'], self.state.password, database,
                 statement, values]))

    # Placement

    def consumers(self):
        """Who has an allocation, and at which hosts."""
        placement, found = self.admin.placement, {}
        for provider in placement.resource_providers():
            held = placement.get(
                f'/resource_providers/{provider.id}/allocations').json()
            for consumer in held['allocations']:
                found.setdefault(consumer, set()).add(provider.name)
        return found

    def allocated(self, server):
        """Names of the hosts that a server has an allocation at."""
        return self.consumers().get(server.id, set())

    def _check_allocations(self, before):
        """Nothing is held for servers that are gone."""
        self.wait_for(
            lambda: not set(self.consumers()) - before,
            lambda: f'allocations are left behind: {self.consumers()}')

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

    def install(self):
        """Install hyperv-sched from this checkout, if it is not there."""
        self._cloud.install()

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

    @contextlib.contextmanager
    def frozen(self, service):
        """A service that is there and does nothing."""
        processes = [found for found in process.find(self.state)
                     if found.name == service]
        try:
            for found in processes:
                os.kill(found.pid, signal.SIGSTOP)
            yield
        finally:
            for found in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def only(self, *names):
        """A cloud in which no other hosts are to be had."""
        others = [service for service in self.admin.compute.services(
            binary='nova-compute') if service.host not in names]
        try:
            self._enable(others, False)
            yield
        finally:
            self._enable(others, True)

    def _enable(self, services, enabled):
        """Enable or disable hosts, in placement as well.

        If nova-compute updates its resource provider at the same time, the
        older traits may win. The change is then repeated.
        """
        change = (self.admin.compute.enable_service if enabled
                  else self.admin.compute.disable_service)
        for service in services:
            change(service)
        # Nova cannot change the traits of a host that is down.
        running = [service for service in services if service.state == 'up']

        def changed():
            found = self.admin.placement.get(
                '/resource_providers', microversion='1.18',
                params={'required': 'COMPUTE_STATUS_DISABLED'}).json()
            disabled = [provider['name']
                        for provider in found['resource_providers']]
            wrong = [service for service in running
                     if (service.host in disabled) == enabled]
            for service in wrong:
                change(service)
            return not wrong

        self.wait_for(changed)

    @contextlib.contextmanager
    def configured(self, name, text, *services):
        """Services that run with another configuration file meanwhile."""
        path = self.state.etc / name
        before = path.read_text()
        try:
            path.write_text(text)
            self.restart(*services)
            yield
        finally:
            path.write_text(before)
            self.restart(*services)

    def mark(self, service):
        """How much a service has logged so far."""
        return (self.state.log / f'{service}.log').stat().st_size

    def log(self, service, since):
        """What a service has logged since a mark."""
        with open(self.state.log / f'{service}.log', 'rb') as log:
            log.seek(since)
            return log.read().decode(errors='replace')

    def heard(self, service, *parts, since=0):
        """Wait until a service has logged a line with all these parts.

        :param since: a mark, where not all of the log counts
        """
        def found():
            with open(self.state.log / f'{service}.log', 'rb') as log:
                log.seek(since)
                return any(all(part.encode() in line for part in parts)
                           for line in log)
        self.wait_for(found, lambda: f'{service} has not logged {parts}')

    # Images and servers

    def image(self, data=None, disk_format='vhdx', name=None, user=None,
              **properties):
        """Upload an image, as the user demo, and return it.

        :param data: a disk that starts by UEFI, if there is none
        :raises openstack.exceptions.HttpException: Glance refuses it; what
            was made of it is removed with the rest
        """
        images = (user or self.demo).image
        image = self._empty(images, disk_format, name, **properties)
        image.data = io.BytesIO(samples.uefi_vhdx() if data is None else data)
        answer = image.upload(images)
        openstack.exceptions.raise_from_response(answer)
        return images.get_image(image.id)

    def _empty(self, images, disk_format='vhdx', name=None, **properties):
        """An image that has no data yet."""
        image = images.create_image(
            name or f'image-{uuid.uuid4()}', disk_format=disk_format,
            container_format='bare', **properties)
        self.addCleanup(images.delete_image, image.id)
        return image

    def spoil(self, image, **properties):
        """Change an image in a way that Glance does not allow.

        :param properties: None removes one
        """
        for name, value in properties.items():
            self.sql('glance', 'DELETE FROM image_properties WHERE'
                     ' image_id = %s AND name = %s', image.id, name)
            if value is None:
                continue
            self.sql('glance', 'INSERT INTO image_properties (image_id,'
                     ' name, value, created_at, deleted)'
                     ' VALUES (%s, %s, %s, now(), 0)', image.id, name, value)

    def imported(self, path, **properties):
        """Import a file with the glance client.

        :returns: the image, once the import has come to an end
        """
        name = f'import-{uuid.uuid4()}'
        self.run('glance', 'image-create-via-import', '--import-method',
                 'glance-direct', '--disk-format', 'vhdx',
                 '--container-format', 'bare', '--name', name,
                 *options(properties), stdin=path)
        image = self.demo.image.find_image(name, ignore_missing=False)
        self.addCleanup(self.demo.image.delete_image, image.id)
        return self._ended(image)

    def staged(self, data, **properties):
        """Import data with openstacksdk; return the image after that."""
        images = self.demo.image
        image = self._empty(images, **properties)
        images.stage_image(image, data=data)
        images.import_image(image)
        return self._ended(image)

    def downloaded(self, data, **properties):
        """Have Glance fetch data itself; return the image after that."""
        images = self.demo.image
        image = self._empty(images, **properties)
        self.file(data)
        with self._served():
            images.import_image(
                image, method='web-download',
                uri=f'http://127.0.0.1:{self.state.ports["web"]}/disk.vhdx')
            return self._ended(image)

    @contextlib.contextmanager
    def _served(self):
        """The files of the test, on the port that Glance may ask."""
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', self.state.ports['web']), functools.partial(
                _QuietHandler, directory=str(self.directory)))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _ended(self, image):
        def ended():
            tasks = self._tasks(image)
            return tasks and all(
                task['status'] in ('success', 'failure') for task in tasks)
        self.wait_for(ended, lambda: f'{self._tasks(image)}')
        return self.demo.image.get_image(image.id)

    def _tasks(self, image):
        return self.demo.image.get(
            f'/images/{image.id}/tasks').json()['tasks']

    def task_message(self, image):
        """What the owner of an image reads of its imports."""
        return ' '.join(task['message'] for task in self._tasks(image))

    def boot(self, image, user=None, **attributes):
        """Create a server, and return it once it is ACTIVE or in ERROR."""
        return self.settle(self.create(image, user, **attributes))

    def create(self, image, user=None, flavor=None, **attributes):
        """Ask for a server.

        :param flavor: an id; that of the small one, if there is none
        """
        compute = (user or self.demo).compute
        server = compute.create_server(
            name=f'server-{uuid.uuid4()}', image_id=image.id,
            flavor_id=flavor or compute.find_flavor('small').id,
            networks='none', **attributes)
        self.remove(server.id)
        return server

    def boot_many(self, image, count, user=None):
        """Have servers made by one request; return them once it has ended."""
        compute = (user or self.demo).compute
        name = f'many-{uuid.uuid4()}'
        compute.create_server(
            name=name, image_id=image.id, min_count=count, max_count=count,
            flavor_id=compute.find_flavor('small').id, networks='none')
        servers = list(compute.servers(name=name))
        for server in servers:
            self.remove(server.id)
        if len(servers) != count:
            raise AssertionError(f'{len(servers)} servers of {count}')
        return [self.settle(server) for server in servers]

    def remove(self, server_id):
        """Have a server deleted in the end."""
        self.addCleanup(self.delete, server_id)

    def delete(self, server_id):
        """Delete a server; it is gone then."""
        self.delete_all([server_id])

    def delete_all(self, server_ids, patience=PATIENCE):
        """Delete servers; they are gone then."""
        compute, wanted = self.admin.compute, set(server_ids)
        for server_id in wanted:
            compute.delete_server(server_id, ignore_missing=True)

        def left():
            """One that is there; None if none is.

            With its database killed, Nova may go on listing one that it no
            longer finds.
            """
            listed = wanted & {
                server.id for server in compute.servers(all_projects=True)}
            return next(filter(
                lambda server_id: compute.find_server(server_id), listed),
                None)
        self.wait_for(lambda: not left(),
                      lambda: f'{left()} is not deleted', patience)

    def settle(self, server, *statuses, patience=PATIENCE):
        """Wait until nothing is done to a server any more.

        :param statuses: to wait for, where it does not begin at once
        :returns: the server as an administrator sees it
        """
        def settled():
            current = self.server(server)
            busy = current.task_state or current.status == 'BUILD'
            wanted = not statuses or current.status in statuses
            # Nova saves the state first, and then the reason.
            has_fault = current.status != 'ERROR' or current.fault
            return current if wanted and has_fault and not busy else None
        return self.wait_for(settled, lambda: (
            f'{server.id} is {self.server(server).status}'), patience)

    def server(self, server):
        """The server as it is now, as an administrator sees it."""
        return self.admin.compute.get_server(server.id)

    def host_of(self, server):
        return self.server(server).compute_host

    def fault(self, server):
        """What its owner reads of a server in ERROR; '' for none."""
        owner = (self.demo if server.project_id == self.demo.current_project_id
                 else self.admin)
        fault = owner.compute.get_server(server.id).fault
        return fault['message'] if fault else ''

    @staticmethod
    def wait_for(condition, otherwise=lambda: 'it did not happen',
                 patience=PATIENCE):
        """Ask until the answer is true, and return it.

        :param otherwise: tells how things stand if that never comes
        :param patience: seconds
        """
        deadline = time.monotonic() + patience
        while True:
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(otherwise())
            time.sleep(0.2)
