# SPDX-License-Identifier: Apache-2.0
"""Judge an image document by the JSON Schema that carries the rules."""

from hyperv_sched.validators.image import concerns_hyperv
from hyperv_sched.validators.image import validate

__all__ = ['concerns_hyperv', 'validate']
