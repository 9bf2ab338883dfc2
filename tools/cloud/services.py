# SPDX-License-Identifier: Apache-2.0
"""What runs, what it needs, and how to see that it is ready."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import contextlib
import dataclasses
import datetime
import socket
import threading
import time
import urllib.error
import urllib.request

from tools.cloud import api
from tools.cloud import errors
from tools.cloud import hosts
from tools.cloud import process
from tools.cloud import software
from tools.cloud import state as cloud_state

#: Seconds until a service is ready, on a busy machine.
_PATIENCE = 180

_NOVA_DATABASES = ('nova-api-database', 'nova-cell0-database',
                   'nova-cell1-database', 'nova-cell0', 'nova-cell1')

#: Tells whether a service that was started then is ready.
Probe = Callable[[cloud_state.State, float], bool]


@dataclasses.dataclass(frozen=True)
class Service:
    """One process, perhaps with children.

    :param argv: return the command line; the software is installed by then
    :param needs: services, and steps of set-up, that come first
    """

    name: str
    argv: Callable[[], Iterable[object]]
    ready: Probe
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


def services(state: cloud_state.State) -> dict[str, Service]:
    """All services of the cloud."""
    venv, etc = state.venv / 'bin', state.etc
    found = [
        Service('mariadb', lambda: (
            software.mariadb_server(state),
            f'--defaults-file={etc}/my.cnf', '--user=root'),
            _greets('mariadb'), ('mariadb-files',),
            {'LD_LIBRARY_PATH': software.library_path(state)}),
        # RabbitMQ would leave one behind, on a port of the whole machine.
        Service('epmd', lambda: (
            software.erlang_runtime(state) / 'epmd',
            '-address', '127.0.0.1', '-port', state.ports['epmd']),
            _listens('epmd')),
        _rabbitmq(state),
        Service('neutron', lambda: (
            venv / 'python', '-m', 'tools.cloud.neutron',
            state.ports['neutron']),
            _answers('neutron', '/'), (),
            {'PYTHONPATH': str(cloud_state.TOP),
             'PYTHONDONTWRITEBYTECODE': '1'}),
        _wsgi(state, 'keystone', '/v3',
              ('mariadb', 'keystone-database'), 'OS_KEYSTONE_CONFIG_DIR'),
        _wsgi(state, 'placement', '/',
              ('mariadb', 'placement-database'), 'OS_PLACEMENT_CONFIG_DIR'),
        _wsgi(state, 'glance', '/healthcheck',
              ('mariadb', 'glance-database'), 'OS_GLANCE_CONFIG_DIR'),
        _wsgi(state, 'nova-api', '/',
              ('mariadb', 'rabbitmq', *_NOVA_DATABASES),
              'OS_NOVA_CONFIG_DIR'),
        _nova(state, 'nova-conductor', 'nova-conductor', 'control', 'nova'),
        _nova(state, 'nova-conductor-cell1', 'nova-conductor',
              'control-cell1', 'nova-cell1'),
        _nova(state, 'nova-scheduler', 'nova-scheduler', 'control', 'nova',
              'nova-scheduler'),
        *(_compute(state, host) for host in hosts.HOSTS),
    ]
    return {service.name: service for service in found}


def _rabbitmq(state: cloud_state.State) -> Service:
    ports = state.ports
    return Service(
        'rabbitmq', lambda: (software.locate(
            state.debian, "RabbitMQ's server",
            'usr/lib*/rabbitmq/lib/*/sbin/rabbitmq-server',
            'usr/lib*/rabbitmq/sbin/rabbitmq-server'),),
        _speaks_amqp, ('epmd',), {
            'ERL_EPMD_PORT': str(ports['epmd']),
            'ERL_EPMD_ADDRESS': '127.0.0.1',
            'LD_LIBRARY_PATH': software.library_path(state),
            'RABBITMQ_CONFIG_FILE': f'{state.etc}/rabbitmq.conf',
            'RABBITMQ_CONF_ENV_FILE': '/dev/null',
            'RABBITMQ_DIST_PORT': str(ports['erlang']),
            'RABBITMQ_ENABLED_PLUGINS_FILE': f'{state.etc}/rabbitmq-plugins',
            'RABBITMQ_LOGS': '-',
            'RABBITMQ_LOG_BASE': str(state.log),
            'RABBITMQ_MNESIA_BASE': f'{state.data}/rabbitmq',
            'RABBITMQ_NODENAME': 'cloud@localhost',
            # Without busy waiting: there are not many processors.
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS':
                '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none',
            # The script starts Erlang and exits.
            'RUNNING_UNDER_SYSTEMD': 'true'})


def _wsgi(state: cloud_state.State, name: str, path: str,
          needs: tuple[str, ...], config_dir: str) -> Service:
    return Service(
        name, lambda: (state.venv / 'bin/gunicorn',),
        _answers(name, path), needs, {
            config_dir: str(state.etc),
            # The first is that of Paste.
            'OS_NOVA_CONFIG_FILES': f'{state.venv}/etc/nova/api-paste.ini;'
                                    'nova-common.conf;nova.conf',
            'GUNICORN_CMD_ARGS': f'-c {state.etc}/gunicorn-{name}.py'})


def _nova(state: cloud_state.State, name: str, program: str, host: str,
          *configs: str) -> Service:
    argv: list[object] = [state.venv / 'bin' / program]
    for part in ('nova-common', *configs):
        argv += ['--config-file', state.etc / f'{part}.conf']
    return Service(
        name, lambda: argv, _reports(program, host),
        ('mariadb', 'rabbitmq', *_NOVA_DATABASES, 'nova-api', 'catalog',
         'keystone', 'placement'))


def _compute(state: cloud_state.State, host: hosts.Host) -> Service:
    return Service(
        host.service, lambda: (
            state.venv / 'bin/nova-compute',
            '--config-file', state.etc / 'nova-common.conf',
            '--config-file', state.etc / f'{host.service}.conf'),
        _reports('nova-compute', host.name, has_inventory=True),
        ('rabbitmq', 'catalog', 'keystone', 'placement', 'glance',
         'neutron', 'nova-api', 'nova-conductor-cell1'))


def start(state: cloud_state.State, service: Service,
          unwanted: threading.Event, wait: bool = True) -> None:
    """Start a service and wait until it is ready.

    :raises CloudError: it has ended, or does not get ready
    """
    log = state.log / f'{service.name}.log'
    port = state.ports.get(service.name)
    if port and not cloud_state.is_free(port):
        raise errors.CloudError(
            f'{service.name}: port {port} is taken by another program; end'
            ' that, or let "tools/devcloud up --fresh" make a new cloud on'
            ' other ports')
    if unwanted.is_set():
        raise errors.InterruptedStepError
    started = time.time()
    child = process.spawn(state, service.name, service.argv(), log,
                          service.environment)
    deadline = time.monotonic() + _PATIENCE
    while wait:
        if child.poll() is not None:
            raise errors.CloudError(
                f'{service.name} has ended (exit code {child.returncode})',
                log)
        if service.ready(state, started):
            return
        if time.monotonic() > deadline:
            raise errors.CloudError(
                f'{service.name} runs, but is not ready after'
                f' {_PATIENCE} s', log)
        if unwanted.wait(0.1):
            raise errors.InterruptedStepError


def _connection(state: cloud_state.State, name: str) -> socket.socket:
    return socket.create_connection(
        ('127.0.0.1', state.ports[name]), timeout=5)


def _listens(name: str) -> Probe:
    def probe(state: cloud_state.State, started: float) -> bool:
        with contextlib.suppress(OSError), _connection(state, name):
            return True
        return False
    return probe


def _greets(name: str) -> Probe:
    """Return a probe for the greeting of MariaDB."""
    def probe(state: cloud_state.State, started: float) -> bool:
        with contextlib.suppress(OSError), _connection(state, name) as peer:
            return b'MariaDB' in peer.recv(200)
        return False
    return probe


def _speaks_amqp(state: cloud_state.State, started: float) -> bool:
    """Wait for a method frame on channel 0."""
    with contextlib.suppress(OSError), _connection(
            state, 'rabbitmq') as peer:
        peer.sendall(b'AMQP\0\0\x09\x01')
        return peer.recv(3) == b'\x01\0\0'
    return False


def _answers(name: str, path: str) -> Probe:
    def probe(state: cloud_state.State, started: float) -> bool:
        try:
            with urllib.request.urlopen(
                    state.url(name) + path, timeout=30) as answer:
                return int(answer.status) < 400
        except (OSError, urllib.error.URLError):
            return False
    return probe


def _reports(program: str, host: str, has_inventory: bool = False) -> Probe:
    """Nova's services report that they live, once they hear messages."""
    client: list[api.Api] = []

    def probe(state: cloud_state.State, started: float) -> bool:
        if not client:
            client.append(api.Api(state))
        try:
            found = client[0].request(
                'nova-api',
                f'/v2.1/os-services?binary={program}&host={host}')
            return (all(_seen(service) > started
                        for service in found['services'])
                    and bool(found['services'])
                    and (not has_inventory or _inventory(client[0], host)))
        except errors.CloudError:
            return False
    return probe


def _seen(service: Mapping[str, str | None]) -> float:
    """Seconds since the epoch; a new one has not reported at all."""
    when = service['updated_at']
    if when is None:
        return 0
    return datetime.datetime.fromisoformat(f'{when}+00:00').timestamp()


def _inventory(client: api.Api, host: str) -> bool:
    found = client.request(
        'placement', f'/resource_providers?name={host}')
    return any(
        client.request('placement', f'/resource_providers/{provider["uuid"]}'
                       '/inventories')['inventories']
        for provider in found['resource_providers'])
