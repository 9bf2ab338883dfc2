# SPDX-License-Identifier: Apache-2.0
"""Judge an image document by the JSON Schema that carries the rules."""

from hyperv_sched.validators.image import concerns_hyperv
from hyperv_sched.validators.image import load
from hyperv_sched.validators.image import validate
from hyperv_sched.validators.schema import content_members

__all__ = ['concerns_hyperv', 'content_members', 'load', 'validate']
