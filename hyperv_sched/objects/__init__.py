# SPDX-License-Identifier: Apache-2.0
"""Versioned objects: image requirement, host capability, refusal."""

from hyperv_sched.objects.host_capability import HostCapability
from hyperv_sched.objects.image_requirement import ImageRequirement
from hyperv_sched.objects.refusal import Refusal

__all__ = ['HostCapability', 'ImageRequirement', 'Refusal']
