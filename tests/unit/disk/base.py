# SPDX-License-Identifier: Apache-2.0
"""The base of tests of the disk reader."""

import io
import struct

from hyperv_sched import disk
from tests import guests
from tests import samples
from tests.unit import base


def u16(number):
    return struct.pack('<H', number)


def u32(number):
    return struct.pack('<I', number)


def u64(number):
    return struct.pack('<Q', number)


def inspect(data):
    """Inspect a file given as bytes."""
    return disk.inspect_file(io.BytesIO(data))


def vhdx(guest, **options):
    """Return a VHDX of a disk, with the size of the disk."""
    return samples.vhdx(
        virtual_size=len(guest), block_size=samples.MIB, guest=guest,
        **options)


def esp(content):
    """Return a GPT disk with an ESP of some content."""
    return guests.gpt([(guests.ESP, 64, content)])


class Bytes:
    """A source of ranges."""

    def __init__(self, data):
        self.data = data
        self.size = len(data)

    def read(self, offset, length):
        return self.data[offset:offset + length]


class TestCase(base.TestCase):

    def assertDefects(self, expected, data):
        """Assert the names of all defects of a file given as bytes."""
        result = inspect(data)
        self.assertEqual(sorted(expected), sorted(result.defects),
                         result.defects)
        return result

    def assertBoots(self, data, *defects):
        """Assert that UEFI boots a disk, and its defects."""
        result = self.assertDefects(defects, data)
        self.assertEqual('uefi', result.firmware)
        return result

    def assertDoesNotBoot(self, name, data):
        """Assert the only defect of a disk that nothing boots."""
        result = self.assertDefects([name], data)
        self.assertEqual('none', result.firmware)
        return result

    def assertLoaderFails(self, name, files, **options):
        """Assert the only defect of an ESP with these files."""
        return self.assertDoesNotBoot(
            name, esp(guests.fat(files, **options)))
