# SPDX-License-Identifier: Apache-2.0
"""The requirement of an image on its host."""

from __future__ import annotations

from collections.abc import Iterable

from oslo_versionedobjects import fields

from hyperv_sched import document as image_document
from hyperv_sched import names
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched import versions
from hyperv_sched.objects import base
from hyperv_sched.objects import fields as own_fields

#: Rules without which an image has no requirement that a host can meet.
_INVALID = rules.preventing('scheduling')

#: Rules on features that hosts before Windows Server 2016 lack.
_NEED_2016 = rules.preventing('build-before-2016')

#: The members that select Hyper-V: no rule applies to an image without them.
SELECTORS = ('hw_machine_type', 'hypervisor_type')

#: The members of an image document that make demands on a host.
PROPERTIES = tuple(sorted(
    {*SELECTORS, 'hypervisor_version_requires'}
    | rules.members(_INVALID | _NEED_2016)))


@base.register
class ImageRequirement(base.HyperVSchedObject):
    """The requirement of an image on Hyper-V.

    generation is None for an image that asks nothing of Hyper-V, and for one
    that no host can meet; invalid says why. needs_2016 is the finding on a
    feature that hosts before Windows Server 2016 do not support.
    """

    # Version 1.0: Initial version
    # Version 1.1: Replace defect by invalid
    # Version 1.2: Add needs_2016
    # Version 1.3: needs_2016 is a finding
    VERSION = '1.3'

    generation: str | None
    version_requires: versions.Specifiers | None
    invalid: rules.Finding | None
    needs_2016: rules.Finding | None

    fields = {
        'generation': fields.EnumField(
            (names.GENERATION_1, names.GENERATION_2), nullable=True),
        'version_requires': own_fields.VersionSpecifierField(nullable=True),
        'invalid': own_fields.FindingField(nullable=True),
        'needs_2016': own_fields.FindingField(nullable=True),
    }

    @property
    def is_for_hyperv(self) -> bool:
        """Whether the image requires Hyper-V, in a valid way or not."""
        return self.generation is not None or self.invalid is not None

    @classmethod
    def unreadable(cls) -> ImageRequirement:
        """Return the requirement of an image that cannot be read."""
        return cls(generation=None, version_requires=None, needs_2016=None,
                   invalid=rules.CATALOGUE['HV405'].finding(
                       actual='its properties cannot be read'))

    @classmethod
    def from_document(cls, document: image_document.Document
                      ) -> ImageRequirement:
        """Read the PROPERTIES of an image document.

        Never fails: an image that cannot be read is invalid.
        """
        requirement = cls(generation=None, version_requires=None,
                          needs_2016=None, invalid=None)
        asked = image_document.Document({
            name: document[name] for name in PROPERTIES if name in document})
        found = validators.validate(asked)
        lacking = _first(found, _NEED_2016)
        cause = _first(found, _INVALID)
        if cause is None and lacking is not None:
            # Virtual TPMs need properties, too, which no host replaces.
            cause = _first(validators.validate(image_document.extend(
                asked, hypervisor_version_requires=(
                    f'>={versions.WINDOWS_SERVER_2016}'))), _NEED_2016)
        if cause is not None:
            # The linter does not know the flavor.
            requirement.invalid = rules.CATALOGUE['HV405'].finding(
                cause=cause,
                fix=cause.fix if 'os:secure_boot' in asked else None)
            return requirement
        machine_type = document.get('hw_machine_type')
        if machine_type in (names.GENERATION_1, names.GENERATION_2):
            requirement.generation = machine_type
        elif document.get('hypervisor_type') == names.HYPERV:
            requirement.generation = names.GENERATION_1
        else:
            return requirement
        requirement.version_requires = document.get(
            'hypervisor_version_requires')
        requirement.needs_2016 = lacking
        return requirement


def _first(findings: Iterable[rules.Finding],
           codes: frozenset[str]) -> rules.Finding | None:
    """Return the first error of these rules."""
    return next((finding for finding in findings if finding.code in codes
                 and finding.severity == 'error'), None)
