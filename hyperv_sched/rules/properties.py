# SPDX-License-Identifier: Apache-2.0
"""Rules over the properties of an image: HV1xx."""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import Any

from hyperv_sched import names
from hyperv_sched import nova_values
from hyperv_sched import versions
from hyperv_sched.rules import references
from hyperv_sched.rules.conditions import all_of
from hyperv_sched.rules.conditions import any_of
from hyperv_sched.rules.conditions import equal
from hyperv_sched.rules.conditions import has
from hyperv_sched.rules.conditions import matches
from hyperv_sched.rules.conditions import none_of
from hyperv_sched.rules.conditions import not_
from hyperv_sched.rules.conditions import one_of
from hyperv_sched.rules.conditions import optional
from hyperv_sched.rules.conditions import ref
from hyperv_sched.rules.conditions import required
from hyperv_sched.rules.conditions import valid
from hyperv_sched.rules.definitions import EXAMPLES
from hyperv_sched.rules.model import Clause
from hyperv_sched.rules.model import Document
from hyperv_sched.rules.model import Remedy
from hyperv_sched.rules.model import Rule
from hyperv_sched.rules.model import Variant

#: What Nova reads as true (oslo.utils, ``strutils.bool_from_string``).
_TRUE = r'^\s*([Tt]([Rr][Uu][Ee])?|[Yy]([Ee][Ss])?|[Oo][Nn]|1)\s*$'

#: A generation in other words: "Generation 2", "V2", "HyperV-Gen2".
_GENERATION = re.compile(
    r'(?:hyper[-_ ]?v)?[-_ ]*(?:(?:gen(?:eration)?|v)[-_ ]*)?([12])')

_DISK_BUSES = ('hw_disk_bus', 'hw_cdrom_bus')

_SHIELDED = {
    'os_vtpm': 'required', 'os_secure_boot': 'required',
    'os_type': 'windows', 'hypervisor_version_requires': '>=10.0',
    'img_pdk_reference': 'http://192.0.2.1:9311/v1/containers/1'}

#: A value of each property that has an old name, and another value.
_LEGACY_VALUES = {
    'hw_architecture': ('x86_64', 'i686'),
    'img_hv_type': ('hyperv', 'qemu'),
    'img_hv_requested_version': ('>=6.3', '>=10.0'),
    'hw_vm_mode': ('hvm', 'xen')}


def _generation(document: Document) -> dict[str, str]:
    match = _GENERATION.fullmatch(document['hw_machine_type'].strip().lower())
    return {'hw_machine_type': f'hyperv-gen{match[1]}'} if match else {}


def _hyperv(_document: Document) -> dict[str, str]:
    return {'hypervisor_type': names.HYPERV}


def _hypervisor_type(document: Document) -> dict[str, str]:
    """Correct the spelling of Hyper-V, but no other hypervisor."""
    letters = ''.join(filter(str.isalnum, document['hypervisor_type']))
    return _hyperv(document) if letters.lower() == names.HYPERV else {}


def _at_least(minimum: versions.Version) -> Remedy:
    """Return a remedy that adds a minimum to the version requirement."""
    def remedy(document: Document) -> dict[str, str]:
        required = document.get('hypervisor_version_requires')
        if required is None:
            return {'hypervisor_version_requires': f'>={minimum}'}
        narrowed = f'{required},>={minimum}'
        if len(narrowed) > versions.MAX_REQUIREMENT_LENGTH:
            return {}
        specifiers = versions.parse_requirement(narrowed)
        if not any(versions.satisfies(version, specifiers)
                   for version in versions.REPORTED):
            return {}
        return {'hypervisor_version_requires': narrowed}
    return remedy


def _linux_secure_boot(document: Document) -> dict[str, str]:
    """Require newer hosts.

    HV116 corrects the case of Windows instead.
    """
    if document['os_type'].lower() == 'windows':
        return {}
    return _at_least(versions.WINDOWS_SERVER_2016)(document)


def _scsi(document: Document) -> dict[str, str]:
    return {name: 'scsi' for name in _DISK_BUSES
            if document.get(name, '').lower() == 'ide'}


def _lower_os_type(document: Document) -> dict[str, str]:
    return {'os_type': document['os_type'].lower()}


