# SPDX-License-Identifier: Apache-2.0

import struct
import uuid

from tests import samples
from tests.unit.disk import base as disk_base
from tests.unit.disk.base import u16
from tests.unit.disk.base import u32
from tests.unit.disk.base import u64
from tests.unit.disk.vhdx import base
from tests.unit.disk.vhdx import test_parent
from tests.unit.disk.vhdx.base import GUEST
from tests.unit.disk.vhdx.base import ITEMS
from tests.unit.disk.vhdx.base import KIB
from tests.unit.disk.vhdx.base import METADATA
from tests.unit.disk.vhdx.base import MIB
from tests.unit.disk.vhdx.base import VHDX

PARENT_LOCATOR = 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c'
PAGE_83 = 'beca12ab-b2e6-4523-93ef-c309e000c746'
INCOMPLETE = '71cc85f0-1b69-4e28-9558-c3bf83ae75d3'
UNKNOWN = str(uuid.UUID(int=1))
USER, REQUIRED = 1, 4
#: The first entry of the table: offset, length and flags at 16, 20 and 24.
ENTRY = METADATA + 32
#: Entries in the table of VHDX.
COUNT = 5


def with_parent(locator):
    """Return a differencing disk with a parent locator."""
    return disk_base.vhdx(GUEST, flags=2, items=[
        (PARENT_LOCATOR, locator, REQUIRED)])


def incomplete():
    """Return a file that is marked as incomplete."""
    return disk_base.vhdx(GUEST, items=[(INCOMPLETE, b'\0', REQUIRED)])


class FactsTestCase(base.TestCase):

    def test_facts(self):
        result = disk_base.inspect(samples.vhdx(
            virtual_size=40 * samples.GIB, block_size=MIB,
            logical_sector_size=4096))
        self.assertEqual(40 * samples.GIB, result.virtual_size)
        self.assertEqual(1048576, result.block_size)
        self.assertEqual(4096, result.logical_sector_size)
        self.assertEqual(4096, result.physical_sector_size)
        self.assertEqual('dynamic', result.subformat)
        self.assertIs(False, result.has_parent)
        self.assertIs(False, result.log_dirty)

    def test_fixed(self):
        self.assertEqual(
            'fixed', disk_base.inspect(samples.vhdx(flags=1)).subformat)

    def test_differencing(self):
        result = self.assertDefects(
            ['vhdx-has-parent'], samples.vhdx(flags=2))
        self.assertEqual('differencing', result.subformat)
        self.assertIs(True, result.has_parent)

    def test_parent_is_named(self):
        locator = test_parent.locator(('relative_path', '..\\base.vhdx'))
        for data, expected in ((locator, '..\\base.vhdx'),
                               (locator[:40], 'not named'),
                               (b'\xff' * 64, 'not named')):
            self.assertDetail(
                'vhdx-has-parent', f'the parent is {expected}',
                with_parent(data))

    def test_parent_locator_of_a_disk_without_parent(self):
        result = self.assertDefects(['vhdx-malformed'], disk_base.vhdx(
            GUEST, items=[(PARENT_LOCATOR, bytes(64), REQUIRED)]))
        self.assertIs(False, result.has_parent)

    def test_incomplete(self):
        self.assertDetail(
            'vhdx-incomplete', 'the file is marked as incomplete',
            incomplete())


