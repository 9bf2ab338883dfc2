# SPDX-License-Identifier: Apache-2.0
"""What is done once, before a cloud is whole."""

from __future__ import annotations

from collections.abc import Callable
import threading
from typing import Any

from tools.cloud import api
from tools.cloud import hosts
from tools.cloud import software
from tools.cloud import state as cloud_state
from tools.cloud import steps

_DATABASES = ('keystone', 'placement', 'glance', 'nova_api', 'nova_cell0',
              'nova_cell1')

#: As mariadb-install-db, which looks for them in the root of the machine.
_SYSTEM_TABLES = ('{}_system_tables.sql', '{}_performance_tables.sql',
                  '{}_system_tables_data.sql')

#: Type of service in the catalog, service, path, and its own user.
_CATALOG = (
    ('image', 'glance', '', 'glance'),
    ('placement', 'placement', '', 'placement'),
    ('compute', 'nova-api', '/v2.1', 'nova'),
    ('network', 'neutron', '', None),
)

#: Name, RAM in MiB, disk in GiB, processors.
_FLAVORS = (('small', 512, 1, 1), ('large', 2048, 4, 2))

_Run = Callable[[cloud_state.State, threading.Event], None]


def setup_steps(state: cloud_state.State) -> list[steps.Step]:
    """Databases, users, catalog, cells, flavors."""
    def step(name: str, run: _Run, *needs: str) -> steps.Step:
        return steps.Step(
            name, lambda unwanted: run(state, unwanted), needs)

    return [
        step('mariadb-files', _create_databases),
        step('keystone-database', _set_up_keystone, 'mariadb'),
        step('placement-database', _set_up_placement, 'mariadb'),
        step('glance-database', _set_up_glance, 'mariadb'),
        step('nova-api-database', _nova_manage(
            'nova.conf', 'api_db', 'sync'), 'mariadb'),
        step('nova-cell0-database', _nova_manage(
            'nova.conf', 'db', 'sync', '--local_cell'), 'mariadb'),
        step('nova-cell1-database', _nova_manage(
            'nova-cell1.conf', 'db', 'sync', '--local_cell'), 'mariadb'),
        step('nova-cell0', _map_cell0, 'nova-api-database'),
        # The URLs are those of this configuration.
        step('nova-cell1', _nova_manage(
            'nova-cell1.conf', 'cell_v2', 'create_cell', '--name', 'cell1'),
            'nova-api-database'),
        step('catalog', _fill_catalog, 'keystone'),
        step('flavors', _create_flavors, 'nova-api', 'catalog'),
        step('cell-hosts', _discover_hosts,
             *(host.service for host in hosts.HOSTS)),
    ]


def _create_databases(state: cloud_state.State,
                      unwanted: threading.Event) -> None:
    (state.data / 'mariadb').mkdir()
    text = 'CREATE DATABASE mysql;\nUSE mysql;\n' + ''.join(
        software.mariadb_file(state, name).read_text()
        for name in _SYSTEM_TABLES)
    text += 'FLUSH PRIVILEGES;\n'
    for name in _DATABASES:
        text += f'CREATE DATABASE {name};\n'
    text += (f"CREATE USER cloud@'127.0.0.1' IDENTIFIED BY"
             f" '{state.password}';\n"
             "GRANT ALL ON *.* TO cloud@'127.0.0.1';\n")
    script = state.etc / 'mariadb.sql'
    cloud_state.write_private(script, text)
    _run(state, unwanted, 'mariadb-files',
         software.mariadb_server(state),
         f'--defaults-file={state.etc}/my.cnf', '--user=root', '--bootstrap',
         stdin=str(script),
         LD_LIBRARY_PATH=software.library_path(state))


def _set_up_keystone(state: cloud_state.State,
                     unwanted: threading.Event) -> None:
    manage = (state.venv / 'bin/keystone-manage', '--config-file',
              state.etc / 'keystone.conf')
    url = state.url('keystone') + '/v3'
    _run(state, unwanted, 'keystone-database', *manage, 'db_sync')
    _run(state, unwanted, 'keystone-database', *manage, 'bootstrap',
         '--bootstrap-password', state.password,
         '--bootstrap-public-url', url, '--bootstrap-internal-url', url,
         '--bootstrap-admin-url', url, '--bootstrap-region-id', 'RegionOne')


def _set_up_placement(state: cloud_state.State,
                      unwanted: threading.Event) -> None:
    _run(state, unwanted, 'placement-database',
         state.venv / 'bin/placement-manage', '--config-file',
         state.etc / 'placement.conf', 'db', 'sync')


def _set_up_glance(state: cloud_state.State,
                   unwanted: threading.Event) -> None:
    _run(state, unwanted, 'glance-database',
         state.venv / 'bin/glance-manage', '--config-file',
         state.etc / 'glance-api.conf', 'db', 'sync')


def _nova_manage(config: str, *argv: object) -> _Run:
    def run(state: cloud_state.State, unwanted: threading.Event) -> None:
        _run(state, unwanted, 'nova-manage', state.venv / 'bin/nova-manage',
             '--config-file', state.etc / 'nova-common.conf',
             '--config-file', state.etc / config, *argv)
    return run


def _map_cell0(state: cloud_state.State, unwanted: threading.Event) -> None:
    """By default its URL would be the API database's, with a suffix."""
    _nova_manage('nova.conf', 'cell_v2', 'map_cell0', '--database_connection',
                 f'mysql+pymysql://cloud:{state.password}@127.0.0.1:'
                 f'{state.ports["mariadb"]}/nova_cell0')(state, unwanted)


def _fill_catalog(state: cloud_state.State,
                  unwanted: threading.Event) -> None:
    client = api.Api(state)

    def create(kind: str, collection: str, **members: object) -> Any:
        return client.request('keystone', f'/v3/{collection}', 'POST',
                              {kind: members})[kind]['id']

    roles = {role['name']: role['id'] for role in client.request(
        'keystone', '/v3/roles')['roles']}

    def create_user(name: str, project: str, *granted: str) -> None:
        user = create('user', 'users', name=name, domain_id='default',
                      password=state.password)
        for role in granted:
            client.request(
                'keystone', f'/v3/projects/{project}/users/{user}/roles/'
                + roles[role], 'PUT')

    service_project = create('project', 'projects', name='service',
                             domain_id='default')
    for kind, name, path, user in _CATALOG:
        service = create('service', 'services', type=kind, name=name)
        for interface in ('public', 'internal'):
            create('endpoint', 'endpoints', service_id=service,
                   interface=interface, region_id='RegionOne',
                   url=state.url(name) + path)
        if user:
            create_user(user, service_project, 'admin', 'service')
    create_user('demo', create('project', 'projects', name='demo',
                               domain_id='default'), 'member')


def _create_flavors(state: cloud_state.State,
                    unwanted: threading.Event) -> None:
    client = api.Api(state)
    for name, ram, disk, vcpus in _FLAVORS:
        client.request('nova-api', '/v2.1/flavors', 'POST', {'flavor': {
            'name': name, 'ram': ram, 'disk': disk, 'vcpus': vcpus}})


def _discover_hosts(state: cloud_state.State,
                    unwanted: threading.Event) -> None:
    _nova_manage('nova.conf', 'cell_v2', 'discover_hosts')(state, unwanted)


def _run(state: cloud_state.State, unwanted: threading.Event, name: str,
         *argv: object, stdin: str | None = None, **more: str) -> None:
    software.run(state, unwanted, name, argv, state.log / f'{name}.log',
                 more, stdin)
