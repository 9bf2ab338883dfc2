# SPDX-License-Identifier: Apache-2.0
"""Hosts and servers of a cloud, read from Nova and placement."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
import contextlib
import dataclasses
import re
from typing import Any
import urllib.parse
import uuid

from hyperv_sched import audit
from hyperv_sched import inventory
from hyperv_sched.cli import host_files
from hyperv_sched.cli import inputs
from hyperv_sched.cli import rest

PAGE_SIZE = 500
MAX_SERVERS = 500_000

#: The oldest that has all that is read: UUIDs and pages of hosts. From 2.88
#: on Nova asks each host for its uptime, and one that does not answer fails
#: the whole list.
COMPUTE_VERSION = '2.53'
#: The first that takes required=TRAIT.
PLACEMENT_VERSION = '1.18'

#: Servers in these states have no guest on a host.
_WITHOUT_GUEST = frozenset((
    'BUILD', 'DELETED', 'ERROR', 'SHELVED_OFFLOADED', 'SOFT_DELETED'))

Count = Callable[[int], None]
"""Counts what has been read."""


class Compute(rest.API):
    """Compute API of a cloud; read only."""

    def hosts(self, print_error: inputs.PrintError,
              count: Count) -> list[inventory.Host]:
        """Read all hosts.

        :raises rest.CloudError: they cannot be read completely.
        """
        hosts: list[inventory.Host] = []
        for raw in self._list(
                '/os-hypervisors/detail', {}, 'hypervisors',
                host_files.MAX_HOSTS,
                'os_compute_api:os-hypervisors:list-detail'):
            try:
                hosts.append(inventory.from_document(raw))
            except inventory.InvalidHostError as exc:
                print_error(f'a host of the cloud cannot be read: {exc}')
            count(1)
        return host_files.unique(hosts, print_error)

    def servers(self, count: Count) -> Iterator[audit.Server]:
        """Yield the servers of all projects that have a guest on a host.

        :raises rest.CloudError: they cannot be read completely.
        """
        for raw in self._list(
                '/servers/detail', {'all_tenants': '1'}, 'servers',
                MAX_SERVERS,
                'os_compute_api:servers:detail:get_all_tenants'):
            count(1)
            if not isinstance(raw, dict):
                continue
            host = raw.get('OS-EXT-SRV-ATTR:host')
            if 'OS-EXT-SRV-ATTR:host' not in raw:
                raise rest.CloudError(
                    'the cloud does not show the hosts of servers. The right '
                    'os_compute_api:os-extended-server-attributes is missing')
            if host and raw.get('status') not in _WITHOUT_GUEST:
                yield audit.Server(
                    str(raw.get('id'))[:64], str(raw.get('name') or '')[:255],
                    image_of(raw), str(host)[:inventory.MAX_NAME])

    def find_server(self, name: str) -> dict[str, Any]:
        """Get a server by its id or name.

        :raises rest.CloudError: no server has the id or name, or several have
            the name.
        """
        with contextlib.suppress(ValueError):
            try:
                return self._server(str(uuid.UUID(name)))
            except rest.CloudError as exc:
                if exc.status != 404:
                    raise
        found = []
        for query in ({'all_tenants': '1'}, {}):
            try:
                found = [raw for raw in self._list(
                    '/servers', {'name': f'^{re.escape(name)}$', **query},
                    'servers', MAX_SERVERS, '')
                    if isinstance(raw, dict) and raw.get('name') == name]
                break
            except rest.CloudError as exc:
                if exc.status != 403 or not query:
                    raise
        if not found:
            raise rest.CloudError(f'no server has the id or name {name!r}')
        if len(found) > 1:
            raise rest.CloudError(
                f'{len(found)} servers have the name {name!r}. Give the id')
        return self._server(str(found[0].get('id')))

    def _server(self, server_id: str) -> dict[str, Any]:
        document = self.request_object(
            'GET', f'/servers/{urllib.parse.quote(server_id, "")}',
            microversion=COMPUTE_VERSION)
        server = document.get('server')
        if not isinstance(server, dict):
            raise rest.CloudError('the response has no server')
        return server

    def _list(self, path: str, query: dict[str, str], key: str, most: int,
              right: str) -> Iterator[Any]:
        """Yield the members of all pages, each query once."""
        text = urllib.parse.urlencode({**query, 'limit': str(PAGE_SIZE)})
        seen: set[str] = set()
        number = 0
        while text and text not in seen:
            seen.add(text)
            try:
                page = self.request_object(
                    'GET', f'{path}?{text}', microversion=COMPUTE_VERSION)
            except rest.CloudError as exc:
                raise _name_right(exc, right) from None
            members = page.get(key)
            if not isinstance(members, list):
                raise rest.CloudError(f'the response has no list of {key}')
            number += max(len(members), 1)
            if number > most:
                raise rest.CloudError(
                    f'the cloud lists more than {most} {key}')
            yield from members
            text = _next(page.get(f'{key}_links'))


def _next(links: object) -> str:
    """Return the query of the next page; empty after the last page."""
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get('rel') == 'next':
            return rest.next_query(link.get('href'), PAGE_SIZE)
    return ''


def image_of(server: dict[str, Any]) -> str:
    """Return the id of a server's image; empty for a server on a volume."""
    image = server.get('image')
    return str(image.get('id') or '')[:64] if isinstance(image, dict) else ''


class Placement(rest.API):
    """Placement API of a cloud; read only."""

    def read_traits(self, hosts: list[inventory.Host],
                    traits: Collection[str]) -> list[inventory.Host]:
        """Return the hosts with those of some traits that they have.

        Sends a request for each of these traits that any host has, whatever
        the number of hosts and of traits that images name.

        :raises rest.CloudError: the traits cannot be read.
        """
        found: dict[str, set[str]] = {}
        for trait in sorted(self._associated().intersection(traits)):
            for provider in self._providers(trait):
                found.setdefault(provider, set()).add(trait)
        return [dataclasses.replace(host, traits=frozenset(
            found.get(host.uuid, ()))) for host in hosts]

    def _associated(self) -> set[str]:
        """Return the traits that resource providers have."""
        try:
            document = self.request_object(
                'GET', '/traits?associated=true',
                microversion=PLACEMENT_VERSION)
        except rest.CloudError as exc:
            raise _name_right(exc, 'placement:traits:list') from None
        traits = document.get('traits')
        if not isinstance(traits, list):
            raise rest.CloudError('the response has no list of traits')
        return {trait for trait in traits if isinstance(trait, str)}

    def _providers(self, trait: str) -> Iterator[str]:
        query = urllib.parse.urlencode({'required': trait})
        try:
            document = self.request_object(
                'GET', f'/resource_providers?{query}',
                microversion=PLACEMENT_VERSION)
        except rest.CloudError as exc:
            raise _name_right(
                exc, 'placement:resource_providers:list') from None
        providers = document.get('resource_providers')
        if not isinstance(providers, list):
            raise rest.CloudError('the response has no list of '
                                  'resource_providers')
        for provider in providers:
            if isinstance(provider, dict):
                yield str(provider.get('uuid'))


def _name_right(exc: rest.CloudError, right: str) -> rest.CloudError:
    """Return an error that names the right that a user lacks."""
    if exc.status not in (401, 403) or not right:
        return exc
    return rest.CloudError(f'{exc}. The right {right} is missing', exc.status)
