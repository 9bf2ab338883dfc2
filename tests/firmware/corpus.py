# SPDX-License-Identifier: Apache-2.0
"""Disk images, and for each the results of firmware and of the linter.

The table is the truth that the linter is held to: its first column was
measured, by :mod:`tests.firmware.test_firmware`, which measures it again.
"""

from collections.abc import Mapping
import dataclasses
import struct

from hyperv_sched import names
from hyperv_sched.disk import templates
from hyperv_sched.disk import unified
from tests import hostile
from tests import initrds
from tests.firmware import boot
from tests.firmware import gpt_edit
from tests.firmware import images
from tests.firmware import loaders
from tests.firmware import vhd_edit
from tests.firmware import vhdx_edit

BOOTX64 = 'EFI/BOOT/BOOTX64.EFI'


@dataclasses.dataclass(frozen=True)
class Record:
    """An image, and the results of firmware and of the linter."""

    name: str
    boots: bool
    steps: tuple[images.Step, ...]
    errors: frozenset[str]
    """Codes of all errors."""
    warnings: frozenset[str] = frozenset()
    """Codes of some warnings and informational findings."""
    machine: boot.Machine = boot.UEFI
    properties: Mapping[str, object] = dataclasses.field(
        default_factory=dict)
    """Properties in addition to those of generation 2."""
    keys: Mapping[str, templates.Template] | None = None
    """The Secure Boot templates of the linter; None for those of Hyper-V."""
    unlike: str = ''
    """The reader that differs from QEMU, if the linter follows it."""
    bare: str = ''
    """The reason if QEMU boots the disk without its container."""
    telling: bool = False
    """Whether CI boots it each time."""


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


def starts(name: str, *steps: images.Step, warns: str = '',
           **rest: object) -> Record:
    """Return an image that boots and has no errors."""
    return Record(name, True, steps, frozenset(), _codes(warns), **rest)


def fails(name: str, errors: str, *steps: images.Step, warns: str = '',
          **rest: object) -> Record:
    """Return an image that does not boot, with the errors."""
    return Record(name, False, steps, _codes(errors), _codes(warns), **rest)


def refused(name: str, errors: str, by: str, *steps: images.Step,
            **rest: object) -> Record:
    """Return an image that QEMU boots and a decisive reader refuses."""
    return Record(name, True, steps, _codes(errors), unlike=by, **rest)


def spared(name: str, by: str, *steps: images.Step, warns: str = '',
           **rest: object) -> Record:
    """Return an image that QEMU does not boot and Hyper-V does."""
    return Record(name, False, steps, frozenset(), _codes(warns), unlike=by,
                  **rest)


# Other machines, and the properties that ask for them.
GENERATION_1 = {
    'machine': boot.BIOS,
    'properties': {'hw_machine_type': 'hyperv-gen1'}}
SECURE_BOOT = {
    'machine': boot.secure_boot(templates.load()[names.LINUX]),
    'properties': {'os_secure_boot': 'required', 'os_type': 'linux',
                   'hypervisor_version_requires': '>=10.0'}}

# Parts of images that boot.
DISK = images.disk()
GRUB = images.put(BOOTX64, loaders.grub)
VHDX = images.vhdx()
VHD = images.convert('vpc', 'force_size=on')
ESP = (DISK, images.gpt(), images.fat())
GOOD = (*ESP, GRUB)

# Images that a BIOS boots: from the gap behind the MBR, or from a partition.
FOR_BIOS = (DISK, images.mbr('start=2048, type=83, bootable'),
            images.bios_boot(1))
_BIOS_BOOT = 'size=1000KiB, type=21686148-6449-6E6F-744E-656564454649'
FOR_BIOS_GPT = (DISK, images.gpt(f'start=2048, {_BIOS_BOOT}', 'type=L'),
                images.bios_boot(2048))
FOR_BOTH = (DISK, images.gpt(f'start=40, {_BIOS_BOOT}', 'start=2048, type=U',
                             options=('first-lba: 34',)),
            images.bios_boot(40), images.fill(1), images.fat(), GRUB, VHDX)


# Images that a BIOS boots by unknown code, or from other partitions.
CODE = images.boot_sector(loaders.boot_code)
UNKNOWN_CODE = (*GOOD, CODE, VHDX)
#: Like the first entry of an isohybrid.
ACTIVE_WITHOUT_TYPE = (*GOOD, CODE, images.poke(
    '16s', 446 + 16, b'\x80' + bytes(11) + b'\0\x80\1\0'), VHDX)
_FREEBSD_BOOT = 'size=1000KiB, type=83BD6B9D-7F41-11DC-BE0B-001560B84F0F'
FREEBSD = (DISK, images.gpt('start=2048, size=40MiB, type=U', _FREEBSD_BOOT),
           images.fat(), GRUB, CODE, images.fill(1),
           images.poke_volume('B', 0, 0xf4), VHDX)
FOR_BIOS_ISO = (images.disk(4), images.fat(16), GRUB, images.iso(
    boot_sector=loaders.boot_code), images.burnt, VHDX)


def on_disk(*changes: images.Step) -> tuple[images.Step, ...]:
    """Return the steps of a changed disk in a VHDX."""
    return (*GOOD, *changes, VHDX)


def in_file(*changes: images.Step) -> tuple[images.Step, ...]:
    """Return the steps of a changed VHDX."""
    return (*GOOD, VHDX, *changes)


def with_files(*files: images.Step) -> tuple[images.Step, ...]:
    """Return the steps of an ESP with files, in a VHDX."""
    return (*ESP, *files, VHDX)


def with_loader(loader: loaders.Loader) -> tuple[images.Step, ...]:
    """Return the steps of an ESP with another loader."""
    return with_files(images.put(BOOTX64, loader))


MICROSOFT = "Microsoft's own reader (openvmm, vm/devices/storage/vhdx)"
EACH_VOLUME = ('mu_msvm, DeviceBootManagerLib.c: Hyper-V goes on to the next '
               'file system, OVMF tries one loader a disk')
CUT_OFF = 'none: data is missing, which no boot shows'
UNSEEN = ('none: the linter does not look there, so that it cannot let '
          'it pass')
HYPERV = ('Microsoft, Should I create a generation 1 or 2 virtual machine: '
          'generation 2 boots from VHDX and ISO')
VHD_FORMAT = 'Virtual Hard Disk Image Format Specification 1.0'
GLANCE = 'Glance 30, [image_format] require_image_format_match'

CONTAINERS = (
    starts('vhdx-dynamic', *GOOD, VHDX, telling=True),
    starts('vhdx-fixed', *GOOD, images.vhdx('subformat=fixed')),
    starts('vhdx-block-1m', *GOOD, images.vhdx('block_size=1M')),
    starts('vhdx-block-256m', *GOOD, images.vhdx('block_size=256M')),
    starts('vhdx-size-odd', images.disk(45), *GOOD[1:], VHDX),
    starts('vhdx-3t', images.disk(3 * 1024 * 1024), images.gpt(
        'start=2048, size=40MiB, type=U'), images.fat(), GRUB, VHDX),
    starts('vhdx-no-zero-state', *GOOD,
           images.vhdx('block_state_zero=off')),
    refused('vhdx-labeled-vhd', 'HV201', GLANCE, *GOOD, VHDX,
            properties={'disk_format': 'vhd'}),
    starts('min-disk-smaller-than-file', images.disk(1024), images.gpt(
        'start=2048, size=40MiB, type=U'), images.fat(), GRUB,
        images.vhdx('subformat=fixed'), warns='HV224',
        properties={'min_disk': 1}),
    starts('min-disk-too-small', images.disk(2048), images.gpt(),
           images.fat(32, '-s', 8), GRUB, VHDX, warns='HV224',
           properties={'min_disk': 1}),
    refused('raw', 'HV203', HYPERV, *GOOD),
    refused('vmdk', 'HV203', HYPERV, *GOOD, images.convert('vmdk')),
    refused('vdi', 'HV203', HYPERV, *GOOD, images.convert('vdi')),
    refused('vhd-dynamic', 'HV202', HYPERV, *GOOD,
            VHD),
    refused('vhd-fixed', 'HV202', HYPERV, *GOOD,
            images.convert('vpc', 'force_size=on', 'subformat=fixed')),
    fails('gzip', 'HV203', *GOOD, images.compress()),
    fails('gzip-of-vhdx', 'HV203', *GOOD, VHDX, images.compress()),
    starts('iso', images.disk(4), images.fat(16), GRUB, images.iso(),
           warns='HV222', properties={'disk_format': 'iso'}),
    fails('tar-of-vhdx', 'HV203', *GOOD, VHDX, images.archive()),
    fails('vhd-without-copy-of-footer', 'HV229', *GOOD, VHD,
          vhd_edit.wipe_copy()),
    starts('iso-in-vhdx', images.disk(4), images.fat(16), GRUB, images.iso(),
           images.burnt, VHDX, warns='HV222', telling=True),
    fails('iso-in-vhdx-without-loader', 'HV331', images.disk(4),
          images.fat(16), images.iso(), images.burnt, VHDX, warns='HV222'),
    fails('iso-in-vhdx-for-ia32', 'HV331', images.disk(4), images.fat(16),
          images.put('EFI/BOOT/BOOTIA32.EFI', loaders.grub_ia32),
          images.iso(), images.burnt, VHDX, warns='HV222'),
    fails('iso-in-vhdx-for-bios', 'HV331', images.disk(4),
          images.iso(efi=False, bios=True), images.burnt, VHDX,
          warns='HV222'),
    fails('iso-in-vhdx-plain', 'HV301', images.disk(4), images.iso(efi=False),
          images.burnt, VHDX, warns='HV222'),
    fails('noise', 'HV204', images.content(bytes(range(1, 255)) * 4096)),
    fails('zeros', 'HV204', images.content(bytes(images.MIB))),
    fails('empty', 'HV205', images.content(b'')),
)

