# SPDX-License-Identifier: Apache-2.0
"""The driver that nova-compute runs in the development cloud.

Installed as ``nova.virt.devcloud``, where Nova looks for drivers. Guests are
Nova's fake ones, in memory; what the host says of itself comes from
``[devcloud]`` in its configuration.
"""

import io
from types import SimpleNamespace

from nova import conf
from nova.compute import power_state
from nova.compute import task_states
from nova.compute import vm_states
from nova.image import glance
from nova.objects import fields
from nova.virt import driver
from nova.virt import fake
from oslo_config import cfg

CONF = conf.CONF
CONF.register_opts([
    cfg.StrOpt('hypervisor_type', choices=['hyperv', 'QEMU']),
    cfg.IntOpt('hypervisor_version'),
    cfg.StrOpt('windows_version', help='as os-win tells it, with the build'),
], 'devcloud')

_DISK_FORMATS = {'hyperv': ('vhd', 'vhdx', 'iso'), 'QEMU': ('raw', 'qcow2')}
_HYPERVISORS = {'hyperv': (fields.HVType.HYPERV,),
                'QEMU': (fields.HVType.KVM, fields.HVType.QEMU)}
_WITH_GUEST = (vm_states.ACTIVE, vm_states.PAUSED, vm_states.RESCUED,
               vm_states.RESIZED, vm_states.STOPPED, vm_states.SUSPENDED)


class HostDriver(fake.FakeDriver):
    """Nova's fake driver as the host that the configuration describes."""

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        self.capabilities = {
            **self.capabilities,
            'supports_image_type_raw': False,
            **{f'supports_image_type_{name}': True
               for name in _DISK_FORMATS[CONF.devcloud.hypervisor_type]}}

    def init_host(self, host):
        """Set the version of Windows, if one is configured."""
        super().init_host(host)
        if CONF.devcloud.windows_version:
            # Where the drivers for Hyper-V keep os-win's.
            self._hostops = SimpleNamespace(_hostutils=SimpleNamespace(
                get_windows_version=lambda: CONF.devcloud.windows_version))
        kind = CONF.devcloud.hypervisor_type
        self.host_status_base.update(
            hypervisor_type=kind,
            hypervisor_version=CONF.devcloud.hypervisor_version,
            supported_instances=[
                (architecture, hypervisor, fields.VMMode.HVM)
                for architecture in (fields.Architecture.I686,
                                     fields.Architecture.X86_64)
                for hypervisor in _HYPERVISORS[kind]])

    # The fake one makes up another UUID each time that it starts.

    def get_nodenames_by_uuid(self, refresh=False):
        """Return the nodes by UUID."""
        return driver.ComputeDriver.get_nodenames_by_uuid(self, refresh)

    def get_available_resource(self, nodename):
        """Return the resources with the UUID of the node."""
        resources = super().get_available_resource(nodename)
        if resources:
            resources['uuid'], = self.get_nodenames_by_uuid()
        return resources

    def get_info(self, instance, use_cache=True):
        """Return the state of a guest, which outlives nova-compute.

        nova-compute gets the state of each guest when it starts.
        """
        if (instance.uuid not in self.instances
                and instance.host == self._host
                and instance.vm_state in _WITH_GUEST
                and instance.task_state is None):
            self.instances[instance.uuid] = fake.FakeInstance(
                instance.name, instance.power_state, instance.uuid)
            flavor = instance.flavor
            self.resources.claim(vcpus=flavor.vcpus, mem=flavor.memory_mb,
                                 disk=flavor.root_gb)
        return super().get_info(instance, use_cache)

    def snapshot(self, context, instance, image_id, update_task_state):
        """Upload what the server was started from: guests never write."""
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        update_task_state(
            task_state=task_states.IMAGE_UPLOADING,
            expected_state=task_states.IMAGE_PENDING_UPLOAD)
        images = glance.API()
        origin = images.get(context, instance.image_ref)
        images.update(
            context, image_id,
            {'disk_format': origin['disk_format'],
             'container_format': origin['container_format']},
            io.BytesIO(b''.join(
                images.download(context, instance.image_ref))))

    def migrate_disk_and_power_off(self, context, instance, *args, **kwargs):
        """Stop a server before its disk is moved."""
        self.power_off(instance)
        return super().migrate_disk_and_power_off(
            context, instance, *args, **kwargs)

    def finish_migration(self, context, migration, instance, disk_info,
                         network_info, image_meta, resize_instance,
                         allocations, block_device_info=None, power_on=True,
                         share_info=None):
        """Unlike the fake one's, no driver for Hyper-V spawns to do this."""
        fake.FakeDriver.spawn(
            self, context, instance, image_meta, [], None, allocations,
            block_device_info=block_device_info, power_on=power_on)

    def post_live_migration(self, context, instance, block_device_info,
                            migrate_data=None):
        """Forget the guest, which runs on another host now."""
        fake.FakeDriver.destroy(self, context, instance, None)

    def post_live_migration_at_destination(
            self, context, instance, network_info, block_migration=False,
            block_device_info=None):
        """Nothing judges a guest that runs already."""
        fake.FakeDriver.spawn(
            self, context, instance, None, [], None, None,
            block_device_info=block_device_info)

    def pause(self, instance):
        """Set the power state to PAUSED."""
        self.instances[instance.uuid].state = power_state.PAUSED

    def unpause(self, instance):
        """Set the power state to RUNNING."""
        self.instances[instance.uuid].state = power_state.RUNNING

    def suspend(self, context, instance):
        """Set the power state to SUSPENDED."""
        self.instances[instance.uuid].state = power_state.SUSPENDED

    def resume(self, context, instance, *args, **kwargs):
        """Set the power state to RUNNING."""
        self.instances[instance.uuid].state = power_state.RUNNING
