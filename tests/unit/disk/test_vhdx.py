# SPDX-License-Identifier: Apache-2.0

import struct
import uuid

import hypothesis
from hypothesis import strategies as st

from tests import guests
from tests import samples
from tests.unit.disk import base

MIB = samples.MIB
KIB = 1024
HEADERS = (64 * KIB, 128 * KIB)
REGION_TABLES = (192 * KIB, 256 * KIB)
#: Offset and size of what has a checksum.
CHECKED = (*((at, 4 * KIB) for at in HEADERS),
           *((at, 64 * KIB) for at in REGION_TABLES))
METADATA = 2 * MIB
BAT = 3 * MIB
FIRST_BLOCK = 4 * MIB
#: Two blocks of 1 MiB.
GUEST = guests.bootable(size=2 * MIB)
VHDX = base.vhdx(GUEST)
PRESENT = 6


def changed(*patches, image=VHDX):
    """A file with bytes at offsets, and checksums that hold again."""
    image = bytearray(image)
    for offset, data in patches:
        image[offset:offset + len(data)] = data
    for start, size in CHECKED:
        if any(start <= offset < start + size for offset, _ in patches):
            image[start:start + size] = samples.summed(
                image[start:start + size])
    return bytes(image)


def in_both(places, offset, data):
    return [(place + offset, data) for place in places]


def damaged(*offsets):
    """A file with junk at offsets, whatever checksum that breaks."""
    image = bytearray(VHDX)
    for offset in offsets:
        image[offset] ^= 0xff
    return bytes(image)


def u16(number):
    return struct.pack('<H', number)


def u32(number):
    return struct.pack('<I', number)


def u64(number):
    return struct.pack('<Q', number)


def bat(*entries):
    return changed((BAT, b''.join(map(u64, entries))))


class MetadataTestCase(base.TestCase):

    def test_facts(self):
        found = base.inspect(samples.vhdx(
            virtual_size=40 * samples.GIB, block_size=MIB,
            logical_sector_size=4096))
        self.assertEqual(40 * samples.GIB, found.virtual_size)
        self.assertEqual(MIB, found.block_size)
        self.assertEqual(4096, found.logical_sector_size)
        self.assertEqual(4096, found.physical_sector_size)
        self.assertEqual('dynamic', found.subformat)
        self.assertFalse(found.has_parent)
        self.assertFalse(found.log_dirty)

    def test_fixed_and_differencing(self):
        self.assertEqual(
            'fixed', base.inspect(samples.vhdx(flags=1)).subformat)
        found = self.assertDefects(
            ['vhdx-has-parent'], samples.vhdx(flags=2))
        self.assertEqual('differencing', found.subformat)
        self.assertTrue(found.has_parent)

    def test_parent_is_named_and_not_opened(self):
        key, value = (text.encode('utf-16-le') for text in (
            'relative_path', '..\\base.vhdx'))
        locator = (bytes(18) + struct.pack(
            '<HIIHH', 1, 32, 32 + len(key), len(key), len(value))
            + key + value)
        item = 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c'
        for data, expected in ((locator, '..\\base.vhdx'),
                               (locator[:40], 'not named'),
                               (b'\xff' * 64, 'not named')):
            found = self.assertDefects(['vhdx-has-parent'], base.vhdx(
                GUEST, flags=2, items=[(item, data, 4)]))
            self.assertEqual(f'the parent is {expected}',
                             found.defects['vhdx-has-parent'])

    def test_parent_locator_of_a_disk_without_parent(self):
        item = 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c'
        found = self.assertDefects(['vhdx-malformed'], base.vhdx(
            GUEST, items=[(item, bytes(64), 4)]))
        self.assertFalse(found.has_parent)

    def test_incomplete(self):
        self.assertDefects(['vhdx-incomplete'], base.vhdx(GUEST, items=[
            ('71cc85f0-1b69-4e28-9558-c3bf83ae75d3', b'\0', 4)]))

    def test_unknown_item_is_refused_only_where_it_is_required(self):
        own = str(uuid.UUID(int=1))
        self.assertStarts(base.vhdx(GUEST, items=[(own, b'\0', 0)]))
        self.assertDefects(['vhdx-unknown-required'], base.vhdx(
            GUEST, items=[(own, b'\0', 4)]))

    def test_users_item_may_have_any_name_once(self):
        page83 = 'beca12ab-b2e6-4523-93ef-c309e000c746'
        self.assertStarts(base.vhdx(GUEST, items=[(page83, b'\0', 1)]))
        self.assertDefects(['vhdx-malformed'], base.vhdx(
            GUEST, items=[(page83, b'\0', 1), (page83, b'\0', 1)]))

    def test_what_no_disk_can_be(self):
        item = METADATA + 64 * KIB
        for patch in ((item, u32(3 * MIB)), (item, u32(512 * MIB)),
                      (item, u32(0)), (item + 8, u64(0)),
                      (item + 8, u64(2 * MIB + 1)),
                      (item + 8, u64(64 * 1024 ** 4 + 512)),
                      (item + 16, u32(520)), (item + 20, u32(0))):
            self.assertDefects(['vhdx-malformed'], changed(patch))

    def test_table_that_cannot_be(self):
        entry = METADATA + 32
        for patch in ((METADATA, b'junk'), (METADATA + 10, u16(2048)),
                      (METADATA + 10, u16(4)), (entry, bytes(16)),
                      (entry, VHDX[entry + 32:entry + 48]),
                      (entry + 16, u32(KIB)), (entry + 16, u32(MIB)),
                      (entry + 16, u32(64 * KIB + 4)),
                      (entry + 20, u32(4)), (entry + 20, u32(2 * MIB))):
            self.assertDefects(['vhdx-malformed'], changed(patch))


