# SPDX-License-Identifier: Apache-2.0
"""The examples of defects in the rules, word for word what is reported.

Users read them in the schema, in the documentation and in "rule show".
"""

import io
import uuid

from hyperv_sched import disk
from hyperv_sched import rules
from tests import guests
from tests import initrds
from tests import samples
from tests.unit import base as unit_base
from tests.unit.disk import base
from tests.unit.disk import test_boot_configuration
from tests.unit.disk import test_budget
from tests.unit.disk import test_fat
from tests.unit.disk import test_gpt
from tests.unit.disk import test_iso
from tests.unit.disk import test_mbr
from tests.unit.disk import test_media
from tests.unit.disk import test_qcow2
from tests.unit.disk import test_systems
from tests.unit.disk import test_uefi
from tests.unit.disk import test_unified
from tests.unit.disk import test_vhd
from tests.unit.disk.base import esp
from tests.unit.disk.base import u16
from tests.unit.disk.base import u32
from tests.unit.disk.base import u64
from tests.unit.disk.vhdx import base as vhdx
from tests.unit.disk.vhdx import test_metadata
from tests.unit.disk.vhdx import test_parent

MIB = samples.MIB
LOADER = test_uefi.LOADER
MICROSOFT_RESERVED = 'e3c9e316-0b5c-4db8-817d-f92df00215ae'
BOOTABLE = guests.bootable()
#: A loader in a partition of the MBR, which takes the place of a GPT.
HYBRID = guests.bootable(
    record=guests.mbr([(0x0c, 64, 256), (0xee, 1, 63)]))


def patched(data, *patches):
    """Return data with bytes at offsets."""
    data = bytearray(data)
    for offset, patch in patches:
        data[offset:offset + len(patch)] = patch
    return bytes(data)


def large(guest, size=samples.GIB):
    """Return a VHDX of 1 GiB, or another size, that begins with a guest."""
    return samples.vhdx(virtual_size=size, block_size=MIB, guest=guest)


def program_at(path):
    """Return a disk with a program at a path."""
    return esp(guests.fat({path: guests.program()}))


def equal_headers(sequence):
    first = vhdx.changed((vhdx.HEADERS[0] + 8, u64(sequence)))
    header = first[vhdx.HEADERS[0]:][:4096]
    return vhdx.changed((vhdx.HEADERS[1], header), image=first)


def overlapping_blocks():
    """Return a VHDX of five blocks, two of which are at 8 MiB."""
    table = b''.join(
        u64(number * MIB | vhdx.PRESENT) for number in (4, 5, 8, 8, 6))
    return vhdx.changed((vhdx.BAT, table), image=base.vhdx(bytes(5 * MIB)))


def unknown_region(guid):
    return base.vhdx(vhdx.GUEST, regions=[
        (guid, 6 * MIB, MIB, 1)]) + bytes(MIB)


def other_size_in_copy():
    return test_vhd.with_copy(
        48, MIB.to_bytes(8, 'big'), True,
        samples.dynamic_vhd(64 * MIB, guest=BOOTABLE))


def cluster_past_the_end():
    return test_qcow2.changed(
        (test_qcow2.L2 + 8 * 7, 12 * MIB)).ljust(12 * MIB - 100, b'\0')


def header_of_larger_disk(lba):
    """Return a disk whose GPT has its backup in another LBA."""
    return test_gpt.with_header(32, u64(lba))


def cut_off():
    """Return a disk whose second partition ends past its end."""
    return large(guests.gpt(
        [(guests.ESP, 64, guests.loader()),
         (guests.BASIC_DATA, 1500, b'', 205431)], last_usable=205431),
        205224 * 512)


def large_fat():
    """Return a FAT of 64 MiB in a partition of 32 MiB."""
    volume = guests.fat(
        {LOADER: guests.program()}, clusters=20, per_cluster=64)
    volume = patched(volume, (19, u16(0)), (32, u32(131072)))
    return large(guests.gpt([(guests.ESP, 64, volume, 64 + 65535)],
                            last_usable=100000))


def encrypted():
    return guests.gpt([
        (guests.ESP, 64, guests.fat(test_systems.INSTALLED)),
        (MICROSOFT_RESERVED, 400, b'', 400),
        (guests.BASIC_DATA, 410, test_systems.encrypted(0x100))])


