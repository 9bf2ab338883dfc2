# SPDX-License-Identifier: Apache-2.0
"""The result of inspecting a disk image file."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from hyperv_sched.disk.defects import Defect


class DefectReport(typing.NamedTuple):
    """A defect and its details: offsets, sizes, numbers."""

    defect: Defect
    detail: str


class DefectError(Exception):
    """A defect that prevents reading any further.

    The reader catches it and adds it to :attr:`Inspection.defects`.
    """

    def __init__(self, defect: Defect, detail: str) -> None:
        super().__init__(defect, detail)
        self.report = DefectReport(defect, detail)


def malformed(detail: str) -> DefectError:
    """Return the error for a container with invalid structures."""
    return DefectError(Defect.CONTAINER_MALFORMED, detail)


def truncated(detail: str) -> DefectError:
    """Return the error for a container that is cut off."""
    return DefectError(Defect.CONTAINER_TRUNCATED, detail)


def not_read(detail: str) -> DefectError:
    """Return the error for a container that Python cannot read."""
    return DefectError(Defect.CONTAINER_NOT_READ, detail)


@dataclasses.dataclass(frozen=True)
class Partition:
    """A partition that UEFI firmware reads."""

    number: int
    """Counted as by sfdisk: from 1, logical partitions from 5."""
    type: str
    """A GUID on a GPT disk, for example ``0xef`` on an MBR disk."""
    offset: int
    """In bytes, as is the size."""
    size: int


#: The value of :attr:`Loader.started_by` for a loader that firmware starts.
FIRMWARE = 'firmware'


@dataclasses.dataclass(frozen=True)
class Signature:
    """A signature of a loader."""

    signer: str
    """The common name in the certificate of the signer, as of the issuer."""
    issuer: str
    hash: str
    """The hash function, for example sha256."""
    valid: bool | None
    """Whether the signer signed this file; None if not all of the file was
    read. A valid signature need not be trusted."""


@dataclasses.dataclass(frozen=True)
class SecureBoot:
    """Whether the loaders start under a Secure Boot template."""

    template: str
    """The name of the template, for example MicrosoftWindows."""
    starts: bool | None
    """None if it was not verified."""
    certificates: list[str]
    """The years of the certificates in the template that each start all
    loaders, for example 2023; empty if it does not start them."""
    problems: dict[str, str]
    """Details, with the loader and its signer, by the names of rules."""


@dataclasses.dataclass(frozen=True)
class Loader:
    """An EFI program that firmware or another loader starts.

    Or one that is present only: Windows Boot Manager, and loaders that
    firmware does not start.
    """

    partition: int
    """The number of the partition; 0 for a disk without partitions."""
    path: str
    """With backslashes, from the root of the file system."""
    machine: str
    """For example x64, ia32, aa64."""
    subsystem: str
    """For example application."""
    signed: bool
    """Whether it has a certificate table, whatever is in it."""
    started_by: str
    """``firmware``, or the path of the loader that starts it, or empty."""
    signatures: list[Signature] | None = None
    """None if they were not read, as is the next one."""
    trusted_by: list[str] | None = None
    """The templates, with the years of their certificates, and shim."""


@dataclasses.dataclass
class Inspection:
    """Facts and defects of a file; None where a fact could not be read."""

    format: str = 'unknown'
    """vhdx, vhd, qcow2, vmdk, vdi, iso, gzip, raw or unknown, and other
    formats by their own names."""
    subformat: str | None = None
    """fixed, dynamic or differencing for VHD and VHDX; the createType of a
    VMDK."""
    file_size: int = 0
    """In bytes, as are all sizes here."""
    virtual_size: int | None = None
    logical_sector_size: int | None = None
    physical_sector_size: int | None = None
    block_size: int | None = None
    has_parent: bool | None = None
    log_dirty: bool | None = None
    """Whether the log of a VHDX must be replayed before the rest of the file
    is valid."""
    partition_table: str | None = None
    """gpt, mbr or none."""
    partitions: list[Partition] | None = None
    loaders: list[Loader] | None = None
    """In the order in which they are started."""
    operating_system: str | None = None
    """windows or linux: the one that the boot loaders of a disk that UEFI
    boots belong to; None if that is unknown, or they belong to both."""
    hyperv_drivers: dict[str, str] | None = None
    """Where a unified kernel image has the drivers hv_vmbus and hv_storvsc:
    ``built in``, ``initrd`` or ``missing``; None if that is not certain."""
    firmware: str = 'unknown'
    """The firmware that boots the disk: uefi, bios, both, none or unknown.
    Unknown boot code is no evidence for or against a BIOS."""
    generation: str | None = None
    """hyperv-gen1 or hyperv-gen2: the only generation that boots the disk;
    None if both may."""
    secure_boot: dict[str, SecureBoot] | None = None
    """By the operating system that selects the template, windows and linux;
    None if no signatures were verified, and empty if nothing starts."""
    defects: dict[Defect, str] = dataclasses.field(default_factory=dict)
    """Details of each defect. Structures that depend on a defective one are
    not read, and their defects not reported."""
    bytes_read: int = 0

    def add_defect(self, defect: Defect, detail: str) -> None:
        """Add a defect; keep the first details where it occurs twice."""
        self.defects.setdefault(defect, detail)

    def as_dict(self) -> dict[str, Any]:
        """Return the ``content`` member of an image document, for JSON."""
        return {**dataclasses.asdict(self), 'defects': {
            defect.value: detail for defect, detail in self.defects.items()}}
