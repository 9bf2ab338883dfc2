# SPDX-License-Identifier: Apache-2.0
"""The base of unit tests."""

import os
import unittest

import hypothesis
import testtools

# A busy machine is no failure.
hypothesis.settings.register_profile('ci', deadline=None)
hypothesis.settings.register_profile('dev', deadline=None, max_examples=20)
hypothesis.settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'dev'))


def without_windows(reason):
    """Skip a test on Windows.

    :param reason: what Windows does not have
    """
    return unittest.skipIf(os.name == 'nt', f'Windows has no {reason}')


def reason_missing(path):
    """Return the system's words for a file that does not exist."""
    try:
        os.stat(path)
    except OSError as exc:
        return exc.strerror


class TestCase(testtools.TestCase):
    """No network, no services."""
