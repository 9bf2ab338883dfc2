# SPDX-License-Identifier: Apache-2.0
"""The driver that nova-compute loads: another driver with checks first.

A method of the driver makes the request (``enforcement.make_request``) and
enforces the checks of its operation (``enforcement.enforce``,
``operations.OPERATIONS``, ``checks``) before it calls the other driver.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from nova.compute import power_state
from nova.compute import utils as compute_utils
from nova.virt import driver as nova_driver
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import excutils

from hyperv_sched import compatibility
from hyperv_sched import conf
from hyperv_sched import names
from hyperv_sched import objects
from hyperv_sched import traits
from hyperv_sched import versions
from hyperv_sched.compute import checks
from hyperv_sched.compute import compute_hyperv
from hyperv_sched.compute import devices
from hyperv_sched.compute import enforcement
from hyperv_sched.compute import hosts
from hyperv_sched.compute import images
from hyperv_sched.compute import origin
from hyperv_sched.compute import releases
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)
CONF = cfg.CONF
conf.register_opts(CONF)


class EnforcedDriverMixin(compute_hyperv.DriverMixin):
    """Check each image before the driver that follows in the MRO uses it.

    Arguments that are not read are passed on as they are: the signatures of
    Nova's drivers differ between releases.
    """

    capabilities: dict[str, bool]

    #: The operator's settings for this host.
    generation_policy: compatibility.Policy

    def prepare_for_spawn(self, instance: Any, *args: Any,
                          **kwargs: Any) -> Any:
        """Check a new server before anything is made for it.

        Nova calls this for new servers only.
        """
        context = instance.obj_context
        self._enforce(
            'prepare_for_spawn', context, instance,
            root_is_volume=lambda: compute_utils.is_volume_backed_instance(
                context, instance))
        return super().prepare_for_spawn(instance, *args, **kwargs)

    def spawn(self, context: Any, instance: Any, image_meta: Any,
              injected_files: Any, admin_password: Any, allocations: Any,
              network_info: Any = None, block_device_info: Any = None,
              *args: Any, **kwargs: Any) -> Any:
        """Check a build, rebuild, unshelve or evacuation.

        The disk buses in block_device_info are then written as the driver
        knows them.
        """
        origin.restore_for_spawn(instance)
        image = enforcement.read_image(
            'spawn', self, context, instance, image_meta)
        request = self._enforce(
            'spawn', context, instance, image, block_device_info)
        _normalize_disk_buses(request, block_device_info)
        releases.record(instance, hosts.Host(self))
        return super().spawn(
            context, instance, image, injected_files, admin_password,
            allocations, network_info, block_device_info, *args, **kwargs)

    def rebuild(self, context: Any, instance: Any, image_meta: Any,
                *args: Any, **kwargs: Any) -> Any:
        """Check the image while the guest still exists.

        Drivers leave the rebuild itself to Nova (NotImplementedError), which
        destroys the guest and spawns another one.
        """
        if kwargs.get('evacuate'):
            origin.restore(instance, hosts.Host(self))
            # Nova passes the same object to the spawn that follows.
            images.correct_image_meta(image_meta, instance)
            self._enforce_rebuild('evacuate', context, instance, image_meta,
                                  kwargs)
        else:
            try:
                self._enforce_rebuild('rebuild', context, instance,
                                      image_meta, kwargs)
            except Exception:
                with excutils.save_and_reraise_exception():
                    origin.restore_after_refusal(instance, hosts.Host(self))
            # Nova destroys the guest next.
            origin.record(instance)
        return super().rebuild(
            context, instance, image_meta, *args, **kwargs)

    def _enforce_rebuild(self, operation: str, context: Any, instance: Any,
                         image_meta: Any, kwargs: dict[str, Any]) -> None:
        image = enforcement.read_image(
            operation, self, context, instance, image_meta)
        self._enforce(operation, context, instance, image,
                      kwargs.get('block_device_info'))

    def attach_volume(self, context: Any, connection_info: Any,
                      instance: Any, mountpoint: Any, disk_bus: Any = None,
                      *args: Any, **kwargs: Any) -> Any:
        """Check the bus before the volume is connected to the host."""
        origin.restore(instance, hosts.Host(self))
        self._enforce('attach_volume', context, instance,
                      disk_buses=() if disk_bus is None else (disk_bus,))
        return super().attach_volume(
            context, connection_info, instance, mountpoint, disk_bus,
            *args, **kwargs)

    def rescue(self, context: Any, instance: Any, network_info: Any,
               image_meta: Any, rescue_password: Any, block_device_info: Any,
               *args: Any, **kwargs: Any) -> Any:
        """Check the rescue image before the guest's disk is moved.

        Nova has stopped the guest before: after a refusal it is started
        again.
        """
        origin.restore(instance, hosts.Host(self))
        try:
            image = enforcement.read_image(
                'rescue', self, context, instance, image_meta)
            self._enforce('rescue', context, instance, image)
        except Exception:
            with excutils.save_and_reraise_exception():
                # Nova has not updated it yet.
                if instance.power_state == power_state.RUNNING:
                    self._start(context, instance, network_info,
                                block_device_info)
        return super().rescue(
            context, instance, network_info, image, rescue_password,
            block_device_info, *args, **kwargs)

    def _start(self, context: Any, instance: Any, *args: Any) -> None:
        """Start a guest again, and log an error: the refusal is raised."""
        try:
            self.power_on(context, instance, *args)
        except Exception:
            LOG.exception('Cannot start the guest again', instance=instance)

    def migrate_disk_and_power_off(self, context: Any, instance: Any,
                                   dest: Any, flavor: Any, *args: Any,
                                   **kwargs: Any) -> Any:
        """Check the destination while the guest runs on this host."""
        host = hosts.Host(self)
        origin.restore(instance, host)
        # Nova saves the instance when the guest leaves.
        releases.record_if_missing(instance, host)

        @functools.cache
        def node() -> Any:
            return hosts.destination_node(context, instance)

        self._enforce(
            'migrate_disk_and_power_off', context, instance, flavor=flavor,
            read_host=lambda: (node().hypervisor_type,
                               node().hypervisor_version),
            read_older_release=lambda: (
                None if self.remakes_moved_guests else
                releases.older_at(context, instance, node())))
        return super().migrate_disk_and_power_off(
            context, instance, dest, flavor, *args, **kwargs)

    def finish_migration(self, context: Any, migration: Any, instance: Any,
                         disk_info: Any, network_info: Any, image_meta: Any,
                         resize_instance: Any, allocations: Any,
                         block_device_info: Any = None, *args: Any,
                         **kwargs: Any) -> Any:
        """Check this host, the destination of a cold migration.

        This is the first call there, and the source may enforce nothing. The
        driver acts on the image that the server was created from, which may
        be edited or deleted since. Disk buses are written as by spawn.
        """
        request = self._enforce_cold_arrival(
            'finish_migration', context, instance, info=block_device_info)
        images.correct_image_meta(image_meta, instance)
        _normalize_disk_buses(request, block_device_info)
        return super().finish_migration(
            context, migration, instance, disk_info, network_info,
            self.server_image(instance, image_meta), resize_instance,
            allocations, block_device_info, *args, **kwargs)

    def finish_revert_migration(self, context: Any, instance: Any,
                                *args: Any, **kwargs: Any) -> Any:
        """Check this host, which may have changed since the guest left."""
        self._enforce_cold_arrival(
            'finish_revert_migration', context, instance)
        return super().finish_revert_migration(
            context, instance, *args, **kwargs)

    def check_can_live_migrate_destination(
            self, context: Any, instance: Any, *args: Any,
            **kwargs: Any) -> Any:
        """Check this host, the destination of a live migration."""
        self._enforce_arrival(
            'check_can_live_migrate_destination', context, instance)
        return super().check_can_live_migrate_destination(
            context, instance, *args, **kwargs)

    def pre_live_migration(self, context: Any, instance: Any,
                           *args: Any, **kwargs: Any) -> Any:
        """Check this host once more, just before the guest moves."""
        self._enforce_arrival('pre_live_migration', context, instance)
        return super().pre_live_migration(
            context, instance, *args, **kwargs)

    def check_can_live_migrate_source(self, context: Any, instance: Any,
                                      *args: Any, **kwargs: Any) -> Any:
        """Record the Windows that the guest leaves, if there is no record.

        The destination has read it from the traits of this host.
        """
        if releases.record_if_missing(instance, hosts.Host(self)):
            instance.save()
        return super().check_can_live_migrate_source(
            context, instance, *args, **kwargs)

    def _enforce_cold_arrival(
            self, operation: str, context: Any, instance: Any,
            **members: Any) -> checks.Request:
        """Check this host for the guest of a cold migration."""
        if not self.remakes_moved_guests:
            return self._enforce_arrival(
                operation, context, instance, **members)
        request = self._enforce_arrival(
            operation, context, instance, read_older_release=lambda: None,
            **members)
        # Nova saves the instance.
        releases.record(instance, hosts.Host(self))
        return request

    def _enforce_arrival(self, operation: str, context: Any, instance: Any,
                         **members: Any) -> checks.Request:
        host = hosts.Host(self)
        origin.restore(instance, host)
        return self._enforce(operation, context, instance, **{
            'read_older_release': lambda: releases.older_here(
                context, instance, host), **members})

    def snapshot(self, context: Any, instance: Any, image_id: Any,
                 *args: Any, **kwargs: Any) -> Any:
        """Give the snapshot the properties of the guest's own image."""
        wrong = origin.restore(instance, hosts.Host(self))
        if wrong is not None:
            origin.correct_snapshot(context, instance, image_id, wrong)
        return super().snapshot(context, instance, image_id, *args, **kwargs)

    def reboot(self, context: Any, instance: Any, *args: Any,
               **kwargs: Any) -> Any:
        """Correct Nova's records: users reboot after a refused rebuild."""
        origin.restore(instance, hosts.Host(self))
        return super().reboot(context, instance, *args, **kwargs)

    def power_on(self, context: Any, instance: Any, *args: Any,
                 **kwargs: Any) -> Any:
        """Correct Nova's records, as :meth:`reboot` does."""
        origin.restore(instance, hosts.Host(self))
        return super().power_on(context, instance, *args, **kwargs)

    def update_provider_tree(self, provider_tree: Any, nodename: Any,
                             *args: Any, **kwargs: Any) -> Any:
        """Add the traits of this host to those of the driver.

        Nova turns capabilities into traits after this call
        (``nova/compute/resource_tracker.py`` ``_update_to_placement``).
        """
        result = super().update_provider_tree(
            provider_tree, nodename, *args, **kwargs)
        host = hosts.Host(self)
        capability = objects.HostCapability.from_reported(
            *host.hypervisor_info(nodename))
        present = traits.host_traits(
            capability, host.windows_version(), self.generation_policy)
        provider_tree.remove_traits(
            nodename, *traits.owned_traits(capability) - present)
        provider_tree.add_traits(nodename, *present)
        if capability.is_hyperv:
            # compute-hyperv supports Secure Boot but does not report it, and
            # without the trait Nova finds no host. The dictionary of the
            # class is shared with drivers that are not enforced.
            self.capabilities = {
                **self.capabilities,
                'supports_secure_boot': names.GENERATION_2_TRAIT in present}
        return result

    def _enforce(self, operation: str, context: Any, instance: Any,
                 image: Any = None,
                 info: devices.BlockDeviceInfo | None = None,
                 **members: Any) -> checks.Request:
        """Refuse an operation, or return the request that was checked."""
        request = enforcement.make_request(
            hosts.Host(self), self.generation_policy, context, instance,
            image, info, **members)
        enforcement.enforce(operation, context, instance, request)
        return request