_QCOW2 = images.convert('qcow2')
_STREAM = images.convert('vmdk', 'subformat=streamOptimized')
OTHER_FORMATS = (
    refused('qcow2', 'HV203', HYPERV, *GOOD, _QCOW2),
    *(refused(f'qcow2-{name}', 'HV203', HYPERV, *GOOD, images.convert(
        'qcow2', *options, compress=compress), telling=name == 'zstd')
      for name, options, compress in (
          ('version-2', ('compat=0.10',), False),
          ('clusters-512', ('cluster_size=512',), False),
          ('zlib', (), True),
          ('zstd', ('compression_type=zstd',), True),
          ('extended', ('extended_l2=on',), False))),
    refused('vmdk-stream-optimized', 'HV203', HYPERV, *GOOD, _STREAM,
            telling=True),
    # Errors of the disk are found in each format.
    fails('qcow2-without-loader', 'HV203 HV331', *ESP, images.convert(
        'qcow2', 'compression_type=zstd', compress=True), telling=True),
    fails('qcow2-attributes', 'HV203 HV323', *GOOD,
          gpt_edit.attributes(2), _QCOW2),
    fails('vmdk-without-loader', 'HV203 HV331', *ESP, _STREAM),
    fails('qcow2-for-bios', 'HV203 HV302', *FOR_BIOS, _QCOW2),
    # QEMU takes the rest of the disk from the other file.
    refused('qcow2-backing-file', 'HV230', HYPERV, *GOOD, images.create(
        'qcow2', '-b', 'DISK', '-F', 'raw')),
    fails('vmdk-flat', 'HV230', *GOOD, images.create(
        'vmdk', '-o', 'subformat=monolithicFlat')),
    fails('qcow2-encrypted', 'HV231', *GOOD, images.create(
        'qcow2', '--object', 'secret,id=key,data=password', '-o',
        'encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10')),
    fails('qcow2-l1-table-unaligned', 'HV232', *GOOD, _QCOW2,
          images.poke_file('>Q', 40, 65536 + 512), telling=True),
    fails('qcow2-cut-off', 'HV233', *GOOD, _QCOW2, images.cut(192 * 1024)),
    refused('qcow2-in-use', 'HV203', HYPERV, *GOOD, images.convert(
        'qcow2', 'lazy_refcounts=on'), images.poke_file('B', 79, 1),
        warnings=_codes('HV234')),
    refused('qcow2-snapshot', 'HV203', HYPERV, *GOOD, _QCOW2,
            images.snapshot(), warnings=_codes('HV235')),
    fails('qcow2-unknown-feature', 'HV203 HV236', *GOOD, _QCOW2,
          images.poke_file('B', 72, 1)),
)

