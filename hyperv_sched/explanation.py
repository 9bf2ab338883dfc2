# SPDX-License-Identifier: Apache-2.0
"""Explain which hosts can run an image, and which change would admit more."""

from __future__ import annotations

import collections
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import functools
from typing import Any

from hyperv_sched import compatibility
from hyperv_sched import document as image_document
from hyperv_sched import image_properties_filter
from hyperv_sched import inferred
from hyperv_sched import inventory
from hyperv_sched import names
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.objects import image_requirement
from hyperv_sched.text import escape

#: Rules whose errors keep every host from building a server.
_BUILD = rules.preventing('build')

#: The members of an image document that the verdict depends on.
_MEMBERS = tuple(sorted(
    {*image_requirement.PROPERTIES, 'architecture', 'hw_vm_mode'}
    | rules.members(_BUILD)))

_TRAIT = 'trait:'

#: Traits of one image that are compared.
MAX_TRAITS = 50

#: Values that are tried for one property.
_MAX_VALUES = 20

#: What images and hosts do not show.
UNKNOWN = (
    'other filters of the scheduler, such as availability zones, aggregates '
    'and server groups',
    'free capacity, quotas and networks',
    'the state of the cloud at another time',
    'whether placement offers any host, which it does not do for flavors '
    'and traits that no host has',
)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the decision says about one image and one group of hosts."""

    errors: tuple[rules.Finding, ...]
    warnings: tuple[rules.Finding, ...]
    passes_stock: bool | None
    """Whether Nova's ImagePropertiesFilter lets the hosts pass; None if that
    depends on what they have not reported."""

    @property
    def accepted(self) -> bool:
        """Whether the hosts can run the image."""
        return not self.errors


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of one property that admits hosts."""

    name: str
    value: str | None
    """None to remove the property."""
    admitted: int
    """The number of hosts more."""

    def __str__(self) -> str:
        if self.value is None:
            return f'remove {escape(self.name)}'
        return f"set {escape(self.name)}='{escape(self.value)}'"


#: The drivers themselves report the trait on no Hyper-V host.
_SECURE_BOOT_FIX = ('Use hyperv_sched.EnforcedDriver on the host, which '
                    'reports the trait, or do not require Secure Boot')


class Image:
    """An image that is compared with hosts.

    :param record: properties and members under their own names
    :param document: normalized, with its content if that was read
    :param findings: of the image alone
    :param policy: settings of the operator
    :param extra_specs: of the flavor of a server; the document has them
    """

    def __init__(self, record: image_document.Record,
                 document: image_document.Document,
                 findings: Sequence[rules.Finding],
                 policy: compatibility.Policy,
                 extra_specs: Mapping[str, Any]) -> None:
        self.record = record
        self.document = document
        self.findings = findings
        self.policy = policy
        self._extra_specs = extra_specs

    @functools.cached_property
    def requirement(self) -> objects.ImageRequirement:
        """What the image requires of a host."""
        return compatibility.requirement(self.document)

    @functools.cached_property
    def traits(self) -> tuple[str, ...]:
        """The traits that the image requires of a host."""
        own = sorted(
            name.removeprefix(_TRAIT) for name, value in self.document.items()
            if name.startswith(_TRAIT) and value == 'required')[:MAX_TRAITS]
        return (*own, *([names.SECURE_BOOT_TRAIT] if (
            image_document.requires_secure_boot(self.document)) else []))

    @functools.cached_property
    def kind(self) -> tuple[object, ...]:
        """A key that images have in common which no host tells apart."""
        return (*map(self.document.get, _MEMBERS), self.traits,
                'refused' in self.document,
                tuple((finding.code, finding.message)
                      for finding in self._unusable))

    @functools.cached_property
    def _unusable(self) -> tuple[rules.Finding, ...]:
        """The errors of the image that no host can build it with."""
        return tuple(dataclasses.replace(finding, image='-')
                     for finding in self.findings if finding.code in _BUILD
                     and finding.severity == 'error')

    @functools.cached_property
    def _matcher(self) -> compatibility.HostMatcher:
        return compatibility.HostMatcher(self.requirement, self.policy)

    def compare(self, host: inventory.Host) -> Verdict:
        """Compare the image with a host."""
        return Verdict(
            tuple(self._errors(host)), tuple(host_warnings(host)),
            image_properties_filter.passes(self.document, host))

    def _errors(self, host: inventory.Host) -> Iterator[rules.Finding]:
        cause = self._matcher.match(
            host.hypervisor_type, host.hypervisor_version)
        if cause is not None:
            yield cause
        elif self.requirement.is_for_hyperv:
            yield from self._unusable
        for trait in self.traits:
            if host.traits is not None and trait not in host.traits:
                yield rules.CATALOGUE['HV406'].finding(
                    required=trait, fix=(
                        _SECURE_BOOT_FIX if trait == names.SECURE_BOOT_TRAIT
                        else None))

    def changed(self, name: str, value: str | None) -> Image | None:
        """Return the image with another value of a property.

        :returns: None if the image has more errors then, or is not for
            Hyper-V any more
        """
        record = {key: old for key, old in self.record.items()
                  if key != name}
        if value is not None:
            record[name] = value
        document = image_document.add_flavor(
            image_document.normalize(record), self._extra_specs)
        if 'content' in self.document:
            document['content'] = self.document['content']
        findings = validators.validate(document)
        image = Image(image_document.Record(record), document, findings,
                      self.policy, self._extra_specs)
        if not image.requirement.is_for_hyperv or (
                _errors_of(findings) - _errors_of(self.findings)):
            return None
        return image


