# SPDX-License-Identifier: Apache-2.0
"""What a driver knows of the host that it runs on.

The drivers for Hyper-V, compute-hyperv's and Nova's own, keep os-win and
their image cache under the same names. Other drivers have neither.
"""

from __future__ import annotations

from typing import Any

from nova import objects as nova_objects
from oslo_log import log as logging

from hyperv_sched.compute import compute_hyperv

LOG = logging.getLogger(__name__)


class Host:
    """The host of a driver, which is asked anew each time."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def reported(self, instance: Any) -> tuple[object, object]:
        """The hypervisor and its version, of the node of a server.

        During an evacuation the instance still names the node that it comes
        from.
        """
        nodes = self._driver.get_available_nodes()
        return self.reported_by(
            instance.node if instance.node in nodes else nodes[0])

    def reported_by(self, node: str) -> tuple[object, object]:
        """The hypervisor and its version, as Nova has them of a node.

        Those of a driver for Hyper-V come from what os-win keeps: to count
        all resources takes Windows a dozen queries of WMI.
        """
        hostops = getattr(self._driver, '_hostops', None)
        version = getattr(hostops, '_get_hypervisor_version', None)
        if version is not None:
            return 'hyperv', version()
        resources = self._driver.get_available_resource(node)
        return (resources.get('hypervisor_type'),
                resources.get('hypervisor_version'))

    def windows_version(self) -> object:
        """The version with its build, where the driver has os-win."""
        hostops = getattr(self._driver, '_hostops', None)
        hostutils = getattr(hostops, '_hostutils', None)
        return hostutils and hostutils.get_windows_version()

    def vm_generation(self, instance: Any) -> int | None:
        """Return the generation of a virtual machine; None if unknown."""
        try:
            return compute_hyperv.vm_generation(self._driver, instance)
        except Exception:
            # The operation itself will find out what is wrong.
            LOG.exception('Cannot read the generation of the virtual machine',
                          instance=instance)
            return None

    def cached_image(self, image_id: str) -> str | None:
        """The path of an image that the driver need not download again."""
        imagecache = getattr(self._driver, '_imagecache', None)
        pathutils = getattr(imagecache, '_pathutils', None)
        path: str | None = pathutils and pathutils.get_image_path(image_id)
        return path


def reported_by_destination(context: Any,
                            instance: Any) -> tuple[object, object]:
    """What Nova knows of the host that a cold migration goes to."""
    context = context.elevated()
    migration = nova_objects.Migration.get_by_instance_and_status(
        context, instance.uuid, 'migrating')
    node = nova_objects.ComputeNode.get_by_host_and_nodename(
        context, migration.dest_compute, migration.dest_node)
    return node.hypervisor_type, node.hypervisor_version
