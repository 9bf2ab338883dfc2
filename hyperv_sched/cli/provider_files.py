# SPDX-License-Identifier: Apache-2.0
"""What "host provider-config" does: a file that Nova reads on a host.

Nova's format is that of ``nova/compute/provider_config.py``. It refuses to
start where a file names a provider twice, or has a trait that is not custom.
"""

from __future__ import annotations

import argparse
import collections
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
from typing import Any
from typing import TextIO
import uuid

import yaml

from hyperv_sched import compatibility
from hyperv_sched import inventory
from hyperv_sched import names
from hyperv_sched import traits
from hyperv_sched.cli import base
from hyperv_sched.cli import cloud
from hyperv_sched.cli import inputs

#: The longest name of a provider.
_MAX_NAME = 200

#: Nova's name for all providers of a nova-compute.
_ANY = '$COMPUTE_NODE'

_HEAD = """\
# Traits of Hyper-V hosts, from hyperv-sched host provider-config.
# Copy this file to /etc/nova/provider_config/ on each of these hosts, and
# restart nova-compute there. It logs a warning for each of the other hosts:
# name one host on the command line to write the file of that host alone.
"""


def run(app: Any, args: argparse.Namespace, stream: TextIO,
        print_error: inputs.PrintError) -> None:
    """Read the hosts and write the file.

    :raises base.UsageError: a host that was named does not exist, or needs
        no file.
    """
    source = cloud.Source(
        app, args, print_error, quiet=getattr(
            app.options, 'verbose_level', 1) == 0)
    hosts = source.with_traits(source.hosts(), [names.BIOS_TRAIT])
    selected = [host for host in hosts if _needs_file(host)
                and (not args.names or host.name in args.names)]
    _check_names(args.names, hosts, selected)
    document = {
        'meta': {'schema_version': '1.0'},
        'providers': [*_providers(selected, cloud.policy(args),
                                  print_error)]}
    stream.write(_HEAD)
    yaml.safe_dump(document, stream, sort_keys=False)


def _check_names(names: Sequence[str], hosts: Sequence[inventory.Host],
                 selected: Sequence[inventory.Host]) -> None:
    known = {host.name: host for host in hosts}
    needing = {host.name for host in selected}
    for name in names:
        if name not in known:
            raise base.UsageError(f'no host has the name {name!r}')
        if name not in needing:
            raise base.UsageError(f'{name} needs no file: ' + (
                'it reports its traits itself'
                if known[name].capability.is_hyperv
                else 'it does not run Hyper-V'))


def _needs_file(host: inventory.Host) -> bool:
    """Return whether the driver of a Hyper-V host reports no traits.

    A provider.yaml cannot have the trait for BIOS, which is not custom:
    EnforcedDriver has reported it.
    """
    return host.capability.is_hyperv and (
        host.traits is None or names.BIOS_TRAIT not in host.traits)


def _providers(hosts: Sequence[inventory.Host], policy: compatibility.Policy,
               print_error: inputs.PrintError) -> Iterator[dict[str, Any]]:
    number = collections.Counter(host.name for host in hosts)
    for host in hosts:
        identification = _identify(host, number[host.name] == 1)
        if identification is None:
            print_error(f'the host {host.name} is left out: Nova finds it '
                        'neither by its name nor by its UUID')
            continue
        yield {
            'identification': identification,
            'traits': {'additional': sorted(
                traits.CUSTOM & traits.host_traits(
                    host.capability, host.windows_version, policy))}}


def _identify(host: inventory.Host, is_unique: bool) -> dict[str, str] | None:
    """Return what Nova finds the provider of a host by; None for nothing."""
    if (is_unique and len(host.name) <= _MAX_NAME and host.name != _ANY
            and _uuid(host.name) is None):
        return {'name': host.name}
    found = _uuid(host.uuid)
    return None if found is None else {'uuid': found}


def _uuid(value: str) -> str | None:
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(value))
    return None