def _errors_of(findings: Iterable[rules.Finding]) -> set[str]:
    return {finding.code for finding in findings
            if finding.severity == 'error'}


def host_warnings(host: inventory.Host) -> Iterator[rules.Finding]:
    """Yield what speaks against a host for any image."""
    if not host.is_available:
        yield rules.CATALOGUE['HV407'].finding(
            actual=' and '.join(word for word in (host.state, host.status)
                                if word not in ('up', 'enabled')))


def read_image(record: image_document.Record,
               policy: compatibility.Policy,
               content: Mapping[str, Any] | None = None,
               findings: Sequence[rules.Finding] | None = None,
               extra_specs: Mapping[str, Any] | None = None) -> Image:
    """Return an image from its record.

    :param content: what the disk reader found; None if it was not read
    :param findings: of the image alone; None to validate it
    :param extra_specs: of the flavor of a server; None for an image alone
    """
    document = image_document.add_flavor(
        image_document.normalize(record), extra_specs or {})
    if content is not None:
        document['content'] = dict(content)
    return Image(record, document, validators.validate(document)
                 if findings is None else findings, policy,
                 extra_specs or {})


@dataclasses.dataclass(frozen=True)
class Explanation:
    """An image and all hosts."""

    image: Image
    groups: Sequence[inventory.HostGroup]
    verdicts: Sequence[Verdict]
    """One for each group."""
    changes: Sequence[Change]

    @property
    def hosts(self) -> int:
        """The number of hosts."""
        return sum(len(group.hosts) for group in self.groups)

    @property
    def accepted(self) -> int:
        """The number of hosts that can run the image."""
        return count_accepted(self.groups, self.verdicts)

    @property
    def available(self) -> int:
        """The number of these that Nova schedules to."""
        return sum(len(group.hosts) for group, verdict in zip(
            self.groups, self.verdicts, strict=True)
            if verdict.accepted and verdict.passes_stock is not False
            and group.example.is_available)

    def stock(self, passes: bool | None, accepted: bool | None = None) -> int:
        """Count the hosts with this answer of Nova's own filter."""
        return sum(len(group.hosts) for group, verdict in zip(
            self.groups, self.verdicts, strict=True)
            if verdict.passes_stock is passes
            and accepted in (None, verdict.accepted))

    @property
    def rejected(self) -> collections.Counter[rules.Finding]:
        """The number of hosts that each first error rejects."""
        return count_rejected(self.groups, self.verdicts)