VHDX_FILES = (
    # Copies of the header.
    starts('header-1-damaged', *in_file(
        vhdx_edit.poke(vhdx_edit.HEADERS[0] + 100, b'?')), warns='HV210'),
    starts('header-2-damaged', *in_file(
        vhdx_edit.poke(vhdx_edit.HEADERS[1] + 100, b'?')), warns='HV210'),
    starts('header-1-blank', *in_file(
        vhdx_edit.poke(vhdx_edit.HEADERS[0], bytes(4096))), warns='HV210'),
    fails('headers-damaged', 'HV209', *in_file(*(
        vhdx_edit.poke(copy + 100, b'?') for copy in vhdx_edit.HEADERS)),
        telling=True),
    starts('headers-identical', *in_file(
        vhdx_edit.header(sequence=7, data_guid=bytes(16))), warns='HV218'),
    fails('version-2', 'HV213', *in_file(vhdx_edit.header(version=2))),
    fails('version-0', 'HV213', *in_file(vhdx_edit.header(version=0))),
    # The log.
    fails('log-dirty', 'HV207', *in_file(*vhdx_edit.dirty_log()),
          telling=True),
    refused('log-named-and-empty', 'HV207', MICROSOFT, *in_file(
        vhdx_edit.header(log_guid=b'\1' * 16))),
    starts('log-none', *in_file(vhdx_edit.header(log_length=0)),
           warns='HV219', bare='QEMU insists on a log region'),
    fails('log-unaligned', 'HV215', *in_file(
        vhdx_edit.header(log_offset=images.MIB + 4096))),
    refused('log-past-end', 'HV208', MICROSOFT, *in_file(
        vhdx_edit.header(log_offset=4096 * images.MIB))),
    # Copies of the region table.
    starts('region-table-1-damaged', *in_file(
        vhdx_edit.poke(vhdx_edit.REGION_TABLES[0] + 100, b'?')),
        warns='HV212', bare='QEMU reads the first copy only'),
    starts('region-table-2-damaged', *in_file(
        vhdx_edit.poke(vhdx_edit.REGION_TABLES[1] + 100, b'?')),
        warns='HV212'),
    fails('region-tables-damaged', 'HV211', *in_file(*(
        vhdx_edit.poke(copy + 100, b'?')
        for copy in vhdx_edit.REGION_TABLES))),
    # Regions.
    fails('region-unknown-required', 'HV214', *in_file(
        vhdx_edit.add_region(vhdx_edit.UNKNOWN, 512 * images.MIB,
                             required=True))),
    starts('region-unknown', *in_file(
        vhdx_edit.add_region(vhdx_edit.UNKNOWN, 128 * images.MIB),
        vhdx_edit.grow(129 * images.MIB))),
    fails('region-unaligned', 'HV215', *in_file(
        vhdx_edit.region(vhdx_edit.BAT, '<Q', 16, 2 * images.MIB + 512))),
    fails('region-in-first-mib', 'HV215', *in_file(
        vhdx_edit.region(vhdx_edit.BAT, '<Q', 16, 0))),
    fails('regions-overlap', 'HV215', *in_file(
        vhdx_edit.region(vhdx_edit.BAT, '<Q', 16, 3 * images.MIB))),
    fails('region-twice', 'HV215', *in_file(
        vhdx_edit.add_region(vhdx_edit.BAT, 512 * images.MIB))),
    fails('region-metadata-missing', 'HV215', *in_file(
        vhdx_edit.region(vhdx_edit.METADATA, '16s', 0,
                         vhdx_edit.UNKNOWN.bytes_le))),
    fails('region-bat-missing', 'HV215', *in_file(
        vhdx_edit.region(vhdx_edit.BAT, '16s', 0,
                         vhdx_edit.UNKNOWN.bytes_le))),
    # Metadata.
    fails('item-unknown-required', 'HV214', *in_file(
        vhdx_edit.add_item(vhdx_edit.UNKNOWN, vhdx_edit.REQUIRED))),
    starts('item-unknown', *in_file(
        vhdx_edit.add_item(vhdx_edit.UNKNOWN, vhdx_edit.USER))),
    refused('incomplete', 'HV217', MICROSOFT, *in_file(
        vhdx_edit.add_item(vhdx_edit.INCOMPLETE, 0))),
    fails('incomplete-required', 'HV217', *in_file(
        vhdx_edit.add_item(vhdx_edit.INCOMPLETE, vhdx_edit.REQUIRED))),
    fails('parent', 'HV206', *in_file(vhdx_edit.value(
        vhdx_edit.FILE_PARAMETERS, '<II', 8 * images.MIB,
        vhdx_edit.HAS_PARENT)), telling=True),
    fails('block-3m', 'HV215', *in_file(vhdx_edit.value(
        vhdx_edit.FILE_PARAMETERS, '<II', 3 * images.MIB, 0))),
    fails('block-512k', 'HV215', *in_file(vhdx_edit.value(
        vhdx_edit.FILE_PARAMETERS, '<II', images.MIB // 2, 0))),
    fails('block-512m', 'HV215', *in_file(vhdx_edit.value(
        vhdx_edit.FILE_PARAMETERS, '<II', 512 * images.MIB, 0))),
    fails('disk-size-0', 'HV215', *in_file(vhdx_edit.value(
        vhdx_edit.DISK_SIZE, '<Q', 0))),
    refused('disk-size-unaligned', 'HV215', MICROSOFT, *in_file(
        vhdx_edit.value(vhdx_edit.DISK_SIZE, '<Q', 48 * images.MIB - 1))),
    fails('disk-size-over-64t', 'HV215', *in_file(vhdx_edit.value(
        vhdx_edit.DISK_SIZE, '<Q', 2 ** 46 + 512))),
    fails('sector-1024', 'HV215', *in_file(vhdx_edit.value(
        vhdx_edit.LOGICAL_SECTOR_SIZE, '<I', 1024))),
    fails('item-missing', 'HV215', *in_file(vhdx_edit.item(
        vhdx_edit.DISK_SIZE, '16s', 0, vhdx_edit.UNKNOWN.bytes_le),
        vhdx_edit.item(vhdx_edit.UNKNOWN, '<I', 24, vhdx_edit.USER))),
    fails('item-outside-region', 'HV215', *in_file(vhdx_edit.item(
        vhdx_edit.DISK_SIZE, '<I', 16, 16 * images.MIB))),
    # The block allocation table.
    refused('block-reserved-bits', 'HV215', MICROSOFT, *in_file(
        vhdx_edit.block(0, lambda entry: entry | 8))),
    fails('block-state-5', 'HV215', *in_file(vhdx_edit.state(0, 5))),
    fails('block-partially-present', 'HV215', *in_file(
        vhdx_edit.state(0, 7))),
    fails('block-past-end', 'HV208', *in_file(vhdx_edit.place(0, 4096))),
    refused('blocks-shared', 'HV216', MICROSOFT, *in_file(
        vhdx_edit.place(3, 8))),
    fails('block-in-log', 'HV216', *in_file(vhdx_edit.place(3, 1))),
    refused('block-in-headers', 'HV216', MICROSOFT, *GOOD,
            images.vhdx('block_size=1M'), vhdx_edit.place(3, 0)),
    # The file's end.
    refused('truncated-by-100', 'HV208', MICROSOFT, *in_file(
        images.cut(-100))),
    fails('truncated-by-half', 'HV208', *in_file(
        images.cut(9 * images.MIB)), telling=True),
    fails('truncated-in-metadata', 'HV208', *in_file(
        images.cut(3 * images.MIB))),
    fails('truncated-in-headers', 'HV209', *in_file(images.cut(64 * 1024))),
    fails('signature-only', 'HV209', images.content(b'vhdxfile')),
    starts('vhd-footer-behind', *in_file(
        vhdx_edit.append(b'conectix'.ljust(512, b'\0'))), warns='HV221'),
)


def gpt(*partitions: str, options: tuple[str, ...] = ()
        ) -> tuple[images.Step, ...]:
    """Return the steps of a disk with other partitions."""
    return (DISK, images.gpt(*partitions, options=options), images.fat(),
            GRUB, VHDX)


def mbr(*partitions: str) -> tuple[images.Step, ...]:
    return (DISK, images.mbr(*partitions), images.fat(), GRUB, VHDX)


def stale_gpt() -> tuple[images.Step, ...]:
    """Return the steps of a disk with an MBR and an old, empty GPT."""
    return (DISK, images.gpt(), images.sgdisk('--delete=1'),
            images.poke('64s', PMBR, struct.pack(
                '<4xB3xII', 0xef, 2048, 40 * 2048)),
            images.fill(0), images.fat(), GRUB, VHDX)


def two_esps(first: loaders.Loader) -> tuple[images.Step, ...]:
    """Return the steps of a disk with two ESPs, the second of which boots."""
    return (DISK, images.gpt('size=4MiB, type=U', 'type=U'),
            images.fat(16), images.put(BOOTX64, first), images.fill(1),
            images.fat(), GRUB, VHDX)


def nested() -> tuple[images.Step, ...]:
    """Return the steps of a disk in a partition of another disk."""
    def wrap(image: images.Image) -> None:
        inner = image.disk.read_bytes()
        images.disk(64)(image)
        image.disk.write_bytes(b'')
        images.disk(64)(image)
        images.gpt('start=2048, size=48MiB, type=U')(image)
        with open(image.disk, 'r+b') as file:
            file.seek(images.MIB)
            file.write(inner)
    return (*GOOD, wrap, VHDX)


#: The last LBA.
LAST = 48 * 2048 - 1
PMBR = 446
_ENTRIES = 2 * 512
_BACKUP_ENTRIES = -33 * 512

PARTITIONS = (
    starts('esp-in-slot-2', DISK, images.gpt(
        'size=2MiB, type=L', 'type=U'), images.fill(1), images.fat(), GRUB,
        VHDX),
    starts('esp-of-another-type', *gpt('start=2048, type=L'),
           warns='HV322'),
    starts('esp-basic-data', *gpt(
        'start=2048, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7'),
        warns='HV322'),
    starts('esp-unaligned', *gpt(
        'start=2047, type=U', options=('first-lba: 34',))),
    starts('esp-required-attribute', *on_disk(gpt_edit.attributes(1))),
    starts('esp-legacy-attribute', *on_disk(gpt_edit.attributes(4))),
    starts('esp-no-automount', *on_disk(gpt_edit.attributes(1 << 63))),
    fails('esp-hidden', 'HV323', *on_disk(gpt_edit.attributes(2)),
          telling=True),
    fails('no-partitions', 'HV321', DISK, images.gpt('size=2MiB, type=L'),
          images.sgdisk('--delete=1'), VHDX),
    fails('no-esp', 'HV321', DISK, images.gpt('start=2048, type=L'), VHDX),
    fails('esp-empty', 'HV324', DISK, images.gpt(), VHDX),
    starts('esp-two-first-empty', DISK, images.gpt(
        'size=2MiB, type=U', 'type=U'), images.fill(1), images.fat(), GRUB,
        VHDX),
    starts('esp-two-last-empty', DISK, images.gpt(
        'size=40MiB, type=U', 'type=U'), images.fat(), GRUB, VHDX),
    starts('loader-beside-esp', DISK, images.gpt(
        'size=2MiB, type=U', 'type=L'), images.fat(12), images.fill(1),
        images.fat(), GRUB, VHDX, warns='HV322'),
    spared('esp-two-first-for-ia32', EACH_VOLUME,
           *two_esps(loaders.grub_ia32)),
    spared('esp-two-first-shim-alone', EACH_VOLUME,
           *two_esps(loaders.shim)),
    starts('esp-two-first-text', *two_esps(loaders.text('no program'))),
    fails('esp-in-backup-only', 'HV321', DISK, images.gpt(), images.fat(),
          GRUB, gpt_edit.entry(0, '16s', 0, bytes(16),
                               (gpt_edit.PRIMARY,)), VHDX),
    refused('disk-in-partition', 'HV324', UNSEEN, *nested()),
    # The two copies of the table.
    starts('primary-header-damaged', *on_disk(
        images.poke('B', 512 + 20, 255)), warns='HV305', telling=True),
    starts('primary-signature-damaged', *on_disk(
        images.poke('8s', 512, b'EFI part')), warns='HV305'),
    starts('primary-entries-damaged', *on_disk(
        images.poke('B', _ENTRIES + 130, 1)), warns='HV305'),
    starts('backup-header-damaged', *on_disk(
        images.poke('B', -512 + 20, 255)), warns='HV306'),
    starts('backup-entries-damaged', *on_disk(
        images.poke('B', _BACKUP_ENTRIES + 130, 1)), warns='HV306'),
    fails('both-headers-damaged', 'HV303', *on_disk(
        images.poke('B', 512 + 20, 255), images.poke('B', -512 + 20, 255)),
        telling=True),
    fails('both-entries-damaged', 'HV303', *on_disk(
        images.poke('B', _ENTRIES + 130, 1),
        images.poke('B', _BACKUP_ENTRIES + 130, 1))),
    starts('primary-wrong-own-lba', *on_disk(gpt_edit.header(
        (gpt_edit.PRIMARY,), own=2)), warns='HV305'),
    fails('both-wrong-own-lba', 'HV304', *on_disk(gpt_edit.header(own=2))),
    # Sizes of the disk.
    starts('grown', *on_disk(images.resize(64 * images.MIB))),
    fails('grown-primary-damaged', 'HV303', *on_disk(
        images.poke('B', 512 + 20, 255), images.resize(64 * images.MIB))),
    starts('shrunk-esp-inside', DISK, images.gpt(
        'start=2048, size=36MiB, type=U'), images.fat(), GRUB,
        images.resize(40 * images.MIB), VHDX, warns='HV310'),
    refused('shrunk-esp-cut-behind-loader', 'HV315', CUT_OFF, *on_disk(
        images.resize(40 * images.MIB)), telling=True),
    refused('shrunk-other-cut', 'HV315', CUT_OFF, DISK, images.gpt(
        'start=2048, size=36MiB, type=U', 'type=L'), images.fat(), GRUB,
        images.resize(46 * images.MIB), VHDX),
    fails('shrunk-esp-cut-before-loader', 'HV315', *ESP, images.put(
        'filler', loaders.text(bytes(20 * images.MIB))), GRUB,
        images.resize(20 * images.MIB), VHDX),
    fails('shrunk-esp-outside', 'HV315', DISK, images.gpt(
        'start=2048, size=4MiB, type=L', 'type=U'), images.fill(1),
        images.fat(), GRUB, images.resize(4 * images.MIB), VHDX),
    # Ranges of partitions.
    fails('esp-past-last-usable', 'HV309', *on_disk(
        gpt_edit.last_lba(LAST - 32))),
    starts('esp-to-last-usable', *on_disk(gpt_edit.last_lba(LAST - 33))),
    fails('esp-before-first-usable', 'HV309', *on_disk(
        gpt_edit.header(first=2049))),
    starts('esp-from-first-usable', *on_disk(gpt_edit.header(first=2048))),
    fails('esp-ends-before-start', 'HV309', *on_disk(
        gpt_edit.last_lba(2047))),
    fails('esp-overlapped', 'HV308', DISK, images.gpt(
        'start=2048, size=40MiB, type=U', 'type=L'), images.fat(), GRUB,
        gpt_edit.first_lba(4096, 1), VHDX),
    fails('esp-overlapped-by-a-sector', 'HV308', DISK, images.gpt(
        'start=2048, size=40MiB, type=U', 'start=83968, type=L'),
        images.fat(), GRUB, gpt_edit.first_lba(83967, 1), VHDX),
    starts('esp-touched', DISK, images.gpt(
        'start=2048, size=40MiB, type=U', 'start=83968, type=L'),
        images.fat(), GRUB, VHDX),
    starts('others-overlap', DISK, images.gpt(
        'start=2048, size=40MiB, type=U',
        'start=83968, size=1MiB, type=L', 'start=86016, type=L'),
        images.fat(), GRUB, gpt_edit.first_lba(84000, 2), VHDX),
    # Firmware compares a partition with later ones, and one that is out of
    # range with none.
    fails('esp-overlapped-by-stray-behind', 'HV308', DISK, images.gpt(
        'start=2048, size=40MiB, type=U', 'type=L'), images.fat(), GRUB,
        gpt_edit.first_lba(4096, 1), gpt_edit.last_lba(LAST, 1), VHDX),
    starts('esp-overlapped-by-stray-ahead', DISK, images.gpt(
        'start=2048, size=1MiB, type=L', 'type=U'), images.fill(1),
        images.fat(), GRUB, gpt_edit.last_lba(LAST), VHDX),
    # Sizes of the table.
    starts('entries-4', *gpt('start=2048, type=U',
                             options=('table-length: 4',))),
    starts('entries-1', *on_disk(gpt_edit.layout(1, 128))),
    starts('entries-256', *on_disk(gpt_edit.layout(256, 128))),
    starts('entry-size-256', *on_disk(gpt_edit.layout(128, 256))),
    starts('entry-size-136', *on_disk(gpt_edit.layout(128, 136))),
    fails('entry-size-64', 'HV304', *on_disk(
        gpt_edit.header(entry_size=64))),
    fails('entry-size-0', 'HV304', *on_disk(gpt_edit.header(entry_size=0))),
    fails('entries-0', 'HV304', *on_disk(gpt_edit.header(count=0))),
    fails('entries-4-billion', 'HV304', *on_disk(
        gpt_edit.header(count=0xffffffff))),
    starts('header-size-512', *on_disk(gpt_edit.header(size=512))),
    fails('header-size-513', 'HV304', *on_disk(gpt_edit.header(size=513))),
    starts('header-size-91', *on_disk(gpt_edit.header(size=91))),
    fails('header-size-0', 'HV304', *on_disk(gpt_edit.header(size=0))),
    starts('revision-2', *on_disk(gpt_edit.header(revision=0x20000))),
    starts('entries-at-lba-64', *on_disk(
        gpt_edit.header((gpt_edit.PRIMARY,), table=64))),
    starts('partitions-500', *on_disk(
        gpt_edit.layout(512, 128), gpt_edit.small(500))),
    starts('partitions-1050', *on_disk(
        gpt_edit.layout(1100, 128), gpt_edit.small(1050)), warns='HV314'),
    # The protective MBR.
    fails('no-protective-mbr', 'HV307', *on_disk(
        images.poke('16s', PMBR, bytes(16))), telling=True),
    fails('protective-mbr-blank', 'HV307', *on_disk(
        images.poke('512s', 0, bytes(512)))),
    fails('protective-mbr-starts-at-2', 'HV307', *on_disk(
        images.poke('<I', PMBR + 8, 2))),
    starts('protective-mbr-short', *on_disk(
        images.poke('<I', PMBR + 12, 1))),
    starts('protective-mbr-active', *on_disk(
        images.poke('B', PMBR, 0x80)), warns='HV312'),
    starts('protective-mbr-unsigned', *on_disk(
        images.poke('<H', 510, 0)), warns='HV313'),
    starts('hybrid-mbr', DISK, images.gpt(
        'start=2048, size=40MiB, type=U', 'type=L'), images.fat(), GRUB,
        images.sgdisk('--hybrid=2'), VHDX, warns='HV311'),
    starts('hybrid-mbr-protective-last', DISK, images.gpt(
        'start=2048, size=40MiB, type=U', 'type=L'), images.fat(), GRUB,
        images.sgdisk('--hybrid=2:EE'), VHDX, warns='HV311'),
    starts('hybrid-mbr-gpt-damaged', *on_disk(
        images.sgdisk('--hybrid=1'), images.poke('B', 512 + 20, 255),
        images.poke('B', -512 + 20, 255)), warns='HV303 HV311'),
    # No GPT.
    fails('disk-empty', 'HV301', DISK, VHDX),
    fails('disk-without-table', 'HV301', DISK, images.poke(
        '446s', 0, b'\xeb' * 446), VHDX),
    starts('fat-without-table', DISK, images.fat(), GRUB, VHDX,
           warns='HV301'),
    fails('fat-without-table-or-loader', 'HV301', DISK, images.fat(), VHDX),
    starts('mbr-ef', *mbr('start=2048, type=ef'), warns='HV302'),
    starts('mbr-0c', *mbr('start=2048, type=c'), warns='HV302'),
    starts('mbr-83', *mbr('start=2048, type=83'), warns='HV302'),
    starts('mbr-second', DISK, images.mbr(
        'start=2048, size=1MiB, type=83', 'type=ef'), images.fill(1),
        images.fat(), GRUB, VHDX, warns='HV302'),
    starts('mbr-logical', DISK, images.mbr(
        'start=2048, type=5', 'start=4096, type=ef'), images.fill(1),
        images.fat(), GRUB, VHDX, warns='HV302'),
    fails('mbr-empty', 'HV302', DISK, images.mbr(
        'start=2048, type=83'), VHDX),
    fails('mbr-without-loader', 'HV331', DISK, images.mbr(
        'start=2048, type=ef'), images.fat(), VHDX),
    fails('mbr-loader-for-ia32', 'HV332', DISK, images.mbr(
        'start=2048, type=c'), images.fat(),
        images.put(BOOTX64, loaders.grub_ia32), VHDX),
    starts('mbr-with-empty-gpt', *stale_gpt(), warns='HV302', telling=True),
    fails('mbr-logical-past-end', 'HV315', DISK, images.mbr(
        'start=2048, size=36MiB, type=ef', 'type=5', 'type=83'),
        images.fat(), GRUB, images.resize(40 * images.MIB), VHDX),
    fails('mbr-bios', 'HV302', *FOR_BIOS, VHDX, telling=True),
    fails('mbr-overlap', 'HV301', DISK, images.mbr(
        'start=2048, size=40MiB, type=ef', 'start=83968, type=83'),
        images.fat(), GRUB, images.poke('<I', PMBR + 16 + 8, 4096), VHDX),
    fails('mbr-past-end', 'HV315', *mbr('start=2048, type=ef')[:-1],
          images.resize(40 * images.MIB), VHDX),
    fails('gpt-bios-only', 'HV321', *FOR_BIOS_GPT, VHDX),
    starts('both-firmwares', *FOR_BOTH, telling=True),
    # Sectors of 4096 bytes.
    starts('sectors-4k', images.disk(288, 4096), images.gpt_4k(),
           images.fat(sector_size=4096), GRUB, VHDX, vhdx_edit.value(
               vhdx_edit.LOGICAL_SECTOR_SIZE, '<I', 4096), vhdx_edit.value(
               vhdx_edit.PHYSICAL_SECTOR_SIZE, '<I', 4096), warns='HV220',
           bare='QEMU opens no VHDX of such sectors', telling=True),
    fails('sectors-4k-gpt-512', 'HV303', images.disk(), images.gpt(),
          images.fat(), GRUB, images.sectors(4096), VHDX, vhdx_edit.value(
              vhdx_edit.LOGICAL_SECTOR_SIZE, '<I', 4096), vhdx_edit.value(
              vhdx_edit.PHYSICAL_SECTOR_SIZE, '<I', 4096), warns='HV220',
          bare='QEMU opens no VHDX of such sectors'),
    fails('sectors-512-gpt-4k', 'HV303', images.disk(288, 4096),
          images.gpt_4k(), images.fat(sector_size=4096), GRUB,
          images.sectors(512), VHDX),
)


def clusters(bits: int, made: int, left: int = 0,
             table: images.Step | None = None) -> tuple[images.Step, ...]:
    """Return the steps of a disk whose FAT has a number of clusters.

    :param made: as many as tools make.
    :param left: those that its boot sector speaks of afterwards.
    :param table: by default a GPT.
    """
    def trim(image: images.Image) -> None:
        with open(image.disk, 'rb') as file:
            file.seek(image.start + 19)
            few = struct.unpack('<H', file.read(2))[0]
            file.seek(image.start + 32)
            sectors = few or struct.unpack('<I', file.read(4))[0]
        sectors -= made - left
        field = ('<H', 19) if few else ('<I', 32)
        images.poke_volume(*field, sectors)(image)
    return (DISK, table or images.gpt(), images.fat(bits, clusters=made),
            GRUB,
            *([trim] if left else []), VHDX)


def fat_field(layout: str, offset: int, value: object
              ) -> tuple[images.Step, ...]:
    """Return the steps of a disk with another field in the boot sector."""
    return on_disk(images.poke_volume(layout, offset, value))


#: Clusters of the directories and of the loader, in the order of creation.
ROOT, _, BOOT, FIRST = range(2, 6)


def link(cluster: int, following: int) -> images.Step:
    """Change the next cluster of a cluster, in both copies of the FAT32."""
    def step(image: images.Image) -> None:
        with open(image.disk, 'rb') as file:
            file.seek(image.start)
            sector = file.read(512)
        reserved, copies = struct.unpack_from('<HB', sector, 14)
        size = struct.unpack_from('<I', sector, 36)[0]
        for copy in range(copies):
            images.poke_volume(
                '<I', (reserved + copy * size) * 512 + 4 * cluster,
                following)(image)
    return step


LOADER_ENTRY = b'BOOTX64 EFI'

FILE_SYSTEMS = (
    starts('fat12', DISK, images.gpt('start=2048, size=2MiB, type=U'),
           images.fat(12), GRUB, VHDX),
    starts('fat16', DISK, images.gpt('start=2048, size=16MiB, type=U'),
           images.fat(16), GRUB, VHDX),
    starts('fat32-65525-clusters', *clusters(32, 65525), telling=True),
    fails('fat32-65524-clusters', 'HV325', *clusters(32, 65525, 65524)),
    fails('fat32-32m', 'HV325', *clusters(32, 65525, 64000)),
    fails('fat32-32m-on-mbr', 'HV325', *clusters(
        32, 65525, 64000, images.mbr('start=2048, type=c'))),
    starts('fat16-65524-clusters', *clusters(16, 65524)),
    starts('fat16-4087-clusters', *clusters(16, 4087)),
    starts('fat16-4085-clusters', *clusters(16, 4087, 4085)),
    fails('fat16-4084-clusters', 'HV326', *clusters(16, 4087, 4084)),
    starts('fat12-4084-clusters', *clusters(12, 4084)),
    starts('fat-cluster-4k', images.disk(384), images.gpt(),
           images.fat(32, '-s', 8), GRUB, VHDX),
    starts('fat-cluster-64k', images.disk(300), images.gpt(),
           images.fat(16, '-s', 128), GRUB, VHDX),
    starts('fat-sector-4096', images.disk(384), images.gpt(),
           images.fat(sector_size=4096), GRUB, VHDX, warns='HV327'),
    starts('fat-sector-1024', DISK, images.gpt(), images.fat(
        16, sector_size=1024), GRUB, VHDX, warns='HV327'),
    starts('fat-small-root', DISK, images.gpt(
        'start=2048, size=16MiB, type=U'), images.fat(16, '-r', 16), GRUB,
        VHDX),
    starts('fat-without-jump', *fat_field('3s', 0, bytes(3))),
    starts('fat-one-copy', DISK, images.gpt(), images.fat(32, '-f', 1),
           GRUB, VHDX),
    starts('fat-labeled', DISK, images.gpt(), images.fat(32, '-n', 'EFI'),
           GRUB, VHDX),
    starts('fat-dirty', *on_disk(link(1, 0x03ffffff))),
    starts('fat-larger-than-partition', *fat_field('<I', 32, 0x100000),
           warns='HV328'),
    starts('fat-unsigned', *fat_field('<H', 510, 0)),
    fails('fat-sector-0', 'HV324', *fat_field('<H', 11, 0)),
    fails('fat-sector-513', 'HV324', *fat_field('<H', 11, 513)),
    fails('fat-cluster-0', 'HV324', *fat_field('B', 13, 0)),
    fails('fat-cluster-3', 'HV324', *fat_field('B', 13, 3)),
    fails('fat-reserved-0', 'HV324', *fat_field('<H', 14, 0)),
    fails('fat-copies-0', 'HV324', *fat_field('B', 16, 0)),
    starts('fat-media-0', *fat_field('B', 21, 0)),
    fails('fat-media-2', 'HV324', *fat_field('B', 21, 2)),
    fails('fat-media-f7', 'HV324', *fat_field('B', 21, 0xf7)),
    fails('fat-version-1', 'HV324', *fat_field('<H', 42, 1)),
    fails('fat-not-mirrored', 'HV324', *fat_field('<H', 40, 0x80)),
    fails('fat-sectors-0', 'HV324', *fat_field('<I', 32, 0)),
    fails('fat-size-0', 'HV324', *fat_field('<I', 36, 0)),
    fails('fat-root-0', 'HV326', *fat_field('<I', 44, 0)),
    fails('fat-root-outside', 'HV326', *fat_field('<I', 44, 0x0ffffff0)),
    fails('fat-loader-chain-broken', 'HV326', *on_disk(link(FIRST, 0))),
    fails('fat-loader-chain-outside', 'HV326', *on_disk(
        link(FIRST, 0x00ffffff))),
    fails('fat-loader-chain-short', 'HV326', *on_disk(
        link(FIRST, 0x0fffffff))),
    fails('fat-directory-chain-broken', 'HV326', *on_disk(
        images.poke_entry(b'BOOT       ', '<H', 26, 1))),
    starts('fat-loader-fragmented', *with_files(
        images.put('A', loaders.text('A' * 40_000)),
        images.put('B', loaders.text('B')),
        images.put('C', loaders.text('C' * 40_000)),
        images.put('D', loaders.text('D')),
        images.mtools('mdel', '::A', '::C'), GRUB)),
    starts('fat-reserved-bits', *on_disk(
        link(FIRST, 0xf0000000 | FIRST + 1))),
    fails('fat-loader-chain-circle', 'HV326', *on_disk(
        link(FIRST + 9, FIRST + 5))),
    fails('fat-loader-size-huge', 'HV326', *on_disk(
        images.poke_entry(LOADER_ENTRY, '<I', 28, 0xffffffff))),
    fails('fat-loader-size-0', 'HV333', *on_disk(
        images.poke_entry(LOADER_ENTRY, '<I', 28, 0))),
    starts('fat-directory-long', *with_files(
        *(images.put(f'EFI/BOOT/a long name, number {n}.txt',
                     loaders.text('')) for n in range(12)), GRUB)),
    fails('ext4', 'HV324', DISK, images.gpt(), images.ext4(), VHDX),
    fails('exfat', 'HV324', DISK, images.gpt(), images.exfat(), VHDX),
    starts('fat-that-says-ntfs', *fat_field('8s', 3, b'NTFS    ')),
)

NAMES = (
    starts('name-lower-case', *with_files(
        images.put('efi/boot/bootx64.efi', loaders.grub))),
    starts('name-mixed-case', *with_files(
        images.put('Efi/Boot/BootX64.efi', loaders.grub))),
    fails('name-ia32-only', 'HV331', *with_files(
        images.put('EFI/BOOT/BOOTIA32.EFI', loaders.grub_ia32))),
    fails('name-aa64-only', 'HV331', *with_files(images.put(
        'EFI/BOOT/BOOTAA64.EFI', loaders.machine(loaders.grub, 0xaa64)))),
    fails('name-windows-only', 'HV331', *with_files(
        images.put('EFI/Microsoft/Boot/bootmgfw.efi', loaders.grub)),
        telling=True),
    fails('name-distribution-only', 'HV331', *with_files(
        images.put('EFI/debian/grubx64.efi', loaders.grub))),
    fails('name-in-root', 'HV331', *with_files(
        images.put('BOOTX64.EFI', loaders.grub))),
    fails('name-without-extension', 'HV331', *with_files(
        images.put('EFI/BOOT/BOOTX64', loaders.grub))),
    fails('name-longer', 'HV331', *with_files(
        images.put('EFI/BOOT/BOOTX64.EFI.bak', loaders.grub))),
    fails('file-system-empty', 'HV331', *ESP, VHDX),
    starts('name-long-part-damaged', *with_files(
        images.put('Efi/Boot/BootX64.efi', loaders.grub),
        images.poke_entry(LOADER_ENTRY, 'B', 13 - 32, 0))),
    fails('loader-deleted', 'HV331', *on_disk(
        images.mtools('mdel', f'::{BOOTX64}'))),
    fails('loader-is-directory', 'HV331', *with_files(
        images.put(f'{BOOTX64}/file', loaders.grub))),
    fails('efi-is-file', 'HV331', *with_files(
        images.put('EFI', loaders.grub))),
    fails('efi-is-label', 'HV331', *on_disk(
        images.poke_entry(b'EFI        ', 'B', 11, 8))),
    starts('loader-hidden-system', *on_disk(
        images.mtools('mattrib', '+r', '+h', '+s', f'::{BOOTX64}'))),
)

DEBIAN = images.put('EFI/debian/grub.cfg', loaders.text(
    loaders.GRUB_CONFIG))
SHIM = images.put(BOOTX64, loaders.shim)
SIGNED_GRUB = images.put('EFI/BOOT/grubx64.efi', loaders.signed_grub)
FALLBACK = images.put('EFI/BOOT/fbx64.efi', loaders.fallback)
#: Like the file of the installers of Debian and Ubuntu.
CSV = images.put('EFI/debian/BOOTX64.CSV', loaders.text(
    'shimx64.efi,debian,,This is the boot entry for debian\n'.encode(
        'utf-16')))


def csv(line: str) -> loaders.Loader:
    """Return a CSV file of shim or its fallback."""
    return loaders.text(line.encode('utf-16'))


def boot_option(line: str) -> images.Step:
    return images.put('EFI/os/BOOTX64.CSV', csv(line))


#: A shim in a directory of its own, which the fallback starts.
FALLBACK_AND_SHIM = (
    SHIM, FALLBACK, images.put('EFI/os/shimx64.efi', loaders.shim))
UKI = images.put('EFI/Linux/uki.efi', loaders.grub)
UKI_OPTION = 'shimx64.efi,os,\\EFI\\Linux\\uki.efi ,a UKI\n'
INSTALLED = (
    DEBIAN, images.put('EFI/debian/shimx64.efi', loaders.shim),
    images.put('EFI/debian/grubx64.efi', loaders.signed_grub))

#: Files that systemd-boot needs.
MENU = (
    images.put('loader/loader.conf', loaders.text('timeout 0\n')),
    images.put('loader/entries/grub.conf', loaders.text(
        'title GRUB\nefi /EFI/grub.efi\n')),
    images.put('EFI/grub.efi', loaders.grub))

#: Numbers of data directories.
RESOURCES, SIGNATURES, RELOCATIONS, DEBUG = 2, 4, 5, 6


def relocations() -> tuple[int, int]:
    """Return the offset of GRUB's relocations, and their size."""
    program = loaders.grub()
    start, = struct.unpack_from('<I', program, 60)
    return struct.unpack_from('<II', program,
                              start + 24 + 112 + 8 * RELOCATIONS)


def relocation(layout: str, offset: int, value: object) -> loaders.Loader:
    """Return GRUB with another field in its first block of relocations."""
    return lambda: loaders.overwritten(
        loaders.grub, layout, relocations()[0] + offset, value)()


def headers_end() -> int:
    """Return the end of the section table of GRUB."""
    program = loaders.grub()
    start, = struct.unpack_from('<I', program, 60)
    count, = struct.unpack_from('<H', program, start + 6)
    return start + 24 + 240 + 40 * count


LOADERS = (
    starts('systemd-boot', *with_files(
        images.put(BOOTX64, loaders.systemd_boot), *MENU), telling=True),
    fails('loader-empty', 'HV333', *with_loader(loaders.text(''))),
    fails('loader-text', 'HV333', *with_loader(loaders.text(
        'no program\n' * 99))),
    fails('loader-dos', 'HV333', *with_loader(loaders.text(
        b'MZ'.ljust(512, b'\0')))),
    fails('loader-cut-in-headers', 'HV333', *with_loader(
        loaders.cut(loaders.grub, 100))),
    fails('loader-cut-in-half', 'HV333', *with_loader(
        loaders.cut(loaders.grub, 60_000)), telling=True),
    fails('loader-cut-by-1', 'HV333', *with_loader(
        loaders.cut(loaders.grub, -1))),
    starts('loader-with-tail', *with_loader(loaders.tailed(loaders.grub))),
    fails('loader-sections-0', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<H', 6, 0))),
    fails('loader-size-0', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 56, 0))),
    fails('loader-entry-outside', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 16, 0x10000000))),
    fails('loader-memory-small', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 56, 0x10000))),
    fails('loader-alignment-0', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 32, 0))),
    fails('loader-headers-huge', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 60, 0x10000000))),
    fails('loader-headers-small', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 60, 0x80))),
    fails('loader-directories-17', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 108, 17))),
    fails('loader-directories-15', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 108, 15))),
    fails('loader-relocations-outside', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 112 + 40, 0x10000000))),
    fails('loader-relocations-stripped', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<H', 22, 0x0203))),
    starts('loader-headers-exact', *with_loader(lambda: loaders.stamped(
        loaders.grub, '<I', 24 + 60, headers_end())())),
    fails('loader-headers-short', 'HV333', *with_loader(
        lambda: loaders.stamped(
            loaders.grub, '<I', 24 + 60, headers_end() - 1)())),
    fails('loader-headers-over-section', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 60, 0x1001))),
    fails('loader-optional-header-short', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<H', 20, 232))),
    starts('loader-section-size-0', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 240 + 8, 0))),
    starts('loader-alignment-1', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 32, 1))),
    fails('loader-entry-0', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 16, 0))),
    fails('loader-without-code', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 240 + 16, 0))),
    fails('loader-relocations-elsewhere', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 112 + 40, 0xd000))),
    fails('loader-relocations-unlisted', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 112 + 44, 0))),
    fails('loader-relocations-none', 'HV333', *with_loader(
        loaders.directory(loaders.grub, RELOCATIONS, 0, 0))),
    fails('loader-relocations-cut', 'HV333', *with_loader(
        lambda: loaders.stamped(loaders.grub, '<I', 24 + 112 + 44,
                                relocations()[1] - 2)())),
    fails('loader-relocations-1', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<I', 24 + 112 + 44, 1))),
    fails('loader-relocations-page', 'HV333', *with_loader(
        relocation('<I', 0, 0x30000000))),
    fails('loader-relocations-block-0', 'HV333', *with_loader(
        relocation('<I', 4, 0))),
    fails('loader-relocations-type', 'HV333', *with_loader(
        relocation('<H', 8, 0x5000))),
    fails('loader-stripped-and-moved', 'HV333', *with_loader(
        loaders.stamped(loaders.stamped(loaders.grub, '<H', 22, 0x0203),
                        '<Q', 24 + 24, 0x1000000))),
    starts('systemd-boot-relocations-none', *with_files(
        images.put(BOOTX64, loaders.directory(
            loaders.systemd_boot, RELOCATIONS, 0, 0)), *MENU)),
    fails('loader-signature-outside', 'HV333', *with_loader(
        loaders.directory(loaders.grub, SIGNATURES, 0x10000000, 8))),
    starts('loader-signature-of-nothing', *with_loader(
        loaders.directory(loaders.grub, SIGNATURES, 0x10000000, 0))),
    starts('loader-debug', *with_loader(
        loaders.directory(loaders.grub, DEBUG, 0x1000, 28))),
    fails('loader-debug-outside', 'HV333', *with_loader(
        loaders.directory(loaders.grub, DEBUG, 0x1000, 0x10000000))),
    fails('loader-resources', 'HV333', *with_loader(
        loaders.directory(loaders.grub, RESOURCES, 0x1000, 8))),
    starts('loader-resources-outside', *with_loader(
        loaders.directory(loaders.grub, RESOURCES, 0x10000000, 8))),
    fails('loader-ia32', 'HV332', *with_loader(loaders.grub_ia32),
          telling=True),
    fails('loader-aa64', 'HV332', *with_loader(
        loaders.machine(loaders.grub, 0xaa64))),
    fails('loader-riscv64', 'HV332', *with_loader(
        loaders.machine(loaders.grub, 0x5064))),
    fails('loader-pe32-header', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '<H', 24, 0x10b))),
    fails('loader-unsigned-pe', 'HV333', *with_loader(
        loaders.stamped(loaders.grub, '4s', 0, b'NE\0\0'))),
    fails('loader-console-program', 'HV333', *with_loader(
        loaders.subsystem(loaders.grub, 3))),
    fails('loader-boot-driver', 'HV333', *with_loader(
        loaders.subsystem(loaders.grub, 11))),
    fails('loader-runtime-driver', 'HV333', *with_loader(
        loaders.subsystem(loaders.grub, 12))),
    # The second stage.
    starts('shim-grub', *with_files(SHIM, SIGNED_GRUB, DEBIAN),
           telling=True),
    starts('shim-grub-unsigned', *with_files(SHIM, images.put(
        'EFI/BOOT/grubx64.efi', loaders.grub))),
    fails('shim-alone', 'HV334', *with_files(SHIM)),
    fails('shim-shim', 'HV334', *with_files(SHIM, images.put(
        'EFI/BOOT/grubx64.efi', loaders.shim))),
    fails('shim-grub-elsewhere', 'HV334', *with_files(SHIM, *INSTALLED)),
    starts('shim-fallback', *with_files(SHIM, FALLBACK, CSV, *INSTALLED),
           telling=True),
    fails('shim-fallback-no-csv', 'HV334', *with_files(
        SHIM, FALLBACK, *INSTALLED)),
    fails('shim-fallback-no-target', 'HV334', *with_files(
        SHIM, FALLBACK, CSV, DEBIAN)),
    starts('shim-suse', *with_files(
        images.put(BOOTX64, loaders.suse_shim),
        images.put('EFI/BOOT/grub.efi', loaders.grub)), telling=True),
    fails('shim-suse-other-name', 'HV334', *with_files(
        images.put(BOOTX64, loaders.suse_shim),
        images.put('EFI/BOOT/grubx64.efi', loaders.grub))),
    starts('shim-uki-by-csv', *with_files(
        *FALLBACK_AND_SHIM, UKI, boot_option(UKI_OPTION)), telling=True),
    starts('shim-uki-missing-and-default', *with_files(
        *FALLBACK_AND_SHIM, boot_option(UKI_OPTION),
        images.put('EFI/os/grubx64.efi', loaders.grub))),
    fails('shim-csv-without-label', 'HV334', *with_files(
        *FALLBACK_AND_SHIM, UKI, boot_option(
            'shimx64.efi,,\\EFI\\Linux\\uki.efi ,a UKI\n'))),
    starts('shim-csv-second-line', *with_files(
        *FALLBACK_AND_SHIM, UKI, boot_option(f',os,,\r\n{UKI_OPTION}'))),
    starts('shim-options', *with_files(
        SHIM, UKI, images.put('EFI/BOOT/options.csv', csv(
            '\\EFI\\Linux\\uki.efi,a UKI')))),
    starts('shim-options-space', *with_files(
        SHIM, UKI, images.put('EFI/BOOT/options.csv', csv(
            '\\EFI\\Linux\\uki.efi ,a UKI')))),
    starts('shim-options-spaces-first', *with_files(
        SHIM, UKI, images.put('EFI/BOOT/options.csv', csv(
            '\\EFI\\Linux\\  uki.efi,a UKI')))),
    starts('shim-options-dot', *with_files(
        SHIM, UKI, images.put('EFI/BOOT/options.csv', csv(
            '\\EFI\\Linux\\uki.efi.,a UKI')))),
    starts('shim-options-dot-and-space', *with_files(
        SHIM, UKI, images.put('EFI/BOOT/options.csv', csv(
            '\\EFI\\Linux\\uki.efi. ,a UKI')))),
    starts('shim-options-spaces-and-dots', *with_files(
        SHIM, UKI, images.put('EFI/BOOT/options.csv', csv(
            '\\EFI\\Linux\\uki.efi . .,a UKI')))),
    starts('unified-with-drivers', *with_files(images.put(
        BOOTX64, loaders.unified(initrds.initrd(
            '6.1', unified.DRIVERS)))), telling=True),
    starts('unified-without-drivers', *with_files(images.put(
        BOOTX64, loaders.unified(initrds.initrd('6.1')))), warns='HV347'),
    starts('unified-by-systemd-boot', *with_files(
        images.put(BOOTX64, loaders.systemd_boot),
        images.put('EFI/Linux/os.efi', loaders.unified(
            initrds.initrd('6.1')))), warns='HV347', telling=True),
    # Secure Boot.
    starts('secure-boot-shim-grub', *with_files(SHIM, SIGNED_GRUB, DEBIAN),
           **SECURE_BOOT),
    starts('secure-boot-shim-fallback', *with_files(
        SHIM, FALLBACK, CSV, *INSTALLED), **SECURE_BOOT),
    fails('secure-boot-grub', 'HV335', *GOOD, VHDX,
          **SECURE_BOOT),
    fails('secure-boot-systemd-boot', 'HV335', *with_loader(
        loaders.systemd_boot), **SECURE_BOOT),
    fails('secure-boot-shim-grub-unsigned', 'HV335', *with_files(
        SHIM, images.put('EFI/BOOT/grubx64.efi', loaders.grub)),
        **SECURE_BOOT),
)

