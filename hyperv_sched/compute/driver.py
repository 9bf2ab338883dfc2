# SPDX-License-Identifier: Apache-2.0
"""The driver that nova-compute loads, made from the one it enforces on."""

from __future__ import annotations

from collections.abc import Generator
import contextlib
import importlib
from typing import Any

from nova.compute import vm_states
from nova.virt import driver as nova_driver
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import excutils

from hyperv_sched import compatibility
from hyperv_sched import conf
from hyperv_sched import objects
from hyperv_sched import versions
from hyperv_sched.compute import devices
from hyperv_sched.compute import enforcement
from hyperv_sched.compute import hosts
from hyperv_sched.compute import images
from hyperv_sched.compute import origin
from hyperv_sched.compute import traits
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)
CONF = cfg.CONF
conf.register_opts(CONF)


class EnforcedDriverMixin:
    """Judges an image before the driver that follows in the MRO sees it.

    Arguments are passed through as they come: Nova's drivers do not agree
    on their signatures from release to release.
    """

    capabilities: dict[str, bool]

    #: What the operator decides for this host.
    generation_policy: compatibility.Policy

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        images.hand_to_reverts(self)

    def prepare_for_spawn(self, instance: Any, *args: Any,
                          **kwargs: Any) -> Any:
        """Called for new servers only, and before anything is made."""
        enforcement.check_prepare(
            self._operation(
                'prepare_for_spawn', instance.obj_context, instance))
        return super().prepare_for_spawn(  # type: ignore[misc]
            instance, *args, **kwargs)

    def spawn(self, context: Any, instance: Any, image_meta: Any,
              injected_files: Any, admin_password: Any, allocations: Any,
              network_info: Any = None, block_device_info: Any = None,
              *args: Any, **kwargs: Any) -> Any:
        """Every road to a new VM: build, rebuild, unshelve, evacuate."""
        origin.restore_for_spawn(instance)
        operation = self._operation('spawn', context, instance)
        with self._image(operation, image_meta) as document:
            enforcement.check_spawn(operation, document, block_device_info)
            self._cure(instance, block_device_info)
            return super().spawn(  # type: ignore[misc]
                context, instance, image_meta, injected_files,
                admin_password, allocations, network_info,
                block_device_info, *args, **kwargs)

    def rebuild(self, context: Any, instance: Any, image_meta: Any,
                *args: Any, **kwargs: Any) -> Any:
        """Refuse while the guest is still there.

        Drivers leave the rest to Nova (NotImplementedError), which destroys
        the guest and spawns another.
        """
        evacuate = bool(kwargs.get('evacuate'))
        if evacuate:
            operation = self._restored('rebuild', context, instance)
            # Nova hands the same object to the spawn that follows.
            images.correct(image_meta, instance)
        else:
            operation = self._operation('rebuild', context, instance)
        try:
            with self._image(operation, image_meta) as document:
                enforcement.check_rebuild(
                    operation, document, kwargs.get('block_device_info'),
                    evacuate)
        except Exception:
            with excutils.save_and_reraise_exception():
                if not evacuate:
                    origin.restore_after_refusal(instance, operation.host)
        if not evacuate:
            # From here on the guest is destroyed and made anew.
            origin.keep(instance)
        return super().rebuild(  # type: ignore[misc]
            context, instance, image_meta, *args, **kwargs)

    def attach_volume(self, context: Any, connection_info: Any,
                      instance: Any, mountpoint: Any, disk_bus: Any = None,
                      *args: Any, **kwargs: Any) -> Any:
        """Refuse before the volume is connected to the host."""
        enforcement.check_bus(
            self._restored('attach_volume', context, instance), disk_bus)
        return super().attach_volume(  # type: ignore[misc]
            context, connection_info, instance, mountpoint, disk_bus,
            *args, **kwargs)

    def rescue(self, context: Any, instance: Any, network_info: Any,
               image_meta: Any, rescue_password: Any, block_device_info: Any,
               *args: Any, **kwargs: Any) -> Any:
        """Refuse before the guest's disk is put aside.

        Nova has powered the guest off before it asks: one that ran, runs on.
        """
        operation = self._restored('rescue', context, instance)
        with contextlib.ExitStack() as stack:
            try:
                enforcement.check_rescue(operation, stack.enter_context(
                    self._image(operation, image_meta)))
            except Exception:
                with excutils.save_and_reraise_exception():
                    if instance.vm_state == vm_states.ACTIVE:
                        self._start(context, instance, network_info,
                                    block_device_info)
            return super().rescue(  # type: ignore[misc]
                context, instance, network_info, image_meta,
                rescue_password, block_device_info, *args, **kwargs)

    def _start(self, context: Any, instance: Any, *args: Any) -> None:
        """Start a guest again; why it was stopped matters more than this."""
        driver: Any = self
        try:
            driver.power_on(context, instance, *args)
        except Exception:
            LOG.exception('Cannot start the guest again', instance=instance)

    def migrate_disk_and_power_off(self, context: Any, instance: Any,
                                   dest: Any, flavor: Any, *args: Any,
                                   **kwargs: Any) -> Any:
        """Called on the host that the guest still runs on."""
        enforcement.check_departure(
            self._restored('migrate_disk_and_power_off', context, instance),
            flavor,
            lambda: hosts.reported_by_destination(context, instance))
        return super().migrate_disk_and_power_off(  # type: ignore[misc]
            context, instance, dest, flavor, *args, **kwargs)

    def finish_migration(self, context: Any, migration: Any, instance: Any,
                         disk_info: Any, network_info: Any, image_meta: Any,
                         resize_instance: Any, allocations: Any,
                         block_device_info: Any = None, *args: Any,
                         **kwargs: Any) -> Any:
        """The first that the new host hears of a cold migration.

        The host that the guest left may not enforce anything. The guest is
        what it was made as, whatever has become of its image.
        """
        enforcement.check_arrival(
            self._restored('finish_migration', context, instance))
        images.correct(image_meta, instance)
        self._cure(instance, block_device_info)
        with images.handed(images.own_record(instance)):
            return super().finish_migration(  # type: ignore[misc]
                context, migration, instance, disk_info, network_info,
                image_meta, resize_instance, allocations,
                block_device_info, *args, **kwargs)

    def finish_revert_migration(self, context: Any, instance: Any,
                                *args: Any, **kwargs: Any) -> Any:
        """A host may have changed since the guest left it."""
        enforcement.check_arrival(
            self._restored('finish_revert_migration', context, instance))
        with images.handed(images.own_record(instance)):
            return super().finish_revert_migration(  # type: ignore[misc]
                context, instance, *args, **kwargs)

    def check_can_live_migrate_destination(
            self, context: Any, instance: Any, *args: Any,
            **kwargs: Any) -> Any:
        """Called on the host that the guest would move to."""
        enforcement.check_arrival(self._restored(
            'check_can_live_migrate_destination', context, instance))
        driver: Any = super()
        return driver.check_can_live_migrate_destination(
            context, instance, *args, **kwargs)

    def pre_live_migration(self, context: Any, instance: Any,
                           *args: Any, **kwargs: Any) -> Any:
        """The last call before the guest moves: hosts may have changed."""
        enforcement.check_arrival(
            self._restored('pre_live_migration', context, instance))
        return super().pre_live_migration(  # type: ignore[misc]
            context, instance, *args, **kwargs)

    def snapshot(self, context: Any, instance: Any, image_id: Any,
                 *args: Any, **kwargs: Any) -> Any:
        """Tag the snapshot as what the guest is."""
        wrong = origin.restore(instance, hosts.Host(self))
        if wrong is not None:
            origin.correct_snapshot(context, instance, image_id, wrong)
        return super().snapshot(  # type: ignore[misc]
            context, instance, image_id, *args, **kwargs)

    def reboot(self, context: Any, instance: Any, *args: Any,
               **kwargs: Any) -> Any:
        """Correct Nova's records: this is what users do after a refusal."""
        origin.restore(instance, hosts.Host(self))
        return super().reboot(  # type: ignore[misc]
            context, instance, *args, **kwargs)

    def power_on(self, context: Any, instance: Any, *args: Any,
                 **kwargs: Any) -> Any:
        """Correct Nova's records, as :meth:`reboot` does."""
        origin.restore(instance, hosts.Host(self))
        return super().power_on(  # type: ignore[misc]
            context, instance, *args, **kwargs)

    def _recreate_image_meta(self, context: Any, instance: Any,
                             image_meta: Any) -> Any:
        """Where compute-hyperv asks Glance again: it gets what was judged."""
        record = images.handed_over()
        return super()._recreate_image_meta(  # type: ignore[misc]
            context, instance, image_meta) if record is None else record

    @contextlib.contextmanager
    def _image(self, operation: enforcement.Operation, image_meta: Any
               ) -> Generator[dict[str, Any], None, None]:
        """The image document of what the driver goes by, as long as it lasts.

        compute-hyperv does not go by what Nova hands it.
        """
        instance = operation.instance
        read = getattr(super(), '_recreate_image_meta', None)
        if read is None:
            yield images.document(instance, image_meta)
            return
        record = enforcement.read_record(
            operation, image_meta,
            lambda: read(operation.context, instance, image_meta))
        with images.handed(record):
            yield images.document_of_record(instance, record)

    def update_provider_tree(self, provider_tree: Any, nodename: Any,
                             *args: Any, **kwargs: Any) -> Any:
        """Tell placement what the host can run, beside all else.

        Nova turns capabilities into traits after this
        (``nova/compute/resource_tracker.py`` ``_update_to_placement``).
        """
        result = super().update_provider_tree(  # type: ignore[misc]
            provider_tree, nodename, *args, **kwargs)
        machine = hosts.Host(self)
        host = objects.HostCapability.from_reported(
            *machine.reported_by(nodename))
        found = traits.of(host, machine.windows_version(),
                          self.generation_policy)
        provider_tree.remove_traits(nodename, *traits.OWNED - found)
        provider_tree.add_traits(nodename, *found)
        if host.is_hyperv:
            # compute-hyperv runs Secure Boot and does not say so: Nova finds
            # no host for it. The class's own dictionary is not ours.
            self.capabilities = {
                **self.capabilities,
                'supports_secure_boot': traits.GENERATION_2 in found}
        return result

    def _cure(self, instance: Any,
              info: devices.BlockDeviceInfo | None) -> None:
        """Let Hyper-V find in the devices what was meant."""
        if devices.buses(info):
            kind = hosts.Host(self).reported(instance)
            if objects.HostCapability.from_reported(*kind).is_hyperv:
                devices.cure(info)

    def _restored(self, name: str, context: Any,
                  instance: Any) -> enforcement.Operation:
        """Correct Nova's records of a guest that exists."""
        operation = self._operation(name, context, instance)
        origin.restore(instance, operation.host)
        return operation

    def _operation(self, name: str, context: Any,
                   instance: Any) -> enforcement.Operation:
        return enforcement.Operation(
            name, context, instance, hosts.Host(self),
            self.generation_policy)


