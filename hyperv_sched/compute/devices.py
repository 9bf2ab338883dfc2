# SPDX-License-Identifier: Apache-2.0
"""The block devices of a server, as Nova passes them to a driver.

By kind: ``nova/virt/driver.py`` ``get_block_device_info``.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from nova import block_device

BlockDeviceInfo = Mapping[str, Any]


def all_devices(info: BlockDeviceInfo | None) -> Iterator[Any]:
    """Yield the devices of every kind, the swap disk included."""
    info = info or {}
    for kind in ('image', 'ephemerals', 'block_device_mapping'):
        yield from info.get(kind) or ()
    swap = info.get('swap')
    if swap:
        yield swap


def root_is_volume(info: BlockDeviceInfo | None) -> bool:
    """Return whether the root disk of a server is a volume of Cinder."""
    return bool(info and info.get('root_device_name')
                and block_device.volume_in_mapping(
                    info['root_device_name'], info))


def disk_buses(info: BlockDeviceInfo | None) -> tuple[str, ...]:
    """Return the disk buses that are requested."""
    return tuple(device['disk_bus'] for device in all_devices(info)
                 if device.get('disk_bus'))
