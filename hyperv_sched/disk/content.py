# SPDX-License-Identifier: Apache-2.0
"""What a disk image file was found to be."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass
class Content:
    """Facts, not judgements; None is what was not or could not be read."""

    format: str = 'unknown'
    """vhdx, vhd, qcow2, vmdk, vdi, iso, gzip, raw or unknown."""
    subformat: str | None = None
    """fixed, dynamic or differencing, for VHD and VHDX."""
    file_size: int = 0
    """In bytes, as are all sizes here."""
    virtual_size: int | None = None
    logical_sector_size: int | None = None
    physical_sector_size: int | None = None
    block_size: int | None = None
    has_parent: bool | None = None
    log_dirty: bool | None = None
    """The VHDX log must be replayed before anything else is trusted."""
    partition_table: str | None = None
    """gpt, mbr or none."""
    partitions: list[dict[str, Any]] | None = None
    loaders: list[dict[str, Any]] | None = None
    firmware: str = 'unknown'
    """uefi, bios, both, none or unknown."""
    generation: str | None = None
    """hyperv-gen1 or hyperv-gen2, where the content alone decides."""
    bytes_read: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The shape that ``image inspect`` prints and documents carry."""
        return dataclasses.asdict(self)
