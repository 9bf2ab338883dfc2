# SPDX-License-Identifier: Apache-2.0
"""Decide whether a host can run an image, and word the reasons.

Scheduler filter and driver use this one decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

from hyperv_sched import caching
from hyperv_sched import document as image_document
from hyperv_sched import names
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import text as texts
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement

#: Nova cuts a fault's message at 255 bytes (``nova/compute/utils.py``
#: ``exception_to_dict``), "No valid host was found. " included.
MAX_SUMMARY = 230

#: A message that is cut to fewer bytes is left out.
_MIN_WORDS = 24

#: Hosts that an explanation names for each code.
MAX_NAMED = 10

_REPORTED = ', '.join(map(str, versions.REPORTED))

#: Kinds of host whose decisions are cached. A real cloud has a dozen.
MAX_KINDS = 1000


@dataclasses.dataclass(frozen=True)
class Policy:
    """Settings of the operator that affect the decision."""

    generation_2_minimum: versions.Version = versions.GENERATION_2_MINIMUM
    accept_unknown_version: bool = False


def requirement(document: image_document.Document) -> objects.ImageRequirement:
    """Return the requirement of an image on its host.

    :returns: an object that others share: it is not to be changed
    """
    return _requirement(*map(document.get, image_requirement.PROPERTIES))


@caching.cache_small
def _requirement(*values: str | None) -> objects.ImageRequirement:
    return objects.ImageRequirement.from_document(image_document.Document({
        name: value for name, value
        in zip(image_requirement.PROPERTIES, values, strict=True)
        if value is not None}))


def generation_2() -> objects.ImageRequirement:
    """Return the requirement of an image that only has a generation."""
    return requirement(image_document.Document(
        {'hw_machine_type': names.GENERATION_2}))


def check_host(requirement: objects.ImageRequirement,
               host: objects.HostCapability,
               policy: Policy) -> rules.Finding | None:
    """Return why a host cannot run an image; None if it can.

    The hypervisor is checked before its version: other hypervisors number
    their versions differently.

    :returns: a finding without an image: it is cached for all requests with
        the same requirement
    """
    if requirement.invalid is not None:
        return requirement.invalid
    if requirement.generation is None:
        return None
    if host.hypervisor_type is None:
        # accept_unknown_version is about hosts that are known as Hyper-V.
        return _finding('HV403')
    if not host.is_hyperv:
        return _finding('HV401', host.hypervisor_type)
    if host.hypervisor_version is None:
        is_accepted = policy.accept_unknown_version or not (
            requirement.generation == names.GENERATION_2
            or requirement.version_requires)
        return None if is_accepted else _finding('HV403')
    return _check_version(requirement, host.hypervisor_version, policy)


def _check_version(requirement: objects.ImageRequirement,
                   version: versions.Version,
                   policy: Policy) -> rules.Finding | None:
    if (requirement.generation == names.GENERATION_2
            and version < policy.generation_2_minimum):
        return _finding('HV402', version, f'>={policy.generation_2_minimum}')
    required = requirement.version_requires
    if required and not versions.satisfies(version, required):
        is_met = any(versions.satisfies(v, required)
                     for v in versions.REPORTED)
        return _finding('HV404', version, str(required) if is_met else
                        f'{required} (hosts report {_REPORTED} only)')
    feature = requirement.needs_2016
    if feature is not None and version < versions.WINDOWS_SERVER_2016:
        return _finding('HV404', version, f'>={versions.WINDOWS_SERVER_2016} '
                        f'({feature.code} {feature.name})', feature)
    return None


def _finding(code: str, actual: object = None, required: object = None,
             cause: rules.Finding | None = None) -> rules.Finding:
    return rules.CATALOGUE[code].finding('-', actual, required, cause=cause)


class HostMatcher:
    """Decide which hosts can run an image, once for each kind of host.

    A cloud has few kinds: hypervisor_type and hypervisor_version decide.
    """

    def __init__(self, requirement: objects.ImageRequirement,
                 policy: Policy) -> None:
        self.requirement = requirement
        self._policy = policy
        self._decisions: dict[tuple[object, object, type],
                              rules.Finding | None] = {}

    def match(self, hypervisor_type: object,
              hypervisor_version: object) -> rules.Finding | None:
        """Return why a host cannot run the image; None if it can.

        Both values are those that the compute node reports.

        :raises TypeError: a value cannot be hashed.
        """
        # 6003.0 and 6003 are equal, but only one of them is a version.
        kind = (hypervisor_type, hypervisor_version,
                hypervisor_version.__class__)
        try:
            return self._decisions[kind]
        except KeyError:
            decision = check_host(
                self.requirement, objects.HostCapability.from_reported(
                    hypervisor_type, hypervisor_version), self._policy)
        if len(self._decisions) < MAX_KINDS and caching.is_small(kind):
            self._decisions[kind] = decision
        return decision


@dataclasses.dataclass(frozen=True)
class _Reason:
    """The findings of one code for all hosts that have it."""

    count: int
    finding: rules.Finding
    """The finding with the values of all these hosts."""

    @property
    def hosts(self) -> str:
        return texts.count(self.count, 'host')

    @property
    def named(self) -> str:
        return f'{self.finding.code} {self.finding.name} ({self.hosts})'

    @property
    def short(self) -> str:
        return f'{self.finding.code} ({self.count})'

    @property
    def counted(self) -> str:
        return f'{self.finding.code} ({self.hosts})'


def summarize(rejected: Mapping[rules.Finding, int], scope: str = '') -> str:
    """Explain to a user why no host can run an image.

    The most frequent reason has its message and its fix. The others have
    their codes, and their messages as far as there is room.

    :param rejected: the number of hosts that each finding rejected
    :param scope: the text before the first reason
    :returns: at most MAX_SUMMARY bytes, without names of hosts
    """
    first, *others = _reasons(rejected)
    message, fix = first.finding.message, first.finding.fix

    def text(head: str, message: str, tails: list[str]) -> str:
        reasons = '; '.join([f'{head}: {message}', *tails])
        return f'{scope}{texts.sentence(reasons)} {fix}'

    named = [reason.named for reason in others]
    short = [reason.short for reason in others]
    for head, tails in ((first.named, named), (first.named, short),
                        (first.counted, short)):
        room = MAX_SUMMARY - len(text(head, '', tails).encode())
        if len(message.encode()) <= room:
            break
    message = texts.shorten(message, room)
    for index, reason in enumerate(others):
        room = MAX_SUMMARY - len(text(head, message, tails).encode()) - 2
        words = reason.finding.message
        if room >= min(len(words.encode()), _MIN_WORDS):
            tails[index] += f': {texts.shorten(words, room)}'
    return text(head, message, tails)


def explain(rejected: Mapping[rules.Finding, int],
            hosts: Mapping[str, Sequence[str]]) -> str:
    """Explain to an operator why hosts were rejected, in full.

    :param rejected: the number of hosts that each finding rejected
    :param hosts: names of some of these hosts, by the code of the finding
    """
    explained = []
    for reason in _reasons(rejected):
        listed = ', '.join(hosts.get(reason.finding.code, ())[:MAX_NAMED])
        more = ', ...' if reason.count > MAX_NAMED else ''
        explained.append(
            f'{reason.finding.code} {reason.finding.name} ({reason.hosts}: '
            f'{listed}{more}): {texts.sentence(reason.finding.message)} '
            f'{reason.finding.fix}')
    return '; '.join(explained)


def _reasons(rejected: Mapping[rules.Finding, int]) -> list[_Reason]:
    """Join the findings of each code, the most frequent first."""
    by_code: dict[str, list[rules.Finding]] = {}
    for finding in rejected:
        by_code.setdefault(finding.code, []).append(finding)
    return sorted(
        (_Reason(sum(rejected[finding] for finding in findings),
                 _join(findings)) for findings in by_code.values()),
        key=lambda reason: (-reason.count, reason.finding.code))


def _join(findings: Sequence[rules.Finding]) -> rules.Finding:
    """Return one finding for all of a code, with the values of each."""
    first, *others = findings
    if not others:
        return first
    actuals = sorted({f.actual for f in findings if f.actual is not None})
    return rules.CATALOGUE[first.code].finding(
        first.image, ', '.join(actuals) if actuals else None,
        first.required, cause=first.cause)
