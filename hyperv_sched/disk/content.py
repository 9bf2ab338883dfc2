# SPDX-License-Identifier: Apache-2.0
"""What a disk image file was found to be."""

from __future__ import annotations

import dataclasses
from typing import Any


class Damaged(Exception):
    """A defect that hides all that lies behind it.

    Internal to the reader: it ends up among :attr:`Content.defects`.
    """

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail


@dataclasses.dataclass
class Content:
    """Facts, not judgements; None is what was not or could not be read."""

    format: str = 'unknown'
    """vhdx, vhd, qcow2, vmdk, vdi, iso, gzip, raw or unknown, and other
    formats by their own names."""
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
    """Number, type, start and size of each that firmware can see."""
    loaders: list[dict[str, Any]] | None = None
    """EFI loaders: partition, path, machine, subsystem, signed."""
    firmware: str = 'unknown'
    """uefi, bios, both, none or unknown: the firmware that starts the disk.
    Boot code that is not known counts neither for a BIOS nor against it."""
    generation: str | None = None
    """hyperv-gen1 or hyperv-gen2: the one generation that starts the disk;
    None if both may."""
    defects: dict[str, str] = dataclasses.field(default_factory=dict)
    """What is wrong, by the name of its rule, with the place of it. What
    lies behind a defect that hides it is not looked at."""
    bytes_read: int = 0

    def note(self, name: str, detail: str) -> None:
        """Take down a defect; of several by one name the first counts."""
        self.defects.setdefault(name, detail)

    def as_dict(self) -> dict[str, Any]:
        """The shape that ``image inspect`` prints and documents carry."""
        return dataclasses.asdict(self)
