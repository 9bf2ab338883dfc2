# SPDX-License-Identifier: Apache-2.0
"""Filters for nova-scheduler."""

from hyperv_sched.filters import hyperv_generation_filter

HyperVGenerationFilter = hyperv_generation_filter.HyperVGenerationFilter

__all__ = ['HyperVGenerationFilter']
