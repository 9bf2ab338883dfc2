# SPDX-License-Identifier: Apache-2.0
"""Real nova-api, conductor, scheduler, placement and computes in process."""

# Before anything else of Nova: it decides about threads or eventlet.
import nova.tests.functional  # noqa: F401
