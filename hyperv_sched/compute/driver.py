# SPDX-License-Identifier: Apache-2.0
"""The driver that nova-compute loads, made from the one it enforces on."""

from __future__ import annotations

from typing import Any

from nova import exception
from nova.compute import vm_states
from nova.virt import driver as nova_driver
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import excutils
from oslo_utils import importutils

from hyperv_sched import conf
from hyperv_sched import objects
from hyperv_sched.compute import enforcement
from hyperv_sched.compute import traits

LOG = logging.getLogger(__name__)
CONF = cfg.CONF
conf.register_opts(CONF)


class EnforcedDriverMixin:
    """Judges an image before the driver that follows in the MRO sees it.

    Arguments are passed through as they come: Nova's drivers do not agree
    on their signatures from release to release.
    """

    capabilities: dict[str, bool]

    def spawn(self, context: Any, instance: Any, image_meta: Any,
              *args: Any, **kwargs: Any) -> Any:
        """Every road to a new VM: build, rebuild, unshelve, evacuate."""
        enforcement.check(context, instance, image_meta,
                          lambda: self._reported(instance))
        enforcement.check_devices(instance, image_meta,
                                  kwargs.get('block_device_info'))
        return super().spawn(  # type: ignore[misc]
            context, instance, image_meta, *args, **kwargs)

    def rebuild(self, context: Any, instance: Any, image_meta: Any,
                *args: Any, **kwargs: Any) -> Any:
        """Refuse while the guest is still there.

        Drivers leave the rest to Nova (NotImplementedError), which destroys
        the guest and spawns another.
        """
        enforcement.check_rebuild(context, instance, image_meta,
                                  lambda: self._reported(instance))
        enforcement.check_devices(instance, image_meta,
                                  kwargs.get('block_device_info'))
        return super().rebuild(  # type: ignore[misc]
            context, instance, image_meta, *args, **kwargs)

    def attach_volume(self, context: Any, connection_info: Any,
                      instance: Any, mountpoint: Any, disk_bus: Any = None,
                      *args: Any, **kwargs: Any) -> Any:
        """Refuse before the volume is connected to the host."""
        enforcement.check_bus(instance, None, disk_bus)
        return super().attach_volume(  # type: ignore[misc]
            context, connection_info, instance, mountpoint, disk_bus,
            *args, **kwargs)

    def rescue(self, context: Any, instance: Any, network_info: Any,
               image_meta: Any, rescue_password: Any, block_device_info: Any,
               *args: Any, **kwargs: Any) -> Any:
        """Refuse before the guest's disk is put aside.

        Nova has powered the guest off before it asks: one that ran, runs on.
        """
        try:
            enforcement.check_rescue(context, instance, image_meta,
                                     lambda: self._reported(instance))
        except exception.ImageUnacceptable:
            with excutils.save_and_reraise_exception():
                if instance.vm_state == vm_states.ACTIVE:
                    self.power_on(  # type: ignore[attr-defined]
                        context, instance, network_info, block_device_info)
        return super().rescue(  # type: ignore[misc]
            context, instance, network_info, image_meta, rescue_password,
            block_device_info, *args, **kwargs)

    def migrate_disk_and_power_off(self, context: Any, instance: Any,
                                   *args: Any, **kwargs: Any) -> Any:
        """Called on the host that the guest still runs on."""
        enforcement.check_departure(context, instance)
        return super().migrate_disk_and_power_off(  # type: ignore[misc]
            context, instance, *args, **kwargs)

    def finish_migration(self, context: Any, migration: Any, instance: Any,
                         *args: Any, **kwargs: Any) -> Any:
        """The first that the new host hears of a cold migration.

        The host that the guest left may not enforce anything.
        """
        enforcement.check_arrival(instance, lambda: self._reported(instance))
        return super().finish_migration(  # type: ignore[misc]
            context, migration, instance, *args, **kwargs)

    def finish_revert_migration(self, context: Any, instance: Any,
                                *args: Any, **kwargs: Any) -> Any:
        """A host may have changed since the guest left it."""
        enforcement.check_arrival(instance, lambda: self._reported(instance))
        return super().finish_revert_migration(  # type: ignore[misc]
            context, instance, *args, **kwargs)

    def check_can_live_migrate_destination(
            self, context: Any, instance: Any, *args: Any,
            **kwargs: Any) -> Any:
        """Called on the host that the guest would move to."""
        enforcement.check_live_migration(
            instance, lambda: self._reported(instance))
        driver: Any = super()
        return driver.check_can_live_migrate_destination(
            context, instance, *args, **kwargs)

    def pre_live_migration(self, context: Any, instance: Any,
                           *args: Any, **kwargs: Any) -> Any:
        """The last call before the guest moves: hosts may have changed."""
        enforcement.check_live_migration(
            instance, lambda: self._reported(instance))
        return super().pre_live_migration(  # type: ignore[misc]
            context, instance, *args, **kwargs)

    def update_provider_tree(self, provider_tree: Any, nodename: Any,
                             *args: Any, **kwargs: Any) -> Any:
        """Tell placement what the host can run, beside all else.

        Nova turns capabilities into traits after this
        (``nova/compute/resource_tracker.py`` ``_update_to_placement``).
        """
        result = super().update_provider_tree(  # type: ignore[misc]
            provider_tree, nodename, *args, **kwargs)
        host = objects.HostCapability.from_reported(
            *self._reported_by(nodename))
        found = traits.of(host, self._windows_version(), enforcement.policy())
        provider_tree.remove_traits(nodename, *traits.OWNED - found)
        provider_tree.add_traits(nodename, *found)
        if host.is_hyperv:
            # compute-hyperv runs Secure Boot and does not say so: Nova finds
            # no host for it. The class's own dictionary is not ours.
            self.capabilities = {
                **self.capabilities,
                'supports_secure_boot': traits.GENERATION_2 in found}
        return result

    def _reported(self, instance: Any) -> tuple[object, object]:
        """The hypervisor and its version, from the driver itself.

        During an evacuation the instance still names the node that it comes
        from.
        """
        nodes = self.get_available_nodes()  # type: ignore[attr-defined]
        return self._reported_by(
            instance.node if instance.node in nodes else nodes[0])

    def _reported_by(self, node: Any) -> tuple[object, object]:
        resources = self.get_available_resource(  # type: ignore[attr-defined]
            node)
        return (resources.get('hypervisor_type'),
                resources.get('hypervisor_version'))

    def _windows_version(self) -> object:
        """The version with its build, where the driver has os-win.

        compute-hyperv and Nova's own driver keep it in the same place.
        """
        hostops = getattr(self, '_hostops', None)
        hostutils = getattr(hostops, '_hostutils', None)
        return hostutils and hostutils.get_windows_version()


def EnforcedDriver(virtapi: Any, *args: Any,
                   **kwargs: Any) -> nova_driver.ComputeDriver:
    """Make the driver that ``[hyperv_sched] compute_driver`` names, enforced.

    A function under the name of a class: which class it is, the
    configuration says.

    Nova calls what ``compute_driver`` names with its VirtAPI and asks for a
    ComputeDriver (``nova/virt/driver.py`` ``load_compute_driver``).

    :raises ImportError: no such driver, or a class that is none; Nova logs
        it and stops the service.
    """
    name = CONF.hyperv_sched.compute_driver
    base = importutils.import_class(f'nova.virt.{name}')
    if not (isinstance(base, type)
            and issubclass(base, nova_driver.ComputeDriver)):
        raise ImportError(
            f'[hyperv_sched] compute_driver = {name} is not a Nova driver')
    enforced = type(f'Enforced{base.__name__}',
                    (EnforcedDriverMixin, base), {})
    LOG.info('Enforcing Hyper-V generation rules on compute driver %s', name)
    driver: nova_driver.ComputeDriver = enforced(virtapi, *args, **kwargs)
    return driver