MANAGER = 'EFI/Microsoft/Boot/bootmgfw.efi'
#: A loader that belongs to no system that the linter knows.
ANY_LOADER = loaders.replaced(loaders.systemd_boot, b'.sdmagic', b'.anymark')
AS_WINDOWS = (images.put(BOOTX64, ANY_LOADER),
              images.put(MANAGER, ANY_LOADER), *MENU)

WINDOWS = (
    refused('windows-without-bcd', 'HV344',
            'Windows Boot Manager, for which another program stands here',
            *with_files(*AS_WINDOWS)),
    starts('windows-with-bcd', *with_files(*AS_WINDOWS, images.put(
        'EFI/Microsoft/Boot/BCD', loaders.text('regf')))),
    starts('windows-encrypted', DISK, images.gpt(
        'start=2048, size=40MiB, type=U',
        'type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7'), images.fat(), GRUB,
        images.put(MANAGER, loaders.grub), images.fill(1),
        images.poke_volume('11s', 0, b'\xeb\x58\x90-FVE-FS-'), VHDX,
        warns='HV345'),
    starts('os-type-of-another-system', *GOOD, VHDX, warns='HV127',
           properties={'os_type': 'windows'}),
)

CONFIGURATION = loaders.text(loaders.GRUB_CONFIG)
UUID = '7b9d0c54-1f2e-4a63-8d80-5c0e9f2b6a17'
OTHER_UUID = '7b9d0c54-1f2e-4a63-8d80-5c0e9f2b6a18'


