# SPDX-License-Identifier: Apache-2.0
"""Where nova-compute looks for ``compute_driver`` classes: below nova.virt."""

from hyperv_sched.compute.driver import EnforcedDriver

__all__ = ['EnforcedDriver']
