# SPDX-License-Identifier: Apache-2.0
"""Files of every kind with something wrong in one of their structures."""

import struct

import hypothesis
from hypothesis import strategies as st

from tests import guests
from tests import samples
from tests.fuzz import promises
from tests.fuzz import repair
from tests.fuzz import seeds
from tests.fuzz import sparse
from tests.unit import base
from tests.unit.disk import base as disk_base

ENCODED = [file.encode() for file in seeds.files() if file.runs]

#: Numbers that end of ranges and loops are made of.
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
_FIXED = samples.fixed_vhd(guest=guests.bios_bootable())
_KIB = 1024
_MIB = samples.MIB
_DISK = _VHDX.index(_GUEST[:1024])
_LAST = _DISK + len(_GUEST)
_VOLUME = _DISK + 64 * guests.SECTOR

#: What a checksum covers: a file that starts, place and length.
SEALED = {
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
    **SEALED,
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
}
FILES = {id(data): sparse.Sparse.of(data).encode()
         for data, *_ in STRUCTURES.values()}


def structures(names):
    """One of them, and some changes: place, width, number."""
    return st.sampled_from(sorted(names)).flatmap(
        lambda name: st.tuples(st.just(name), st.lists(st.tuples(
            st.integers(0, STRUCTURES[name][2] - 1),
            st.sampled_from((1, 2, 4, 8)), NUMBERS),
            min_size=1, max_size=3)))


def changed(name, changes):
    """A file with numbers written over a structure, and no further."""
    data, start, length = STRUCTURES[name]
    file = sparse.Sparse.decode(FILES[id(data)])
    for at, width, number in changes:
        file.poke(start + at, struct.pack(
            '<Q', number)[:min(width, length - at)])
    return file


class StructuresTestCase(base.TestCase):

    def test_files_start(self):
        for name, (data, *_) in STRUCTURES.items():
            found = disk_base.inspect(data)
            self.assertIn(found.firmware, ('uefi', 'bios'), name)
            self.assertNotIn('vhd-damaged', found.defects)

    @hypothesis.settings(max_examples=200)
    @hypothesis.given(structures(STRUCTURES), st.booleans())
    def test_no_change_breaks_a_promise(self, change, sealed):
        file = changed(*change)
        if sealed:
            repair.checksums(file)
        found = promises.keeps(file)
        self.assertEqual(found, promises.keeps(file))

    @hypothesis.settings(max_examples=200)
    @hypothesis.given(structures(SEALED))
    def test_no_change_under_a_checksum_goes_unseen(self, change):
        file = changed(*change)
        data, start, length = STRUCTURES[change[0]]
        hypothesis.assume(
            file.peek(start, length) != data[start:start + length])
        before, after = disk_base.inspect(data), promises.keeps(file)
        # Without its footer, a fixed VHD is a disk as it is.
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
    def test_no_number_in_no_structure_breaks_a_promise(
            self, seed, changes, sealed):
        file = sparse.Sparse.decode(ENCODED[seed])
        for place, at, width, number in changes:
            # What is not zero is some structure; all have the same chance.
            _, run = file.runs[place % len(file.runs)]
            sectors = -(-len(run) // 512)
            start = min(place // len(file.runs) % sectors * 512 + at,
                        max(0, len(run) - width))
            run[start:start + width] = (
                number % (1 << 8 * width)).to_bytes(width, 'little')
        if sealed:
            repair.checksums(file, 512)
        promises.keeps(file)
