# SPDX-License-Identifier: Apache-2.0
"""The types of rules and findings."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import typing
from typing import Any

from hyperv_sched.rules import definitions
from hyperv_sched.rules.conditions import Schema
from hyperv_sched.rules.conditions import all_of
from hyperv_sched.rules.conditions import not_
from hyperv_sched.rules.conditions import optional
from hyperv_sched.rules.conditions import ref
from hyperv_sched.text import escape
from hyperv_sched.text import sentence

Severity = typing.Literal['error', 'warning', 'info', 'unknown']


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """A rule that an image breaks.

    Findings are equal by identity: the scheduler counts them by host.
    """

    image: str
    """The file as given, else the id or the name of the image, or ``-``.
    Unlike the other members it is not escaped."""
    code: str
    name: str
    severity: Severity
    message: str
    actual: str | None
    """The value that breaks the rule; None if a member is missing."""
    required: str
    fix: str
    reference: str
    cause: Finding | None = None
    """The finding that this one follows from."""

    def __str__(self) -> str:
        return (f'{self.code} {self.name}: {sentence(self.message)} '
                f'{self.fix}')

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
    """The texts of a rule for one kind of image."""

    fix: str
    message: str | None = None
    """None for the message of the rule."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """What the fault of a server means for the user and the operator."""

    happened: str
    user: str
    """What the user of the server can do; empty for nothing."""
    operator: str
    """What only the operator can do; empty for nothing."""


#: The images that a rule applies to, or for rules over an image and a host
#: the place where it applies.
Scope = typing.Literal[
    'any', 'hyperv', 'generation-1', 'generation-2', 'host', 'server']

#: What an error prevents. ``scheduling``: no host is eligible, and none builds
#: the server. ``build``: no host builds the server. ``build-before-2016``: no
#: host older than Windows Server 2016 builds it.
Stage = typing.Literal['scheduling', 'build', 'build-before-2016']

Document = Mapping[str, Any]

#: Returns the right values of properties by name; none where they would be
#: guesses.
Remedy = Callable[[Document], dict[str, str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clause:
    """A condition on image documents.

    Examples name only what differs from the document of the scope
    (:data:`hyperv_sched.rules.definitions.EXAMPLES`); None removes a member.
    """

    why: str
    path: str = ''
    """The path of the member that a finding shows."""
    value: Schema | bool | None = None
    """Holds for the value of this member, where it is present."""
    then: Schema | None = None
    """Holds for the document, if no condition on one value does it."""
    when: Schema | None = None
    """Restricts the clause to documents for which this holds."""
    scope: Scope | None = None
    """None for the scope of the rule."""
    severity: Severity | None = None
    """None for the severity of the rule."""
    variant: str | None = None
    """The variant of the rule whose texts a finding has."""
    required: str | None = None
    """The text that a finding shows as required; None for the rule's."""
    required_paths: Sequence[str] = ()
    """Paths of members: a finding shows the largest as required."""
    each: str | None = None
    """A member whose own members have a finding each."""
    text: bool = True
    """Whether the members that it reads are text, as most properties are."""
    wrong: Sequence[Document]
    right: Sequence[Document]

    def expand(self, rule: Rule) -> Iterator[Clause]:
        """Yield the clause with the scope and the severity of its rule."""
        yield dataclasses.replace(
            self, scope=self.scope or rule.scope,
            severity=self.severity or rule.severity)

    def example(self, changes: Document) -> dict[str, Any]:
        """Return an example as a whole document."""
        document = {**definitions.EXAMPLES[self.scope or 'any'], **changes}
        return {name: value for name, value in document.items()
                if value is not None}

    @property
    def applies(self) -> Schema | None:
        """The documents that the clause applies to; None for all."""
        if self.scope is None or self.scope == 'any':
            return self.when
        if self.when is None:
            return ref(self.scope)
        return all_of(ref(self.scope), self.when)

    @property
    def condition(self) -> Schema:
        """The schema that holds for the document."""
        if self.then is not None:
            return self.then
        assert self.value is not None  # noqa: S101
        return optional(self.path, self.value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Defect:
    """A clause: the content is free of the defect of the rule's name."""

    why: str
    example: str
    """What the disk reader reports."""
    starts: str | None = None
    """What it reports of a disk that firmware starts nevertheless. That is a
    warning, with the texts of the rule's variant "starts" if there is one.
    None: no such disk starts."""
    scope: Scope | None = None
    severity: Severity | None = None

    def expand(self, rule: Rule) -> Iterator[Clause]:
        """Yield the clauses that the defect stands for."""
        scope = self.scope or rule.scope

        def clause(example: str, severity: Severity | None = None,
                   variant: str | None = None, when: Schema | None = None,
                   **facts: str) -> Clause:
            content = {
                'format': 'vhd' if scope == 'generation-1' else 'vhdx',
                'file_size': 4194304, **facts}
            return Clause(
                why=self.why, path=f'content.defects.{rule.name}',
                value=False, scope=scope, severity=severity or rule.severity,
                variant=variant, when=when,
                wrong=[{'content': {
                    **content, 'defects': {rule.name: example}}}],
                right=[{'content': {**content, 'defects': {}}}])

        if self.starts is None:
            yield clause(self.example, self.severity)
            return
        yield clause(self.example, when=not_(_STARTS), firmware='none')
        yield clause(self.starts, 'warning',
                     'starts' if 'starts' in rule.variants else None,
                     _STARTS, firmware='uefi')


_STARTS = ref('starts-by-uefi')


@dataclasses.dataclass(frozen=True)
class Rule:
    """All that is known of a rule.

    CONTRIBUTING.rst describes how to add one.
    """

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
    """By the name that a clause gives."""
    _: dataclasses.KW_ONLY
    scope: Scope
    why: str = ''
    """The reason for the rule, where no clause gives one."""
    clauses: Sequence[Clause | Defect] = ()
    """Empty for rules that other code evaluates."""
    prevents: Stage | None = None
    converts: bool = False
    """Of a rule over the file (HV2xx): whether a file that breaks it is
    converted nevertheless, since the new file has all data, and the right
    ones. See :attr:`prevents_conversion`."""
    remedy: Remedy | None = None
    """Corrects the properties of a document that breaks the rule."""
    failure: Failure | None = None
    """Of a rule whose code is in the fault of a server."""

    @property
    def expanded(self) -> tuple[Clause, ...]:
        """The clauses of the image schema, with scope and severity."""
        return tuple(expanded for clause in self.clauses
                     for expanded in clause.expand(self))

    @property
    def prevents_conversion(self) -> bool:
        """Whether a file that breaks the rule is not converted.

        The new file would lack data, or have other data than Hyper-V reads.
        That holds for all rules over the file that do not say otherwise; what
        is in the disk is converted as it is.
        """
        return self.code.startswith('HV2') and not self.converts

    @property
    def reasons(self) -> list[str]:
        """The reasons of the rule and its clauses, each once."""
        reasons = [self.why, *(clause.why for clause in self.expanded)]
        return [*dict.fromkeys(filter(None, reasons))]

    @property
    def examples(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The wrong and the right examples of all clauses, each once."""
        wrong: list[dict[str, Any]] = []
        right: list[dict[str, Any]] = []
        for clause in self.expanded:
            for examples, changes in ((wrong, clause.wrong),
                                      (right, clause.right)):
                examples += (
                    example for example in map(clause.example, changes)
                    if example not in examples)
        return wrong, right

    @property
    def severities(self) -> tuple[Severity, ...]:
        """The severity of the rule, and those of its clauses that differ."""
        return tuple(dict.fromkeys((
            self.severity,
            *(clause.severity or self.severity
              for clause in self.expanded))))

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes of the clauses, else that of the rule."""
        return tuple(dict.fromkeys(
            clause.scope or self.scope for clause in self.expanded)
        ) or (self.scope,)

    def finding(self, image: str = '-', actual: object = None,
                required: object = None, prop: str = '',
                severity: Severity | None = None,
                variant: str | None = None, *,
                cause: Finding | None = None, fix: str | None = None,
                message: str | None = None) -> Finding:
        """Return a finding with values of bounded length, escaped.

        :param image: the file as given, else the image's id, its name, -
        :param actual: the value that breaks the rule; None if one is missing
        :param required: None for the text of the rule
        :param prop: the name of the property
        :param severity: None for the rule's own
        :param variant: None for the rule's own texts
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
