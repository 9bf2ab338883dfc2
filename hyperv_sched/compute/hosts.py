# SPDX-License-Identifier: Apache-2.0
"""Hypervisor and virtual machines of the host that a driver runs on."""

from __future__ import annotations

from typing import Any

from nova import objects as nova_objects
from oslo_log import log as logging

from hyperv_sched.compute import compute_hyperv

LOG = logging.getLogger(__name__)

#: hypervisor_type and hypervisor_version as a compute node has them.
HypervisorInfo = tuple[object, object]


class Host:
    """The host of a driver; each method reads the current state."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def hypervisor_info_for(self, instance: Any) -> HypervisorInfo:
        """Return the hypervisor of the node that a server is for.

        During an evacuation the instance still has the node that it leaves.
        """
        nodes = self._driver.get_available_nodes()
        return self.hypervisor_info(
            instance.node if instance.node in nodes else nodes[0])

    def hypervisor_info(self, node: str) -> HypervisorInfo:
        """Return the hypervisor of a node."""
        version = compute_hyperv.hypervisor_version(self._driver)
        if version is not None:
            return 'hyperv', version
        resources = self._driver.get_available_resource(node)
        return (resources.get('hypervisor_type'),
                resources.get('hypervisor_version'))

    def windows_version(self) -> object:
        """Return the version with its build; None if unknown."""
        return compute_hyperv.windows_version(self._driver)

    def vm_generation(self, instance: Any) -> int | None:
        """Return the generation of a virtual machine; None if unknown."""
        try:
            return compute_hyperv.vm_generation(self._driver, instance)
        except Exception:
            # The operation itself fails for the same reason.
            LOG.exception('Cannot read the generation of the virtual machine',
                          instance=instance)
            return None

    def cached_image_path(self, image_id: str) -> str | None:
        """Return the file of an image in the driver's cache."""
        return compute_hyperv.cached_image_path(self._driver, image_id)


def destination_node(context: Any, instance: Any) -> Any:
    """Return the compute node that a cold migration goes to."""
    migration = nova_objects.Migration.get_by_instance_and_status(
        context.elevated(), instance.uuid, 'migrating')
    return find_node(context, migration.dest_compute, migration.dest_node)


def find_node(context: Any, host: str, node: str) -> Any:
    """Return a compute node by its host and its name."""
    return nova_objects.ComputeNode.get_by_host_and_nodename(
        context.elevated(), host, node)
