# SPDX-License-Identifier: Apache-2.0
"""Rules over the file (HV2xx) and over the disk in it (HV3xx)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperv_sched import inferred
from hyperv_sched import names
from hyperv_sched.rules import references
from hyperv_sched.rules.conditions import Schema
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
from hyperv_sched.rules.model import Clause
from hyperv_sched.rules.model import Defect
from hyperv_sched.rules.model import Document
from hyperv_sched.rules.model import Rule
from hyperv_sched.rules.model import Variant

_CONVERT = 'hyperv-sched image convert IN OUT.vhdx'
_CONVERT_VHD = 'hyperv-sched image convert IN.vhd OUT.vhdx'
_CONVERT_VHDX = 'hyperv-sched image convert IN.vhdx OUT.vhdx'
_REPAIR = 'hyperv-sched image convert --repair IN OUT.vhdx'
#: Choose the GPT, if gdisk offers a choice of tables, and write a new
#: protective MBR (gdisk ignores "2" if it does not ask).
_PROTECTIVE_MBR = "printf '2\\nx\\nn\\nw\\ny\\n' | gdisk DISK.raw"
#: Choose the MBR, if gdisk asks, and write the table as GPT.
_MBR_TO_GPT = "printf '1\\nw\\ny\\n' | gdisk DISK.raw"
_RAW_COPY = 'on a raw copy of the disk'

_GIB = 1024 ** 3
_SIZES = ('content.virtual_size', 'content.file_size')

ARCHIVES = ('gzip', 'xz', 'bzip2', 'zstd', '7z', 'zip', 'tar', 'ova')
#: Formats that the disk in them is read from.
_READ = ('qcow2', 'vmdk', 'raw')
_DISK_4K = all_of(required('content.format', one_of(*_READ)),
                  required('content.logical_sector_size', equal(4096)))
#: Such a file has a finding of its own.
_NOT_CONVERTIBLE = all_of(
    required('content.format', one_of(*_READ)),
    required('content.defects', any_of(*map(has, (
        'container-needs-other-file', 'container-encrypted',
        'container-malformed', 'container-truncated')))))

#: The disk after a conversion, by variant of HV203.
_CONVERTED = {
    'generation-2': 'it is generation 2 after conversion',
    'generation-1': 'it is generation 1 after conversion',
    'both': 'it boots as either generation after conversion',
    'none': 'it boots as neither generation after conversion, see the other '
            'findings'}
#: The facts that each variant is for.
_FACTS: dict[str, dict[str, str]] = {
    'generation-2': {'generation': names.GENERATION_2},
    'generation-1': {'generation': names.GENERATION_1},
    'both': {'firmware': 'both'},
    'none': {'firmware': 'none'}}


def _has_facts(variant: str) -> Schema:
    """Return the schema of documents that a variant of HV203 is for."""
    return all_of(*(required(f'content.{name}', equal(value))
                    for name, value in _FACTS[variant].items()))


_KNOWN = all_of(required('content.format', one_of(*_READ)),
                any_of(*map(_has_facts, _FACTS)))

_ISO = required('content.format', equal('iso'))

_UEFI_ONLY = (
    'A disk that has a loader for UEFI, and nothing that a BIOS starts, does '
    'not start as generation 1, which is the default.')


def _file(**facts: Any) -> dict[str, Any]:
    """Return the content of an example, a VHDX unless facts say otherwise."""
    return {'content': {'format': 'vhdx', 'file_size': 4194304,
                        'virtual_size': 1073741824, **facts}}


#: The directory of a vendor holds a shim and all that the shim starts.
_COPY = (
    f'Copy the directory of that shim to \\EFI\\BOOT: {_REPAIR}; or in the '
    'guest, in the '
    'directory /boot/efi: cp -r EFI/{0}/. EFI/BOOT && '
    'cp EFI/{0}/{1} EFI/BOOT/BOOTX64.EFI')

#: Loaders of HV331 by variant, with paths below \EFI.
_OTHER_LOADERS = {
    'debian': 'debian\\shimx64.efi', 'ubuntu': 'ubuntu\\shimx64.efi',
    'opensuse': 'opensuse\\shim.efi', 'sles': 'sles\\shim.efi',
    'windows': 'Microsoft\\Boot\\bootmgfw.efi'}


def _missing_loader(variant: str | None, path: str, *others: str) -> Clause:
    r"""Return the clause of HV331 for the loader that is named first.

    :param path: the path of a loader below \EFI
    :param others: patterns of paths for which the clause does not hold
    """
    named = [matches(rf'^no [^,]*, but \\EFI\\{pattern}')
             for pattern in others or (_pattern(path),)]
    example = 'no \\EFI\\BOOT\\BOOTX64.EFI' + (
        f', but \\EFI\\{path}' if path else '')
    return Clause(
        why='A new VM has no boot entries, so firmware looks for this one '
            'file (UEFI 2.10, 3.5.1.1). The paths of installers, as '
            '\\EFI\\Microsoft\\Boot\\bootmgfw.efi or '
            '\\EFI\\debian\\shimx64.efi, need an entry.',
        path='content.defects.loader-missing', variant=variant,
        value=any_of(*named) if others else not_(named[0]),
        wrong=[_file(defects={'loader-missing': example})],
        right=[_file(defects={})])


def _pattern(path: str) -> str:
    return path.replace('\\', r'\\').replace('.', r'\.')


def _generation_of_disk(document: Document) -> dict[str, str]:
    """Return the properties of the generation that the disk boots as.

    There are none where the disk must be converted, or where another property
    demands the wrong generation.
    """
    content: Mapping[str, Any] = document.get('content') or {}
    values = inferred.infer_properties(content)
    generation = values.get('hw_machine_type')
    if generation == names.GENERATION_2:
        usable = content['format'] == 'vhdx'
    else:
        usable = (document.get('os_secure_boot') != 'required'
                  and document.get('hw_firmware_type') != 'uefi')
    if not usable or generation == document.get('hw_machine_type'):
        return {}
    # Hosts have the trait only where the compute side is enforced.
    values.pop(f'trait:{names.GENERATION_2_TRAIT}', None)
    return {name: value for name, value in values.items()
            if name == 'hw_machine_type' or name not in document}


def _min_disk(document: Document) -> dict[str, str]:
    content = document['content']
    size = max(content.get(name.removeprefix('content.')) or 0
               for name in _SIZES)
    min_disk = -(-size // _GIB)
    return ({'min_disk': str(min_disk)}
            if min_disk <= inferred.MAX_MIN_DISK else {})


RULES = (
    Rule('HV201', 'label-mismatch', 'error',
         'disk_format is {actual} but the file is {required}: Glance 30 and '
         'newer, or the driver, refuse it',
         "the file's own format",
         'Upload with disk_format={required}', references.FORMAT_MATCH,
         scope='hyperv', converts=True,
         clauses=[Clause(
             why='disk_format names the format that the file has. Where '
                 'Hyper-V does not run the file, HV202 or HV203 says so '
                 'instead.',
             path='disk_format', required_paths=['content.format'],
             when=all_of(ref('labeled'), any_of(
                 required('content.format', one_of('vhdx', 'iso')),
                 all_of(not_(ref('generation-2')),
                        required('content.format', equal('vhd'))))),
             then=any_of(*(
                 all_of(required('disk_format', equal(name)),
                        required('content.format', equal(name)))
                 for name in ('vhdx', 'iso', 'vhd'))),
             wrong=[{'disk_format': 'raw', **_file()},
                    {'disk_format': 'vhd', **_file()},
                    {'hw_machine_type': None, 'disk_format': 'vhdx',
                     **_file(format='vhd')}],
             right=[{'disk_format': 'vhdx', **_file()},
                    {'disk_format': '', **_file()},
                    {'hw_machine_type': None, 'disk_format': 'vhd',
                     **_file(format='vhd')}])]),
    Rule('HV202', 'container-vhd', 'error',
         'the file is VHD, generation 2 runs only from VHDX',
         'vhdx',
         f'Convert a disk that was installed for UEFI: {_CONVERT_VHD}; for '
         'one installed for generation 1 set hw_machine_type=hyperv-gen1',
         references.PLAN,
         scope='generation-2', converts=True, prevents='build',
         remedy=_generation_of_disk,
         clauses=[Clause(
             why='Generation 2 boots from VHDX. A VHD that cannot be '
                 'converted completely has a finding of its own.',
             path='content.format', value=none_of('vhd'),
             when=ref('convertible'),
             wrong=[_file(format='vhd')],
             right=[_file(format='vhdx')])]),
    Rule('HV203', 'container-not-vhdx', 'error',
         'the file is {actual}, which Hyper-V does not run',
         'vhdx; vhd for generation 1',
         f'Convert it: {_CONVERT}; it boots as the generation that it was '
         'installed for',
         references.PLAN, {
             **{variant: Variant(f'Convert it: {_CONVERT}; {result}')
                for variant, result in _CONVERTED.items()},
             'archive': Variant(
                 'Unpack the file, and check the disk image that is in it',
                 'the file is {actual}, an archive, not a disk image'),
             'encrypted': Variant(
                 'Export the disk without encryption by the hypervisor: '
                 'no Hyper-V host has the key',
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
                 'the file is a disk of 4096-byte sectors, in a format that '
                 'Hyper-V does not run ({actual})')},
         scope='hyperv', converts=True, prevents='build',
         clauses=[
             Clause(
                 why='Hyper-V opens VHD, VHDX and ISO files. qemu-img '
                     'converts the formats of other hypervisors.',
                 path='content.format',
                 value=one_of('vhdx', 'vhd', 'iso', 'unknown'),
                 when=not_(any_of(
                     _NOT_CONVERTIBLE, _DISK_4K, _KNOWN,
                     required('content.format',
                           one_of(*ARCHIVES, 'luks', 'wim')))),
                 wrong=[_file(format=name) for name in (
                     'qcow2', 'qed', 'vmdk', 'vdi', 'parallels', 'raw')],
                 right=[_file(format='vhdx')]),
             *(Clause(
                 why='A conversion changes the format of a file, and nothing '
                     'on the disk in it.',
                 variant=variant, path='content.format', value=none_of(*_READ),
                 when=all_of(
                     not_(any_of(_NOT_CONVERTIBLE, _DISK_4K)),
                     _has_facts(variant)),
                 wrong=[_file(format=name, **facts) for name in _READ],
                 right=[_file(format='vhdx', **facts)])
               for variant, facts in _FACTS.items()),
             Clause(
                 why='An archive, or a compressed file, contains a disk '
                     'image.',
                 variant='archive', path='content.format',
                 value=none_of(*ARCHIVES),
                 wrong=[_file(format=name) for name in ARCHIVES],
                 right=[_file(format='vhdx')]),
             Clause(
                 why='A volume that a hypervisor encrypts (LUKS) is opened '
                     'with a key, which Hyper-V does not take.',
                 variant='encrypted', path='content.format',
                 value=none_of('luks'),
                 wrong=[_file(format='luks')],
                 right=[_file(format='vhdx')]),
             Clause(
                 why='A Windows image (WIM, ESD) holds the files of an '
                     'installation, for Windows Setup to write to a disk.',
                 variant='installer', path='content.format',
                 value=none_of('wim'),
                 wrong=[_file(format='wim')],
                 right=[_file(format='vhdx')]),
             Clause(
                 why='A GPT for sectors of 4096 bytes is at another offset '
                     'than firmware reads on a disk of 512-byte sectors.',
                 variant='sectors-4k', path='content.format',
                 then=not_(has('content')), when=_DISK_4K,
                 wrong=[_file(format='raw', logical_sector_size=4096)],
                 right=[_file(format='vhdx')])]),
    Rule('HV204', 'format-unknown', 'error',
         'the file is of no known disk format',
         'vhdx; vhd for generation 1',
         'Check that this is a disk image and that it is whole; a raw disk '
         'without partitions looks like this, too', references.MS_VHDX,
         scope='hyperv', converts=True, prevents='build',
         clauses=[Clause(
             why='The disk format is recognized by the content of the file.',
             path='content.format', value=none_of('unknown'),
             when=required('content.file_size', none_of(0)),
             wrong=[_file(format='unknown'),
                    _file(format='unknown', file_size=1)],
             right=[_file(format='vhdx')])]),
    Rule('HV205', 'empty-file', 'error',
         'the file is empty',
         'a disk image',
         'Export or download the disk again', references.MS_VHDX,
         scope='hyperv', prevents='build',
         clauses=[Clause(
             why='The file has content.',
             path='content.file_size', value=none_of(0),
             wrong=[_file(format='unknown', file_size=0)],
             right=[_file(format='vhdx')])]),
    Rule('HV206', 'vhdx-has-parent', 'error',
         'the file is a differencing disk and useless without its parent: '
         '{actual}',
         'a disk of its own',
         'Merge it into its parent (PowerShell: Merge-VHD), or convert the '
         'chain (Convert-VHD)', references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why='A differencing disk holds what differs from another file, '
                 'which Glance does not have. Nothing that it names is '
                 'opened.',
             example='the parent is ..\\base.vhdx')]),
    Rule('HV207', 'vhdx-dirty-log', 'error',
         'the log of the VHDX must be replayed first: the file was not closed',
         'an empty log',
         'Shut the VM down and export it again. Or replay the log in a '
         'copy: qemu-img check -r all COPY.vhdx; on Windows mount the file '
         'once (Mount-VHD)', references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why='Until the log is replayed, nothing else in the file counts '
                 '(MS-VHDX 2.3). Windows replays it when it opens the file '
                 'for writing.',
             example='the header names a log')]),
    Rule('HV208', 'vhdx-truncated', 'error',
         'the VHDX is cut off: {actual}',
         'a whole file',
         'Export or download the disk again', references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why='Log, regions and whole blocks lie within the file. '
                 'Programs that copy a part of a file leave such ones; '
                 'qemu-img reads zeros where the file ends, Windows refuses '
                 'it.',
             example='block 7 ends at 12582912, the file at 12582812')]),
    Rule('HV209', 'vhdx-no-valid-header', 'error',
         'neither header of the VHDX is valid: {actual}',
         'a valid header',
         'Export or download the disk again', references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why='One of the two headers has its signature and its checksum, '
                 'and is newer than the other (MS-VHDX 2.2.2).',
             example='copy 1: wrong checksum; copy 2: no signature')]),
    Rule('HV210', 'vhdx-header-copy-damaged', 'warning',
         'one of the two headers of the VHDX is damaged: {actual}',
         'two valid headers',
         f'Make the file anew: {_CONVERT_VHDX}',
         references.MS_VHDX,
         scope='hyperv', converts=True,
         clauses=[Defect(
             why='A program that was stopped while it wrote a header leaves '
                 'the other one. Another stop would leave none.',
             example='copy 2: wrong checksum')]),
    Rule('HV211', 'vhdx-no-valid-region-table', 'error',
         'neither region table of the VHDX is valid: {actual}',
         'a valid region table',
         'Export or download the disk again', references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why='One of the two region tables has its signature and its '
                 'checksum (MS-VHDX 2.2.3).',
             example='copy 1: wrong checksum; copy 2: wrong checksum')]),
    Rule('HV212', 'vhdx-region-copy-damaged', 'warning',
         'one of the two region tables of the VHDX is damaged: {actual}',
         'two valid region tables',
         'Make the file anew on Windows (Convert-VHD), or export the disk '
         'again',
         references.MS_VHDX,
         scope='hyperv', converts=True,
         clauses=[Defect(
             why='Readers that look at one copy alone, as QEMU does, may '
                 'refuse the file.',
             example='copy 1: wrong checksum')]),
    Rule('HV213', 'vhdx-unsupported-version', 'error',
         'the VHDX is of {actual}, which no Hyper-V host knows',
         'version 1, log version 0',
         'Export it from the software that made it as a VHDX of version 1',
         references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why='There is one version of VHDX, 1, with logs of version 0 '
                 '(MS-VHDX 2.2.2).',
             example='version 2')]),
    Rule('HV214', 'vhdx-unknown-required', 'error',
         'the VHDX needs a reader that knows {actual}',
         'regions and metadata of MS-VHDX alone',
         'Convert it with the software that made it', references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why='What is marked as required and not known makes a reader '
                 'refuse the file (MS-VHDX 2.2.3.2, 2.6.1.2).',
             example='region 01234567-89ab-cdef-0123-456789abcdef')]),
    Rule('HV215', 'vhdx-malformed', 'error',
         'the VHDX contradicts its specification: {actual}',
         'what MS-VHDX allows',
         'Export or download the disk again', references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why="Everything else that MS-VHDX demands and Microsoft's own "
                 'reader checks: sizes of blocks, sectors and the disk, '
                 'places in steps of 1 MiB, entries that come once, reserved '
                 'bits that are zero.',
             example='blocks of 3145728 bytes')]),
    Rule('HV216', 'vhdx-bat-overlap', 'error',
         'two parts of the VHDX share a place: {actual}',
         'a place in the file for each block',
         'Export or download the disk again', references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why='A write to one of two blocks in the same place destroys '
                 "the other. QEMU does not notice, Microsoft's reader "
                 'refuses the file.',
             example='block 3 and another block are at 8388608')]),
    Rule('HV217', 'vhdx-incomplete', 'error',
         'the VHDX was never finished: {actual}',
         'a finished file',
         'Wait for what makes it, or make it again', references.MS_VHDX,
         scope='hyperv',
         clauses=[Defect(
             why="Microsoft's software marks a file as long as it makes it, "
                 'and refuses one that is marked.',
             example='the file is marked as incomplete')]),
    Rule('HV218', 'vhdx-header-equal-sequence', 'warning',
         'the two headers of the VHDX are one as new as the other: {actual}',
         'one header newer than the other',
         f'Make the file anew: {_CONVERT_VHDX}',
         references.MS_VHDX,
         scope='hyperv', converts=True,
         clauses=[Defect(
             why='Of two headers the one with the larger number is current; '
                 'with equal ones there is none, by the specification. '
                 'Disk2vhd writes two that are equal in all, and readers '
                 'take either.',
             example='both copies have sequence number 7')]),
    Rule('HV219', 'vhdx-no-log-region', 'warning',
         'the VHDX has no room for a log, which some readers refuse',
         'a log of at least 1 MiB',
         'Make the file anew on Windows (Convert-VHD), which opens it, '
         'unlike qemu-img',
         references.MS_VHDX,
         scope='hyperv', converts=True,
         clauses=[Defect(
             why='A file without room for a log can be read; QEMU refuses it.',
             example='the log has a length of 0')]),
    Rule('HV220', 'sector-4k', 'warning',
         'the disk has logical sectors of {actual} bytes',
         '512',
         'Install the guest on a disk of 512-byte sectors (New-VHD '
         '-LogicalSectorSizeBytes 512): no conversion changes the sectors of '
         'a partitioned disk',
         references.PLAN,
         scope='generation-2', converts=True,
         clauses=[Clause(
             why='No statement of Microsoft says that a VM starts from such a '
                 'disk.',
             path='content.logical_sector_size', value=none_of(4096),
             when=ref('vhdx'),
             wrong=[_file(logical_sector_size=4096)],
             right=[_file(logical_sector_size=512)])]),
    Rule('HV221', 'trailing-vhd-footer', 'warning',
         'the VHDX ends like a VHD: some software takes it for one',
         'a file that is VHDX alone',
         f'Make the file anew: {_CONVERT_VHDX}',
         references.MS_VHDX,
         scope='hyperv', converts=True,
         clauses=[Defect(
             why='The last 512 bytes are those of a VHD. Windows recognizes '
                 'it by the first eight, others by the last.',
             example='at 10485248')]),
    Rule('HV222', 'iso-not-a-disk', 'warning',
         'the file is installation media, not an installed disk',
         'vhdx',
         'Use it to install, uploaded as ISO with disk_format=iso; boot '
         'servers from the VHDX that results',
         references.PLAN,
         scope='hyperv', converts=True,
         clauses=[
             Clause(
                 why='An ISO is a DVD: a server boots its installer.',
                 path='content.format', value=none_of('iso'),
                 wrong=[_file(format='iso')],
                 right=[_file(format='vhdx')]),
             Defect(
                 why='A VHDX with an ISO 9660 file system instead of a '
                     'partitioned disk is installation media that was '
                     'converted.',
                 example='the disk holds an ISO 9660 file system')]),
    Rule('HV223', 'fixed-vhd', 'warning',
         'the file is a fixed VHD: Glance 30 and newer refuse it, they look '
         'at its head only',
         'a dynamic VHD or a VHDX',
         f'Convert it: {_CONVERT_VHD}',
         references.FORMAT_MATCH,
         scope='generation-1', converts=True,
         clauses=[Clause(
             why='A fixed VHD has its signature at the end, where Glance does '
                 'not look.',
             path='content.subformat', value=none_of('fixed'),
             when=all_of(ref('convertible'),
                         required('content.format', equal('vhd'))),
             wrong=[_file(format='vhd', subformat='fixed')],
             right=[_file(format='vhd', subformat='dynamic')])]),
    Rule('HV224', 'min-disk-too-small', 'warning',
         'min_disk is {actual} GB, smaller than the {required} bytes that '
         'the image needs',
         'the larger of virtual size and file size',
         'Set min_disk to the number of bytes in GB, rounded up',
         references.USAGE,
         scope='hyperv', converts=True, remedy=_min_disk,
         clauses=[Clause(
             why='A flavor that meets min_disk holds the virtual disk and, as '
                 'Nova compares that with the flavor, the file; 0 means that '
                 'min_disk is not set.',
             path='min_disk', text=False, required_paths=_SIZES,
             then={'x-min-disk-holds': list(_SIZES)},
             wrong=[{'min_disk': 1, **_file(virtual_size=_GIB + 1)},
                    {'min_disk': 1, **_file(file_size=_GIB + 1)}],
             right=[{'min_disk': 1,
                     **_file(virtual_size=_GIB, file_size=_GIB)},
                    {'min_disk': 2, **_file(virtual_size=_GIB + 1)},
                    {'min_disk': 0, **_file(virtual_size=_GIB + 1)}])]),
    Rule('HV225', 'vhd-malformed', 'error',
         'the VHD cannot be used: {actual}',
         'a whole fixed or dynamic VHD',
         'Export or download it again',
         references.USAGE,
         scope='hyperv',
         clauses=[Defect(
             why='Footer and header have their checksums, and all blocks lie '
                 'within the file. No conversion gives back what is missing.',
             example='the footer has a wrong checksum')]),
    Rule('HV226', 'content-not-read', 'unknown',
         'the content of the image was not read: {actual}',
         'content that is read',
         'Read all of it with "image lint --download", or check the file that '
         'the image was made from', references.USAGE,
         scope='hyperv', converts=True,
         why='Properties alone do not show whether a server boots from the '
             'image.'),
    Rule('HV227', 'iso-without-uefi', 'error',
         'firmware finds nothing to start on the installation media: {actual}',
         'a boot image for UEFI (El Torito) with \\EFI\\BOOT\\BOOTX64.EFI',
         'Use 64-bit x86 media that start by UEFI; for media that only a BIOS '
         'starts set hw_machine_type=hyperv-gen1',
         references.PARTITION_DXE,
         scope='generation-2', converts=True,
         clauses=[Defect(
             why='From a DVD, generation 2 starts \\EFI\\BOOT\\BOOTX64.EFI in '
                 'the FAT of a boot image. Firmware does not read ISO 9660, '
                 'so a loader among the files of the media does not count.',
             example='no boot image of the ISO has a FAT with '
                     '\\EFI\\BOOT\\BOOTX64.EFI')]),
    Rule('HV228', 'inspection-stopped', 'unknown',
         'the file is not judged to the end: {actual}',
         'a disk that is inspected within the limits',
         'Convert a VHDX of several TiB to larger blocks: hyperv-sched image '
         'convert --block-size 32 IN.vhdx OUT.vhdx; install any other disk '
         'anew, since what installers make takes a small part of the limits',
         references.BOOT_MANAGER,
         scope='hyperv', converts=True,
         clauses=[Defect(
             why='What one inspection may read and work out is limited, '
                 'whatever the file holds. If the limit is reached, the rest '
                 'of the disk is unknown, and its defects are not reported.',
             example='it takes more than 64 MiB of reads')]),
    Rule('HV229', 'vhd-footer-copy', 'warning',
         'the copy of the footer at the start of the VHD is not that at its '
         'end, so Glance and qemu-img do not read the disk that Hyper-V '
         'reads: {actual}',
         'a footer and its copy, equal',
         'Make the file anew on Windows (Convert-VHD). On Linux write the '
         'footer over its copy: '
         'tail -c 512 DISK.vhd | dd of=DISK.vhd conv=notrunc',
         references.FORMAT_MATCH,
         scope='hyperv',
         clauses=[
             Defect(
                 scope='generation-1',
                 why='All but fixed VHDs begin with a copy of the footer. '
                     'Glance recognizes the format by it, and qemu-img takes '
                     'the size from it; Hyper-V reads the footer at the end.',
                 example='the copy is missing'),
             Defect(
                 scope='generation-2', severity='error',
                 why='To convert the VHD, qemu-img reads the copy of the '
                     'footer: it refuses the file, or makes a disk of '
                     'another size.',
                 example='the size is 1048576 bytes in the copy, 67108864 in '
                         'the footer')]),
    Rule('HV230', 'container-needs-other-file', 'error',
         'a part of the disk is in another file: {actual}',
         'a disk in one file',
         'Nothing that the image names was opened. Make one file of all, on '
         'the computer that has them: qemu-img convert -O qcow2 IN OUT.qcow2',
         references.IMAGE_FORMATS,
         scope='hyperv',
         clauses=[Defect(
             why='An image may name a backing file, a data file, extents or a '
                 'parent, by any path of the computer that reads it. Glance '
                 'has the one file only.',
             example='the backing file is base.qcow2')]),
    Rule('HV231', 'container-encrypted', 'error',
         'the disk is encrypted by the hypervisor ({actual})',
         'a disk without encryption by the hypervisor',
         'Make a copy without encryption, with the key: no Hyper-V host has '
         'it', references.IMAGE_FORMATS,
         scope='hyperv',
         clauses=[Defect(
             why='QEMU decrypts such a disk with a key, which Hyper-V does '
                 'not take.',
             example='LUKS')]),
    Rule('HV232', 'container-malformed', 'error',
         'the file contradicts the specification of its format: {actual}',
         'a valid file',
         'Export or download the disk again', references.IMAGE_FORMATS,
         scope='hyperv',
         clauses=[Defect(
             why='A conversion fails, or makes a disk with wrong data.',
             example='an L1 table at 512')]),
    Rule('HV233', 'container-truncated', 'error',
         'the file is cut off: {actual}',
         'a whole file',
         'Export or download the disk again', references.IMAGE_FORMATS,
         scope='hyperv',
         clauses=[Defect(
             why='qemu-img reads zeros where a qcow2 ends too early, so that '
                 'a conversion seems to work.',
             example='cluster 7 is at 12582912, the file ends at 12582812')]),
    Rule('HV234', 'container-not-closed', 'warning',
         'the file was not closed: {actual}',
         'a file that is closed',
         'Shut the VM down and export the disk again',
         references.IMAGE_FORMATS,
         scope='hyperv', converts=True,
         clauses=[Defect(
             why='A VM may have written to the disk while it was copied, or '
                 'the hypervisor was killed. File systems on it may have '
                 'errors.',
             example='the header marks the image as in use')]),
    Rule('HV235', 'container-snapshots', 'info',
         'the file has snapshots ({actual}), which a conversion leaves out',
         'a file without snapshots',
         'Nothing, if the current state of the disk is the one to use',
         references.IMAGE_FORMATS,
         scope='hyperv', converts=True,
         clauses=[Defect(
             why='qemu-img converts the current state of the disk, which is '
                 'also the one that is inspected.',
             example='2')]),
    Rule('HV236', 'container-not-read', 'unknown',
         'the disk in the file is not inspected: {actual}',
         'a qcow2 of version 2 or 3, or a VMDK that is monolithicSparse or '
         'streamOptimized',
         'Inspect the VHDX that it is converted to, or add what the message '
         'names as missing',
         references.IMAGE_FORMATS,
         scope='hyperv', converts=True,
         clauses=[Defect(
             why='Some variants of the formats are not read, and some are '
                 'read with a package that need not be installed.',
             example='it is a VMDK of ESX (COWD)')]),
    Rule('HV301', 'no-partition-table', 'error',
         'the disk has no partition table, so firmware finds no loader on it',
         'GPT',
         'Install the guest with UEFI firmware; an empty disk is no image to '
         'boot from', references.GPT, {
             'starts': Variant(
                 'Nothing has to change for the start. Installers and updates '
                 'of the guest expect an EFI system partition in a GPT',
                 'the disk has no partition table; {actual}')},
         scope='generation-2',
         clauses=[Defect(
             why='An installed disk is partitioned. Firmware starts a FAT '
                 'file system without partitions, too, but installers do not '
                 'make one.',
             example='neither GPT nor MBR',
             starts='firmware boots the whole disk')]),
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
                 'the disk is partitioned by MBR; {actual}')},
         scope='generation-2', remedy=_generation_of_disk,
         clauses=[Defect(
             why='A disk installed for a BIOS has an MBR and boot code, '
                 'which UEFI does not run.',
             example='no partition of the MBR boots by UEFI',
             starts='firmware boots partition 1')]),
    Rule('HV303', 'gpt-missing', 'error',
         'the MBR announces a GPT and there is none: {actual}',
         'a valid GPT',
         'Export or copy the disk again, or look for the partitions with '
         'testdisk; a tool that repairs an empty table writes an empty one',
         references.GPT,
         scope='generation-2',
         clauses=[Defect(
             why='A protective MBR alone is no table. A GPT is where the '
                 'size of the sectors says: one that was made for 4096 bytes '
                 'is not found with 512.',
             example='LBA 1: no signature; LBA 2097151: no signature',
             starts='LBA 1: wrong checksum; LBA 2097151: no signature')]),
    Rule('HV304', 'gpt-damaged', 'error',
         'the GPT says what cannot be: {actual}',
         'a valid GPT',
         'Export or copy the disk again, or look for the partitions with '
         'testdisk; a tool that repairs an empty table writes an empty one',
         references.GPT,
         scope='generation-2',
         clauses=[Defect(
             why='A checksum holds and the numbers do not: firmware takes '
                 'such a table for none.',
             example='LBA 1: 4294967295 entries of 128 bytes; LBA 2097151: '
                     'no signature',
             starts='LBA 1: the header is for LBA 7; LBA 2097151: no '
                    'signature')]),
    Rule('HV305', 'gpt-primary-damaged', 'warning',
         'the primary GPT is damaged, firmware uses the backup: {actual}',
         'two valid tables',
         f'Repair a copy: {_REPAIR}; or in the guest or {_RAW_COPY}: '
         'sgdisk -e DISK.raw',
         references.GPT,
         scope='generation-2',
         clauses=[Defect(
             why='Firmware falls back to the copy in the last LBA, and '
                 'repairs the first. A disk that was made larger has no copy '
                 'there.',
             example='wrong checksum')]),
    Rule('HV306', 'gpt-backup-damaged', 'warning',
         'the backup of the GPT is damaged: {actual}',
         'two valid tables',
         f'Repair a copy: {_REPAIR}; or in the guest or {_RAW_COPY}: '
         'sgdisk -e DISK.raw',
         references.GPT,
         scope='generation-2',
         clauses=[Defect(
             why='With one table left, the next damage takes all.',
             example='LBA 2097151: no signature')]),
    Rule('HV307', 'gpt-no-protective-mbr', 'error',
         'the MBR does not announce the GPT, so firmware does not look for '
         'it: {actual}',
         'a protective MBR',
         'If the GPT has the partitions of the disk, write a protective MBR '
         f'{_RAW_COPY}, which takes the partitions of the MBR away: '
         f'{_PROTECTIVE_MBR}',
         references.GPT,
         scope='generation-2',
         clauses=[Defect(
             why='Firmware looks for a GPT where the MBR has a partition of '
                 'type 0xee from LBA 1 (UEFI 2.10, 5.2.3).',
             example='a GPT in LBA 1, but no partition of type 0xee from LBA '
                     '1')]),
    Rule('HV308', 'gpt-overlap', 'error',
         'the EFI system partition overlaps another, so firmware sees '
         'neither: {actual}',
         'partitions apart from each other',
         'Partition the disk anew', references.PARTITION_DXE,
         scope='generation-2',
         clauses=[Defect(
             why='Firmware makes nothing of partitions that share an LBA.',
             example='partitions 1 and 2')]),
    Rule('HV309', 'gpt-partition-out-of-range', 'error',
         'the EFI system partition is outside of the LBAs that the GPT '
         'calls usable: {actual}',
         'partitions within the usable LBAs',
         'Partition the disk anew, or export it again',
         references.PARTITION_DXE,
         scope='generation-2',
         clauses=[Defect(
             why='Firmware makes nothing of a partition outside of the LBAs '
                 'that the table calls usable.',
             example='partition 1: LBA 33 to 2047')]),
    Rule('HV310', 'gpt-beyond-disk', 'warning',
         'the GPT is that of a larger disk: {actual}',
         'a table that ends with the disk',
         f'Move the backup to the end: {_REPAIR}; or {_RAW_COPY}: '
         'sgdisk -e DISK.raw',
         references.GPT,
         scope='generation-2',
         clauses=[Defect(
             why='A disk that was made smaller after it was partitioned has '
                 'lost the copy of the table, but none of its partitions.',
             example='the GPT ends with LBA 4194303, the disk with LBA '
                     '2097151')]),
    Rule('HV311', 'hybrid-mbr', 'warning',
         'the disk has a hybrid MBR: {actual}',
         'a protective MBR alone',
         'If no BIOS starts the disk, write a protective MBR '
         f'{_RAW_COPY}: {_PROTECTIVE_MBR}', references.GPT,
         scope='generation-2',
         clauses=[Defect(
             why='Programs take one or the other for the truth.',
             example='the MBR has partitions of its own')]),
    Rule('HV312', 'gpt-pmbr-active', 'warning',
         'the protective partition is marked active, which older firmware '
         'refuses',
         'a boot indicator of 0',
         f'Clear the indicator: {_REPAIR}; or {_RAW_COPY}: '
         'sfdisk --activate DISK.raw -',
         references.PARTITION_DXE,
         scope='generation-2',
         clauses=[Defect(
             why='UEFI wants a boot indicator of 0 (5.2.3); EDK2 from before '
                 'July 2021 takes the table for none otherwise.',
             example='the protective partition is active')]),
    Rule('HV313', 'gpt-pmbr-signature', 'warning',
         'the protective MBR lacks its signature, which other firmware wants',
         '55 aa at 510',
         f'Write a protective MBR: {_REPAIR}; or {_RAW_COPY}: '
         f'{_PROTECTIVE_MBR}',
         references.GPT,
         scope='generation-2',
         clauses=[Defect(
             why='EDK2 does not look at the last two bytes of the MBR, other '
                 'firmware does.',
             example='the MBR lacks its signature')]),
    Rule('HV314', 'gpt-many-entries', 'warning',
         'firmware takes minutes to go through the GPT: {actual}',
         'some ten partitions',
         'Remove files that are not needed', references.PARTITION_DXE,
         scope='generation-2',
         clauses=[Defect(
             why='Firmware compares each partition with all entries.',
             example='2001 partitions in 4096 entries')]),
    Rule('HV315', 'partition-cut-off', 'error',
         'a partition ends past the end of the disk, so data is missing: '
         '{actual}',
         'partitions that end with the disk or before',
         'Export or convert the disk again at its full size; from a VHD: '
         f'{_CONVERT_VHD}',
         references.GPT,
         scope='hyperv',
         clauses=[Defect(
             why='A disk that was copied or converted in part has lost the '
                 'end of its last partition. A partition that ends past the '
                 'disk hides all partitions of an MBR from firmware.',
             example='partition 2 ends with LBA 205431, the disk with LBA '
                     '205223')]),
    Rule('HV321', 'esp-missing', 'error',
         'the GPT has no EFI system partition with a file system',
         'an EFI system partition',
         'Install the guest with UEFI firmware, or set '
         'hw_machine_type=hyperv-gen1 if a BIOS starts it',
         references.BOOT_MANAGER,
         scope='generation-2', remedy=_generation_of_disk,
         clauses=[Defect(
             why='Firmware starts files on a FAT file system. A disk '
                 'without one was installed for a BIOS, or is no system disk.',
             example='no partition is an EFI system partition')]),
    Rule('HV322', 'esp-type-missing', 'warning',
         'the loader is on a partition of another type: {actual}',
         'type c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
         f'Set the type of partition N: {_REPAIR}; or {_RAW_COPY}: '
         'sgdisk -t N:ef00 DISK.raw',
         references.BOOT_MANAGER,
         scope='generation-2',
         clauses=[Defect(
             why='Firmware does not care for the type; installers and '
                 'updates of the guest do.',
             example='partition 1 is of type '
                     'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7')]),
    Rule('HV323', 'esp-hidden-from-firmware', 'error',
         'an attribute hides the EFI system partition from firmware: {actual}',
         'attribute bit 1 clear',
         f'Clear it for partition N: {_REPAIR}; or {_RAW_COPY}: '
         'sgdisk -A N:clear:1 DISK.raw',
         references.GPT,
         scope='generation-2',
         clauses=[Defect(
             why='Attribute bit 1 tells firmware to make nothing of a '
                 'partition (UEFI 2.10, 5.3.3).',
             example='partition 1: attributes 0x2')]),
    Rule('HV324', 'esp-not-fat', 'error',
         'firmware finds no FAT on the EFI system partition: {actual}',
         'FAT12, FAT16 or FAT32',
         'Make a FAT file system on the partition and install the loader on '
         'it',
         references.FAT,
         scope='generation-2',
         clauses=[Defect(
             why='Firmware reads FAT, and no NTFS, exFAT or ext4.',
             example='partition 1: the boot sector is not one of FAT')]),
    Rule('HV325', 'fat32-too-few-clusters', 'error',
         'firmware takes FAT32 of 65525 clusters and more: {actual}',
         '65525 clusters, or FAT16',
         'Copy the files away, make the file system anew as FAT16 (or FAT32 '
         'on a partition of 260 MiB and more), and copy them back',
         references.FAT_DXE,
         scope='generation-2',
         clauses=[Defect(
             why='The number of clusters tells FAT32 from FAT16. Linux '
                 'mounts a small FAT32 all the same, firmware does not. '
                 'mkfs.fat -F 32 makes such ones on partitions of up to 32 '
                 'MiB.',
             example='partition 1: FAT32 of 65524 clusters')]),
    Rule('HV326', 'fat-damaged', 'error',
         'the file system of the EFI system partition is damaged: {actual}',
         'whole directories and files',
         'Make the file system anew and install the loader on it',
         references.FAT,
         scope='generation-2',
         clauses=[Defect(
             why='Directories end, and the clusters of the loader are all '
                 'there.',
             example='the clusters of a directory are a loop')]),
    Rule('HV327', 'fat-sector-size', 'warning',
         'the FAT has other sectors than the disk: {actual}',
         'sectors as the disk',
         'Copy the files away, make the file system anew with the sectors of '
         'the disk, and copy them back',
         references.FAT,
         scope='generation-2',
         clauses=[Defect(
             why='OVMF starts it; not all firmware reads sectors of another '
                 'size.',
             example='4096 bytes, the disk has 512')]),
    Rule('HV328', 'fat-larger-than-partition', 'warning',
         'the FAT is larger than its partition: {actual}',
         'a file system within its partition',
         'Copy the files away, make the file system anew within the '
         'partition, and copy them back',
         references.FAT,
         scope='generation-2',
         clauses=[Defect(
             why='Data behind the end of the partition cannot be read: '
                 'this file system fails when it fills.',
             example='67108864 bytes, the partition has 33554432')]),
    Rule('HV331', 'loader-missing', 'error',
         'firmware has nothing to start: {actual}',
         '\\EFI\\BOOT\\BOOTX64.EFI',
         'Linux: grub-install --removable, or copy the whole directory of '
         'the loader to \\EFI\\BOOT and the loader itself to this path; '
         'Windows: bcdboot with /f UEFI',
         references.BOOT_MANAGER, {
             'debian': Variant(_COPY.format('debian', 'shimx64.efi')),
             'ubuntu': Variant(_COPY.format('ubuntu', 'shimx64.efi')),
             'opensuse': Variant(_COPY.format('opensuse', 'shim.efi')),
             'sles': Variant(_COPY.format('sles', 'shim.efi')),
             'windows': Variant(
                 'Install Windows Boot Manager at this path, too: in the '
                 'guest, bcdboot C:\\Windows /f UEFI'),
         },
         scope='generation-2',
         clauses=[
             *(_missing_loader(variant, path)
               for variant, path in _OTHER_LOADERS.items()),
             _missing_loader(None, '', *map(
                 _pattern, _OTHER_LOADERS.values()))]),
    Rule('HV332', 'loader-wrong-arch', 'error',
         'the loader is for another machine: {actual}',
         'x64',
         'Install the loader for x86_64', references.PE,
         scope='generation-2',
         clauses=[Defect(
             why='Generation 2 runs x86-64 programs.',
             example='\\EFI\\BOOT\\BOOTX64.EFI is for aa64')]),
    Rule('HV333', 'loader-not-efi-app', 'error',
         'the loader is no EFI application: {actual}',
         'an EFI application, whole',
         'Install the loader again', references.PE,
         scope='generation-2',
         clauses=[Defect(
             why='Firmware starts whole PE32+ programs of subsystem 10; '
                 'drivers and programs for other systems it does not.',
             example='\\EFI\\BOOT\\BOOTX64.EFI: no MZ header')]),
    Rule('HV334', 'shim-second-stage-missing', 'error',
         'shim finds nothing to start: {actual}',
         'the second stage beside the shim, or its fallback and a BOOTX64.CSV',
         'Copy the whole directory of the loader, not the shim alone',
         references.SHIM,
         scope='generation-2',
         clauses=[Defect(
             why='A shim starts a second stage beside it: grubx64.efi, of '
                 'SUSE grub.efi. Where its fallback is in \\EFI\\BOOT '
                 '(fbx64.efi, of SUSE fallback.efi), that starts what '
                 'BOOTX64.CSV in another directory below \\EFI names. Other '
                 'second stages are named by the third field of that file, '
                 'or by options.csv. Each shim is searched for the names of '
                 'the files that it opens.',
             example='no \\EFI\\BOOT\\grubx64.efi')]),
    Rule('HV341', 'generation-mismatch', 'error',
         'the image is generation 1 (hw_machine_type: {actual}), the disk '
         'starts by UEFI only',
         'hw_machine_type=hyperv-gen2',
         f'Convert the file to VHDX: {_CONVERT}; and set '
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
             'iso': Variant(
                 'Set hw_machine_type=hyperv-gen2, hypervisor_type=hyperv and '
                 "hypervisor_version_requires='>=6.3', or use media that a "
                 'BIOS starts',
                 'the image is generation 1 (hw_machine_type: {actual}), the '
                 'installation media start by UEFI only'),
             'vhdx': Variant(
                 'Set hw_machine_type=hyperv-gen2, hypervisor_type=hyperv and '
                 "hypervisor_version_requires='>=6.3'")},
         scope='generation-1', remedy=_generation_of_disk,
         clauses=[
             Clause(
                 why=_UEFI_ONLY, variant='vhdx', path='hw_machine_type',
                 then=optional('content.generation',
                               none_of(names.GENERATION_2)),
                 when=ref('vhdx'),
                 wrong=[_file(firmware='uefi', generation='hyperv-gen2')],
                 right=[_file(firmware='both')]),
             Clause(
                 why='From a DVD, a BIOS starts the boot image (El Torito) '
                     'that is for a BIOS, and no other.',
                 variant='iso', path='hw_machine_type',
                 then=optional('content.generation',
                               none_of(names.GENERATION_2)),
                 when=_ISO,
                 wrong=[_file(format='iso', firmware='uefi',
                              generation='hyperv-gen2')],
                 right=[_file(format='iso', firmware='both')]),
             Clause(
                 why='Boot code that is not recognized may start the disk by '
                     'BIOS: nothing proves that it does not.',
                 variant='boot-code', severity='warning',
                 path='hw_machine_type',
                 then=optional('content.firmware', none_of('uefi')),
                 when=not_(required(
                     'content.generation', equal(names.GENERATION_2))),
                 wrong=[_file(firmware='uefi', generation=None)],
                 right=[_file(firmware='both')]),
             Clause(
                 why=_UEFI_ONLY, path='hw_machine_type',
                 then=optional('content.generation',
                               none_of(names.GENERATION_2)),
                 when=not_(any_of(ref('vhdx'), _ISO)),
                 wrong=[_file(format='vhd', firmware='uefi',
                              generation='hyperv-gen2')],
                 right=[_file(format='vhd', firmware='both')])]),
    Rule('HV342', 'boot-configuration-missing', 'warning',
         'the boot loader has no configuration, so the server stops at its '
         'prompt: {actual}',
         'a configuration where the boot loader looks for it',
         'Install the boot loader again in the guest, or copy grub.cfg or '
         'the entries of systemd-boot to this path',
         references.GRUB,
         scope='generation-2',
         clauses=[Defect(
             why='The signed GRUB of Debian and Ubuntu reads grub.cfg in '
                 '\\EFI\\debian or \\EFI\\ubuntu, in its own directory or in '
                 '\\boot\\grub. systemd-boot starts the entries in '
                 '\\loader\\entries and kernels in \\EFI\\Linux. Where other '
                 'boot loaders look is not known, and they are not checked.',
             example='\\EFI\\BOOT\\grubx64.efi (GRUB) finds no grub.cfg in '
                     '\\EFI\\debian, \\EFI\\BOOT, \\boot\\grub')]),
    Rule('HV343', 'boot-target-missing', 'warning',
         'the configuration of GRUB is for another disk: {actual}, which no '
         'partition has',
         'the UUID of a file system on the disk',
         'Install the boot loader again in the guest, or write the UUID of '
         'the file system with /boot/grub, which blkid prints, into grub.cfg',
         references.GRUB,
         scope='generation-2',
         clauses=[Defect(
             why='The grub.cfg on the EFI system partition names the file '
                 'system with the configuration by its UUID, which changes '
                 'where the file system is made anew. Nothing is reported '
                 'where a partition has LVM, LUKS, RAID or other content that '
                 'may hide a file system.',
             example='grub.cfg for \\EFI\\BOOT\\grubx64.efi (GRUB) names the '
                     'file system 7b9d0c54-1f2e-4a63-8d80-5c0e9f2b6a17')]),
    Rule('HV346', 'nothing-to-boot', 'warning',
         'the image is generation 1 (hw_machine_type: {actual}). The disk '
         'has neither boot code for a BIOS nor a loader for UEFI',
         'boot code, or a loader for UEFI and generation 2',
         'Install an operating system on the disk before you upload it',
         references.PLAN, {
             'iso': Variant(
                 'Use media that a BIOS starts, unless they hold data only',
                 'the image is generation 1 (hw_machine_type: {actual}). The '
                 'ISO has no boot image (El Torito) for a BIOS nor for UEFI')},
         scope='generation-1',
         clauses=[
             Clause(
                 why='A disk that has neither boot code for a BIOS nor a '
                     'loader for UEFI starts as neither generation. It may be '
                     'a disk for data.',
                 path='hw_machine_type',
                 then=optional('content.firmware', none_of('none')),
                 when=not_(_ISO),
                 wrong=[_file(firmware='none')],
                 right=[_file(firmware='bios'), _file(firmware='unknown')]),
             Clause(
                 why='An ISO without a boot image starts as neither '
                     'generation. It may hold data only.',
                 variant='iso', path='hw_machine_type',
                 then=optional('content.firmware', none_of('none')),
                 when=_ISO,
                 wrong=[_file(format='iso', firmware='none')],
                 right=[_file(format='iso', firmware='bios')])]),
    Rule('HV347', 'hyperv-drivers-missing', 'warning',
         'Linux finds no disk on Hyper-V: {actual}',
         'hv_vmbus and hv_storvsc in the kernel or in the initrd',
         'Add them to the configuration of dracut or initramfs-tools in the '
         'guest, and make the initrd and the image anew',
         references.LINUX_ON_HYPERV,
         scope='generation-2',
         clauses=[Defect(
             why='A unified kernel image has its initrd with it. An initrd '
                 'that was made on another hypervisor often has the drivers '
                 'of that one alone. Nothing is reported where the initrd '
                 'has no list of what is built into the kernel, or is '
                 'compressed with LZ4.',
             example='\\EFI\\BOOT\\BOOTX64.EFI has no hv_storvsc')]),
)
