# SPDX-License-Identifier: Apache-2.0

from hyperv_sched.disk import inspection
from hyperv_sched.disk.vhdx import extents
from tests.unit import base

MIB = 1048576


class ExtentTestCase(base.TestCase):

    def assertInvalid(self, defect, offset, length):
        error = self.assertRaises(
            inspection.DefectError,
            extents.Extent('the log', offset, length).check, 4 * MIB)
        self.assertEqual(defect, error.report.defect)

    def test_alignment(self):
        extents.Extent('the log', MIB, MIB).check(4 * MIB)
        for offset, length in ((0, MIB), (MIB, 0), (MIB - 1, MIB),
                               (MIB + 1, MIB), (MIB, MIB + 1),
                               (MIB, MIB - 1)):
            self.assertInvalid('vhdx-malformed', offset, length)

    def test_end_of_the_file(self):
        extents.Extent('the log', 3 * MIB, MIB).check(4 * MIB)
        self.assertInvalid('vhdx-truncated', 3 * MIB, 2 * MIB)
        self.assertInvalid('vhdx-truncated', 4 * MIB, MIB)

    def test_overlaps(self):
        log = extents.Extent('the log', 2 * MIB, 2 * MIB)
        empty = extents.Extent('nothing', 3 * MIB, 0)
        for offset, length in ((MIB, MIB), (4 * MIB, MIB)):
            extents.check_overlaps(
                [log, empty, extents.Extent('the BAT', offset, length)])
        for offset, length, detail in (
                (MIB, 2 * MIB, 'the BAT and the log overlap'),
                (3 * MIB, 2 * MIB, 'the log and the BAT overlap')):
            error = self.assertRaises(
                inspection.DefectError, extents.check_overlaps,
                [log, empty, extents.Extent('the BAT', offset, length)])
            self.assertEqual(('vhdx-malformed', detail), error.report)
