# SPDX-License-Identifier: Apache-2.0
"""What a rule and a finding are."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import re
import typing
from typing import Any

from hyperv_sched.text import escape

Severity = typing.Literal['error', 'warning', 'info', 'unknown']

#: A command in a sentence, up to the sign that ends it: to be pasted whole.
#: A comma ends it in front of a space only: options of qemu-img have some.
COMMAND = re.compile(
    r'\b(?:grub-install|hyperv-sched|mbr2gpt|mkfs\.fat|openstack|printf|'
    r'qemu-img|s?gdisk|sfdisk|tail) (?:[^():;,]|[:,](?! ))*')


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """One rule that does not hold, in the words that everybody sees.

    Told apart by identity: the scheduler counts them, one a host.
    """

    image: str
    """The file as given, else the image's id, its name, or ``-``; as it is,
    unlike all else."""
    code: str
    name: str
    severity: Severity
    message: str
    actual: str | None
    """What was found; None where something is missing."""
    required: str
    fix: str
    reference: str
    cause: Finding | None = None
    """The finding that this one follows from."""

    def __str__(self) -> str:
        return f'{self.code} {self.name}: {self.message}. {self.fix}'

    def as_dict(self) -> dict[str, Any]:
        """Return the members by name, as JSON has them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Finding:
        """Make a finding of what :meth:`as_dict` has returned."""
        cause = members['cause']
        return cls(**{**members, 'cause': cause and cls.from_dict(cause)})


@dataclasses.dataclass(frozen=True)
class Variant:
    """The words of a rule for one kind of image."""

    fix: str
    message: str | None = None
    """None for the message of the rule."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a code means, and the way out."""

    code: str
    name: str
    severity: Severity
    message: str
    """May name ``{actual}``, ``{required}``, ``{property}`` and ``{reason}``,
    which is the code and the message of the cause, else the actual value."""
    required: str
    """What holds where the rule holds, unless the finding knows better."""
    fix: str
    reference: str
    variants: Mapping[str, Variant] = dataclasses.field(
        default_factory=dict)
    """By the name that a clause of the schema gives (``x-variant``)."""

    def finding(self, image: str = '-', actual: object = None,
                required: object = None, prop: str = '',
                severity: Severity | None = None,
                variant: str | None = None, *,
                cause: Finding | None = None, fix: str | None = None,
                message: str | None = None) -> Finding:
        """Make the finding, with its values bounded and printable.

        :param image: the file as given, else the image's id, its name, -
        :param actual: what was found; None where something is missing
        :param required: None for what the rule always requires
        :param prop: the property that it was found in
        :param severity: None for the rule's own
        :param variant: None for the rule's own words
        :param cause: the finding that this one follows from. Its values are
            those of the new finding, unless others are given
        :param fix: text to use as it is; None for the rule's
        :param message: text to use as it is; None for the rule's
        :raises KeyError: the rule has no such variant.
        """
        own_message, own_fix = self.message, self.fix
        if variant is not None:
            own_message = self.variants[variant].message or own_message
            own_fix = self.variants[variant].fix
        if cause is not None:
            actual = cause.actual if actual is None else actual
            required = cause.required if required is None else required
        shown = None if actual is None else escape(actual)
        needed = escape(self.required if required is None else required)
        words = {'actual': 'not set' if shown is None else shown,
                 'required': needed, 'property': escape(prop)}
        words['reason'] = (
            words['actual'] if cause is None
            else f'{cause.code} {cause.message}')
        return Finding(
            image=image, code=self.code, name=self.name,
            severity=severity or self.severity,
            message=own_message.format_map(words) if message is None
            else message,
            actual=shown, required=needed,
            fix=own_fix.format_map(words) if fix is None else fix,
            reference=self.reference, cause=cause)