def _os_type_of_disk(document: Document) -> dict[str, str]:
    return {'os_type': document['content']['operating_system']}


def _sync_legacy_names(document: Document) -> dict[str, str]:
    """Give old names the values that Nova reads under the new ones.

    A value that Nova refuses is not in the document.
    """
    return {f'overridden.{legacy}': document[names.USED.get(name, name)]
            for name, legacy in names.LEGACY.items()
            if legacy in document['overridden']
            and names.USED.get(name, name) in document}


def _hvm(_document: Document) -> dict[str, str]:
    return {'hw_vm_mode': 'hvm'}


def _system(operating_system: str | None) -> dict[str, Any]:
    """Return the content of an example."""
    return {'content': {
        'format': 'vhdx', 'operating_system': operating_system}}


def _accepted_values(document: Document) -> dict[str, str]:
    """Return the values that are spelled in a way that Nova refuses."""
    values = {
        name: nova_values.corrected(name, refused['actual'])
        for name, refused in document['refused'].items()}
    return {name: value for name, value in values.items()
            if value is not None}


def _unavailable(name: str, demand: str, *values: str,
                 needed: Mapping[str, str] | None = None,
                 variant: str | None = None) -> Clause:
    """Make the clause that a property demands nothing that hosts lack.

    Hosts report the resources VCPU, MEMORY_MB and DISK_GB, and few traits.

    :param demand: what Nova demands of a host
    :param values: the values that make Nova do so; none: all that it reads
        as true
    :param needed: values of other properties without which Nova does not
    """
    needed = needed or {}
    value = none_of(*values) if values else not_(any_of(
        equal(True), {'type': 'string', **matches(_TRUE)}))
    return Clause(
        why=f'{name} makes Nova ask for {demand}.',
        path=name, required=demand, variant=variant, value=value,
        when=all_of(*(required(other, equal(expected))
                      for other, expected in needed.items()))
        if needed else None,
        text=bool(values),
        wrong=[{**needed, name: wrong} for wrong in values or (
            'true', 'True', 'yes', 'on', '1')],
        right=[{**needed, name: None}, *(
            () if values else ({**needed, name: 'false'},))])


