# SPDX-License-Identifier: Apache-2.0

import struct

from hyperv_sched.disk import resources
from tests.unit import base
from tests.unit.disk import test_pe
from tests.unit.disk.test_pe import ADDRESS
from tests.unit.disk.test_pe import RESOURCES

HII = '\3HII'.encode('utf-16-le')
#: The flag of an ID that is the offset of a name, and of an offset that is
#: that of a directory.
NAME = DIRECTORY = 1 << 31


def directory(*entries, ids=0):
    """Return a directory with named entries: (name, offset)."""
    return struct.pack('<12xHH', len(entries), ids) + b''.join(
        struct.pack('<II', *entry) for entry in entries)


def spend(steps):
    pass


class CheckTestCase(base.TestCase):

    def assertRefused(self, detail, data, size):
        error = self.assertRaises(
            resources.ResourceError, resources.check, data, size, spend)
        self.assertEqual(detail, str(error))

    def test_other_resources_are_not_read(self):
        for data, size in (
                (directory(), 16), (directory((7, 0xffff)), 24),
                (directory((NAME | 24, 0xffff)) + b'\3\0X\0I\0I\0', 40)):
            resources.check(data, size, spend)

    def test_path_to_the_hii_resource(self):
        # Type at 0, its directory at 24, HII at 48, a directory at 56, and
        # the resource at 80.
        names = directory((1, DIRECTORY | 56)) + HII
        data = (directory((NAME | 48, DIRECTORY | 24)) + names).ljust(
            56, b'\0') + directory((1, 80))
        for size in (88, 81):
            resources.check(data, size, spend)
        for size, detail in (
                (80, 'offset 80 of 80 bytes'),
                (79, '1 entries in 23 bytes'),
                (57, '1 entries in 1 bytes'),
                (56, 'offset 56 of 56 bytes'),
                (48, 'offset 48 of 48 bytes'),
                (24, 'offset 48 of 24 bytes'),
                (23, '1 entries in 23 bytes')):
            self.assertRefused(detail, data, size)

    def test_entries_are_in_the_directory(self):
        for data, size, detail in (
                (b'', 1, '0 entries in 1 bytes'),
                (b'', 15, '0 entries in 15 bytes'),
                (directory((0, 0)), 23, '1 entries in 23 bytes'),
                (directory(ids=0xffff), 100, '65535 entries in 100 bytes'),
                (directory((NAME | 24, 0)), 24, 'offset 24 of 24 bytes')):
            self.assertRefused(detail, data, size)

    def test_named_entries_are_charged(self):
        steps = []
        resources.check(directory((0, 0), (0, 0)), 32, steps.append)
        self.assertEqual([2], steps)


class ProgramTestCase(test_pe.ProgramTestCase):

    def test_invalid_resources(self):
        self.assertLoads(('<II', RESOURCES, ADDRESS, 16))
        self.assertRefused(
            'invalid resources at 0x1000: 0 entries in 15 bytes',
            ('<II', RESOURCES, ADDRESS, 15))
