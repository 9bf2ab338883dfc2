# SPDX-License-Identifier: Apache-2.0
"""The rule catalogue: one record a rule, the same words on every surface.

A code never changes its meaning and is never used again. HV1xx judge the
image's properties, HV2xx the file, HV4xx an image against a host, HV5xx the
compute host's own last word.
"""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
import typing

Severity = typing.Literal['error', 'warning', 'info', 'unknown']

#: Values from an image are shown up to this many characters.
MAX_SHOWN = 120

_SCHEDULING = 'https://docs.openstack.org/nova/latest/admin/scheduling.html'
_GENERATIONS = (
    'https://specs.openstack.org/openstack/nova-specs/specs/kilo/'
    'implemented/hyper-v-generation-2-vms.html')
_USAGE = 'https://compute-hyperv.readthedocs.io/en/latest/usage/index.html'
_PLAN = (
    'https://learn.microsoft.com/windows-server/virtualization/hyper-v/plan/'
    'should-i-create-a-generation-1-or-2-virtual-machine-in-hyper-v')
_SECURE_BOOT = (
    'https://specs.openstack.org/openstack/nova-specs/specs/ocata/'
    'implemented/hyper-v-uefi-secureboot.html')
_SHIELDED = (
    'https://learn.microsoft.com/windows-server/security/'
    'guarded-fabric-shielded-vm/guarded-fabric-and-shielded-vms')
_MS_VHDX = (
    'https://learn.microsoft.com/openspecs/windows_protocols/ms-vhdx/')
_FORMAT_MATCH = (
    'https://docs.openstack.org/glance/latest/configuration/glance_api.html'
    '#image_format.require_image_format_match')


def printable(value: object, limit: int | None = MAX_SHOWN) -> str:
    """Show a hostile value on one line, bounded, without control codes."""
    text = str(value)
    if limit is not None and len(text) > limit:
        text = text[:limit - 3] + '...'
    return ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode('ascii')
        for c in text)