RULES = (
    Rule('HV101', 'unknown-generation', 'error',
         "hw_machine_type is '{actual}', which no Hyper-V host knows",
         'hyperv-gen1 or hyperv-gen2',
         'Set hw_machine_type to hyperv-gen1 or hyperv-gen2, in lower case',
         references.GENERATIONS,
         scope='hyperv', prevents='scheduling', remedy=_generation,
         clauses=[Clause(
             why='The machine type of a Hyper-V image is one of the two that '
                 'os-win knows, letter by letter.',
             path='hw_machine_type',
             value=one_of(names.GENERATION_1, names.GENERATION_2),
             wrong=[{'hw_machine_type': 'hyperv-gen3'},
                    {'hw_machine_type': 'HYPERV-GEN2'},
                    {'hw_machine_type': 'q35'}],
             right=[{'hw_machine_type': 'hyperv-gen2'},
                    {'hw_machine_type': 'hyperv-gen1'}])]),
    Rule('HV102', 'hypervisor-type-missing', 'error',
         'hypervisor_type is not set, so hosts of other hypervisors match and '
         'Nova ignores hypervisor_version_requires',
         'hyperv',
         'Set hypervisor_type=hyperv', references.SCHEDULING,
         scope='hyperv', remedy=_hyperv,
         clauses=[Clause(
             why='A Hyper-V machine type comes with hypervisor_type, without '
                 'which Nova skips the version.',
             path='hypervisor_type', when=has('hw_machine_type'),
             then=has('hypervisor_type'),
             wrong=[{'hypervisor_type': None}],
             right=[{'hypervisor_type': 'hyperv'}])]),
    Rule('HV103', 'hypervisor-type-conflict', 'error',
         "hypervisor_type is '{actual}', which no Hyper-V host reports",
         'hyperv',
         'Set hypervisor_type=hyperv; for another hypervisor, take the '
         'hyperv-* machine type away', references.SCHEDULING,
         scope='hyperv', prevents='scheduling', remedy=_hypervisor_type,
         clauses=[Clause(
             why='A Hyper-V machine type goes with hypervisor_type=hyperv and '
                 'no other, spelled as Nova accepts it.',
             path='hypervisor_type', value=equal(names.HYPERV),
             wrong=[{'hypervisor_type': 'qemu'},
                    {'hypervisor_type': 'Hyper-V'}],
             right=[{'hypervisor_type': 'hyperv'},
                    {'hypervisor_type': 'HyperV'}])]),
    Rule('HV104', 'version-syntax', 'error',
         "Nova does not accept hypervisor_version_requires '{actual}'",
         'comparisons (< <= == != >= >) with versions, separated by commas',
         "Write it as '>=6.3' or '>=6.3,<10.0', and quote it in a shell, "
         'which redirects output at > and <', references.SCHEDULING,
         scope='hyperv', prevents='scheduling',
         clauses=[Clause(
             why='Nova answers any other syntax with HTTP 400.',
             path='hypervisor_version_requires',
             value=valid('nova-version-predicate'),
             wrong=[{'hypervisor_version_requires': '~=6.3'},
                    {'hypervisor_version_requires': ''},
                    {'hypervisor_version_requires': f'>=6.{"3" * 252}'}],
             right=[{'hypervisor_version_requires': '>=6.3'},
                    {'hypervisor_version_requires': f'>=6.3{" " * 250}'}])]),
    Rule('HV105', 'version-unsatisfiable', 'error',
         'no host that runs this generation can satisfy '
         "hypervisor_version_requires '{actual}': "
         'hosts report 6.2, 6.3 or 10.0 and never a build',
         'a requirement that 6.3 or 10.0 satisfies',
         "Use '>=6.3' (2012 R2 and newer) or '>=10.0' (2016 and newer)",
         references.SCHEDULING,
         scope='hyperv',
         clauses=[
             Clause(
                 why='Some version that Hyper-V hosts report satisfies the '
                     'requirement.',
                 path='hypervisor_version_requires',
                 value=valid('hyperv-version'),
                 wrong=[{'hw_machine_type': None,
                         'hypervisor_version_requires': '>=10.0.17763'},
                        {'hw_machine_type': None,
                         'hypervisor_version_requires': '>6.3,<10.0'}],
                 right=[{'hypervisor_version_requires': '>=10.0'},
                        {'hw_machine_type': None,
                         'hypervisor_version_requires': '==6.2'}]),
             Clause(
                 why='For generation 2, some version that runs it satisfies '
                     'the requirement.',
                 scope='generation-2', path='hypervisor_version_requires',
                 value=valid('hyperv-version-generation-2'),
                 wrong=[{'hypervisor_version_requires': '<6.3'},
                        {'hypervisor_version_requires': '==6.2'}],
                 right=[{'hypervisor_version_requires': '==6.3'}])]),
    Rule('HV106', 'version-admits-old-hosts', 'warning',
         'hypervisor_version_requires ({actual}) admits hosts older than 6.3, '
         'which cannot run generation 2',
         '>=6.3',
         "Set hypervisor_version_requires='>=6.3'", references.GENERATIONS,
         scope='generation-2', remedy=_at_least(versions.GENERATION_2_MINIMUM),
         clauses=[Clause(
             why='Hosts older than 6.3 do not run generation 2.',
             path='hypervisor_version_requires',
             then=required('hypervisor_version_requires',
                           valid('hyperv-version-only-generation-2')),
             wrong=[{'hypervisor_version_requires': '>=6.2'},
                    {'hypervisor_version_requires': None}],
             right=[{'hypervisor_version_requires': '>=6.3'},
                    {'hypervisor_version_requires': '>6.2'}])]),
    Rule('HV107', 'disk-format-unsupported', 'error',
         "disk_format is '{actual}', which Hyper-V does not run",
         'vhdx; iso for installation media; vhd for generation 1',
         'Convert the disk (hyperv-sched image convert IN OUT.vhdx) and '
         'upload it with disk_format=vhdx', references.USAGE,
         scope='hyperv', prevents='build',
         clauses=[Clause(
             why='The driver takes vhd, vhdx and iso. Where the file was '
                 'read, HV2xx judge it instead.',
             path='disk_format', value=one_of('vhd', 'vhdx', 'iso'),
             when=all_of(ref('labeled'), not_(has('content'))),
             wrong=[{'disk_format': 'qcow2'}, {'disk_format': 'VHDX'}],
             right=[{'disk_format': 'vhdx'}, {'disk_format': 'iso'},
                    {'disk_format': ''},
                    {'hw_machine_type': 'hyperv-gen1',
                     'disk_format': 'vhd'}])]),
    Rule('HV108', 'disk-format-vhd', 'warning',
         'disk_format is vhd and the content was not seen: generation 2 runs '
         'only if the file is really a VHDX',
         'vhdx',
         'Inspect the file; upload a VHDX with disk_format=vhdx',
         references.PLAN,
         scope='generation-2',
         clauses=[Clause(
             why='Old Glance had no vhdx, so the label vhd may stand on a '
                 'VHDX. Only the file can tell.',
             path='disk_format', value=none_of('vhd'),
             when=not_(has('content')),
             wrong=[{'disk_format': 'vhd'}],
             right=[{'disk_format': 'vhdx'}])]),
    Rule('HV109', 'architecture-not-64bit', 'error',
         "architecture is '{actual}', which is 32-bit. Generation 2 runs "
         '64-bit guests only',
         'x86_64',
         'Set architecture=x86_64 if the guest is 64-bit, else use '
         'generation 1', references.PLAN,
         scope='generation-2', prevents='scheduling',
         clauses=[Clause(
             why='A generation 2 guest is 64-bit.',
             path='architecture', value=none_of('i686'),
             wrong=[{'architecture': 'i686'}],
             right=[{'architecture': 'x86_64'}])]),
    Rule('HV110', 'secure-boot-generation', 'error',
         'os_secure_boot=required, but the image is generation 1',
         'generation 2, or os_secure_boot not required',
         'Use a generation 2 image, or set os_secure_boot=disabled',
         references.SECURE_BOOT, {'flavor': Variant(
             'Use a generation 2 image, or a flavor without os:secure_boot',
             'the flavor has os:secure_boot=required, but the image is '
             'generation 1')},
         scope='generation-1', prevents='scheduling',
         clauses=[
             Clause(
                 why='Secure Boot is a feature of UEFI: the driver refuses it '
                     'for generation 1.',
                 path='os_secure_boot', value=none_of('required'),
                 when=not_(has('os:secure_boot')),
                 wrong=[{'os_secure_boot': 'required'},
                        {'hw_machine_type': 'hyperv-gen1',
                         'os_secure_boot': 'required'}],
                 right=[{'os_secure_boot': 'optional'},
                        {'os_secure_boot': 'disabled'},
                        {'hw_machine_type': 'hyperv-gen2',
                         'os_type': 'windows',
                         'hypervisor_version_requires': '>=6.3',
                         'os_secure_boot': 'required'}]),
             Clause(
                 why='The driver reads os:secure_boot of the flavor, too.',
                 path='os:secure_boot', value=none_of('required'),
                 variant='flavor',
                 wrong=[{'os:secure_boot': 'required'}],
                 right=[{'hw_machine_type': 'hyperv-gen2',
                         'os_type': 'windows',
                         'hypervisor_version_requires': '>=6.3',
                         'os_secure_boot': 'required',
                         'os:secure_boot': 'required'}])]),
    Rule('HV111', 'secure-boot-os-type', 'error',
         'os_secure_boot=required, but os_type is not set',
         'windows or linux',
         'Set os_type=windows or os_type=linux', references.SECURE_BOOT,
         scope='generation-2', prevents='scheduling',
         clauses=[Clause(
             why='The driver selects the Secure Boot template by os_type, and '
                 'does not guess. A value that Nova refuses is the subject of '
                 'HV124.',
             path='os_type', then=required('os_type', {'minLength': 1}),
             when=all_of(ref('secure-boot'), not_(has('refused.os_type'))),
             wrong=[{'os_secure_boot': 'required'}],
             right=[{'os_secure_boot': 'required', 'os_type': 'windows'},
                    {'os_secure_boot': 'optional'}])]),
    Rule('HV112', 'secure-boot-linux-version', 'error',
         'Secure Boot of guests other than Windows needs hosts of version '
         '10.0, but hypervisor_version_requires ({actual}) admits older ones',
         '>=10.0',
         "Set hypervisor_version_requires='>=10.0'", references.SECURE_BOOT,
         scope='generation-2', prevents='build-before-2016',
         remedy=_linux_secure_boot,
         clauses=[Clause(
             why='Hosts older than 10.0 support Secure Boot for Windows '
                 'guests only, and compute-hyperv recognizes Windows by '
                 'os_type in lower case only.',
             path='hypervisor_version_requires',
             then=required('hypervisor_version_requires',
                           valid('hyperv-version-only-10')),
             when=all_of(ref('secure-boot'), required(
                 'os_type', {'minLength': 1, **none_of('windows')})),
             wrong=[{'os_secure_boot': 'required', 'os_type': 'linux'},
                    {'os_secure_boot': 'required', 'os_type': 'linux',
                     'hypervisor_version_requires': '>6.2'}],
             right=[{'os_secure_boot': 'required', 'os_type': 'linux',
                     'hypervisor_version_requires': '>=10.0'},
                    {'os_secure_boot': 'required', 'os_type': 'windows'},
                    {'os_secure_boot': 'optional', 'os_type': 'linux'}])]),
    Rule('HV113', 'vtpm-prerequisites', 'error',
         'a virtual TPM or a shielded VM is required without all that it '
         'needs',
         'os_secure_boot=required, os_type=windows, img_pdk_reference, '
         "hypervisor_version_requires='>=10.0'",
         'Set {required}', references.SHIELDED,
         {'key': Variant(
             'Set img_pdk_reference, or give each server one in its metadata',
             'a virtual TPM or a shielded VM is required, and the image has '
             'no key for it (img_pdk_reference)')},
         scope='hyperv', prevents='build-before-2016',
         clauses=[
             Clause(
                 why='compute-hyperv demands all of it, and notices what is '
                     'missing after it has made the VM and its disks.',
                 path='os_vtpm', when=ref('shielded'),
                 then=all_of(
                     required('os_secure_boot', equal('required')),
                     required('os_type', equal('windows')),
                     optional('img_pdk_reference', {'minLength': 1}),
                     required('hypervisor_version_requires',
                              valid('hyperv-version-only-10'))),
                 wrong=[
                     {**_SHIELDED, 'img_pdk_reference': ''},
                     {**_SHIELDED, 'os_secure_boot': 'optional'},
                     {**_SHIELDED, 'hypervisor_version_requires': '>=6.3'},
                     {**_SHIELDED, 'os_vtpm': None, 'os_type': 'linux',
                      'os_shielded_vm': 'required'}],
                 right=[
                     _SHIELDED,
                     {**_SHIELDED, 'os_vtpm': None,
                      'os_shielded_vm': 'required'},
                     {'os_vtpm': 'optional', 'os_shielded_vm': 'disabled'}]),
             Clause(
                 why='compute-hyperv reads the key from the metadata of the '
                     'server first, and then from the image.',
                 path='img_pdk_reference', when=ref('shielded'),
                 then=has('img_pdk_reference'),
                 severity='warning', variant='key',
                 wrong=[{**_SHIELDED, 'img_pdk_reference': None}],
                 right=[_SHIELDED])]),
    Rule('HV114', 'firmware-type-conflict', 'error',
         "hw_firmware_type is '{actual}', which is not the firmware of this "
         'generation',
         'uefi for generation 2, bios for generation 1',
         'Correct hw_firmware_type or hw_machine_type, whichever is wrong',
         references.GENERATIONS,
         scope='hyperv',
         clauses=[
             Clause(
                 why='Generation 2 is UEFI.',
                 scope='generation-2', path='hw_firmware_type',
                 value=equal('uefi'),
                 wrong=[{'hw_firmware_type': 'bios'}],
                 right=[{'hw_firmware_type': 'uefi'}]),
             Clause(
                 why='Generation 1 is BIOS.',
                 scope='generation-1', path='hw_firmware_type',
                 value=none_of('uefi'),
                 wrong=[{'hw_firmware_type': 'uefi'}],
                 right=[{'hw_firmware_type': 'bios'}])]),
    Rule('HV115', 'disk-bus-ide', 'error',
         '{property} is {actual}, generation 2 has no IDE',
         'scsi',
         'Set {property}=scsi', references.PLAN,
         scope='generation-2', remedy=_scsi,
         clauses=[
             Clause(
                 why='Generation 2 has no IDE controller. Servers run '
                     'nevertheless: no Hyper-V driver reads the property, and '
                     'all disks are on SCSI.',
                 path=name, value=none_of('ide'),
                 wrong=[{name: 'ide'}], right=[{name: 'scsi'}])
             for name in _DISK_BUSES]),
    Rule('HV116', 'os-type-case', 'warning',
         "os_type is '{actual}': compute-hyperv knows it in lower case only, "
         'so that Windows gets the Secure Boot template for Linux',
         'lower case',
         'Write os_type in lower case', references.USAGE,
         scope='hyperv', remedy=_lower_os_type,
         clauses=[Clause(
             why='Nova ignores the case of os_type, compute-hyperv does not: '
                 'Windows gets the template for Linux.',
             path='os_type', value=not_(matches('[A-Z]')),
             wrong=[{'os_type': 'Windows'}, {'os_type': 'wINDOWS'},
                    {'os_type': 'Linux'}],
             right=[{'os_type': 'windows'}, {'os_type': 'linux'}])]),
    Rule('HV117', 'serial-port-number', 'error',
         "{property} is '{actual}', a Hyper-V VM has ports 1 and 2",
         '1 or 2',
         'Set {property}=1 or {property}=2', references.USAGE,
         scope='hyperv', prevents='build',
         clauses=[
             Clause(
                 why='A Hyper-V VM has two serial ports.',
                 path=name, value=matches(r'^\s*\+?0*[12]\s*$'),
                 wrong=[{name: '0'}, {name: '3'}, {name: '12'},
                        {name: 'com2'}],
                 right=[{name: '1'}, {name: '2'}, {name: ' 02'}])
             for name in ('interactive_serial_port', 'logging_serial_port')]),
    Rule('HV118', 'names-disagree', 'error',
         "{property} is '{actual}', but Nova reads the newer name of it, "
         'which says something else',
         'one value under both names',
         'Remove {property}, or give both the same value',
         references.SCHEDULING,
         scope='hyperv', remedy=_sync_legacy_names,
         clauses=[
             Clause(
                 why=f'Nova reads {name} and never {legacy}, where both are '
                     'set.',
                 path=f'overridden.{legacy}',
                 then=optional('overridden', not_(has(legacy))),
                 wrong=[{legacy: other, name: value}],
                 right=[{legacy: None, name: value},
                        {legacy: value, name: value}])
             for name, legacy in names.LEGACY.items()
             for value, other in (_LEGACY_VALUES[name],)]),
    Rule('HV119', 'property-ignored', 'info',
         '{property} is set, but no Hyper-V driver reads it',
         'nothing',
         'Remove {property}', references.USAGE,
         scope='hyperv',
         clauses=[
             Clause(
                 why='No Hyper-V driver reads it.',
                 path=name, then=not_(has(name)),
                 wrong=[{name: value}], right=[{name: None}])
             for name, value in (
                 ('os_secure_boot_signature', 'x'),
                 ('hw_scsi_model', 'virtio-scsi'),
                 ('hw_vif_model', 'e1000'))]),
    Rule('HV120', 'version-not-portable', 'warning',
         "clouds up to 2023.2 refuse hypervisor_version_requires '{actual}'",
         'comparisons with two or three numbers',
         "Write it with two or three numbers and no line break: '>=10.0' "
         "rather than '>=10'", references.SCHEDULING,
         scope='hyperv',
         clauses=[Clause(
             why='Nova up to 2023.2 compares with distutils: two or three '
                 'numbers, no more and no less.',
             path='hypervisor_version_requires',
             value=valid('nova-version-portable'),
             wrong=[{'hypervisor_version_requires': '>=10'},
                    {'hypervisor_version_requires': '>=10.0.0.0'},
                    {'hypervisor_version_requires': '>=10.0\n'}],
             right=[{'hypervisor_version_requires': '>=10.0'},
                    {'hypervisor_version_requires': '>=10.0.0'}])]),
    Rule('HV121', 'vm-mode', 'error',
         "hw_vm_mode is '{actual}', Hyper-V hosts offer hvm only",
         'hvm',
         'Set hw_vm_mode=hvm', references.SCHEDULING,
         scope='hyperv', remedy=_hvm,
         clauses=[Clause(
             why='Hyper-V hosts offer hvm and nothing else.',
             path='hw_vm_mode', value=equal('hvm'),
             wrong=[{'hw_vm_mode': 'xen'}, {'hw_vm_mode': 'exe'},
                    {'vm_mode': 'xen'}],
             right=[{'hw_vm_mode': 'hvm'}, {'hw_vm_mode': 'baremetal'},
                    {'vm_mode': 'HV'}])]),
    # Decided where the hosts are known: by the audit of a cloud.
    Rule('HV122', 'trait-missing', 'info',
         'the image does not require the trait {required}; {actual}',
         names.GENERATION_2_TRAIT,
         'Let all hosts that can run generation 2 report the trait before the '
         'image requires it', references.SCHEDULING,
         scope='generation-2',
         why='Placement offers at most [scheduler] max_placement_results '
             'hosts. In a larger cloud these may be hosts that cannot run the '
             'image. It offers none of those to an image that requires the '
             'trait.'),
    Rule('HV123', 'property-misspelt', 'warning',
         'no property named {property} is read. Its name resembles '
         '{required}',
         'a name that is read',
         'Set {required}, and remove {property}', references.PROPERTIES,
         scope='any',
         clauses=[Clause(
             why='Glance takes a property of any name. One whose name differs '
                 'from a name that is read by case, separators, the prefix or '
                 'one letter is misspelled.',
             each='misspelled',
             then=optional('misspelled', {'maxProperties': 0}),
             when=any_of(ref('hyperv'), ref('misspelled-hyperv')),
             wrong=[{**EXAMPLES['generation-2'], 'os-secure-boot': 'required'},
                    {'hypervisor-type': 'hyperv'}],
             right=[{**EXAMPLES['generation-2'], 'os_secure_boot': 'optional'},
                    {'hypervisor-type': 'qemu'}])]),
    Rule('HV124', 'value-refused-by-nova', 'error',
         "{property} is '{actual}'. Nova answers every request for a server "
         'with HTTP 400',
         'a value that Nova takes',
         'Set {property} to {required}, or remove it',
         references.PROPERTIES,
         scope='hyperv', remedy=_accepted_values,
         clauses=[Clause(
             why='Nova has a list of values for many properties, and a number '
                 'for others. It answers any other value with HTTP 400 when a '
                 'server is created. The lists are those of Nova 26 to 34 '
                 'together.',
             each='refused', then=optional('refused', {'maxProperties': 0}),
             wrong=[{'os_secure_boot': 'true'}, {'hw_numa_nodes': 'two'},
                    {'architecture': 'x64'}, {'os_type': 'Windows2022'}],
             right=[{'os_secure_boot': 'disabled'}, {'hw_numa_nodes': '2'}])]),
    Rule('HV125', 'trait-unavailable', 'error',
         '{property}={actual} makes Nova ask for {required}, which no '
         'Hyper-V host has',
         'what Hyper-V hosts have',
         'Remove {property}', references.PROPERTIES, {
             'vtpm': Variant(
                 'Remove {property}. With compute-hyperv, os_vtpm=required '
                 'gives a server a virtual TPM')},
         scope='hyperv',
         clauses=[
             _unavailable('hw_cpu_policy', 'dedicated CPUs (resource PCPU)',
                          'dedicated', 'mixed'),
             _unavailable('hw_cpu_thread_policy',
                          'the trait HW_CPU_HYPERTHREADING',
                          'require'),
             _unavailable('hw_ephemeral_encryption',
                          'the trait COMPUTE_EPHEMERAL_ENCRYPTION'),
             _unavailable('hw_firmware_stateless',
                          'the trait COMPUTE_SECURITY_STATELESS_FIRMWARE',
                          needed={'hw_firmware_type': 'uefi'}),
             _unavailable('hw_maxphysaddr_mode',
                          'a trait COMPUTE_ADDRESS_SPACE_*',
                          'passthrough', 'emulate'),
             _unavailable('hw_mem_encryption',
                          'the resource MEM_ENCRYPTION_CONTEXT'),
             _unavailable('hw_pci_numa_affinity_policy',
                          'the trait COMPUTE_SOCKET_PCI_NUMA_AFFINITY',
                          'socket'),
             _unavailable('hw_sound_model',
                          'the trait COMPUTE_SOUND_MODEL_VIRTIO',
                          'virtio'),
             _unavailable('hw_tpm_version', 'a trait COMPUTE_SECURITY_TPM_*',
                          '1.2', '2.0', variant='vtpm'),
             _unavailable('hw_virtio_packed_ring',
                          'the trait COMPUTE_NET_VIRTIO_PACKED')]),
    Rule('HV126', 'version-ignored', 'warning',
         "Nova ignores hypervisor_version_requires '{actual}', since neither "
         'hypervisor_type, architecture nor vm_mode is set',
         'hypervisor_type',
         'Set hypervisor_type to the hypervisor of the image, for example '
         'hypervisor_type=hyperv', references.SCHEDULING,
         scope='any',
         clauses=[Clause(
             why='Nova compares versions only where the image names a '
                 'hypervisor, an architecture or a VM mode '
                 '(ImagePropertiesFilter). Without hypervisor_type it '
                 'compares them with hosts of any hypervisor.',
             path='hypervisor_version_requires',
             when=all_of(has('hypervisor_version_requires'),
                         not_(ref('hyperv-machine-type'))),
             then=any_of(has('hypervisor_type'), has('architecture'),
                         has('hw_vm_mode')),
             wrong=[{'hypervisor_version_requires': '>=6.3'}],
             right=[{'hypervisor_version_requires': '>=6.3', name: value}
                    for name, value in (('hypervisor_type', 'hyperv'),
                                        ('architecture', 'x86_64'),
                                        ('hw_vm_mode', 'hvm'))])]),
    Rule('HV127', 'os-type-mismatch', 'warning',
         "os_type is '{actual}'. The boot loaders on the disk are those of "
         '{required}',
         'the operating system on the disk',
         'Set os_type={required}', references.USAGE,
         scope='hyperv', remedy=_os_type_of_disk,
         clauses=[
             Clause(
                 why=f'The boot loaders on the disk are those of {system}, '
                     'and none of another system.',
                 path='os_type', value=not_(matches(other)), required=system,
                 when=required('content.operating_system', equal(system)),
                 wrong=[{'os_type': wrong, **_system(system)}],
                 right=[{'os_type': system, **_system(system)},
                        {'os_type': wrong, **_system(None)}])
             for system, wrong, other in (
                 ('linux', 'windows', '^[Ww][Ii][Nn][Dd][Oo][Ww][Ss]$'),
                 ('windows', 'linux', '^[Ll][Ii][Nn][Uu][Xx]$'))]),
    Rule('HV128', 'architecture-unavailable', 'error',
         "architecture is '{actual}'. Hyper-V hosts run x86_64 and i686 "
         'only',
         'x86_64, or i686 for generation 1',
         'Set architecture=x86_64 if the guest is 64-bit x86. Otherwise run '
         'it on another hypervisor', references.SCHEDULING,
         scope='hyperv', prevents='scheduling',
         clauses=[Clause(
             why='Hyper-V hosts report x86_64 and i686 to Nova, and its '
                 'ImagePropertiesFilter rejects them for any other '
                 'architecture.',
             path='architecture', value=one_of('x86_64', 'i686'),
             wrong=[{'architecture': 'aarch64'}, {'architecture': 'ppc64le'}],
             right=[{'architecture': 'x86_64'},
                    {'hw_machine_type': 'hyperv-gen1',
                     'architecture': 'i686'}])]),
    Rule('HV129', 'remotefx-version', 'error',
         'RemoteFX (os:resolution={actual}) on generation 2 needs hosts of '
         'version 10.0, but hypervisor_version_requires admits older ones',
         '>=10.0',
         'Use a flavor without os:resolution, or set '
         "hypervisor_version_requires='>=10.0'", references.USAGE,
         scope='generation-2', prevents='build-before-2016',
         clauses=[Clause(
             why='Hosts older than 10.0 support RemoteFX for generation 1 '
                 'only. A flavor requests it: the scheduler and the compute '
                 'host evaluate the rule, lint knows no flavor.',
             path='os:resolution', when=has('os:resolution'),
             then=required('hypervisor_version_requires',
                           valid('hyperv-version-only-10')),
             wrong=[{'os:resolution': '1920x1200'}],
             right=[{'os:resolution': '1920x1200',
                     'hypervisor_version_requires': '>=10.0'}])]),
)
