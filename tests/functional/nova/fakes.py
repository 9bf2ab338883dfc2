# SPDX-License-Identifier: Apache-2.0
"""Drivers that report a hypervisor of choice: the only fakes here."""

import sys
from unittest import mock

from nova.objects import fields as obj_fields
from nova.scheduler import weights
from nova.virt import fake

#: hypervisor_type and hypervisor_version of each host.
REPORTS = {
    'ws2012': ('hyperv', 6002),
    'ws2012r2': ('hyperv', 6003),
    'ws2019': ('hyperv', 10000),
    'ws2022': ('hyperv', 10000),
    'ws2022b': ('hyperv', 10000),
    'kvm': ('QEMU', 8002000),
}


#: The build of Windows, for hosts whose driver has os-win.
WINDOWS = {'ws2019': '10.0.17763', 'ws2022': '10.0.20348',
           'ws2022b': '10.0.20348'}


class FakeHostDriver(fake.FakeDriver):
    """Nova's fake driver that reports another hypervisor and version."""

    def init_host(self, host):
        super().init_host(host)
        if host in WINDOWS:
            # Where the drivers for Hyper-V keep os-win's.
            self._hostops = mock.Mock(
                spec=['_get_hypervisor_version', '_hostutils'])
            self._hostops._get_hypervisor_version.side_effect = (
                lambda: self.host_status_base['hypervisor_version'])
            hostutils = self._hostops._hostutils
            hostutils.get_windows_version.return_value = WINDOWS[host]
        hypervisor, version = REPORTS[host]
        kinds = ((obj_fields.HVType.HYPERV,) if hypervisor == 'hyperv'
                 else (obj_fields.HVType.KVM, obj_fields.HVType.QEMU))
        self.host_status_base.update(
            hypervisor_type=hypervisor, hypervisor_version=version,
            supported_instances=[
                (architecture, kind, obj_fields.VMMode.HVM)
                for architecture in (obj_fields.Architecture.I686,
                                     obj_fields.Architecture.X86_64)
                for kind in kinds])

    def finish_migration(self, context, migration, instance, disk_info,
                         network_info, image_meta, resize_instance,
                         allocations, *args, **kwargs):
        """Create the guest without spawn, as drivers for Hyper-V do."""
        fake.FakeDriver.spawn(self, context, instance, image_meta, [], None,
                              allocations)

    def post_live_migration_at_destination(self, context, instance, *args,
                                           **kwargs):
        """Create the guest without spawn, as drivers for Hyper-V do."""
        fake.FakeDriver.spawn(self, context, instance, None, [], None, None)


class OldestFirstWeigher(weights.BaseHostWeigher):
    """Prefer the host with the oldest version."""

    def _weigh_object(self, host_state, weight_properties):
        return -host_state.hypervisor_version


# Nova loads drivers from below nova.virt only.
sys.modules['nova.virt.hyperv_sched_fakes'] = sys.modules[__name__]
COMPUTE_DRIVER = 'hyperv_sched_fakes.FakeHostDriver'
OLDEST_FIRST = f'{__name__}.{OldestFirstWeigher.__name__}'
