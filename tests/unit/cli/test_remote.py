# SPDX-License-Identifier: Apache-2.0

import io
from unittest import mock

from hyperv_sched.cli import cloud
from hyperv_sched.cli import progress
from hyperv_sched.cli import remote
from hyperv_sched.disk import ranges
from tests import guests
from tests import samples
from tests.unit import base

GOOD = samples.vhdx(block_size=samples.MIB, guest=guests.bootable())


class FakeCloud:
    """A cloud that has one content for every image."""

    def __init__(self, data=GOOD, refusal=None, answers=99):
        self.data = data
        self.refusal = refusal
        self.answers = answers
        self.asked = 0

    def source(self, image):
        return ranges.RangeSource(len(self.data), self.fetch)

    def fetch(self, offset, length):
        self.asked += 1
        if self.refusal and self.asked > self.answers:
            raise self.refusal
        return self.data[offset:offset + length]

    def download(self, image, target, shown):
        target.write(self.data)


class SubjectsTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.complaints = []

    def subjects(self, connection, *images, show=None, given=()):
        return list(remote.subjects(
            connection, [{'id': str(number), 'status': 'active',
                          'size': len(GOOD), **image}
                         for number, image in enumerate(images)],
            dict(given), self.complaints.append, show))

    def test_content_is_read_where_hyperv_is_asked_for(self):
        for image, asked in (
                ({'hypervisor_type': 'hyperv', 'disk_format': 'raw'}, True),
                ({'img_hv_type': 'hyperv'}, True),
                ({'hw_machine_type': 'hyperv-gen2'}, True),
                ({'disk_format': 'vhdx'}, True),
                ({'disk_format': 'vhd'}, True),
                ({'disk_format': 'qcow2'}, False),
                ({'hypervisor_type': 'kvm', 'disk_format': 'vhd'}, False),
                ({'hw_machine_type': 'q35', 'disk_format': 'vhdx'}, False)):
            connection = FakeCloud()
            subject, = self.subjects(connection, image)
            self.assertEqual(
                (asked, asked), (connection.asked > 0,
                                 subject.content is not None), image)

    def test_image_that_is_not_active_has_no_content(self):
        for status in ('queued', 'saving', 'deactivated', 'killed'):
            connection = FakeCloud()
            subject, = self.subjects(connection, {
                'disk_format': 'vhdx', 'status': status})
            self.assertEqual((0, None, None), (
                connection.asked, subject.content, subject.unread))

    def test_content_that_is_not_handed_out_is_unknown(self):
        for refusal in (cloud.Unread('its store is odd'),
                        ranges.BudgetExceededError('too much')):
            for answers in (0, 2):
                subject, = self.subjects(
                    FakeCloud(refusal=refusal, answers=answers),
                    {'disk_format': 'vhdx', 'hypervisor_type': 'hyperv'})
                self.assertIsNone(subject.content)
                finding, = subject.findings()
                self.assertEqual(
                    ('HV226', 'unknown', '0'),
                    (finding.code, finding.severity, finding.image))
                self.assertIn(str(refusal), finding.message)

    def test_large_table_of_blocks_is_unknown_and_no_pass(self):
        image = samples.vhdx(
            virtual_size=600 * samples.GIB, block_size=samples.MIB,
            guest=guests.bootable(), bat_size=8 * samples.MIB)
        # What lies where the table now is.
        image = image[:3 * samples.MIB] + bytes(8 * samples.MIB)
        subject, = self.subjects(
            FakeCloud(image), {'disk_format': 'vhdx'})
        self.assertIn('MiB', subject.unread)

    def test_download_reads_what_is_not_handed_out(self):
        shown = []

        def show(size):
            shown.append(size)
            return progress.Progress(io.StringIO(), size)

        subject, = self.subjects(
            FakeCloud(refusal=cloud.Unread('no'), answers=0),
            {'disk_format': 'vhdx'}, show=show)
        self.assertEqual(('vhdx', None),
                         (subject.content['format'], subject.unread))
        self.assertEqual([len(GOOD)], shown)

    def test_download_that_has_no_room_is_unknown(self):
        with mock.patch('shutil.disk_usage', return_value=mock.Mock(free=9)):
            subject, = self.subjects(
                FakeCloud(refusal=cloud.Unread('no'), answers=0),
                {'disk_format': 'vhdx'}, show=mock.Mock())
        self.assertIn('TMPDIR', subject.unread)

    def test_image_that_goes_or_fails_does_not_hide_the_others(self):
        for refusal in (cloud.Changed(), OSError('too short'),
                        cloud.CloudError('500', 500)):
            self.complaints.clear()
            found = self.subjects(
                FakeCloud(refusal=refusal, answers=2),
                {'disk_format': 'vhdx'}, {'disk_format': 'qcow2'})
            self.assertEqual(['1'], [subject.raw['id'] for subject in found])
            complaint, = self.complaints
            self.assertTrue(complaint.startswith('0: '), complaint)

    def test_cloud_that_is_gone_ends_it(self):
        self.assertRaises(
            cloud.CloudError, self.subjects,
            FakeCloud(refusal=cloud.CloudError('gone'), answers=0),
            {'disk_format': 'vhdx'}, {'disk_format': 'vhdx'})
