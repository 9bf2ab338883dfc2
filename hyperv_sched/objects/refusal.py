# SPDX-License-Identifier: Apache-2.0
"""That a compute host has refused what it was asked for."""

from __future__ import annotations

from oslo_versionedobjects import fields

from hyperv_sched import rules
from hyperv_sched.objects import base
from hyperv_sched.text import escape


@base.register
class Refusal(base.HyperVSchedObject):
    """What was refused to which server, and why.

    operation is the method of Nova's driver that was called; all after image
    is the finding's.
    """

    # Version 1.0: Initial version
    VERSION = '1.0'

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
    }

    @classmethod
    def of(cls, finding: rules.Finding, *, host: str, instance_uuid: str,
           operation: str) -> Refusal:
        """Make it of the finding that stands in the way."""
        return cls(
            host=host, instance_uuid=instance_uuid, operation=operation,
            image=escape(finding.image), code=finding.code,
            name=finding.name, message=finding.message,
            actual=finding.actual, required=finding.required,
            fix=finding.fix, reference=finding.reference)
