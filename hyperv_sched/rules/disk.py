# SPDX-License-Identifier: Apache-2.0
"""Rules over the file: HV2xx, its format; HV3xx, what is on the disk."""

from __future__ import annotations

from hyperv_sched.rules import references
from hyperv_sched.rules.model import Rule
from hyperv_sched.rules.model import Variant

#: qemu-img takes the size of a VHD from cylinders, heads and sectors unless
#: it knows the software that made the file; Hyper-V takes the current size,
#: which may be larger.
_CONVERT_VHD = (
    'qemu-img convert --image-opts '
    'driver=vpc,force_size_calc=current_size,file.filename=IN.vhd '
    '-O vhdx OUT.vhdx')
_CONVERT_VHDX = 'qemu-img convert -f vhdx -O vhdx IN.vhdx OUT.vhdx'
#: Choose the GPT, if gdisk asks for the table to use, and write a new
#: protective MBR (gdisk ignores "2" if it does not ask).
_PROTECTIVE_MBR = "printf '2\\nx\\nn\\nw\\ny\\n' | gdisk DISK.raw"
#: Choose the MBR, if gdisk asks, and write the table as GPT.
_MBR_TO_GPT = "printf '1\\nw\\ny\\n' | gdisk DISK.raw"
_RAW_COPY = 'on a raw copy of the disk'

