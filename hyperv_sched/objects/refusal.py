# SPDX-License-Identifier: Apache-2.0
"""The refusal of a request by a compute host."""

from __future__ import annotations

import dataclasses

from oslo_versionedobjects import fields

from hyperv_sched import rules
from hyperv_sched.objects import base
from hyperv_sched.objects import fields as own_fields
from hyperv_sched.objects import host_capability as host_capabilities
from hyperv_sched.objects import image_requirement
from hyperv_sched.text import escape


@base.register
class Refusal(base.HyperVSchedObject):
    """A refused operation on a server, and the reason.

    operation is the method of Nova's driver that was called. The members from
    image on are those of the finding, cause among them: the finding that it
    follows from. requirement is that of the server's image, and
    host_capability that of the host; None where they are not known.
    """

    # Version 1.0: Initial version
    # Version 1.1: Add cause, requirement and host_capability
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
        'requirement': fields.ObjectField(
            'ImageRequirement', nullable=True),
        'host_capability': fields.ObjectField(
            'HostCapability', nullable=True),
    }

    @classmethod
    def of(cls, finding: rules.Finding, *, host: str, instance_uuid: str,
           operation: str,
           requirement: image_requirement.ImageRequirement | None = None,
           host_capability: host_capabilities.HostCapability | None = None,
           ) -> Refusal:
        """Make the refusal that follows from a finding."""
        cause = finding.cause
        return cls(
            host=host, instance_uuid=instance_uuid, operation=operation,
            image=escape(finding.image), code=finding.code,
            name=finding.name, message=finding.message,
            actual=finding.actual, required=finding.required,
            fix=finding.fix, reference=finding.reference,
            cause=cause and dataclasses.replace(
                cause, image=escape(cause.image)),
            requirement=requirement, host_capability=host_capability)
