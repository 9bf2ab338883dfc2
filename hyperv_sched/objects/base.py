# SPDX-License-Identifier: Apache-2.0
"""The base of the project's versioned objects."""

from __future__ import annotations

from oslo_versionedobjects import base

register = base.VersionedObjectRegistry.register


class HyperVSchedObject(base.VersionedObject,
                        base.ComparableVersionedObject):
    """An object with a namespace of its own, so that it can be sent."""

    OBJ_PROJECT_NAMESPACE = 'hyperv_sched'
