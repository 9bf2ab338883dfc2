# SPDX-License-Identifier: Apache-2.0
"""Configuration of the services, from the templates in etc/."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import string

from tools.cloud import errors
from tools.cloud import hosts
from tools.cloud import software
from tools.cloud import state as cloud_state

_TEMPLATES = pathlib.Path(__file__).parent / 'etc'
_SNIPPETS = cloud_state.TOP / 'etc'

#: Served by gunicorn.
_WSGI = {'keystone': 'keystone.wsgi.api',
         'placement': 'placement.wsgi.api',
         'glance': 'glance.wsgi.api',
         'nova-api': 'nova.wsgi.osapi_compute'}

_CREDENTIALS = '''
auth_url = http://127.0.0.1:{keystone}/v3
auth_type = password
username = {user}
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
region_name = RegionOne
'''


def write(state: cloud_state.State) -> None:
    """Write all of them; what an operator's eyes should see is from etc/."""
    values = {
        'data': state.data, 'etc': state.etc, 'venv': state.venv,
        'mariadb_share': software.mariadb_file(
            state, 'english/errmsg.sys').parents[1],
        'mariadb_charsets': software.mariadb_file(
            state, 'charsets/Index.xml').parent,
        'password': state.password, **state.ports}

    def fill(name: str, **more: object) -> str:
        return string.Template((_TEMPLATES / name).read_text()).substitute(
            values, **more)

    def put(name: str, text: str) -> None:
        cloud_state.write_private(state.etc / name, text)

    def credentials(user: str) -> str:
        return _CREDENTIALS.format(
            user=user, password=state.password, **state.ports).strip()

    for name in ('my.cnf', 'rabbitmq.conf', 'keystone.conf', 'nova.conf',
                 'nova-cell1.conf', 'openrc'):
        put(name, fill(name))
    put('placement.conf', fill(
        'placement.conf', credentials=credentials('placement')))
    put('glance-api.conf', fill(
        'glance-api.conf', credentials=credentials('glance')))
    put('nova-common.conf', fill(
        'nova-common.conf', credentials=credentials('nova')))
    for name, module in _WSGI.items():
        put(f'gunicorn-{name}.py', fill(
            'gunicorn.conf', module=module, port=state.ports[name]))
    put('nova-scheduler.conf', fill('nova-scheduler.conf')
        + _section(_SNIPPETS / 'nova' / 'nova.conf.snippet',
                   'filter_scheduler'))
    put('glance-image-import.conf', (
        _SNIPPETS / 'glance' / 'glance-image-import.conf.snippet'
    ).read_text())
    put('glance-api-paste.ini', _glance_paste(state))
    for host in hosts.HOSTS:
        put(f'{host.service}.conf', fill(
            'nova-compute.conf', host=host.name,
            driver=('hyperv_sched.EnforcedDriver' if host.enforced
                    else 'devcloud.HostDriver'),
            hypervisor=host.hypervisor, version=host.version,
            windows=host.windows))
        (state.data / 'hosts' / host.name).mkdir(parents=True)
    put('rabbitmq-definitions.json', _definitions(state.password))
    put('rabbitmq-plugins', '[].\n')
    _write_keys(state.etc / 'fernet-keys')
    _write_keys(state.etc / 'credential-keys')
    cloud_state.write_private(state.clouds_yaml, fill('clouds.yaml'))


def _section(path: pathlib.Path, name: str) -> str:
    """One section of a snippet, as operators take it over.

    oslo.config knows lists of lines of the same name, configparser does not.
    """
    found = re.search(rf'^\[{name}\]\n(?:(?!\[).*\n)*', path.read_text(),
                      re.MULTILINE)
    if not found:
        raise errors.CloudError(f'{path} has no section [{name}]')
    return '\n' + found[0]


def _glance_paste(state: cloud_state.State) -> str:
    """Glance's own, with our filter where the snippet says it belongs."""
    stock = (state.venv / 'etc/glance/glance-api-paste.ini').read_text()
    with_filter = re.sub(r'^(keystone = .* context )(rootapp)$',
                         r'\1hyperv_generation \2', stock,
                         flags=re.MULTILINE)
    snippet = _SNIPPETS / 'glance' / 'glance-api-paste.ini.snippet'
    section = _section(snippet, 'filter:hyperv_generation')
    refusing = section.replace('report_only = true', 'report_only = false')
    if with_filter == stock or refusing == section:
        raise errors.CloudError(
            f'the API filter cannot be put into {state.venv}/etc/glance/'
            f'glance-api-paste.ini: it or {snippet} has changed')
    return with_filter + refusing


def _definitions(password: str) -> str:
    """Users and virtual hosts of RabbitMQ: one for each cell's messages."""
    hosts_of_cells = ('nova', 'nova_cell1')
    return json.dumps({
        'users': [{'name': 'cloud', 'password': password, 'tags': []}],
        'vhosts': [{'name': name} for name in hosts_of_cells],
        'permissions': [
            {'user': 'cloud', 'vhost': name, 'configure': '.*',
             'write': '.*', 'read': '.*'} for name in hosts_of_cells]})


def _write_keys(repository: pathlib.Path) -> None:
    """As keystone-manage's fernet_setup: the staged key and the first."""
    repository.mkdir(mode=0o700)
    for name in ('0', '1'):
        cloud_state.write_private(
            repository / name,
            base64.urlsafe_b64encode(os.urandom(32)).decode())