def debian(files=()):
    """Return a disk with a shim, and the GRUB of Debian or Ubuntu."""
    return test_boot_configuration.disk({
        LOADER: test_uefi.SHIM,
        'EFI/BOOT/grubx64.efi': guests.grub(), **dict(files)})


#: By the name of a defect: a disk for each example, in the order of the rule.
DISKS = {
    'vhdx-has-parent': [lambda: test_metadata.with_parent(
        test_parent.locator(('relative_path', '..\\base.vhdx')))],
    'vhdx-dirty-log': [lambda: samples.vhdx(log_guid=uuid.UUID(int=1))],
    'vhdx-truncated': [lambda: base.vhdx(bytes(8 * MIB))[:-100]],
    'vhdx-no-valid-header': [
        lambda: vhdx.damaged(vhdx.HEADERS[0] + 100, vhdx.HEADERS[1])],
    'vhdx-header-copy-damaged': [
        lambda: vhdx.damaged(vhdx.HEADERS[1] + 100)],
    'vhdx-no-valid-region-table': [lambda: vhdx.damaged(
        *(table + 100 for table in vhdx.REGION_TABLES))],
    'vhdx-region-copy-damaged': [
        lambda: vhdx.damaged(vhdx.REGION_TABLES[0] + 100)],
    'vhdx-unsupported-version': [lambda: vhdx.changed(
        *vhdx.in_both(vhdx.HEADERS, 66, u16(2)))],
    'vhdx-unknown-required': [
        lambda: unknown_region('01234567-89ab-cdef-0123-456789abcdef')],
    'vhdx-malformed': [lambda: vhdx.changed((vhdx.ITEMS, u32(3 * MIB)))],
    'vhdx-bat-overlap': [overlapping_blocks],
    'vhdx-incomplete': [test_metadata.incomplete],
    'vhdx-header-equal-sequence': [lambda: equal_headers(7)],
    'vhdx-no-log-region': [lambda: vhdx.changed(
        *vhdx.in_both(vhdx.HEADERS, 68, u32(0)))],
    'trailing-vhd-footer': [
        lambda: vhdx.VHDX.ljust(10 * MIB - 512, b'\0')
        + samples.fixed_vhd(512)[-512:]],
    'iso-not-a-disk': [lambda: test_iso.on_disk(guests.loader())],
    'vhd-malformed': [
        lambda: patched(test_vhd.DYNAMIC, (-512 + 100, b'\1'))],
    'iso-without-uefi': [test_media.for_bios],
    'inspection-stopped': [test_budget.without_zeros],
    'vhd-footer-copy': [
        lambda: test_vhd.with_copy(0, bytes(512)), other_size_in_copy],
    'container-needs-other-file': [
        lambda: test_qcow2.with_backing_file(b'base.qcow2')],
    'container-encrypted': [lambda: test_qcow2.header(32, '>I', 2)],
    'container-malformed': [lambda: test_qcow2.header(40, '>Q', 512)],
    'container-truncated': [cluster_past_the_end],
    'container-not-closed': [
        lambda: samples.qcow2(guest=BOOTABLE, features=1)],
    'container-snapshots': [lambda: test_qcow2.header(60, '>I', 2)],
    'container-not-read': [lambda: b'COWD'.ljust(512, b'\0')],
    'no-partition-table': [samples.vhdx, guests.loader],
    'mbr-partitioned': [
        lambda: test_mbr.mbr_disk((0x07, 500, 256)),
        lambda: test_mbr.mbr_disk((0x0c, 64, 256))],
    'gpt-missing': [
        lambda: large(guests.mbr([guests.PROTECTIVE])),
        lambda: large(patched(HYBRID, (512 + 40, b'\1')))],
    'gpt-damaged': [
        lambda: large(test_gpt.with_header(80, u32(2 ** 32 - 1))),
        lambda: large(test_gpt.with_header(24, u64(7), disk=HYBRID))],
    'gpt-primary-damaged': [lambda: patched(BOOTABLE, (512 + 40, b'\1'))],
    'gpt-backup-damaged': [lambda: large(header_of_larger_disk(2097151))],
    'gpt-no-protective-mbr': [
        lambda: guests.bootable(record=guests.mbr())],
    'gpt-overlap': [lambda: guests.gpt([
        (guests.ESP, 64, guests.loader()),
        (guests.BASIC_DATA, 65, b'', 65)])],
    'gpt-partition-out-of-range': [lambda: guests.gpt(
        [(guests.ESP, 33, b'', 2047)], size=2 * MIB)],
    'gpt-beyond-disk': [lambda: large(header_of_larger_disk(4194303))],
    'hybrid-mbr': [lambda: HYBRID],
    'gpt-pmbr-active': [lambda: guests.bootable(
        record=guests.mbr([(*guests.PROTECTIVE, 0x80)]))],
    'gpt-pmbr-signature': [lambda: guests.bootable(
        record=guests.mbr([guests.PROTECTIVE], signature=b'\0\0'))],
    'gpt-many-entries': [lambda: test_gpt.crowded(2001, 4096)],
    'partition-cut-off': [cut_off],
    'esp-missing': [lambda: guests.gpt([])],
    'esp-type-missing': [lambda: guests.gpt(
        [(guests.BASIC_DATA, 64, guests.loader())])],
    'esp-hidden-from-firmware': [lambda: guests.bootable(attributes=2)],
    'esp-not-fat': [lambda: esp(bytes(4096))],
    'fat32-too-few-clusters': [lambda: guests.gpt(
        [(guests.ESP, 64, guests.fat({}, 65524, bits=32))], size=40 * MIB)],
    'fat-damaged': [lambda: esp(test_fat.looping_directory())],
    'fat-sector-size': [lambda: esp(guests.fat(
        {LOADER: guests.program()}, sector=4096, clusters=60))],
    'fat-larger-than-partition': [large_fat],
    'loader-missing': [
        *((lambda path=path: program_at(path)) for path in (
            'EFI/debian/shimx64.efi', 'EFI/ubuntu/shimx64.efi',
            'EFI/opensuse/shim.efi', 'EFI/sles/shim.efi',
            'EFI/Microsoft/Boot/bootmgfw.efi')),
        lambda: esp(guests.fat({}))],
    'loader-wrong-arch': [lambda: esp(guests.loader(machine=0xaa64))],
    'loader-not-efi-app': [
        lambda: esp(guests.fat({LOADER: b'#!/bin/sh\n'}))],
    'shim-second-stage-missing': [
        lambda: esp(guests.fat({LOADER: test_uefi.SHIM}))],
    'boot-configuration-missing': [debian],
    'boot-target-missing': [lambda: debian(
        {'EFI/debian/grub.cfg': test_boot_configuration.STUB})],
    'bcd-missing': [
        lambda: esp(guests.fat({LOADER: test_systems.WINDOWS}))],
    'os-volume-encrypted': [encrypted],
    'hyperv-drivers-missing': [lambda: esp(guests.fat({
        LOADER: test_unified.kernel(initrds.initrd(
            test_unified.VERSION, ['hv_vmbus']))}))]}


def examples():
    """Yield the name of each defect, with the contents of its examples."""
    for rule in rules.CATALOGUE.values():
        contents = [
            example['content'] for clause in rule.expanded
            if clause.path == f'content.defects.{rule.name}'
            for example in clause.wrong]
        if contents:
            yield rule.name, contents


class ExampleTestCase(unit_base.TestCase):

    def test_each_defect_has_a_disk(self):
        self.assertEqual(sorted(DISKS), sorted(
            defect.value for defect in disk.Defect))
        self.assertEqual(
            {name: len(contents) for name, contents in examples()},
            {name: len(makers) for name, makers in DISKS.items()})

    def test_examples_are_what_the_reader_reports(self):
        for name, contents in examples():
            for content, make in zip(contents, DISKS[name], strict=True):
                result = disk.inspect_file(io.BytesIO(make()), drivers=True)
                self.assertEqual(
                    content['defects'][name], result.defects.get(name),
                    (name, result.defects))
                # A rule with two examples is for disks that firmware boots
                # and for those that it does not boot.
                self.assertEqual(
                    content.get('firmware', result.firmware),
                    result.firmware, name)