def two(*files: images.Step, uuid: str = UUID) -> tuple[images.Step, ...]:
    """Return the steps of a disk with an ESP and a root file system."""
    return (DISK, images.gpt('start=2048, size=36MiB, type=U', 'type=L'),
            images.fill(1), images.ext4(uuid, grub=CONFIGURATION),
            images.fill(0), images.fat(), SHIM, SIGNED_GRUB, *files, VHDX)


def stub(*commands: str) -> images.Step:
    """Put a configuration as grub-install writes it."""
    return images.put('EFI/debian/grub.cfg', loaders.text('\n'.join((
        *commands, "set prefix=($root)'/boot/grub'",
        'configfile $prefix/grub.cfg', ''))))


#: The last loader, and what it starts.
BOOT_CONFIGURATIONS = (
    fails('grub-no-configuration', '', *with_files(SHIM, SIGNED_GRUB),
          warns='HV342', telling=True),
    starts('grub-configuration-beside', *with_files(
        SHIM, SIGNED_GRUB, images.put('EFI/BOOT/grub.cfg', CONFIGURATION))),
    starts('grub-configuration-in-boot', *with_files(
        SHIM, SIGNED_GRUB, images.put('boot/grub/grub.cfg', CONFIGURATION))),
    starts('grub-configuration-of-platform', *with_files(
        SHIM, SIGNED_GRUB,
        images.put('EFI/debian/x86_64-efi/grub.cfg', CONFIGURATION))),
    fails('grub-configuration-of-other-vendor', '', *with_files(
        SHIM, SIGNED_GRUB,
        images.put('EFI/ubuntu/grub.cfg', CONFIGURATION)), warns='HV342'),
    starts('grub-stub', *two(stub(f'search.fs_uuid {UUID} root hd0,gpt2 ')),
           telling=True),
    starts('grub-stub-upper-case', *two(stub(
        f'search --no-floppy --fs-uuid --set=root {UUID.upper()}'))),
    fails('grub-stub-other-uuid', '', *two(
        stub(f'search.fs_uuid {UUID} root hd0,gpt2 '),
        uuid=OTHER_UUID), warns='HV343'),
    starts('grub-stub-other-uuid-and-configuration', *two(
        stub(f'search.fs_uuid {UUID} root hd0,gpt2 '),
        images.put('boot/grub/grub.cfg', CONFIGURATION),
        uuid=OTHER_UUID)),
    fails('systemd-boot-no-entries', '', *with_loader(loaders.systemd_boot),
          warns='HV342'),
)

