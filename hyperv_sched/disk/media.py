# SPDX-License-Identifier: Apache-2.0
"""Whether installation media boot from a DVD drive, and by which firmware.

UEFI firmware treats a DVD like a disk of 2048-byte sectors. A BIOS boots the
boot image that the boot catalog has for it, and reads no partition table.
"""

from __future__ import annotations

from hyperv_sched import names
from hyperv_sched.disk import boot
from hyperv_sched.disk import inspection
from hyperv_sched.disk import iso
from hyperv_sched.disk import uefi
from hyperv_sched.disk import virtual_disk
from hyperv_sched.disk.defects import Defect


def inspect(disk: virtual_disk.Disk, result: inspection.Inspection,
            ) -> list[uefi.LoadedImage]:
    """Add the loaders and the firmware of an ISO, and its defect.

    :param disk: with sectors of 2048 bytes
    :returns: the programs by which UEFI boots it
    """
    as_disk = inspection.Inspection()
    images = boot.inspect(disk, as_disk)
    result.loaders = as_disk.loaders
    result.operating_system = as_disk.operating_system
    by_uefi = as_disk.firmware in ('uefi', 'both')
    image = iso.bios_boot_image(disk)
    by_bios = image is not None and boot.has_boot_code(disk, image)
    if by_uefi and by_bios:
        result.firmware = 'both'
    elif by_uefi:
        result.firmware, result.generation = 'uefi', names.GENERATION_2
    elif by_bios:
        result.firmware, result.generation = 'bios', names.GENERATION_1
    else:
        result.firmware = 'none'
    if not by_uefi:
        result.add_defect(Defect.ISO_WITHOUT_UEFI, _reason(disk, as_disk))
    return images


def _reason(disk: virtual_disk.Disk, as_disk: inspection.Inspection) -> str:
    """Return why UEFI does not boot: the last defect that was found."""
    if not iso.boot_images(disk) and not as_disk.partitions:
        return 'no boot image (El Torito)'
    *_, reason = as_disk.defects.values()
    return reason
