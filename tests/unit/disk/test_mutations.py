# SPDX-License-Identifier: Apache-2.0
"""Files of each kind with random numbers in one of their structures."""

import struct

import hypothesis
from hypothesis import strategies as st

from tests import guests
from tests import samples
from tests.compressors import deflate
from tests.fuzz import promises
from tests.fuzz import repair
from tests.fuzz import seeds
from tests.fuzz import sparse
from tests.unit import base
from tests.unit.disk import base as disk_base

ENCODED = [file.encode() for file in seeds.files() if file.runs]

#: Numbers at the ends of ranges.
NUMBERS = st.one_of(
    st.sampled_from((0, 1, 2, 0xff, 0xffff, 2 ** 31, 2 ** 32 - 1,
                     2 ** 63, 2 ** 64 - 1)),
    st.integers(0, 2 ** 64 - 1))

_ENTRIES = guests.boot_entries('shimx64.efi')
_GUEST = guests.gpt([(guests.ESP, 64, guests.fat({
    'EFI/BOOT/BOOTX64.EFI': guests.program(shim=True, signed=True),
    'EFI/BOOT/fbx64.efi': guests.program(),
    'EFI/system/BOOTX64.CSV': _ENTRIES,
    'EFI/system/shimx64.efi': guests.program()}))])
_VHDX = disk_base.vhdx(_GUEST)
_DYNAMIC = samples.dynamic_vhd(samples.MIB, guest=guests.bios_bootable())
_QCOW2 = samples.qcow2(guest=_GUEST)
_COMPRESSED = samples.qcow2(guest=_GUEST, compress=deflate)
_EXTENDED = samples.qcow2(guest=_GUEST, extended=True)
_VMDK = samples.vmdk(guest=_GUEST)
_STREAM = samples.vmdk(guest=_GUEST, compressed=True)
_FIXED = samples.fixed_vhd(guest=guests.bios_bootable())
_KIB = 1024
_MIB = samples.MIB
_DISK = _VHDX.index(_GUEST[:1024])
_LAST = _DISK + len(_GUEST)
_VOLUME = _DISK + 64 * guests.SECTOR

#: Structures with a checksum: a file that boots, offset and length.
CHECKED = {
    'VHDX header 1': (_VHDX, 64 * _KIB, 80),
    'VHDX header 2': (_VHDX, 128 * _KIB, 80),
    'region table 1': (_VHDX, 192 * _KIB, 80),
    'region table 2': (_VHDX, 256 * _KIB, 80),
    'GPT header': (_VHDX, _DISK + 512, 92),
    'GPT entries': (_VHDX, _DISK + 1024, 128),
    'backup GPT header': (_VHDX, _LAST - 512, 92),
    'backup GPT entries': (_VHDX, _LAST - 33 * 512, 128),
    'footer of a fixed VHD': (_FIXED, len(_FIXED) - 512, 85),
    'footer of a dynamic VHD': (_DYNAMIC, len(_DYNAMIC) - 512, 85),
    'header of a dynamic VHD': (_DYNAMIC, 512, 64),
}
STRUCTURES = {
    **CHECKED,
    'VHDX signature': (_VHDX, 0, 8),
    'metadata table': (_VHDX, 2 * _MIB, 192),
    'metadata': (_VHDX, 2 * _MIB + 64 * _KIB, 40),
    'block allocation table': (_VHDX, 3 * _MIB, 16),
    'protective MBR': (_VHDX, _DISK + 446, 66),
    'FAT boot sector': (_VHDX, _VOLUME, 64),
    'FAT': (_VHDX, _VOLUME + 512, 30),
    'root directory': (_VHDX, _VHDX.index(b'EFI        '), 32),
    'directory': (_VHDX, _VHDX.index(b'BOOTX64 EFI'), 32),
    'PE header': (_VHDX, _VHDX.index(b'PE\0\0'), 304),
    'CSV': (_VHDX, _VHDX.index(_ENTRIES), len(_ENTRIES)),
    'copy of the footer of a VHD': (_DYNAMIC, 0, 85),
    'table of a dynamic VHD': (_DYNAMIC, 1536, 4),
    'MBR': (_FIXED, 446, 66),
    'qcow2 header': (_QCOW2, 0, 112),
    'L1 table': (_QCOW2, 128 * _KIB, 8),
    'L2 table': (_QCOW2, 192 * _KIB, 128),
    'L2 table of compressed clusters': (_COMPRESSED, 192 * _KIB, 128),
    'compressed cluster': (_COMPRESSED, 256 * _KIB, 512),
    'extended L2 table': (_EXTENDED, 192 * _KIB, 256),
    'VMDK header': (_VMDK, 0, 79),
    'VMDK descriptor': (_VMDK, 512, 160),
    'grain directory': (_VMDK, 21 * 512, 4),
    'grain table': (_VMDK, 22 * 512, 64),
    'footer of a VMDK': (_STREAM, len(_STREAM) - 1024, 79),
    'grain of a streamOptimized VMDK': (_STREAM, 26 * 512, 512),
}
FILES = {id(data): sparse.Sparse.of(data).encode()
         for data, *_ in STRUCTURES.values()}


