# SPDX-License-Identifier: Apache-2.0
"""The Windows that a virtual machine was made on, and that it moves to.

A virtual machine keeps the configuration version of the Windows that made it,
and an older Windows cannot import it. Nova sees no difference between the
releases from 2016 on, whose version is 10.0.
"""

from __future__ import annotations

from typing import Any

from nova.scheduler.client import report
from oslo_log import log as logging

from hyperv_sched import names
from hyperv_sched import objects
from hyperv_sched import traits
from hyperv_sched import versions
from hyperv_sched.compute import hosts

LOG = logging.getLogger(__name__)


def record(instance: Any, host: hosts.Host) -> None:
    """Record the Windows on which a virtual machine is made now.

    Nova saves the instance after the driver's method that calls this.
    """
    build = traits.parse_build(host.windows_version())
    if build is None:
        instance.system_metadata.pop(names.RELEASE_KEY, None)
    else:
        instance.system_metadata[names.RELEASE_KEY] = str(build)


def record_if_missing(instance: Any, host: hosts.Host) -> bool:
    """Record the Windows of the host that a guest runs on.

    For a guest that was made without a record: it is not newer than this.

    :returns: whether the record has changed
    """
    if read(instance) is not None:
        return False
    record(instance, host)
    return names.RELEASE_KEY in instance.system_metadata


def read(instance: Any) -> versions.Version | None:
    """Return the Windows that the guest was made on; None if unknown."""
    return traits.parse_build(instance.system_metadata.get(names.RELEASE_KEY))


def older_here(context: Any, instance: Any,
               host: hosts.Host) -> tuple[str, str] | None:
    """Return this Windows and that of an arriving guest, if it is newer."""
    capability = objects.HostCapability.from_reported(
        *host.hypervisor_info_for(instance))
    if not capability.is_hyperv:
        return None
    return _older(instance, read(instance) or _source_build(context, instance),
                  traits.HostRelease(
                      traits.parse_build(host.windows_version()),
                      capability.hypervisor_version))


def older_at(context: Any, instance: Any,
             node: Any) -> tuple[str, str] | None:
    """Return the Windows of a node and that of the guest, if it is newer.

    :param node: the compute node that the guest is to go to
    """
    capability = objects.HostCapability.from_reported(
        node.hypervisor_type, node.hypervisor_version)
    if not capability.is_hyperv:
        return None
    return _older(instance, read(instance), traits.HostRelease(
        version=capability.hypervisor_version,
        traits=_read_traits(context, node)))


def _older(instance: Any, made_on: versions.Version | None,
           release: traits.HostRelease) -> tuple[str, str] | None:
    try:
        if made_on is None:
            raise traits.UnknownReleaseError
        older = release.describe_older(made_on)
    except traits.UnknownReleaseError:
        LOG.warning('The destination may run an older Windows than the one '
                    'that the guest was made on (%(made)s): its release is '
                    'unknown. The guest is allowed to move',
                    {'made': made_on or 'unknown'}, instance=instance)
        return None
    return None if older is None else (older, str(made_on))


def _source_build(context: Any, instance: Any) -> versions.Version | None:
    """Return the oldest Windows that the host of a guest can run."""
    try:
        found = _read_traits(context, hosts.find_node(
            context, instance.host, instance.node))
    except Exception:
        LOG.debug('Cannot read the compute node', exc_info=True,
                  instance=instance)
        return None
    return None if found is None else traits.least_build(found)


def _read_traits(context: Any, node: Any) -> frozenset[str] | None:
    """Return the traits of a node; None if they cannot be read."""
    try:
        client = report.report_client_singleton()
        return frozenset(client.get_provider_traits(
            context.elevated(), node.uuid).traits)
    except Exception:
        LOG.debug('Cannot read the traits of the node', exc_info=True)
        return None