class HeaderTestCase(base.TestCase):

    def test_one_damaged_copy_is_put_up_with(self):
        for offset in HEADERS:
            self.assertStarts(
                damaged(offset + 100), 'vhdx-header-copy-damaged')

    def test_two_damaged_copies_are_not(self):
        self.assertDefects(['vhdx-no-valid-header'], damaged(
            *(offset + 4095 for offset in HEADERS)))

    def test_newer_header_counts(self):
        image = samples.vhdx(log_guid=uuid.uuid4())
        # The second is the newer: it has no log to replay.
        clean = changed((HEADERS[1] + 48, bytes(16)), image=image)
        self.assertFalse(base.inspect(clean).log_dirty)
        self.assertTrue(base.inspect(image).log_dirty)

    def test_equal_numbers(self):
        sequence = VHDX[HEADERS[0] + 8:HEADERS[0] + 16]
        differ = changed((HEADERS[1] + 8, sequence))
        self.assertDefects(['vhdx-no-valid-header'], differ)
        same = changed(
            (HEADERS[1], VHDX[HEADERS[0]:HEADERS[0] + 4 * KIB]))
        self.assertStarts(same, 'vhdx-header-equal-sequence')

    def test_other_version(self):
        self.assertDefects(['vhdx-unsupported-version'], changed(
            *in_both(HEADERS, 66, u16(2))))

    def test_dirty_log_hides_everything_else(self):
        self.assertDefects(['vhdx-dirty-log'], base.vhdx(
            GUEST, log_guid=uuid.uuid4(), flags=2))

    def test_log_of_another_version_cannot_be_replayed(self):
        self.assertDefects(['vhdx-unsupported-version'], changed(
            *in_both(HEADERS, 64, u16(1)),
            image=samples.vhdx(log_guid=uuid.uuid4())))

    def test_place_of_the_log(self):
        for defect, offset, data in (
                ('vhdx-malformed', 72, u64(MIB + 512)),
                ('vhdx-malformed', 72, u64(0)),
                ('vhdx-malformed', 68, u32(4096)),
                ('vhdx-truncated', 72, u64(1024 * MIB))):
            self.assertDefects([defect], changed(
                *in_both(HEADERS, offset, data)))

    def test_no_log(self):
        self.assertStarts(changed(*in_both(HEADERS, 68, u32(0))),
                          'vhdx-no-log-region')


class RegionTestCase(base.TestCase):

    def test_one_damaged_copy_is_put_up_with(self):
        for offset in REGION_TABLES:
            self.assertStarts(
                damaged(offset + 60000), 'vhdx-region-copy-damaged')

    def test_two_damaged_copies_are_not(self):
        self.assertDefects(
            ['vhdx-no-valid-region-table'], damaged(*REGION_TABLES))

    def test_more_entries_than_fit(self):
        self.assertDefects(['vhdx-no-valid-region-table'], changed(
            *in_both(REGION_TABLES, 8, u32(2048))))

    def test_unknown_region_is_refused_only_where_it_is_required(self):
        for required, defects in ((0, []), (1, ['vhdx-unknown-required'])):
            self.assertDefects(defects, base.vhdx(GUEST, regions=[
                (str(uuid.UUID(int=1)), 6 * MIB, MIB, required)]) + bytes(
                    MIB))

    def test_place(self):
        for defect, offset, data in (
                ('vhdx-malformed', 16, u64(3 * MIB + 512)),
                ('vhdx-malformed', 16, u64(0)),
                ('vhdx-malformed', 24, u32(0)),
                ('vhdx-malformed', 16, u64(2 * MIB)),
                ('vhdx-malformed', 16, u64(MIB)),
                ('vhdx-truncated', 16, u64(1024 * MIB))):
            self.assertDefects([defect], changed(
                *in_both(REGION_TABLES, 16 + offset, data)))

    def test_missing_and_double(self):
        metadata = VHDX[REGION_TABLES[0] + 48:REGION_TABLES[0] + 64]
        for patches in (in_both(REGION_TABLES, 8, u32(1)),
                        in_both(REGION_TABLES, 16, metadata)):
            self.assertDefects(['vhdx-malformed'], changed(*patches))

    def test_trailing_vhd_footer(self):
        self.assertStarts(VHDX + samples.fixed_vhd(512)[-512:],
                          'trailing-vhd-footer')


