# SPDX-License-Identifier: Apache-2.0
"""The hosts of a cloud, as Nova and placement report them.

Hosts that the decision cannot tell apart are equal: a cloud of thousands has
few groups of equal hosts.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

from hyperv_sched import objects

#: A name of a host is shown up to this many characters.
MAX_NAME = 255


class InvalidHostError(ValueError):
    """A host that is not described as Nova describes it."""


@dataclasses.dataclass(frozen=True)
class Host:
    """One compute node."""

    name: str
    """Its hypervisor_hostname."""
    hypervisor_type: str | None = None
    hypervisor_version: int | None = None
    """Nova's number, ``major * 1000 + minor`` for Hyper-V."""
    service_host: str = ''
    """The host of its nova-compute, as servers name it."""
    state: str = 'up'
    status: str = 'enabled'
    traits: frozenset[str] | None = None
    """None if they were not read."""
    supported_instances: tuple[tuple[str, ...], ...] | None = None
    """Architecture, hypervisor and mode of guests; None if unknown: the API
    of Nova does not show them."""
    uuid: str = ''
    windows_version: str | None = None
    """With its build, 10.0.20348 or similar; Nova does not show it."""

    @property
    def is_available(self) -> bool:
        """Whether Nova schedules to the host."""
        return self.state == 'up' and self.status == 'enabled'

    @functools.cached_property
    def capability(self) -> objects.HostCapability:
        """The capability that the decision reads."""
        return objects.HostCapability.from_reported(
            self.hypervisor_type, self.hypervisor_version)


@dataclasses.dataclass(frozen=True)
class HostGroup:
    """Hosts that the decision cannot tell apart."""

    hosts: tuple[Host, ...]

    @property
    def example(self) -> Host:
        """A host that stands for all."""
        return self.hosts[0]

    @property
    def title(self) -> str:
        """The hypervisor of the hosts, and what sets them apart."""
        host = self.example
        version: object = host.capability.hypervisor_version
        if version is None:
            version = (host.hypervisor_version if host.hypervisor_version
                       else 'without a version')
        words = [f'{host.capability.hypervisor_type or "no hypervisor"} '
                 f'{version}']
        words += [word for word, usual in ((host.state, 'up'),
                                           (host.status, 'enabled'))
                  if word != usual]
        if host.traits:
            words.append(' '.join(sorted(host.traits)))
        return ', '.join(words)


def from_document(raw: object) -> Host:
    """Read a host from a member of ``GET /os-hypervisors/detail``.

    ``traits``, ``supported_instances`` and ``windows_version`` are members of
    files only.

    :raises InvalidHostError: a member has the wrong type.
    """
    if not isinstance(raw, Mapping):
        raise InvalidHostError('is not an object')
    name = raw.get('hypervisor_hostname')
    if not isinstance(name, str) or not name:
        raise InvalidHostError('hypervisor_hostname must be a text')
    hypervisor = raw.get('hypervisor_type')
    if not isinstance(hypervisor, str | None):
        raise InvalidHostError('hypervisor_type must be a text')
    version = raw.get('hypervisor_version')
    if isinstance(version, bool) or not isinstance(version, int | None):
        raise InvalidHostError(
            'hypervisor_version must be a whole number as Nova has it, 10000 '
            'for Windows Server 2016 and newer or 6003 for 2012 R2')
    windows = raw.get('windows_version')
    if not isinstance(windows, str | None):
        raise InvalidHostError('windows_version must be a text')
    service = raw.get('service')
    service_host = (service.get('host') if isinstance(service, Mapping)
                    else None)
    return Host(
        name[:MAX_NAME], hypervisor, version,
        str(service_host or name)[:MAX_NAME],
        _word(raw, 'state', ('up', 'down')),
        _word(raw, 'status', ('enabled', 'disabled')),
        _traits(raw.get('traits')),
        _supported(raw.get('supported_instances')),
        str(raw.get('id') or '')[:MAX_NAME], windows)


def _word(raw: Mapping[str, Any], name: str, words: tuple[str, str]) -> str:
    value = raw.get(name, words[0])
    if value not in words:
        raise InvalidHostError(f'{name} must be {" or ".join(words)}')
    return str(value)


def _traits(value: object) -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(
            isinstance(trait, str) for trait in value):
        raise InvalidHostError('traits must be a list of texts')
    return frozenset(value)


def _supported(value: object) -> tuple[tuple[str, ...], ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(
            isinstance(kind, list) and len(kind) == 3
            and all(isinstance(word, str) for word in kind)
            for kind in value):
        raise InvalidHostError(
            'supported_instances must be a list of lists of three texts')
    return tuple(map(tuple, value))


def group(hosts: Iterable[Host],
          traits: Collection[str] = ()) -> list[HostGroup]:
    """Group equal hosts, the largest group first.

    :param traits: those that matter; hosts that differ in others are equal
    """
    relevant = frozenset(traits)
    groups: dict[tuple[object, ...], list[Host]] = {}
    for host in hosts:
        known = None if host.traits is None else host.traits & relevant
        key = (host.hypervisor_type, host.hypervisor_version, host.state,
               host.status, known, host.supported_instances)
        groups.setdefault(key, []).append(
            dataclasses.replace(host, traits=known))
    return [HostGroup(tuple(members)) for members in sorted(
        groups.values(), key=lambda members: (-len(members),
                                              members[0].name))]
