# SPDX-License-Identifier: Apache-2.0

import io
from unittest import mock

from hyperv_sched.cli import cloud_images
from hyperv_sched.cli import image_api
from hyperv_sched.cli import progress
from hyperv_sched.cli import rest
from hyperv_sched.disk import ranges
from tests import guests
from tests import samples
from tests.unit import base

GOOD = samples.uefi_vhdx()


class FakeAPI:
    """Image API with the same content for every image.

    :param error: raised by requests for content
    :param successes: requests before the first error
    """

    def __init__(self, data=GOOD, error=None, successes=99):
        self.data = data
        self.error = error
        self.successes = successes
        self.requests = 0

    def source(self, image):
        return ranges.RangeSource(len(self.data), self.fetch)

    def fetch(self, offset, length):
        self.requests += 1
        if self.error and self.requests > self.successes:
            raise self.error
        return self.data[offset:offset + length]

    def download(self, image, target, progress_line):
        target.write(self.data)


class ReadTargetsTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.errors = []

    def read_targets(self, api, *images, start_progress=None,
                     overrides=None):
        return list(cloud_images.read_targets(
            api, [{'id': str(number), 'status': 'active',
                   'size': len(GOOD), **image}
                  for number, image in enumerate(images)],
            overrides or {}, self.errors.append, ['2011', '2023'],
            start_progress))

    def test_content_is_read_for_hyperv_only(self):
        for image, is_read in (
                ({'hypervisor_type': 'hyperv', 'disk_format': 'raw'}, True),
                ({'img_hv_type': 'hyperv'}, True),
                ({'hw_machine_type': 'hyperv-gen2'}, True),
                ({'disk_format': 'vhdx'}, True),
                ({'disk_format': 'vhd'}, True),
                ({'disk_format': 'qcow2'}, False),
                ({'hypervisor_type': 'kvm', 'disk_format': 'vhd'}, False),
                ({'hw_machine_type': 'q35', 'disk_format': 'vhdx'}, False)):
            api = FakeAPI()
            target, = self.read_targets(api, image)
            self.assertEqual(
                (is_read, is_read),
                (api.requests > 0, target.content is not None), image)

    def test_content_is_read_of_active_images_only(self):
        for status in ('queued', 'saving', 'deactivated', 'killed'):
            api = FakeAPI()
            target, = self.read_targets(api, {
                'disk_format': 'vhdx', 'status': status})
            self.assertEqual((0, None, None), (
                api.requests, target.content, target.unread_reason))

    def test_unavailable_content_is_unknown(self):
        for error in (image_api.ContentUnavailableError('its store is odd'),
                      ranges.BudgetExceededError('too much')):
            for successes in (0, 2):
                target, = self.read_targets(
                    FakeAPI(error=error, successes=successes),
                    {'disk_format': 'vhdx', 'hypervisor_type': 'hyperv'})
                self.assertIsNone(target.content)
                finding, = target.findings()
                self.assertEqual(
                    ('HV226', 'unknown', '0'),
                    (finding.code, finding.severity, finding.image))
                self.assertIn(str(error), finding.message)

    def test_block_allocation_table_over_the_budget_is_unknown(self):
        image = samples.vhdx(
            virtual_size=600 * samples.GIB, block_size=samples.MIB,
            guest=guests.bootable(), bat_size=8 * samples.MIB)
        # The table replaces the blocks behind it.
        image = image[:3 * samples.MIB] + bytes(8 * samples.MIB)
        target, = self.read_targets(
            FakeAPI(image), {'disk_format': 'vhdx'})
        self.assertIn('MiB', target.unread_reason)

    def test_download_reads_content_that_ranges_do_not(self):
        sizes = []

        def start_progress(size):
            sizes.append(size)
            return progress.Progress(io.StringIO(), size)

        target, = self.read_targets(
            FakeAPI(error=image_api.ContentUnavailableError('no'),
                    successes=0),
            {'disk_format': 'vhdx'}, start_progress=start_progress)
        self.assertEqual(('vhdx', None),
                         (target.content['format'], target.unread_reason))
        self.assertEqual([len(GOOD)], sizes)

    def test_download_larger_than_the_free_space_is_unknown(self):
        for free, fits in ((len(GOOD), True), (len(GOOD) - 1, False)):
            with mock.patch('shutil.disk_usage',
                            return_value=mock.Mock(free=free)):
                target, = self.read_targets(
                    FakeAPI(error=image_api.ContentUnavailableError('no'),
                            successes=0),
                    {'disk_format': 'vhdx'}, start_progress=mock.Mock())
            self.assertEqual(fits, target.unread_reason is None)
        self.assertIn('Set TMPDIR', target.unread_reason)

    def test_error_of_one_image_does_not_hide_the_others(self):
        for error in (image_api.ImageChangedError(), OSError('too short'),
                      rest.CloudError('500', 500)):
            self.errors.clear()
            targets = self.read_targets(
                FakeAPI(error=error, successes=2),
                {'disk_format': 'vhdx'}, {'disk_format': 'qcow2'})
            self.assertEqual(['1'], [t.record['id'] for t in targets])
            message, = self.errors
            self.assertTrue(message.startswith('0: '), message)

    def test_error_without_a_response_ends_the_run(self):
        self.assertRaises(
            rest.CloudError, self.read_targets,
            FakeAPI(error=rest.CloudError('gone'), successes=0),
            {'disk_format': 'vhdx'}, {'disk_format': 'vhdx'})
