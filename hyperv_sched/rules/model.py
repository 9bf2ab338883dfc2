# SPDX-License-Identifier: Apache-2.0
"""What a rule and a finding are."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import re
import typing

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

    def __str__(self) -> str:
        return f'{self.code} {self.name}: {self.message}. {self.fix}'


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
    """May name ``{actual}``, ``{required}`` and ``{property}``."""
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
                variant: str | None = None) -> Finding:
        """Make the finding, with its values bounded and printable.

        :param image: the file as given, else the image's id, its name, -
        :param actual: what was found; None where something is missing
        :param required: None for what the rule always requires
        :param prop: the property that it was found in
        :param severity: None for the rule's own
        :param variant: None for the rule's own words
        :raises KeyError: the rule has no such variant.
        """
        message, fix = self.message, self.fix
        if variant is not None:
            message = self.variants[variant].message or message
            fix = self.variants[variant].fix
        shown = None if actual is None else escape(actual)
        needed = escape(self.required if required is None else required)
        words = {'actual': 'not set' if shown is None else shown,
                 'required': needed, 'property': escape(prop)}
        return Finding(
            image=image, code=self.code, name=self.name,
            severity=severity or self.severity,
            message=message.format_map(words),
            actual=shown, required=needed, fix=fix.format_map(words),
            reference=self.reference)
