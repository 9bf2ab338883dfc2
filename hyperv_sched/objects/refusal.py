# SPDX-License-Identifier: Apache-2.0
"""That a compute host has refused what it was asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

from oslo_versionedobjects import fields

from hyperv_sched import rules
from hyperv_sched.objects import base
from hyperv_sched.objects import fields as own_fields
from hyperv_sched.text import escape


@base.register
class Refusal(base.HyperVSchedObject):
    """What was refused to which server, and why.

    operation is the method of Nova's driver that was called. The members from
    image on are those of the finding, cause among them: the finding that it
    follows from.
    """

    # Version 1.0: Initial version
    # Version 1.1: Add cause
    VERSION = '1.1'

    fields = {
        'host': fields.StringField(),
        'instance_uuid': fields.UUIDField(),
        'operation': fields.StringField(),
        'image': fields.StringField(),
        'code': fields.StringField(),
        'name': fields.StringField(),
        'message': fields.StringField(),
        'actual': fields.StringField(nullable=True),
        'required': fields.StringField(),
        'fix': fields.StringField(),
        'reference': fields.StringField(),
        'cause': own_fields.FindingField(nullable=True),
    }

    @classmethod
    def of(cls, finding: rules.Finding, *, host: str, instance_uuid: str,
           operation: str) -> Refusal:
        """Make it of the finding that stands in the way."""
        cause = finding.cause
        return cls(
            host=host, instance_uuid=instance_uuid, operation=operation,
            image=escape(finding.image), code=finding.code,
            name=finding.name, message=finding.message,
            actual=finding.actual, required=finding.required,
            fix=finding.fix, reference=finding.reference,
            cause=cause and dataclasses.replace(
                cause, image=escape(cause.image)))

    def as_dict(self) -> dict[str, Any]:
        """Return the members by name, as JSON has them."""
        return {name: field.to_primitive(self, name, getattr(self, name))
                for name, field in self.fields.items()}