def _normalize_disk_buses(request: checks.Request,
                          info: devices.BlockDeviceInfo | None) -> None:
    if request.disk_buses and request.host.is_hyperv:
        compute_hyperv.normalize_disk_buses(info)


def EnforcedDriver(virtapi: Any, *args: Any,
                   **kwargs: Any) -> nova_driver.ComputeDriver:
    """Return the driver of ``[hyperv_sched] compute_driver``, enforced.

    A function with the name of a class: the class is made of the configured
    one. Nova calls it with its VirtAPI and expects a ComputeDriver
    (``nova/virt/driver.py`` ``load_compute_driver``).

    :raises ImportError: an option of [hyperv_sched] is not valid; Nova logs
        it and stops the service.
    """
    try:
        name, minimum = conf.read(
            CONF, 'compute_driver', 'gen2_minimum_version')
    except conf.InvalidOptionError as exc:
        # Nova reports a ValueError as a wrong [DEFAULT] compute_driver.
        raise ImportError(str(exc)) from exc
    base = _import_driver(name)
    # accept_unknown_version stays False: a driver knows its own version.
    policy = compatibility.Policy(
        generation_2_minimum=versions.Version(minimum))
    enforced = type(f'Enforced{base.__name__}', (EnforcedDriverMixin, base),
                    {'generation_policy': policy})
    LOG.info('Enforcing Hyper-V generation rules on compute driver %s', name)
    driver: nova_driver.ComputeDriver = enforced(virtapi, *args, **kwargs)
    return driver


def _import_driver(name: str) -> type[nova_driver.ComputeDriver]:
    """Import a driver from below ``nova.virt``, as Nova does.

    :raises ImportError: it cannot be imported; with the option that names it
    """
    option = conf.location(CONF, 'compute_driver')
    module, _, class_name = f'nova.virt.{name}'.rpartition('.')
    try:
        driver = getattr(importlib.import_module(module), class_name, None)
    except Exception as exc:
        raise ImportError(
            f"{option} is '{escape(name)}', which cannot be "
            f'imported: {type(exc).__name__}: {escape(exc)}'
        ) from exc
    if not (isinstance(driver, type)
            and issubclass(driver, nova_driver.ComputeDriver)):
        raise ImportError(
            f"{option} is '{escape(name)}', which is not a compute "
            'driver below nova.virt')
    return driver