LIMITS = (
    # Firmware does not read these; the linter does, for its message.
    fails('inspection-stopped', 'HV228', *with_files(*(
        images.put(name, lambda: hostile.program(
            1024, hostile.block(images.MIB), shorter=True))
        for name in hostile.LOADERS))),
)

BIOS = (
    starts('bios-mbr', *FOR_BIOS, VHDX, telling=True, **GENERATION_1),
    starts('bios-gpt', *FOR_BIOS_GPT, VHDX, **GENERATION_1),
    starts('bios-both-firmwares', *FOR_BOTH, **GENERATION_1),
    starts('bios-vhd', *FOR_BIOS, VHD, **GENERATION_1),
    starts('bios-vhd-fixed', *FOR_BIOS, images.convert(
        'vpc', 'force_size=on', 'subformat=fixed'), warns='HV223',
        **GENERATION_1),
    fails('bios-disk-empty', '', DISK, VHDX, warns='HV346', **GENERATION_1),
    fails('bios-vhd-checksum', 'HV225', *FOR_BIOS, VHD,
          vhd_edit.footer('>I', 20, 12345, sealed=False), **GENERATION_1),
    refused('bios-vhd-parent', 'HV206', VHD_FORMAT, *FOR_BIOS, VHD,
            vhd_edit.footer('>I', 60, 4), **GENERATION_1),
    starts('bios-vhd-footers-differ', *FOR_BIOS, VHD,
           vhd_edit.footer('>I', 24, 12345, copy=False), **GENERATION_1),
    spared('bios-vhd-without-copy-of-footer', VHD_FORMAT, *FOR_BIOS, VHD,
           vhd_edit.wipe_copy(), warns='HV229', **GENERATION_1),
    starts('bios-isohybrid', *FOR_BIOS_ISO, warns='HV222', telling=True,
           **GENERATION_1),
    starts('bios-unknown-boot-code', *UNKNOWN_CODE, warns='HV341',
           telling=True, **GENERATION_1),
    starts('bios-freebsd-boot', *FREEBSD, **GENERATION_1),
    starts('bios-active-without-type', *ACTIVE_WITHOUT_TYPE,
           **GENERATION_1),
    fails('bios-vhd-cut', 'HV225', *FOR_BIOS, VHD, images.cut(-100_000),
          **GENERATION_1),
    fails('bios-uefi-disk', 'HV341', *on_disk(images.boot_sector(
        loaders.syslinux_boot_sector)), telling=True, **GENERATION_1),
    fails('bios-uefi-disk-without-table', 'HV341', DISK, images.fat(), GRUB,
          VHDX, **GENERATION_1),
)

