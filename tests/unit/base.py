# SPDX-License-Identifier: Apache-2.0
"""The base of unit tests."""

import os
import unittest

import hypothesis
import testtools

# A busy machine is no failure.
_PATIENT = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile('random', _PATIENT)
hypothesis.settings.register_profile('ci', _PATIENT, derandomize=True)
hypothesis.settings.register_profile(
    'dev', _PATIENT, derandomize=True, max_examples=20)
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
