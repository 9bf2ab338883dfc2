# SPDX-License-Identifier: Apache-2.0
"""The disks of a server, as Nova tells a driver of them.

By kind: ``nova/virt/driver.py`` ``get_block_device_info``.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from nova import block_device

BlockDeviceInfo = Mapping[str, Any]


def _all(info: BlockDeviceInfo | None) -> Iterator[Any]:
    info = info or {}
    for kind in ('image', 'ephemerals', 'block_device_mapping'):
        yield from info.get(kind) or ()
    swap = info.get('swap')
    if swap:
        yield swap


def root_is_volume(info: BlockDeviceInfo | None) -> bool:
    """Whether a server's first disk comes from Cinder."""
    return bool(info and info.get('root_device_name')
                and block_device.volume_in_mapping(
                    info['root_device_name'], info))


def buses(info: BlockDeviceInfo | None) -> list[str]:
    """The buses that are asked for."""
    return [device['disk_bus'] for device in _all(info)
            if device.get('disk_bus')]


def cure(info: BlockDeviceInfo | None) -> None:
    """Write the buses as a driver for Hyper-V does.

    Nova's API takes 'scsi', compute-hyperv 'SCSI' alone
    (``compute_hyperv/nova/block_device_manager.py``
    ``_check_and_update_bdm``, which writes into the devices as well).
    """
    for device in _all(info):
        if device.get('disk_bus'):
            device['disk_bus'] = device['disk_bus'].upper()
