# SPDX-License-Identifier: Apache-2.0
"""The driver below nova.virt, where Nova looks for ``compute_driver``."""

from hyperv_sched.compute.driver import EnforcedDriver

__all__ = ['EnforcedDriver']
