# SPDX-License-Identifier: Apache-2.0
"""A story."""

import testtools

from tests.e2e import cloud


class StoryTestCase(testtools.TestCase):
    """Told to the cloud that ``self.cloud`` is."""

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