RULES = (
    Rule('HV201', 'label-mismatch', 'error',
         'disk_format is {actual} but the file is {required}: Glance 30 and '
         'newer, or the driver, refuse it',
         "the file's own format",
         'Upload with disk_format={required}', references.FORMAT_MATCH),
    Rule('HV202', 'container-vhd', 'error',
         'the file is VHD, generation 2 runs only from VHDX',
         'vhdx',
         f'Convert a disk that was installed for UEFI: {_CONVERT_VHD}; for '
         'one installed for generation 1 set hw_machine_type=hyperv-gen1',
         references.PLAN),
    Rule('HV203', 'container-not-vhdx', 'error',
         'the file is {actual}, which Hyper-V does not run',
         'vhdx; vhd for generation 1',
         'Convert it: qemu-img convert -f {actual} -O vhdx IN OUT.vhdx; it '
         'starts as the generation that it was installed for',
         references.PLAN, {
             'archive': Variant(
                 'Unpack the file, and check the disk image that is in it',
                 'the file is {actual}, an archive, not a disk image'),
             'encrypted': Variant(
                 'Export the disk without encryption by the hypervisor: '
                 'nobody has the key on a Hyper-V host',
                 'the file is {actual}, an encrypted volume, not a disk '
                 'image'),
             'installer': Variant(
                 'Apply an edition of it to a disk (DISM, bcdboot), as '
                 'the documentation shows for Windows',
                 'the file is {actual}, files of Windows Setup, not a disk '
                 'image'),
             'sectors-4k': Variant(
                 'Install the guest on a disk of 512-byte sectors: firmware '
                 'does not find the partitions of this one in a VHDX of '
                 '512-byte sectors, and no other comes from qemu-img',
                 'the file is a raw disk of 4096-byte sectors, which '
                 'Hyper-V does not run')}),
    Rule('HV204', 'format-unknown', 'error',
         'the file is of no known disk format',
         'vhdx; vhd for generation 1',
         'Check that this is a disk image and that it is whole; a raw disk '
         'without partitions looks like this, too', references.MS_VHDX),
    Rule('HV205', 'empty-file', 'error',
         'the file is empty',
         'a disk image',
         'Export or download the disk again', references.MS_VHDX),
    Rule('HV206', 'vhdx-has-parent', 'error',
         'the file is a differencing disk and useless without its parent: '
         '{actual}',
         'a disk of its own',
         'Merge it into its parent (PowerShell: Merge-VHD), or convert the '
         'chain (Convert-VHD)', references.MS_VHDX),
    Rule('HV207', 'vhdx-dirty-log', 'error',
         'the log of the VHDX must be replayed first: the file was not closed',
         'an empty log',
         'Shut the VM down and export it again. Or replay the log in a '
         'copy: qemu-img check -r all COPY.vhdx; on Windows mount the file '
         'once (Mount-VHD)', references.MS_VHDX),
    Rule('HV208', 'vhdx-truncated', 'error',
         'the VHDX is cut off: {actual}',
         'a whole file',
         'Export or download the disk again', references.MS_VHDX),
    Rule('HV209', 'vhdx-no-valid-header', 'error',
         'neither header of the VHDX is valid: {actual}',
         'a valid header',
         'Export or download the disk again', references.MS_VHDX),
    Rule('HV210', 'vhdx-header-copy-damaged', 'warning',
         'one of the two headers of the VHDX is damaged: {actual}',
         'two valid headers',
         f'Make the file anew: {_CONVERT_VHDX}',
         references.MS_VHDX),
    Rule('HV211', 'vhdx-no-valid-region-table', 'error',
         'neither region table of the VHDX is valid: {actual}',
         'a valid region table',
         'Export or download the disk again', references.MS_VHDX),
    Rule('HV212', 'vhdx-region-copy-damaged', 'warning',
         'one of the two region tables of the VHDX is damaged: {actual}',
         'two valid region tables',
         'Make the file anew on Windows (Convert-VHD), or export the disk '
         'again',
         references.MS_VHDX),
    Rule('HV213', 'vhdx-unsupported-version', 'error',
         'the VHDX is of {actual}, which no Hyper-V host knows',
         'version 1, log version 0',
         'Export it from the software that made it as a VHDX of version 1',
         references.MS_VHDX),
    Rule('HV214', 'vhdx-unknown-required', 'error',
         'the VHDX needs a reader that knows {actual}',
         'regions and metadata of MS-VHDX alone',
         'Convert it with the software that made it', references.MS_VHDX),
    Rule('HV215', 'vhdx-malformed', 'error',
         'the VHDX contradicts its specification: {actual}',
         'what MS-VHDX allows',
         'Export or download the disk again', references.MS_VHDX),
    Rule('HV216', 'vhdx-bat-overlap', 'error',
         'two parts of the VHDX share a place: {actual}',
         'a place in the file for each block',
         'Export or download the disk again', references.MS_VHDX),
    Rule('HV217', 'vhdx-incomplete', 'error',
         'the VHDX was never finished: {actual}',
         'a finished file',
         'Wait for what makes it, or make it again', references.MS_VHDX),
    Rule('HV218', 'vhdx-header-equal-sequence', 'warning',
         'the two headers of the VHDX are one as new as the other: {actual}',
         'one header newer than the other',
         f'Make the file anew: {_CONVERT_VHDX}',
         references.MS_VHDX),
    Rule('HV219', 'vhdx-no-log-region', 'warning',
         'the VHDX has no room for a log, which some readers refuse',
         'a log of at least 1 MiB',
         'Make the file anew on Windows (Convert-VHD), which opens it, '
         'unlike qemu-img',
         references.MS_VHDX),
    Rule('HV220', 'sector-4k', 'warning',
         'the disk has logical sectors of {actual} bytes',
         '512',
         'Install the guest on a disk of 512-byte sectors (New-VHD '
         '-LogicalSectorSizeBytes 512): no conversion changes the sectors of '
         'a partitioned disk',
         references.PLAN),
    Rule('HV221', 'trailing-vhd-footer', 'warning',
         'the VHDX ends like a VHD: some software takes it for one',
         'a file that is VHDX alone',
         f'Make the file anew: {_CONVERT_VHDX}',
         references.MS_VHDX),
    Rule('HV222', 'iso-not-a-disk', 'warning',
         'the file is installation media, not an installed disk',
         'vhdx',
         'Use it to install, uploaded as ISO with disk_format=iso; boot '
         'servers from the VHDX that results',
         references.PLAN),
    Rule('HV223', 'fixed-vhd', 'warning',
         'the file is a fixed VHD: Glance 30 and newer refuse it, they look '
         'at its head only',
         'a dynamic VHD or a VHDX',
         f'Convert it: {_CONVERT_VHD}',
         references.FORMAT_MATCH),
    Rule('HV224', 'min-disk-too-small', 'warning',
         'min_disk is {actual} GB, smaller than the {required} bytes that '
         'the image needs',
         'the larger of virtual size and file size',
         'Set min_disk to the number of bytes in GB, rounded up',
         references.USAGE),
    Rule('HV225', 'vhd-malformed', 'error',
         'the VHD cannot be used: {actual}',
         'a whole fixed or dynamic VHD',
         'Export or download it again',
         references.USAGE),
    Rule('HV226', 'content-not-read', 'unknown',
         'the content of the image was not read: {actual}',
         'content that is read',
         'Read all of it with "image lint --download", or check the file that '
         'the image was made from', references.USAGE),
    Rule('HV228', 'inspection-stopped', 'unknown',
         'the file is not judged to the end: {actual}',
         'a disk that is inspected within the limits',
         'Convert a VHDX of several TiB to larger blocks: qemu-img convert -O '
         'vhdx -o block_size=32M IN.vhdx OUT.vhdx; install any other disk '
         'anew, since what installers make takes a small part of the limits',
         references.BOOT_MANAGER),
    Rule('HV229', 'vhd-footer-copy', 'warning',
         'the copy of the footer at the start of the VHD is not that at its '
         'end, so Glance and qemu-img do not read the disk that Hyper-V '
         'reads: {actual}',
         'a footer and its copy, equal',
         'Make the file anew on Windows (Convert-VHD). On Linux write the '
         'footer over its copy: '
         'tail -c 512 DISK.vhd | dd of=DISK.vhd conv=notrunc',
         references.FORMAT_MATCH),
    Rule('HV301', 'no-partition-table', 'error',
         'the disk has no partition table, so firmware finds no loader on it',
         'GPT',
         'Install the guest with UEFI firmware; an empty disk is no image to '
         'boot from', references.GPT, {
             'starts': Variant(
                 'Nothing has to change for the start. Installers and updates '
                 'of the guest expect an EFI system partition in a GPT',
                 'the disk has no partition table; {actual}')}),
    Rule('HV302', 'mbr-partitioned', 'error',
         'the disk is partitioned by MBR, as generation 1 starts it: {actual}',
         'GPT',
         'If it was installed for generation 1, set '
         'hw_machine_type=hyperv-gen1. In the guest, Windows converts it: '
         'mbr2gpt /convert /allowFullOS', references.GPT, {
             'starts': Variant(
                 'Nothing has to change for the start. To have a GPT, convert '
                 f'the table {_RAW_COPY} (a BIOS does not start it '
                 'afterwards): qemu-img resize -f raw DISK.raw +1M; '
                 f'{_MBR_TO_GPT}',
                 'the disk is partitioned by MBR; {actual}')}),
    Rule('HV303', 'gpt-missing', 'error',
         'the MBR announces a GPT and there is none: {actual}',
         'a valid GPT',
         'Export or copy the disk again, or look for the partitions with '
         'testdisk; a tool that repairs an empty table writes an empty one',
         references.GPT),
    Rule('HV304', 'gpt-damaged', 'error',
         'the GPT says what cannot be: {actual}',
         'a valid GPT',
         'Export or copy the disk again, or look for the partitions with '
         'testdisk; a tool that repairs an empty table writes an empty one',
         references.GPT),
    Rule('HV305', 'gpt-primary-damaged', 'warning',
         'the primary GPT is damaged, firmware goes by the backup: {actual}',
         'two valid tables',
         f'Repair it in the guest or {_RAW_COPY}: sgdisk -e DISK.raw',
         references.GPT),
    Rule('HV306', 'gpt-backup-damaged', 'warning',
         'the backup of the GPT is damaged: {actual}',
         'two valid tables',
         f'Repair it in the guest or {_RAW_COPY}: sgdisk -e DISK.raw',
         references.GPT),
    Rule('HV307', 'gpt-no-protective-mbr', 'error',
         'the MBR does not announce the GPT, so firmware does not look for '
         'it: {actual}',
         'a protective MBR',
         'If the GPT has the partitions of the disk, write a protective MBR '
         f'{_RAW_COPY}, which takes the partitions of the MBR away: '
         f'{_PROTECTIVE_MBR}',
         references.GPT),
    Rule('HV308', 'gpt-overlap', 'error',
         'the EFI system partition overlaps another, so firmware sees '
         'neither: {actual}',
         'partitions apart from each other',
         'Partition the disk anew', references.PARTITION_DXE),
    Rule('HV309', 'gpt-partition-out-of-range', 'error',
         'the EFI system partition lies outside of the LBAs that the GPT '
         'calls usable: {actual}',
         'partitions within the usable LBAs',
         'Partition the disk anew, or export it again',
         references.PARTITION_DXE),
    Rule('HV310', 'gpt-beyond-disk', 'warning',
         'the GPT is that of a larger disk: {actual}',
         'a table that ends with the disk',
         f'Move the backup to the end {_RAW_COPY}: sgdisk -e DISK.raw',
         references.GPT),
    Rule('HV311', 'hybrid-mbr', 'warning',
         'the disk has a hybrid MBR: {actual}',
         'a protective MBR alone',
         'If no BIOS starts the disk, write a protective MBR '
         f'{_RAW_COPY}: {_PROTECTIVE_MBR}', references.GPT),
    Rule('HV312', 'gpt-pmbr-active', 'warning',
         'the protective partition is marked active, which older firmware '
         'refuses',
         'a boot indicator of 0',
         f'Clear the indicator {_RAW_COPY}: sfdisk --activate DISK.raw -',
         references.PARTITION_DXE),
    Rule('HV313', 'gpt-pmbr-signature', 'warning',
         'the protective MBR lacks its signature, which other firmware wants',
         '55 aa at 510',
         f'Write a protective MBR {_RAW_COPY}: {_PROTECTIVE_MBR}',
         references.GPT),
    Rule('HV314', 'gpt-many-entries', 'warning',
         'firmware takes minutes to go through the GPT: {actual}',
         'some ten partitions',
         'Remove what nobody needs', references.PARTITION_DXE),
    Rule('HV315', 'partition-cut-off', 'error',
         'a partition ends past the end of the disk, so data is missing: '
         '{actual}',
         'partitions that end with the disk or before',
         'Export or convert the disk again at its full size; from a VHD: '
         f'{_CONVERT_VHD}',
         references.GPT),
    Rule('HV321', 'esp-missing', 'error',
         'the GPT has no EFI system partition with a file system',
         'an EFI system partition',
         'Install the guest with UEFI firmware, or set '
         'hw_machine_type=hyperv-gen1 if a BIOS starts it',
         references.BOOT_MANAGER),
    Rule('HV322', 'esp-type-missing', 'warning',
         'the loader lies on a partition of another type: {actual}',
         'type c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
         f'Set the type of partition N {_RAW_COPY}: '
         'sgdisk -t N:ef00 DISK.raw',
         references.BOOT_MANAGER),
    Rule('HV323', 'esp-hidden-from-firmware', 'error',
         'an attribute hides the EFI system partition from firmware: {actual}',
         'attribute bit 1 clear',
         f'Clear it for partition N {_RAW_COPY}: '
         'sgdisk -A N:clear:1 DISK.raw',
         references.GPT),
    Rule('HV324', 'esp-not-fat', 'error',
         'firmware finds no FAT on the EFI system partition: {actual}',
         'FAT12, FAT16 or FAT32',
         'Make a FAT file system on the partition and install the loader on '
         'it',
         references.FAT),
    Rule('HV325', 'fat32-too-few-clusters', 'error',
         'firmware takes FAT32 of 65525 clusters and more: {actual}',
         '65525 clusters, or FAT16',
         'Copy the files away, make the file system anew as FAT16 (or FAT32 '
         'on a partition of 260 MiB and more), and copy them back',
         references.FAT_DXE),
    Rule('HV326', 'fat-damaged', 'error',
         'the file system of the EFI system partition is damaged: {actual}',
         'whole directories and files',
         'Make the file system anew and install the loader on it',
         references.FAT),
    Rule('HV327', 'fat-sector-size', 'warning',
         'the FAT has other sectors than the disk: {actual}',
         'sectors as the disk',
         'Copy the files away, make the file system anew with the sectors of '
         'the disk, and copy them back',
         references.FAT),
    Rule('HV328', 'fat-larger-than-partition', 'warning',
         'the FAT is larger than its partition: {actual}',
         'a file system within its partition',
         'Copy the files away, make the file system anew within the '
         'partition, and copy them back',
         references.FAT),
    Rule('HV331', 'loader-missing', 'error',
         'firmware has nothing to start: {actual}',
         '\\EFI\\BOOT\\BOOTX64.EFI',
         'Linux: grub-install --removable, or copy the whole directory of '
         'the loader to \\EFI\\BOOT; Windows: bcdboot with /f UEFI',
         references.BOOT_MANAGER),
    Rule('HV332', 'loader-wrong-arch', 'error',
         'the loader is for another machine: {actual}',
         'x64',
         'Install the loader for x86_64', references.PE),
    Rule('HV333', 'loader-not-efi-app', 'error',
         'the loader is no EFI application: {actual}',
         'an EFI application, whole',
         'Install the loader again', references.PE),
    Rule('HV334', 'shim-second-stage-missing', 'error',
         'shim finds nothing to start: {actual}',
         'grubx64.efi beside the shim, or fbx64.efi and a BOOTX64.CSV',
         'Copy the whole directory of the loader, not the shim alone',
         references.SHIM),
    Rule('HV335', 'loader-unsigned', 'error',
         'os_secure_boot=required, but a loader carries no signature',
         'signed loaders',
         'Install the signed packages (shim-signed, grub-efi-amd64-signed), '
         'or set os_secure_boot=disabled', references.SECURE_BOOT),
    Rule('HV341', 'generation-mismatch', 'error',
         'the image is generation 1 (hw_machine_type: {actual}), the disk '
         'starts by UEFI only',
         'hw_machine_type=hyperv-gen2',
         f'Convert the file to VHDX: {_CONVERT_VHD}; and set '
         'hw_machine_type=hyperv-gen2, hypervisor_type=hyperv and '
         "hypervisor_version_requires='>=6.3'",
         references.PLAN, {
             'boot-code': Variant(
                 'If the guest was installed for UEFI, set '
                 'hw_machine_type=hyperv-gen2; if a BIOS starts the disk, '
                 'leave it',
                 'the image is generation 1 (hw_machine_type: {actual}); the '
                 'disk starts by UEFI and has boot code that may or may not '
                 'start by BIOS'),
             'vhdx': Variant(
                 'Set hw_machine_type=hyperv-gen2, hypervisor_type=hyperv and '
                 "hypervisor_version_requires='>=6.3'")}),
    Rule('HV346', 'nothing-to-boot', 'warning',
         'the image is generation 1 (hw_machine_type: {actual}). The disk '
         'has neither boot code for a BIOS nor a loader for UEFI',
         'boot code, or a loader for UEFI and generation 2',
         'Install an operating system on the disk before you upload it',
         references.PLAN),
)
