# SPDX-License-Identifier: Apache-2.0
"""The capability of a host."""

from __future__ import annotations

from oslo_versionedobjects import fields

from hyperv_sched import names
from hyperv_sched import versions
from hyperv_sched.objects import base
from hyperv_sched.objects import fields as own_fields


@base.register
class HostCapability(base.HyperVSchedObject):
    """The hypervisor of a host, as its driver reports it.

    hypervisor_version is set only for Hyper-V: other hypervisors number their
    versions differently.
    """

    # Version 1.0: Initial version
    VERSION = '1.0'

    hypervisor_type: str | None
    hypervisor_version: versions.Version | None

    fields = {
        'hypervisor_type': fields.StringField(nullable=True),
        'hypervisor_version': own_fields.HypervisorVersionField(
            nullable=True),
    }

    @classmethod
    def from_reported(cls, hypervisor_type: object,
                      hypervisor_version: object) -> HostCapability:
        """Read a compute node's two values, however broken they are.

        :param hypervisor_version: Nova's integer.
        """
        if not isinstance(hypervisor_type, str):
            hypervisor_type = None
        elif hypervisor_type.lower() == names.HYPERV:
            hypervisor_type = names.HYPERV
        return cls(
            hypervisor_type=hypervisor_type,
            hypervisor_version=versions.from_nova(hypervisor_version)
            if hypervisor_type == names.HYPERV else None)

    @property
    def is_hyperv(self) -> bool:
        """Whether the hypervisor is Hyper-V."""
        return self.hypervisor_type == names.HYPERV
