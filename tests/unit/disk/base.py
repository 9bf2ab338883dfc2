# SPDX-License-Identifier: Apache-2.0
"""What tests of the disk reader have in common."""

import io

from hyperv_sched import disk
from tests import guests
from tests import samples
from tests.unit import base


def inspect(data):
    """Inspect a file given as bytes."""
    return disk.inspect_file(io.BytesIO(data))


def vhdx(guest, **options):
    """A VHDX around a disk; virtual size and blocks suit it."""
    return samples.vhdx(
        virtual_size=len(guest), block_size=samples.MIB, guest=guest,
        **options)


class TestCase(base.TestCase):

    def assertDefects(self, expected, data):
        """Assert the names of all defects of a file given as bytes."""
        found = inspect(data)
        self.assertEqual(sorted(expected), sorted(found.defects),
                         found.defects)
        return found

    def assertStarts(self, data, *defects):
        """Assert that firmware starts a raw disk, and what is odd."""
        found = self.assertDefects(defects, data)
        self.assertEqual('uefi', found.firmware)
        return found

    def assertDoesNotStart(self, name, data):
        """Assert the one reason why firmware does not start a raw disk."""
        found = self.assertDefects([name], data)
        self.assertEqual('none', found.firmware)
        return found

    def assertLoaderFails(self, name, files, **options):
        """Assert why firmware does not start what lies on a partition."""
        return self.assertDoesNotStart(name, guests.gpt(
            [(guests.ESP, 64, guests.fat(files, **options))]))
