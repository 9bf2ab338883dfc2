# SPDX-License-Identifier: Apache-2.0
"""The base of unit tests."""

import os

import hypothesis
import testtools

# A busy machine is no failure.
hypothesis.settings.register_profile('ci', deadline=None)
hypothesis.settings.register_profile('dev', deadline=None, max_examples=20)
hypothesis.settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'dev'))


class TestCase(testtools.TestCase):
    """No network, no services."""