def EnforcedDriver(virtapi: Any, *args: Any,
                   **kwargs: Any) -> nova_driver.ComputeDriver:
    """Make the driver that ``[hyperv_sched] compute_driver`` names, enforced.

    A function under the name of a class: which class it is, the
    configuration says.

    Nova calls what ``compute_driver`` names with its VirtAPI and asks for a
    ComputeDriver (``nova/virt/driver.py`` ``load_compute_driver``).

    :raises ImportError: an option of [hyperv_sched] is wrong; Nova logs it
        and stops the service.
    """
    try:
        name, minimum = conf.read(
            CONF, 'compute_driver', 'gen2_minimum_version')
    except conf.InvalidOptionError as exc:
        # Nova takes a ValueError for a wrong [DEFAULT] compute_driver.
        raise ImportError(str(exc)) from exc
    base = _import_driver(name)
    # A driver knows its own version: one that does not is not to be trusted.
    policy = compatibility.Policy(
        generation_2_minimum=versions.Version(minimum))
    enforced = type(f'Enforced{base.__name__}', (EnforcedDriverMixin, base),
                    {'generation_policy': policy})
    LOG.info('Enforcing Hyper-V generation rules on compute driver %s', name)
    driver: nova_driver.ComputeDriver = enforced(virtapi, *args, **kwargs)
    return driver


def _import_driver(name: str) -> type[nova_driver.ComputeDriver]:
    """Import a driver from where Nova looks for it: below ``nova.virt``.

    :raises ImportError: with the option that names it
    """
    option = conf.location(CONF, 'compute_driver')
    module, _, class_name = f'nova.virt.{name}'.rpartition('.')
    try:
        found = getattr(importlib.import_module(module), class_name, None)
    except Exception as exc:
        raise ImportError(
            f"{option} is '{escape(name)}', which cannot be "
            f'imported: {type(exc).__name__}: {escape(exc)}'
        ) from exc
    if not (isinstance(found, type)
            and issubclass(found, nova_driver.ComputeDriver)):
        raise ImportError(
            f"{option} is '{escape(name)}', which is not a compute "
            'driver below nova.virt')
    return found
