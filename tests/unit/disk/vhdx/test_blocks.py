# SPDX-License-Identifier: Apache-2.0

import hypothesis
from hypothesis import strategies as st

from tests import guests
from tests import samples
from tests.unit.disk import base as disk_base
from tests.unit.disk.base import u64
from tests.unit.disk.vhdx import base
from tests.unit.disk.vhdx.base import BAT
from tests.unit.disk.vhdx.base import CHECKED
from tests.unit.disk.vhdx.base import FIRST_BLOCK
from tests.unit.disk.vhdx.base import GUEST
from tests.unit.disk.vhdx.base import ITEMS
from tests.unit.disk.vhdx.base import METADATA
from tests.unit.disk.vhdx.base import MIB
from tests.unit.disk.vhdx.base import PRESENT
from tests.unit.disk.vhdx.base import VHDX


class BlockTableTestCase(base.TestCase):

    def test_block_ends_with_the_file(self):
        self.assertBoots(VHDX)
        self.assertDetail(
            'vhdx-truncated', 'block 1 ends at 6291456, the file at 6291455',
            VHDX[:-1])
        self.assertDetail(
            'vhdx-truncated', 'block 0 ends at 4296015872, the file at '
            '6291456', base.bat(4096 * MIB | PRESENT))

    def test_blocks_do_not_overlap_each_other_or_structures(self):
        for second, detail in (
                (FIRST_BLOCK, 'block 1 and another block are at 4194304'),
                (METADATA, 'a block at 2097152 and the metadata region'),
                (BAT, 'a block at 3145728 and the BAT'),
                (MIB, 'a block at 1048576 and the log'),
                (0, 'a block at 0 and the head of the file')):
            self.assertDetail('vhdx-bat-overlap', detail, base.bat(
                FIRST_BLOCK | PRESENT, second | PRESENT))

    def test_larger_blocks_do_not_overlap_in_part(self):
        image = samples.vhdx(
            virtual_size=4 * MIB, block_size=2 * MIB, guest=bytes(4 * MIB))
        for start, defects in (
                (3, ['vhdx-bat-overlap']), (5, ['vhdx-bat-overlap']),
                (6, ['no-partition-table'])):
            self.assertDefects(defects, base.changed(
                (BAT, u64(FIRST_BLOCK | PRESENT) + u64(
                    start * MIB | PRESENT)), image=image))

    def test_states(self):
        for state in (4, 5, 7):
            self.assertDetail(
                'vhdx-malformed', f'block 1 has state {state}',
                base.bat(FIRST_BLOCK | PRESENT, 5 * MIB | state))
        for state in (0, 1, 2, 3):
            self.assertBoots(
                base.bat(FIRST_BLOCK | PRESENT, 5 * MIB | state),
                'gpt-backup-damaged')

    @hypothesis.given(st.integers(3, 19), st.integers(0, 1))
    @hypothesis.example(3, 0)
    @hypothesis.example(19, 1)
    def test_reserved_bits_are_zero(self, bit, block):
        entries = [FIRST_BLOCK | PRESENT, 5 * MIB | PRESENT]
        entries[block] |= 1 << bit
        self.assertDetail(
            'vhdx-malformed', 'reserved bits are set in the BAT entry of '
            f'block {block}', base.bat(*entries))

    def test_chunk_of_equal_entries_is_checked(self):
        for entry, defects in (
                (FIRST_BLOCK | PRESENT, ['vhdx-bat-overlap']),
                (4, ['vhdx-malformed']), (8, ['vhdx-malformed']),
                (2, ['no-partition-table'])):
            self.assertDefects(defects, base.changed(
                (BAT, u64(entry) * 4), image=samples.vhdx(
                    virtual_size=4 * MIB, block_size=MIB, guest=bytes(MIB))))

    def test_table_has_room_for_all_blocks(self):
        # 1 MiB has 131072 entries, of which 31 are for sector bitmaps.
        for blocks, defects in ((131041, ['no-partition-table']),
                                (131042, ['vhdx-malformed'])):
            self.assertDefects(defects, samples.vhdx(
                virtual_size=blocks * MIB, block_size=MIB))

    def test_sector_bitmap_entries_are_ignored(self):
        # 4096 payload entries make a chunk of 4 GiB.
        image = samples.vhdx(virtual_size=8 * samples.GIB, block_size=MIB,
                             guest=GUEST)
        self.assertBoots(base.changed(
            (BAT + 8 * 4096, b'\xff' * 8), image=image))

    def test_entries_behind_the_disk_are_ignored(self):
        self.assertBoots(base.changed((BAT + 16, b'\xff' * 64)))

    def test_file_has_at_most_65_tib(self):
        size = 65 * 1024 ** 4
        image = samples.vhdx()
        for file_size, defects in (
                (size, {'no-partition-table': 'neither GPT nor MBR'}),
                (size + 1, {'vhdx-malformed':
                            'a file of 71468255805441 bytes'})):
            self.assertEqual(
                defects, base.inspect_sparse(image, file_size).defects)

    @hypothesis.given(st.permutations(range(5)))
    def test_blocks_may_have_any_order(self, order):
        guest = bytearray(guests.bootable(size=5 * MIB))
        image = bytearray(disk_base.vhdx(bytes(guest)))
        for block, position in enumerate(order):
            offset = FIRST_BLOCK + position * MIB
            image[offset:offset + MIB] = guest[
                block * MIB:(block + 1) * MIB]
            image[BAT + 8 * block:BAT + 8 * block + 8] = u64(
                offset | PRESENT)
        self.assertBoots(bytes(image))


class DamageTestCase(base.TestCase):

    @hypothesis.given(st.data())
    def test_damaged_file_boots_or_has_a_defect(self, data):
        starts = (*(offset for offset, _ in CHECKED), METADATA, ITEMS,
                  BAT)
        patches = [
            (data.draw(st.sampled_from(starts)) + data.draw(
                st.integers(0, 100)),
             data.draw(st.binary(min_size=1, max_size=8)))
            for _ in range(data.draw(st.integers(1, 8)))]
        result = disk_base.inspect(base.changed(*patches))
        self.assertTrue(result.firmware == 'uefi' or result.defects)
        self.assertLess(result.bytes_read, 1048576)