def count_accepted(groups: Sequence[inventory.HostGroup],
                   verdicts: Sequence[Verdict]) -> int:
    """Return the number of hosts that can run an image."""
    return sum(len(group.hosts)
               for group, verdict in zip(groups, verdicts, strict=True)
               if verdict.accepted)


def count_rejected(groups: Sequence[inventory.HostGroup],
                   verdicts: Sequence[Verdict]
                   ) -> collections.Counter[rules.Finding]:
    """Return the number of hosts that each first error rejects."""
    rejected: collections.Counter[rules.Finding] = collections.Counter()
    for group, verdict in zip(groups, verdicts, strict=True):
        if verdict.errors:
            rejected[verdict.errors[0]] += len(group.hosts)
    return rejected


def explain(image: Image,
            groups: Sequence[inventory.HostGroup]) -> Explanation:
    """Compare an image with groups of hosts."""
    verdicts = [image.compare(group.example) for group in groups]
    return Explanation(image, groups, verdicts,
                       find_changes(image, groups, verdicts))


def find_changes(image: Image, groups: Sequence[inventory.HostGroup],
                 verdicts: Sequence[Verdict]) -> list[Change]:
    """Return the changes of single properties that admit hosts.

    Every change goes through the same decision. Of each property the value
    that admits most hosts is returned, and none that loses a host.
    """
    if all(verdict.accepted for verdict in verdicts) or (
            not image.requirement.is_for_hyperv and not image.traits):
        return []
    best: dict[str, Change] = {}
    for name, value in _candidates(image, groups):
        other = image.changed(name, value)
        if other is None:
            continue
        after = [other.compare(group.example) for group in groups]
        if any(old.accepted and not new.accepted
               for old, new in zip(verdicts, after, strict=True)):
            continue
        admitted = (count_accepted(groups, after)
                    - count_accepted(groups, verdicts))
        if admitted > (best[name].admitted if name in best else 0):
            best[name] = Change(name, value, admitted)
    return sorted(best.values(),
                  key=lambda change: (-change.admitted, change.name))


def _candidates(image: Image, groups: Sequence[inventory.HostGroup]
                ) -> Iterator[tuple[str, str | None]]:
    """Yield names and values of properties to try."""
    seen = set()
    for name, value in _values(image, groups):
        if (name, value) not in seen and image.record.get(name) != value:
            seen.add((name, value))
            yield name, value


def _values(image: Image, groups: Sequence[inventory.HostGroup]
            ) -> Iterator[tuple[str, str | None]]:
    for code in dict.fromkeys(finding.code for finding in image.findings):
        remedy = rules.CATALOGUE[code].remedy
        if remedy is not None:
            yield from remedy(image.document).items()
    if 'content' in image.document:
        yield from inferred.missing_properties(
            image.document, image.document['content']).items()
    if image.document.get('hw_machine_type') in (
            names.GENERATION_1, names.GENERATION_2):
        yield _own_name(image, 'hypervisor_type'), names.HYPERV
    requirement = _own_name(image, 'hypervisor_version_requires')
    if requirement in image.record:
        reported = {group.example.capability.hypervisor_version
                    for group in groups} - {None}
        # The highest first: of two that admit the same hosts, the stricter.
        for version in sorted(filter(None, reported),
                              reverse=True)[:_MAX_VALUES]:
            yield requirement, f'>={version}'
        yield requirement, None
    for trait in image.traits:
        yield f'{_TRAIT}{trait}', None


def _own_name(image: Image, name: str) -> str:
    """Return the name by which an image has a property."""
    return next((modern for modern, used in names.USED.items()
                 if used == name and modern in image.record), name)


def relevant_traits(images: Iterable[Image]) -> frozenset[str]:
    """Return the traits that decide between hosts."""
    return frozenset((names.GENERATION_2_TRAIT, *(
        trait for image in images for trait in image.traits)))


def name_hosts(hosts: Collection[inventory.Host], limit: int) -> str:
    """Return the names of the first hosts, and how many there are more."""
    named = [escape(host.name) for host, _ in zip(
        hosts, range(limit), strict=False)]
    more = len(hosts) - len(named)
    return ', '.join(named) + (f' and {more} more' if more else '')