def structures(names):
    """Draw a structure and changes of it: offset, width, number."""
    return st.sampled_from(sorted(names)).flatmap(
        lambda name: st.tuples(st.just(name), st.lists(st.tuples(
            st.integers(0, STRUCTURES[name][2] - 1),
            st.sampled_from((1, 2, 4, 8)), NUMBERS),
            min_size=1, max_size=3)))


def changed(name, changes):
    """Return a file with numbers in a structure."""
    data, start, length = STRUCTURES[name]
    file = sparse.Sparse.decode(FILES[id(data)])
    for offset, width, number in changes:
        file.poke(start + offset, struct.pack(
            '<Q', number)[:min(width, length - offset)])
    return file


class StructuresTestCase(base.TestCase):

    def test_files_boot(self):
        for name, (data, *_) in STRUCTURES.items():
            result = disk_base.inspect(data)
            self.assertIn(result.firmware, ('uefi', 'bios'), name)
            self.assertNotIn('vhd-malformed', result.defects)

    @hypothesis.settings(max_examples=200)
    @hypothesis.given(structures(STRUCTURES), st.booleans())
    def test_changed_files_keep_the_promises(self, change, repaired):
        file = changed(*change)
        if repaired:
            repair.checksums(file)
        result = promises.check(file)
        self.assertEqual(result, promises.check(file))

    @hypothesis.settings(max_examples=200)
    @hypothesis.given(structures(CHECKED))
    def test_changes_that_a_checksum_covers_are_defects(self, change):
        file = changed(*change)
        data, start, length = STRUCTURES[change[0]]
        # The checksum of a VHD is a sum, which bytes that change places keep.
        hypothesis.assume(
            sum(file.peek(start, length)) != sum(data[start:start + length]))
        before, after = disk_base.inspect(data), promises.check(file)
        # Without its footer, a fixed VHD is a raw disk.
        self.assertNotEqual((before.format, before.defects),
                            (after.format, after.defects))


class MutationsTestCase(base.TestCase):

    @hypothesis.settings(max_examples=300)
    @hypothesis.given(
        st.sampled_from(range(len(ENCODED))),
        st.lists(st.tuples(
            st.integers(0, 2 ** 32), st.integers(0, 511),
            st.sampled_from((1, 2, 4, 8)), NUMBERS), min_size=1, max_size=4),
        st.booleans())
    def test_random_numbers_keep_the_promises(
            self, seed, changes, repaired):
        file = sparse.Sparse.decode(ENCODED[seed])
        for choice, offset, width, number in changes:
            # Runs are the structures; all have the same chance.
            _, run = file.runs[choice % len(file.runs)]
            sectors = -(-len(run) // 512)
            start = min(choice // len(file.runs) % sectors * 512 + offset,
                        max(0, len(run) - width))
            run[start:start + width] = (
                number % (1 << 8 * width)).to_bytes(width, 'little')
        if repaired:
            repair.checksums(file, 512)
        promises.check(file)
