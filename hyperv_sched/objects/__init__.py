# SPDX-License-Identifier: Apache-2.0
"""What an image asks for and what a host offers, as versioned objects."""

from hyperv_sched.objects.host_capability import HYPERV
from hyperv_sched.objects.host_capability import HostCapability
from hyperv_sched.objects.image_requirement import ImageRequirement

__all__ = ['HYPERV', 'HostCapability', 'ImageRequirement']