class BlockTableTestCase(base.TestCase):

    def test_block_behind_the_end(self):
        self.assertDefects(['vhdx-truncated'], VHDX[:-1])
        self.assertDefects(['vhdx-truncated'], bat(4096 * MIB | PRESENT))

    def test_overlap(self):
        for second in (FIRST_BLOCK, METADATA, BAT, MIB, 0):
            self.assertDefects(['vhdx-bat-overlap'], bat(
                FIRST_BLOCK | PRESENT, second | PRESENT))

    def test_larger_blocks_overlap_in_part(self):
        image = samples.vhdx(
            virtual_size=4 * MIB, block_size=2 * MIB, guest=bytes(4 * MIB))
        for start, defects in ((5, ['vhdx-bat-overlap']),
                               (6, ['no-partition-table'])):
            self.assertDefects(defects, changed(
                (BAT, u64(FIRST_BLOCK | PRESENT) + u64(
                    start * MIB | PRESENT)), image=image))

    def test_states(self):
        for state in (4, 5, 7):
            self.assertDefects(['vhdx-malformed'], bat(
                FIRST_BLOCK | PRESENT, 5 * MIB | state))
        for state in (0, 1, 2, 3):
            self.assertStarts(
                bat(FIRST_BLOCK | PRESENT, 5 * MIB | state),
                'gpt-backup-damaged')

    @hypothesis.given(st.integers(3, 19), st.integers(0, 1))
    def test_reserved_bits(self, bit, block):
        entries = [FIRST_BLOCK | PRESENT, 5 * MIB | PRESENT]
        entries[block] |= 1 << bit
        self.assertDefects(['vhdx-malformed'], bat(*entries))

    def test_chunk_of_equal_entries_is_judged_like_any_other(self):
        for entry, defects in (
                (FIRST_BLOCK | PRESENT, ['vhdx-bat-overlap']),
                (4, ['vhdx-malformed']), (8, ['vhdx-malformed']),
                (2, ['no-partition-table'])):
            self.assertDefects(defects, changed(
                (BAT, u64(entry) * 4), image=samples.vhdx(
                    virtual_size=4 * MIB, block_size=MIB, guest=bytes(MIB))))

    def test_table_without_room(self):
        self.assertDefects(['vhdx-malformed'], samples.vhdx(
            virtual_size=130 * samples.GIB, block_size=MIB))

    def test_junk_in_sector_bitmap_entries_is_not_looked_at(self):
        # 4096 payload entries make a chunk of 4 GiB.
        image = samples.vhdx(virtual_size=8 * samples.GIB, block_size=MIB,
                             guest=GUEST)
        self.assertStarts(changed(
            (BAT + 8 * 4096, b'\xff' * 8),
            image=image))

    def test_entries_behind_the_disk_are_not_looked_at(self):
        self.assertStarts(changed((BAT + 16, b'\xff' * 64)))

    @hypothesis.given(st.permutations(range(5)), st.data())
    def test_disk_is_read_back_from_blocks_in_any_order(self, order, data):
        guest = bytearray(guests.bootable(size=5 * MIB))
        image = bytearray(base.vhdx(bytes(guest)))
        for block, place in enumerate(order):
            at = FIRST_BLOCK + place * MIB
            image[at:at + MIB] = guest[block * MIB:(block + 1) * MIB]
            image[BAT + 8 * block:BAT + 8 * block + 8] = u64(at | PRESENT)
        self.assertStarts(bytes(image))


class DamageTestCase(base.TestCase):

    @hypothesis.given(st.data())
    def test_any_byte_of_a_checked_structure_is_noticed(self, data):
        start, size = data.draw(st.sampled_from(CHECKED))
        found = base.inspect(damaged(
            start + data.draw(st.integers(0, size - 1))))
        self.assertTrue(found.defects)

    @hypothesis.given(st.data())
    def test_any_damage_ends_in_facts(self, data):
        patches = []
        for _ in range(data.draw(st.integers(1, 8))):
            start = data.draw(st.sampled_from(
                (*HEADERS, *REGION_TABLES, METADATA, METADATA + 64 * KIB,
                 BAT)))
            patches.append((start + data.draw(st.integers(0, 100)),
                            data.draw(st.binary(min_size=1, max_size=8))))
        found = base.inspect(changed(*patches))
        self.assertTrue(found.firmware == 'uefi' or found.defects)
        self.assertLess(found.bytes_read, MIB)
