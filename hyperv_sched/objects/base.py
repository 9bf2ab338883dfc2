# SPDX-License-Identifier: Apache-2.0
"""The base of the project's versioned objects."""

from __future__ import annotations

from typing import Any

from oslo_versionedobjects import base

register = base.VersionedObjectRegistry.register


class HyperVSchedObject(base.VersionedObject,
                        base.ComparableVersionedObject):
    """An object with a namespace of its own, so that it can be sent."""

    OBJ_PROJECT_NAMESPACE = 'hyperv_sched'

    def as_dict(self) -> dict[str, Any]:
        """Return the members by name, as JSON has them."""
        return {name: self._member(name) for name in self.fields}

    def _member(self, name: str) -> Any:
        value = getattr(self, name)
        if isinstance(value, HyperVSchedObject):
            return value.as_dict()
        return self.fields[name].to_primitive(self, name, value)
