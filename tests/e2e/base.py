# SPDX-License-Identifier: Apache-2.0
"""A story."""

import testtools

from tests.e2e import cloud


class StoryTestCase(testtools.TestCase):
    """A test case for the cloud in ``self.cloud``."""

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
