# SPDX-License-Identifier: Apache-2.0
"""The definitions that clauses of the image schema refer to."""

from __future__ import annotations

from typing import Any

from hyperv_sched import names
from hyperv_sched.rules.conditions import NOT_EMPTY
from hyperv_sched.rules.conditions import Schema
from hyperv_sched.rules.conditions import all_of
from hyperv_sched.rules.conditions import any_of
from hyperv_sched.rules.conditions import equal
from hyperv_sched.rules.conditions import has
from hyperv_sched.rules.conditions import matches
from hyperv_sched.rules.conditions import not_
from hyperv_sched.rules.conditions import one_of
from hyperv_sched.rules.conditions import optional
from hyperv_sched.rules.conditions import ref
from hyperv_sched.rules.conditions import required

_HYPERV = r'^\s*[Hh][Yy][Pp][Ee][Rr][-_ ]?[Vv]'

#: A generation in any words: "Hyper-V gen2", "Generation 2", "V2", "2".
_HYPERV_MACHINE_TYPE = (
    r'^\s*([Hh][Yy][Pp][Ee][Rr][-_ ]?[Vv]'
    r'|([Gg][Ee][Nn]([Ee][Rr][Aa][Tt][Ii][Oo][Nn])?|[Vv])?[-_ ]?[0-9]\s*$)')

_PREDICATE = r'\s*(<=|>=|<|>|!=|==)\s*[0-9]+\.[0-9]+(\.[0-9]+)?'


def _described(description: str, schema: Schema) -> Schema:
    return {'description': description, **schema}


#: The properties that people choose values of. ``x-metadef`` holds what
#: Glance's metadata definitions say besides.
PROPERTIES: dict[str, Schema] = {
    'hw_machine_type': {
        'title': 'Hyper-V VM generation',
        'description':
            'The generation of the virtual machine. Generation 1 (BIOS, IDE) '
            'is the default. Generation 2 (UEFI, SCSI only) needs a 64-bit '
            'guest in a VHDX file and a host with Windows Server 2012 R2 or '
            'newer. A disk installed for one generation does not boot as the '
            'other.',
        'type': 'string',
        'x-metadef': {
            'enum': [names.GENERATION_1, names.GENERATION_2]},
    },
    'hypervisor_version_requires': {
        'title': 'Hyper-V version required',
        'description':
            'The Hyper-V versions that may run the image. Hosts report 6.2 '
            '(Windows Server 2012), 6.3 (2012 R2) or 10.0 (2016 and newer), '
            "never a build. Generation 2 needs '>=6.3'. Nova honors it only "
            'where hypervisor_type is set too.',
        'type': 'string',
        'x-metadef': {
            'default': '>=6.3',
            'pattern': rf'^{_PREDICATE}(\s*,{_PREDICATE})*\s*$'},
    },
}

_UNTAGGED = not_(any_of(has('hw_machine_type'), has('hypervisor_type')))

DEFINITIONS: dict[str, Schema] = {
    'hyperv-machine-type': required(
        'hw_machine_type', matches(_HYPERV_MACHINE_TYPE)),
    'hyperv-hypervisor-type': required('hypervisor_type', matches(_HYPERV)),
    'untagged-file': _described(
        'A file that no property assigns to a hypervisor is judged as '
        'generation 1, the default.',
        {**has('content'), **_UNTAGGED}),
    'hyperv': _described(
        'An image for Hyper-V. No other rule applies to images for other '
        'hypervisors.',
        any_of(ref('hyperv-machine-type'), ref('hyperv-hypervisor-type'),
               ref('untagged-file'))),
    'generation-1': any_of(
        required('hw_machine_type', equal(names.GENERATION_1)),
        all_of(ref('hyperv'), not_(has('hw_machine_type')))),
    'generation-2': required('hw_machine_type', equal(names.GENERATION_2)),
    'labeled': required('disk_format', NOT_EMPTY),
    'secure-boot': required('os_secure_boot', equal('required')),
    'shielded': _described(
        'A virtual TPM or a shielded VM.',
        any_of(required('os_vtpm', equal('required')),
               required('os_shielded_vm', equal('required')))),
    'starts-by-uefi': _described(
        'Firmware finds a loader and all that the loader needs.',
        required('content.firmware', one_of('uefi', 'both'))),
    'vhdx': required('content.format', equal('vhdx')),
    'convertible': _described(
        'qemu-img reads all of the disk. It refuses a VHD with one of these '
        'defects, or converts it without a part of the data.',
        not_(required('content.defects', any_of(
            has('vhdx-has-parent'), has('vhd-malformed'),
            has('vhd-footer-copy'))))),
    'misspelled-hyperv': _described(
        'A misspelled property has a value that names Hyper-V.',
        required('misspelled', not_({'additionalProperties': {'properties': {
            'actual': not_(matches(_HYPERV))}}}))),
    'hyperv-or-untagged': any_of(
        ref('hyperv-machine-type'), ref('hyperv-hypervisor-type'),
        _UNTAGGED),
    'concerns-hyperv': _described(
        'An image for Hyper-V in a cloud of several hypervisors: its '
        'properties name Hyper-V, or its format is one of Hyper-V.',
        all_of(
            ref('hyperv-or-untagged'),
            any_of(ref('hyperv-machine-type'), ref('hyperv-hypervisor-type'),
                   all_of(
                       # Xen runs VHDs, too.
                       optional('hw_vm_mode', equal('hvm')),
                       any_of(required('disk_format', one_of('vhd', 'vhdx')),
                              required('content.format',
                                       one_of('vhd', 'vhdx'))))))),
}

#: The image document that examples of a scope change.
EXAMPLES: dict[str, dict[str, Any]] = {
    'any': {},
    'hyperv': {
        'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
        'hypervisor_version_requires': '>=6.3'},
    'generation-1': {'hypervisor_type': 'hyperv'},
    'generation-2': {
        'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'hyperv',
        'hypervisor_version_requires': '>=6.3'},
}