class UnknownRule(ValueError):
    """A code that no rule has."""


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """One rule that does not hold, in the words that everybody sees.

    Told apart by identity: the scheduler counts them, one a host.
    """

    image: str
    """The file as given, else the image's id, its name, or ``-``; as it is,
    unlike all else."""
    code: str
    name: str
    severity: Severity
    message: str
    actual: str | None
    """What was found; None where something is missing."""
    required: str
    fix: str
    reference: str

    def __str__(self) -> str:
        return f'{self.code} {self.name}: {self.message}. {self.fix}'


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a code means, and the way out."""

    code: str
    name: str
    severity: Severity
    message: str
    """May name ``{actual}``, ``{required}`` and ``{property}``."""
    required: str
    """What holds where the rule holds, unless the finding knows better."""
    fix: str
    reference: str

    def finding(self, image: str = '-', actual: object = None,
                required: object = None, prop: str = '') -> Finding:
        """Make the finding, with its values bounded and printable.

        :param image: the file as given, else the image's id, its name, -
        :param actual: what was found; None where something is missing
        :param required: None for what the rule always requires
        :param prop: the property that it was found in
        """
        shown = None if actual is None else printable(actual)
        needed = printable(self.required if required is None else required)
        words = {'actual': 'not set' if shown is None else shown,
                 'required': needed, 'property': prop}
        return Finding(
            image=image, code=self.code, name=self.name,
            severity=self.severity, message=self.message.format_map(words),
            actual=shown, required=needed, fix=self.fix.format_map(words),
            reference=self.reference)


_RULES = (
    Rule('HV101', 'unknown-generation', 'error',
         "hw_machine_type is '{actual}', which no Hyper-V host knows",
         'hyperv-gen1 or hyperv-gen2',
         'Set hw_machine_type to hyperv-gen1 or hyperv-gen2, in lower case',
         _GENERATIONS),
    Rule('HV102', 'hypervisor-type-missing', 'error',
         'hypervisor_type is not set, so hosts of other hypervisors match and '
         'Nova ignores hypervisor_version_requires',
         'hyperv',
         'Set hypervisor_type=hyperv', _SCHEDULING),
    Rule('HV103', 'hypervisor-type-conflict', 'error',
         "hypervisor_type is '{actual}', which no Hyper-V host reports",
         'hyperv',
         'Set hypervisor_type=hyperv; for another hypervisor, take the '
         'hyperv-* machine type away',
         _SCHEDULING),
    Rule('HV104', 'version-syntax', 'error',
         "Nova does not accept hypervisor_version_requires '{actual}'",
         'comparisons (< <= == != >= >) with versions, separated by commas',
         "Write it as '>=6.3' or '>=6.3,<10.0'", _SCHEDULING),
    Rule('HV105', 'version-unsatisfiable', 'error',
         'no host that runs this generation can satisfy '
         "hypervisor_version_requires '{actual}': "
         'hosts report 6.2, 6.3 or 10.0 and never a build',
         'a requirement that 6.3 or 10.0 satisfies',
         "Use '>=6.3' (2012 R2 and newer) or '>=10.0' (2016 and newer)",
         _SCHEDULING),
    Rule('HV106', 'version-admits-old-hosts', 'warning',
         'hypervisor_version_requires ({actual}) admits hosts older than 6.3, '
         'which cannot run generation 2',
         '>=6.3',
         "Set hypervisor_version_requires='>=6.3'", _GENERATIONS),
    Rule('HV107', 'disk-format-unsupported', 'error',
         "disk_format is '{actual}', which Hyper-V does not run",
         'vhdx; iso for installation media; vhd for generation 1',
         'Convert the disk (qemu-img convert -O vhdx IN OUT.vhdx) and upload '
         'it with disk_format=vhdx', _USAGE),
    Rule('HV108', 'disk-format-vhd', 'warning',
         'disk_format is vhd and the content was not seen: generation 2 runs '
         'only if the file is really a VHDX',
         'vhdx',
         'Inspect the file; upload a VHDX with disk_format=vhdx', _PLAN),
    Rule('HV109', 'architecture-not-64bit', 'error',
         "architecture is '{actual}', generation 2 runs 64-bit guests only",
         'x86_64',
         'Set architecture=x86_64 if the guest is 64-bit, else use '
         'generation 1', _PLAN),
    Rule('HV110', 'secure-boot-generation', 'error',
         'os_secure_boot=required, but the image is generation 1',
         'generation 2, or os_secure_boot not required',
         'Use a generation 2 image, or set os_secure_boot=disabled',
         _SECURE_BOOT),
    Rule('HV111', 'secure-boot-os-type', 'error',
         'os_secure_boot=required, but os_type is not set',
         'windows or linux',
         'Set os_type=windows or os_type=linux', _SECURE_BOOT),
    Rule('HV112', 'secure-boot-linux-version', 'error',
         'Secure Boot of Linux needs hosts of version 10.0, but '
         'hypervisor_version_requires ({actual}) admits older ones',
         '>=10.0',
         "Set hypervisor_version_requires='>=10.0'", _SECURE_BOOT),
    Rule('HV113', 'vtpm-prerequisites', 'error',
         'a virtual TPM or a shielded VM is required without all that it '
         'needs',
         'os_secure_boot=required, os_type=windows, img_pdk_reference, '
         "hypervisor_version_requires='>=10.0'",
         'Set {required}', _SHIELDED),
    Rule('HV114', 'firmware-type-conflict', 'error',
         "hw_firmware_type is '{actual}', which is not the firmware of this "
         'generation',
         'uefi for generation 2, bios for generation 1',
         'Correct hw_firmware_type or hw_machine_type, whichever is wrong',
         _GENERATIONS),
    Rule('HV115', 'disk-bus-ide', 'error',
         '{property} is {actual}, generation 2 has no IDE',
         'scsi',
         'Set {property}=scsi', _PLAN),
    Rule('HV116', 'os-type-case', 'warning',
         "os_type is '{actual}': compute-hyperv knows it in lower case only "
         'and takes the wrong Secure Boot template',
         'lower case',
         'Write os_type in lower case', _USAGE),
    Rule('HV117', 'serial-port-number', 'error',
         "{property} is '{actual}', a Hyper-V VM has ports 1 and 2",
         '1 or 2',
         'Set {property}=1 or {property}=2', _USAGE),
    Rule('HV118', 'names-disagree', 'error',
         "{property} is '{actual}', but Nova reads the newer name of it, "
         'which says something else',
         'one value under both names',
         'Remove {property}, or give both the same value', _SCHEDULING),
    Rule('HV119', 'property-ignored', 'info',
         '{property} is set, but no Hyper-V driver reads it',
         'nothing',
         'Remove {property}', _USAGE),
    Rule('HV120', 'version-not-portable', 'warning',
         "clouds up to 2023.2 refuse hypervisor_version_requires '{actual}'",
         'comparisons with two or three numbers',
         "Write '>=10.0' rather than '>=10'", _SCHEDULING),
    Rule('HV121', 'vm-mode', 'error',
         "hw_vm_mode is '{actual}', Hyper-V hosts offer hvm only",
         'hvm',
         'Set hw_vm_mode=hvm', _SCHEDULING),
    Rule('HV201', 'label-mismatch', 'error',
         'disk_format is {actual} but the file is {required}: Glance 30 and '
         'newer, or the driver, refuse it',
         "the file's own format",
         'Upload with disk_format={required}', _FORMAT_MATCH),
    Rule('HV202', 'container-vhd', 'error',
         'the file is VHD, generation 2 runs only from VHDX',
         'vhdx',
         'If it was installed for generation 1, set '
         'hw_machine_type=hyperv-gen1, else convert it: qemu-img convert -f '
         'vpc -O vhdx IN.vhd OUT.vhdx',
         _PLAN),
    Rule('HV203', 'container-not-vhdx', 'error',
         'the file is {actual}, which Hyper-V does not run',
         'vhdx; vhd for generation 1',
         'Convert it (unpack it first if it is compressed): qemu-img convert '
         '-O vhdx IN OUT.vhdx; it starts as the generation that it was '
         'installed for', _PLAN),
    Rule('HV204', 'format-unknown', 'error',
         'the file is of no known disk format',
         'vhdx; vhd for generation 1',
         'Check that this is a disk image and that it is whole; a raw disk '
         'without partitions looks like this, too', _MS_VHDX),
    Rule('HV205', 'empty-file', 'error',
         'the file is empty',
         'a disk image',
         'Export or download the disk again', _MS_VHDX),
    Rule('HV206', 'vhdx-has-parent', 'error',
         'the file is a differencing disk and useless without its parent',
         'a disk of its own',
         'Merge it into its parent (PowerShell: Merge-VHD), or convert the '
         'chain (Convert-VHD)', _MS_VHDX),
    Rule('HV207', 'vhdx-dirty-log', 'error',
         'the log of the VHDX must be replayed first: the file was not '
         'closed',
         'an empty log',
         'Shut the VM down and export it again, or mount the file once on '
         'Windows (Mount-VHD)', _MS_VHDX),
    Rule('HV215', 'vhdx-malformed', 'error',
         'the metadata of the VHDX cannot be read',
         'a whole file',
         'Export or download the disk again', _MS_VHDX),
    Rule('HV220', 'sector-4k', 'warning',
         'the disk has logical sectors of {actual} bytes',
         '512',
         'Convert it to sectors of 512 bytes (Convert-VHD, Set-VHD)', _PLAN),
    Rule('HV222', 'iso-not-a-disk', 'warning',
         'the file is installation media, not an installed disk',
         'vhdx',
         'Use it to install; boot servers from the VHDX that results',
         _PLAN),
    Rule('HV223', 'fixed-vhd', 'warning',
         'the file is a fixed VHD: Glance 30 and newer refuse it, they look '
         'at its head only',
         'a dynamic VHD or a VHDX',
         'Convert it: qemu-img convert -f vpc -O vhdx IN.vhd OUT.vhdx',
         _FORMAT_MATCH),
    Rule('HV224', 'min-disk-too-small', 'warning',
         'min_disk is {actual} GB, smaller than the virtual size of '
         '{required} bytes',
         'the virtual size',
         'Set min_disk to the virtual size in GB, rounded up', _USAGE),
    Rule('HV225', 'vhd-malformed', 'error',
         'the VHD is neither fixed nor dynamic ({actual})',
         'fixed or dynamic',
         'Merge a differencing disk into its parent; export or download '
         'another one again', _USAGE),
    Rule('HV401', 'host-not-hyperv', 'error',
         'the host runs {actual}, the image needs Hyper-V',
         'hyperv',
         'Use a Hyper-V host, or an image for this hypervisor', _GENERATIONS),
    Rule('HV402', 'host-too-old', 'error',
         'the host runs Hyper-V {actual}, generation 2 needs {required}',
         '>=6.3',
         'Use a host of version {required}, or a generation 1 image',
         _GENERATIONS),
    Rule('HV403', 'host-version-unknown', 'error',
         'the host has not reported its hypervisor version',
         'a known version',
         'See that nova-compute on the host runs and reports', _GENERATIONS),
    Rule('HV404', 'version-requirement-unmet', 'error',
         'the host runs Hyper-V {actual}, the image requires {required}',
         'hypervisor_version_requires',
         'Use a host that satisfies it, or correct the requirement',
         _SCHEDULING),
    Rule('HV405', 'request-invalid', 'error',
         'no host can meet the image: {actual}',
         'properties that agree',
         'Correct the image: hyperv-sched image lint tells how', _USAGE),
    Rule('HV501', 'generation-unsupported-here', 'error',
         'this host cannot run the image: {actual}',
         'a host that can',
         'Another host may do', _USAGE),
    # The fault of a server has little room: the finding brings its own fix.
    Rule('HV502', 'image-unusable', 'error',
         '{actual}',
         'an image that Hyper-V runs',
         'Correct the image: hyperv-sched image lint tells how', _USAGE),
)

#: Every rule by its code, in the order in which they are explained.
CATALOGUE = {rule.code: rule for rule in _RULES}


def weigh(findings: Iterable[Finding], ignored: Iterable[str] = (),
          errors: Iterable[str] = ()) -> list[Finding]:
    """Apply what an operator thinks of the rules.

    :param ignored: codes whose findings are dropped
    :param errors: codes whose findings count as errors
    :raises UnknownRule: a code is misspelt: silence would be no answer.
    """
    ignored, errors = frozenset(ignored), frozenset(errors)
    for code in sorted(ignored | errors):
        if code not in CATALOGUE:
            raise UnknownRule(f'{printable(code)}: no such rule')
    return [
        dataclasses.replace(finding, severity='error')
        if finding.code in errors else finding
        for finding in findings if finding.code not in ignored]
