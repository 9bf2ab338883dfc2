# SPDX-License-Identifier: Apache-2.0
"""The base of unit tests."""

import hypothesis
import testtools

# A busy machine is no failure.
hypothesis.settings.register_profile(
    'untimed', hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile('untimed')


class TestCase(testtools.TestCase):
    """No network, no services."""
