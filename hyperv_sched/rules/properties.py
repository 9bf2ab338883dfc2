# SPDX-License-Identifier: Apache-2.0
"""Rules over the properties of an image: HV1xx."""

from __future__ import annotations

from hyperv_sched.rules import references
from hyperv_sched.rules.model import Rule
from hyperv_sched.rules.model import Variant

RULES = (
    Rule('HV101', 'unknown-generation', 'error',
         "hw_machine_type is '{actual}', which no Hyper-V host knows",
         'hyperv-gen1 or hyperv-gen2',
         'Set hw_machine_type to hyperv-gen1 or hyperv-gen2, in lower case',
         references.GENERATIONS),
    Rule('HV102', 'hypervisor-type-missing', 'error',
         'hypervisor_type is not set, so hosts of other hypervisors match and '
         'Nova ignores hypervisor_version_requires',
         'hyperv',
         'Set hypervisor_type=hyperv', references.SCHEDULING),
    Rule('HV103', 'hypervisor-type-conflict', 'error',
         "hypervisor_type is '{actual}', which no Hyper-V host reports",
         'hyperv',
         'Set hypervisor_type=hyperv; for another hypervisor, take the '
         'hyperv-* machine type away', references.SCHEDULING),
    Rule('HV104', 'version-syntax', 'error',
         "Nova does not accept hypervisor_version_requires '{actual}'",
         'comparisons (< <= == != >= >) with versions, separated by commas',
         "Write it as '>=6.3' or '>=6.3,<10.0', and quote it in a shell, "
         'which redirects output at > and <', references.SCHEDULING),
    Rule('HV105', 'version-unsatisfiable', 'error',
         'no host that runs this generation can satisfy '
         "hypervisor_version_requires '{actual}': "
         'hosts report 6.2, 6.3 or 10.0 and never a build',
         'a requirement that 6.3 or 10.0 satisfies',
         "Use '>=6.3' (2012 R2 and newer) or '>=10.0' (2016 and newer)",
         references.SCHEDULING),
    Rule('HV106', 'version-admits-old-hosts', 'warning',
         'hypervisor_version_requires ({actual}) admits hosts older than 6.3, '
         'which cannot run generation 2',
         '>=6.3',
         "Set hypervisor_version_requires='>=6.3'", references.GENERATIONS),
    Rule('HV107', 'disk-format-unsupported', 'error',
         "disk_format is '{actual}', which Hyper-V does not run",
         'vhdx; iso for installation media; vhd for generation 1',
         'Convert the disk (qemu-img convert -O vhdx IN OUT.vhdx) and upload '
         'it with disk_format=vhdx', references.USAGE),
    Rule('HV108', 'disk-format-vhd', 'warning',
         'disk_format is vhd and the content was not seen: generation 2 runs '
         'only if the file is really a VHDX',
         'vhdx',
         'Inspect the file; upload a VHDX with disk_format=vhdx',
         references.PLAN),
    Rule('HV109', 'architecture-not-64bit', 'error',
         "architecture is '{actual}', which is 32-bit. Generation 2 runs "
         '64-bit guests only',
         'x86_64',
         'Set architecture=x86_64 if the guest is 64-bit, else use '
         'generation 1', references.PLAN),
    Rule('HV110', 'secure-boot-generation', 'error',
         'os_secure_boot=required, but the image is generation 1',
         'generation 2, or os_secure_boot not required',
         'Use a generation 2 image, or set os_secure_boot=disabled',
         references.SECURE_BOOT),
    Rule('HV111', 'secure-boot-os-type', 'error',
         'os_secure_boot=required, but os_type is not set',
         'windows or linux',
         'Set os_type=windows or os_type=linux', references.SECURE_BOOT),
    Rule('HV112', 'secure-boot-linux-version', 'error',
         'Secure Boot of all but Windows needs hosts of version 10.0, but '
         'hypervisor_version_requires ({actual}) admits older ones',
         '>=10.0',
         "Set hypervisor_version_requires='>=10.0'", references.SECURE_BOOT),
    Rule('HV113', 'vtpm-prerequisites', 'error',
         'a virtual TPM or a shielded VM is required without all that it '
         'needs',
         'os_secure_boot=required, os_type=windows, img_pdk_reference, '
         "hypervisor_version_requires='>=10.0'",
         'Set {required}', references.SHIELDED),
    Rule('HV114', 'firmware-type-conflict', 'error',
         "hw_firmware_type is '{actual}', which is not the firmware of this "
         'generation',
         'uefi for generation 2, bios for generation 1',
         'Correct hw_firmware_type or hw_machine_type, whichever is wrong',
         references.GENERATIONS),
    Rule('HV115', 'disk-bus-ide', 'error',
         '{property} is {actual}, generation 2 has no IDE',
         'scsi',
         'Set {property}=scsi', references.PLAN),
    Rule('HV116', 'os-type-case', 'warning',
         "os_type is '{actual}': compute-hyperv knows it in lower case only, "
         'so that Windows gets the Secure Boot template for Linux',
         'lower case',
         'Write os_type in lower case', references.USAGE),
    Rule('HV117', 'serial-port-number', 'error',
         "{property} is '{actual}', a Hyper-V VM has ports 1 and 2",
         '1 or 2',
         'Set {property}=1 or {property}=2', references.USAGE),
    Rule('HV118', 'names-disagree', 'error',
         "{property} is '{actual}', but Nova reads the newer name of it, "
         'which says something else',
         'one value under both names',
         'Remove {property}, or give both the same value',
         references.SCHEDULING),
    Rule('HV119', 'property-ignored', 'info',
         '{property} is set, but no Hyper-V driver reads it',
         'nothing',
         'Remove {property}', references.USAGE),
    Rule('HV120', 'version-not-portable', 'warning',
         "clouds up to 2023.2 refuse hypervisor_version_requires '{actual}'",
         'comparisons with two or three numbers',
         "Write it with two or three numbers and no line break: '>=10.0' "
         "rather than '>=10'", references.SCHEDULING),
    Rule('HV121', 'vm-mode', 'error',
         "hw_vm_mode is '{actual}', Hyper-V hosts offer hvm only",
         'hvm',
         'Set hw_vm_mode=hvm', references.SCHEDULING),
    Rule('HV123', 'property-misspelt', 'warning',
         'no property named {property} is read. Its name resembles '
         '{required}',
         'a name that is read',
         'Set {required}, and remove {property}', references.PROPERTIES),
    Rule('HV124', 'value-refused-by-nova', 'error',
         "{property} is '{actual}'. Nova answers every request for a server "
         'with HTTP 400',
         'a value that Nova takes',
         'Set {property} to {required}, or remove it',
         references.PROPERTIES),
    Rule('HV125', 'trait-unavailable', 'error',
         '{property}={actual} makes Nova ask for {required}, which no '
         'Hyper-V host has',
         'what Hyper-V hosts have',
         'Remove {property}', references.PROPERTIES, {
             'vtpm': Variant(
                 'Remove {property}. With compute-hyperv, os_vtpm=required '
                 'gives a server a virtual TPM')}),
    Rule('HV126', 'version-ignored', 'warning',
         "Nova ignores hypervisor_version_requires '{actual}', since neither "
         'hypervisor_type, architecture nor vm_mode is set',
         'hypervisor_type',
         'Set hypervisor_type to the hypervisor of the image, for example '
         'hypervisor_type=hyperv', references.SCHEDULING),
    Rule('HV128', 'architecture-unavailable', 'error',
         "architecture is '{actual}'. Hyper-V hosts run x86_64 and i686 "
         'only',
         'x86_64, or i686 for generation 1',
         'Set architecture=x86_64 if the guest is 64-bit x86. Otherwise run '
         'it on another hypervisor', references.SCHEDULING),
)
