# SPDX-License-Identifier: Apache-2.0
"""The computes of the cloud, and what each reports."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Host:
    """A compute host.

    :param hypervisor: hypervisor_type as Nova knows it
    :param version: hypervisor_version, as an integer
    :param windows: version and build of Windows, as os-win has it
    :param enforced: whether ``hyperv_sched.EnforcedDriver`` runs there
    """

    name: str
    hypervisor: str
    version: int
    windows: str = ''
    enforced: bool = False

    @property
    def service(self) -> str:
        """Return the name of the nova-compute service."""
        return f'nova-compute-{self.name}'


HOSTS = (
    Host('ws2012', 'hyperv', 6002, '6.2.9200', enforced=True),
    Host('ws2012r2', 'hyperv', 6003, '6.3.9600', enforced=True),
    Host('ws2022', 'hyperv', 10000, '10.0.20348', enforced=True),
    Host('ws2022-plain', 'hyperv', 10000, '10.0.20348'),
    Host('kvm', 'QEMU', 8002000),
)
