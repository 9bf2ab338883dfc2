# SPDX-License-Identifier: Apache-2.0
"""Names of the defects that the disk reader reports."""

from __future__ import annotations

import enum


@enum.unique
class Defect(str, enum.Enum):
    """The name of a defect, which is also the name of its rule."""

    VHDX_HAS_PARENT = 'vhdx-has-parent'
    VHDX_DIRTY_LOG = 'vhdx-dirty-log'
    VHDX_TRUNCATED = 'vhdx-truncated'
    VHDX_NO_VALID_HEADER = 'vhdx-no-valid-header'
    VHDX_HEADER_COPY_DAMAGED = 'vhdx-header-copy-damaged'
    VHDX_NO_VALID_REGION_TABLE = 'vhdx-no-valid-region-table'
    VHDX_REGION_COPY_DAMAGED = 'vhdx-region-copy-damaged'
    VHDX_UNSUPPORTED_VERSION = 'vhdx-unsupported-version'
    VHDX_UNKNOWN_REQUIRED = 'vhdx-unknown-required'
    VHDX_MALFORMED = 'vhdx-malformed'
    VHDX_BAT_OVERLAP = 'vhdx-bat-overlap'
    VHDX_INCOMPLETE = 'vhdx-incomplete'
    VHDX_HEADER_EQUAL_SEQUENCE = 'vhdx-header-equal-sequence'
    VHDX_NO_LOG_REGION = 'vhdx-no-log-region'
    TRAILING_VHD_FOOTER = 'trailing-vhd-footer'
    ISO_NOT_A_DISK = 'iso-not-a-disk'
    ISO_WITHOUT_UEFI = 'iso-without-uefi'
    VHD_MALFORMED = 'vhd-malformed'
    INSPECTION_STOPPED = 'inspection-stopped'
    VHD_FOOTER_COPY = 'vhd-footer-copy'
    NO_PARTITION_TABLE = 'no-partition-table'
    MBR_PARTITIONED = 'mbr-partitioned'
    GPT_MISSING = 'gpt-missing'
    GPT_DAMAGED = 'gpt-damaged'
    GPT_PRIMARY_DAMAGED = 'gpt-primary-damaged'
    GPT_BACKUP_DAMAGED = 'gpt-backup-damaged'
    GPT_NO_PROTECTIVE_MBR = 'gpt-no-protective-mbr'
    GPT_OVERLAP = 'gpt-overlap'
    GPT_PARTITION_OUT_OF_RANGE = 'gpt-partition-out-of-range'
    GPT_BEYOND_DISK = 'gpt-beyond-disk'
    HYBRID_MBR = 'hybrid-mbr'
    GPT_PMBR_ACTIVE = 'gpt-pmbr-active'
    GPT_PMBR_SIGNATURE = 'gpt-pmbr-signature'
    GPT_MANY_ENTRIES = 'gpt-many-entries'
    PARTITION_CUT_OFF = 'partition-cut-off'
    ESP_MISSING = 'esp-missing'
    ESP_TYPE_MISSING = 'esp-type-missing'
    ESP_HIDDEN_FROM_FIRMWARE = 'esp-hidden-from-firmware'
    ESP_NOT_FAT = 'esp-not-fat'
    FAT32_TOO_FEW_CLUSTERS = 'fat32-too-few-clusters'
    FAT_DAMAGED = 'fat-damaged'
    FAT_SECTOR_SIZE = 'fat-sector-size'
    FAT_LARGER_THAN_PARTITION = 'fat-larger-than-partition'
    LOADER_MISSING = 'loader-missing'
    LOADER_WRONG_ARCH = 'loader-wrong-arch'
    LOADER_NOT_EFI_APP = 'loader-not-efi-app'
    SHIM_SECOND_STAGE_MISSING = 'shim-second-stage-missing'
    BCD_MISSING = 'bcd-missing'
    OS_VOLUME_ENCRYPTED = 'os-volume-encrypted'
    BOOT_CONFIGURATION_MISSING = 'boot-configuration-missing'
    BOOT_TARGET_MISSING = 'boot-target-missing'
    HYPERV_DRIVERS_MISSING = 'hyperv-drivers-missing'