# Media, started from a DVD drive. Offsets in the catalog: the first entry for
# a boot image is at 32, the number of its sectors at 38.
VOLUME = (images.disk(4), images.fat(16), GRUB)
OTHERS = (images.disk(4), images.fat(16),
          images.put('EFI/BOOT/BOOTIA32.EFI', loaders.grub_ia32))
FLOPPY = (images.resize(1440 * 1024), images.fat(12), GRUB)
AS_GPT = images.hybrid(
    *images.FOR_BIOS, '-eltorito-alt-boot', '-e',
    '--interval:appended_partition_2:all::', '-no-emul-boot',
    '-isohybrid-gpt-basdat', gpt=True)
EFI_FIRST = images.iso(options=('-eltorito-alt-boot', *images.FOR_BIOS))
FOR_BOTH_MEDIA = (*VOLUME, images.iso(bios=True))
FOR_BIOS_MEDIA = (*VOLUME, images.iso(
    efi=False, options=images.FOR_BIOS))
EFI_MEDIA = (*VOLUME, images.iso())

MEDIA = (
    starts('media-for-both', *FOR_BOTH_MEDIA, warns='HV222'),
    starts('media-efi-first', *VOLUME, EFI_FIRST),
    starts('media-hybrid-gpt', *VOLUME, AS_GPT),
    starts('media-by-grub-mkrescue', DISK, images.rescue),
    starts('media-image-for-bios', *VOLUME, images.iso(
        efi=False, options=(
            '-c', 'boot.cat', '-b', 'efi.img', '-no-emul-boot'))),
    starts('media-floppy', images.disk(1), *FLOPPY, images.iso(
        efi=False, options=('-c', 'boot.cat', '-b', 'efi.img'))),
    starts('media-second-image', *VOLUME, images.iso(
        efi=False, bios=True, options=(
            '-e', 'bios.img', '-no-emul-boot', '-eltorito-alt-boot',
            '-e', 'efi.img', '-no-emul-boot'))),
    starts('media-to-the-end', *EFI_MEDIA, images.poke_catalog('<H', 38, 1)),
    starts('media-to-the-end-0', *EFI_MEDIA, images.poke_catalog(
        '<H', 38, 0)),
    starts('media-record-type', *EFI_MEDIA, images.poke_iso(
        'B', 17 * 2048, 1)),
    fails('media-for-bios', 'HV227', *FOR_BIOS_MEDIA, telling=True),
    fails('media-plain', 'HV227', *VOLUME, images.iso(efi=False)),
    fails('media-for-ia32', 'HV227', *OTHERS, images.iso()),
    fails('media-without-file-system', 'HV227', images.disk(4),
          images.iso()),
    fails('media-image-too-small', 'HV227', *EFI_MEDIA, images.poke_catalog(
        '<H', 38, 30)),
    fails('media-volume-too-small', 'HV227', *EFI_MEDIA, images.poke_catalog(
        '<H', 38, 1), images.poke_iso('<I', 16 * 2048 + 80, 60)),
    fails('media-not-bootable', 'HV227', *EFI_MEDIA, images.poke_catalog(
        'B', 32, 0)),
    fails('media-catalog-checksum', 'HV227', *EFI_MEDIA, images.poke_catalog(
        'B', 5, 0x77)),
    fails('media-catalog-key', 'HV227', *EFI_MEDIA, images.poke_catalog(
        'B', 30, 0)),
    fails('media-mbr-alone', 'HV227', *VOLUME, images.hybrid()),
    fails('media-mbr-and-bios', 'HV227', *VOLUME, images.hybrid(
        *images.FOR_BIOS)),
    fails('media-gpt-alone', 'HV227', *VOLUME, images.hybrid(gpt=True)),
    fails('media-gpt-and-bios', 'HV227', *VOLUME, images.hybrid(
        *images.FOR_BIOS, gpt=True)),
    starts('media-1-for-both', *FOR_BOTH_MEDIA, **GENERATION_1),
    starts('media-1-for-bios', *FOR_BIOS_MEDIA, warns='HV222', telling=True,
           **GENERATION_1),
    starts('media-1-hybrid-gpt', *VOLUME, AS_GPT, **GENERATION_1),
    starts('media-1-by-grub-mkrescue', DISK, images.rescue, **GENERATION_1),
    starts('media-1-catalog-checksum', *FOR_BIOS_MEDIA, images.poke_catalog(
        'B', 5, 0x77), **GENERATION_1),
    fails('media-1-for-uefi', 'HV341', *EFI_MEDIA, telling=True,
          **GENERATION_1),
    fails('media-1-efi-first', 'HV341', *VOLUME, EFI_FIRST, **GENERATION_1),
    fails('media-1-plain', '', *VOLUME, images.iso(efi=False),
          warns='HV346', **GENERATION_1),
    fails('media-1-not-bootable', '', *FOR_BIOS_MEDIA, images.poke_catalog(
        'B', 32, 0), warns='HV346', **GENERATION_1),
    fails('media-1-record-type', 'HV341', *FOR_BOTH_MEDIA, images.poke_iso(
        'B', 17 * 2048, 1), **GENERATION_1),
)

CORPUS = (*CONTAINERS, *OTHER_FORMATS, *VHDX_FILES, *PARTITIONS,
          *FILE_SYSTEMS, *NAMES, *LOADERS, *BOOT_CONFIGURATIONS, *LIMITS,
          *BIOS, *MEDIA, *WINDOWS)
