# SPDX-License-Identifier: Apache-2.0
"""Filters for nova-scheduler."""

from hyperv_sched.filters.hyperv_generation_filter import (
    HyperVGenerationFilter)

__all__ = ['HyperVGenerationFilter']