class ParametersTestCase(base.TestCase):

    def test_block_size(self):
        for size, detail in ((MIB // 2, 'blocks of 524288 bytes'),
                             (3 * MIB, 'blocks of 3145728 bytes'),
                             (512 * MIB, 'blocks of 536870912 bytes'),
                             (0, 'blocks of 0 bytes')):
            self.assertDetail(
                'vhdx-malformed', detail, base.changed((ITEMS, u32(size))))
        for size in (MIB, 256 * MIB):
            self.assertDefects(['no-partition-table'], samples.vhdx(
                block_size=size))

    def test_virtual_size(self):
        for size in (0, 2 * MIB + 1, 2 * MIB + 511, 64 * 1024 ** 4 + 512):
            self.assertDetail(
                'vhdx-malformed', f'a virtual size of {size} bytes',
                base.changed((ITEMS + 8, u64(size))))
        for size in (2 * MIB - 512, 2 * MIB):
            result = disk_base.inspect(base.changed((ITEMS + 8, u64(size))))
            self.assertNotIn('vhdx-malformed', result.defects)

    def test_largest_disk_has_64_tib(self):
        size = 64 * 1024 ** 4
        image = samples.vhdx(virtual_size=size, bat_size=17 * MIB)
        result = base.inspect_sparse(image, 64 * MIB)
        self.assertEqual(['no-partition-table'], list(result.defects))
        self.assertEqual(size, result.virtual_size)

    def test_sector_sizes(self):
        for offset in (16, 20):
            for size in (0, 511, 520, 1024, 8192):
                self.assertDetail(
                    'vhdx-malformed', f'sectors of {size} bytes',
                    base.changed((ITEMS + offset, u32(size))))
        self.assertBoots(base.changed((ITEMS + 20, u32(512))))

    def test_each_mandatory_item_is_needed_in_its_size(self):
        for index, name in enumerate((
                'file parameters', 'virtual disk size', 'logical sector size',
                'physical sector size', 'SCSI identifier')):
            entry = ENTRY + 32 * index
            optional_and_unknown = uuid.UUID(int=7).bytes_le
            self.assertDetail(
                'vhdx-malformed', f'no {name}',
                base.changed(
                    (entry, optional_and_unknown), (entry + 24, u32(0))))
            size, = struct.unpack('<I', VHDX[entry + 20:entry + 24])
            self.assertDetail(
                'vhdx-malformed', f'{name} of {size - 1} bytes',
                base.changed((entry + 20, u32(size - 1))))


class TableTestCase(base.TestCase):

    def test_unknown_item_is_refused_if_it_is_required(self):
        self.assertBoots(disk_base.vhdx(
            GUEST, items=[(UNKNOWN, b'\0', 0)]))
        for flags in (REQUIRED, REQUIRED | USER):
            self.assertDetail(
                'vhdx-unknown-required', f'metadata item {UNKNOWN}',
                disk_base.vhdx(GUEST, items=[(UNKNOWN, b'\0', flags)]))

    def test_user_item_may_have_the_guid_of_a_system_item(self):
        item = PAGE_83, b'\0', USER
        self.assertBoots(disk_base.vhdx(GUEST, items=[item]))
        self.assertDetail(
            'vhdx-malformed', f'metadata item {PAGE_83} has two entries',
            disk_base.vhdx(GUEST, items=[item, item]))

    def test_item_without_guid(self):
        self.assertDefects(
            ['vhdx-malformed'], base.changed((ENTRY, bytes(16))))

    def test_item_with_two_entries(self):
        self.assertDefects(['vhdx-malformed'], base.changed(
            (ENTRY, VHDX[ENTRY + 32:ENTRY + 48])))

    def test_table_without_signature(self):
        self.assertDetail('vhdx-malformed', 'no metadata table',
                          base.changed((METADATA, b'junk')))

    def test_table_has_at_most_2047_entries(self):
        def image(count):
            entries = b''.join(
                uuid.UUID(int=number + 1).bytes_le + bytes(16)
                for number in range(count - COUNT))
            return base.changed((METADATA + 10, u16(count)),
                                (ENTRY + 32 * COUNT, entries[:32 * 2042]))

        self.assertBoots(image(2047))
        self.assertDetail(
            'vhdx-malformed',
            '2048 metadata entries, at most 2047 are allowed', image(2048))

    def test_item_is_behind_the_table(self):
        for offset, malformed in ((64 * KIB - 1, True), (64 * KIB, False)):
            result = disk_base.inspect(base.changed((ENTRY + 16, u32(offset))))
            self.assertEqual(malformed, bool(result.defects))

    def test_item_ends_with_the_region(self):
        # A user item of 16 bytes, in a region of 1 MiB.
        image = disk_base.vhdx(GUEST, items=[(UNKNOWN, bytes(16), USER)])
        entry = ENTRY + 32 * COUNT
        self.assertBoots(base.changed(
            (entry + 16, u32(MIB - 16)), image=image))
        self.assertDetail(
            'vhdx-malformed', f'metadata item {UNKNOWN} is at 1048561, 16 '
            'bytes, outside of its region',
            base.changed((entry + 16, u32(MIB - 15)), image=image))

    def test_empty_item_may_be_anywhere(self):
        image = disk_base.vhdx(GUEST, items=[(UNKNOWN, b'', USER)])
        entry = ENTRY + 32 * COUNT
        self.assertBoots(base.changed((entry + 16, u32(2 ** 31)), image=image))

    def test_items_may_touch_and_not_overlap(self):
        # The file parameters have 8 bytes, and the disk size follows.
        self.assertBoots(VHDX)
        self.assertDetail(
            'vhdx-malformed', 'metadata items at 65537 and 65544 overlap',
            base.changed((ENTRY + 16, u32(64 * KIB + 1))))

    def test_item_has_at_most_1_mib(self):
        image = base.with_metadata_region(
            3 * MIB, items=[(UNKNOWN, bytes(16), USER)])
        entry = 6 * MIB + 32 + 32 * COUNT
        for length, defects in (
                (MIB, []), (MIB + 1, ['vhdx-malformed'])):
            data = base.changed((entry + 16, u32(128 * KIB)),
                                (entry + 20, u32(length)), image=image)
            self.assertEqual(defects, list(
                base.inspect_sparse(data, 9 * MIB).defects))

    def test_region_has_at_most_128_mib(self):
        for length, defects in (
                (128 * MIB, {}),
                (129 * MIB, {'vhdx-malformed':
                             'metadata region of 135266304 bytes'})):
            self.assertEqual(defects, base.inspect_sparse(
                base.with_metadata_region(length), 200 * MIB).defects)
