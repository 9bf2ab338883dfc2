# SPDX-License-Identifier: Apache-2.0
"""Links to the documents that rules are based on."""

SCHEDULING = 'https://docs.openstack.org/nova/latest/admin/scheduling.html'
PROPERTIES = (
    'https://docs.openstack.org/glance/latest/admin/'
    'useful-image-properties.html')
GENERATIONS = (
    'https://specs.openstack.org/openstack/nova-specs/specs/kilo/'
    'implemented/hyper-v-generation-2-vms.html')
USAGE = 'https://compute-hyperv.readthedocs.io/en/latest/usage/index.html'
PLAN = (
    'https://learn.microsoft.com/windows-server/virtualization/hyper-v/plan/'
    'should-i-create-a-generation-1-or-2-virtual-machine-in-hyper-v')
SECURE_BOOT = (
    'https://specs.openstack.org/openstack/nova-specs/specs/ocata/'
    'implemented/hyper-v-uefi-secureboot.html')
SHIELDED = (
    'https://learn.microsoft.com/windows-server/security/'
    'guarded-fabric-shielded-vm/guarded-fabric-and-shielded-vms')
MS_VHDX = (
    'https://learn.microsoft.com/openspecs/windows_protocols/ms-vhdx/')
IMAGE_FORMATS = 'https://github.com/qemu/qemu/tree/master/docs/interop'
FORMAT_MATCH = (
    'https://docs.openstack.org/glance/latest/configuration/glance_api.html'
    '#image_format.require_image_format_match')
GPT = (
    'https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html')
FAT = 'https://uefi.org/specs/UEFI/2.10/13_Protocols_Media_Access.html'
BOOT_MANAGER = 'https://uefi.org/specs/UEFI/2.10/03_Boot_Manager.html'
PARTITION_DXE = (
    'https://github.com/tianocore/edk2/tree/master/MdeModulePkg/Universal/'
    'Disk/PartitionDxe')
FAT_DXE = (
    'https://github.com/tianocore/edk2/tree/master/FatPkg/EnhancedFatDxe')
PE = 'https://learn.microsoft.com/windows/win32/debug/pe-format'
BCDBOOT = (
    'https://learn.microsoft.com/windows-hardware/manufacture/desktop/'
    'bcdboot-command-line-options-techref-di')
BITLOCKER = (
    'https://learn.microsoft.com/windows/security/operating-system-security/'
    'data-protection/bitlocker/')
LINUX_ON_HYPERV = 'https://docs.kernel.org/virt/hyperv/overview.html'
SHIM = 'https://github.com/rhboot/shim'
GRUB = 'https://www.gnu.org/software/grub/manual/grub/grub.html'
SBAT = 'https://github.com/rhboot/shim/blob/main/SBAT.md'
SECURE_BOOT_TEMPLATES = (
    'https://learn.microsoft.com/windows-server/virtualization/hyper-v/'
    'learn-more/generation-2-virtual-machine-security-settings-for-hyper-v')
CERTIFICATES_2023 = (
    'https://support.microsoft.com/topic/windows-secure-boot-certificate-'
    'expiration-and-ca-updates-7ff40d33-95dc-4c3c-8725-a9b95457578e')
AUTHENTICODE = (
    'https://uefi.org/specs/UEFI/2.10/'
    '32_Secure_Boot_and_Driver_Signing.html')
