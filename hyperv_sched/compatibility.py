# SPDX-License-Identifier: Apache-2.0
"""Can this host run this image? The one decision, wherever it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

from hyperv_sched import caching
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import text as texts
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement

#: Nova cuts a fault's message at 255 bytes (``nova/compute/utils.py``
#: ``exception_to_dict``), "No valid host was found. " included.
MAX_SUMMARY = 230

#: Fewer bytes of a message than this say nothing.
_MIN_WORDS = 24

#: Hosts that an explanation names for each code.
MAX_NAMED = 10

_REPORTED = ', '.join(map(str, versions.REPORTED))

#: Kinds of host that an answer is remembered for. A sane cloud has a dozen.
MAX_KINDS = 1000


@dataclasses.dataclass(frozen=True)
class Policy:
    """What the operator decides."""

    generation_2_minimum: versions.Version = versions.GENERATION_2_MINIMUM
    accept_unknown_version: bool = False


def judge(requirement: objects.ImageRequirement,
          host: objects.HostCapability,
          policy: Policy) -> rules.Finding | None:
    """Say why a host cannot run an image.

    The hypervisor is looked at before its version: other hypervisors count
    on other scales.

    :returns: the deepest cause, or None where the host can run it. It names
        no image: many may ask for the same.
    """
    def found(code: str, actual: object = None,
              required: object = None) -> rules.Finding:
        return rules.CATALOGUE[code].finding('-', actual, required)

    if requirement.invalid is not None:
        return requirement.invalid
    if requirement.generation is None:
        return None
    if host.hypervisor_type is None:
        # Nor is there a version to be lenient about.
        return found('HV403')
    if not host.is_hyperv:
        return found('HV401', host.hypervisor_type)
    generation_2 = requirement.generation == image_requirement.GENERATION_2
    version = host.hypervisor_version
    if version is None:
        indifferent = (policy.accept_unknown_version or not (
            generation_2 or requirement.version_requires))
        return None if indifferent else found('HV403')
    if generation_2 and version < policy.generation_2_minimum:
        return found('HV402', version, f'>={policy.generation_2_minimum}')
    if (requirement.version_requires
            and not versions.satisfies(version,
                                       requirement.version_requires)):
        required = str(requirement.version_requires)
        if not any(versions.satisfies(v, requirement.version_requires)
                   for v in versions.REPORTED):
            required += f' (hosts report {_REPORTED} only)'
        return found('HV404', version, required)
    return None


#: hypervisor_type and hypervisor_version as reported, and the latter's class:
#: 6003.0 and 6003 are equal, but only one of them is a version.
Kind = tuple[object, object, type]


class HostMatcher(dict[Kind, 'rules.Finding | None']):
    """The answers for one set of demands, by the kind of host.

    A cloud has few kinds of host: the first of a kind is judged, the others
    are looked up.
    """

    def __init__(self, requirement: objects.ImageRequirement,
                 policy: Policy) -> None:
        super().__init__()
        self._requirement = requirement
        self._policy = policy
        self.known_good_versions = frozenset(
            number for number in versions.REPORTED_BY_NOVA
            if self.match(objects.HYPERV, number) is None)
        """The hypervisor_version of common Hyper-V hosts that can run it."""

    def match(self, hypervisor_type: object,
              hypervisor_version: object) -> rules.Finding | None:
        """Judge a host by what its compute node reports.

        :raises TypeError: it reports what cannot be hashed.
        """
        return self[hypervisor_type, hypervisor_version,
                    hypervisor_version.__class__]

    def __missing__(self, kind: Kind) -> rules.Finding | None:
        host = objects.HostCapability.from_reported(*kind[:2])
        verdict = judge(self._requirement, host, self._policy)
        if len(self) < MAX_KINDS and caching.is_small(kind[:2]):
            self[kind] = verdict
        return verdict


def host_matcher(requirement: objects.ImageRequirement,
                 policy: Policy) -> HostMatcher | None:
    """Work out what does not depend on the host.

    :returns: None where the image asks nothing of Hyper-V.
    """
    if requirement.generation is None and requirement.invalid is None:
        return None
    return HostMatcher(requirement, policy)


@dataclasses.dataclass(frozen=True)
class _Reason:
    """Why one or more hosts cannot run an image: the findings of one code."""

    count: int
    finding: rules.Finding
    """With the values of all hosts."""

    @property
    def hosts(self) -> str:
        return f'{self.count} {"host" if self.count == 1 else "hosts"}'

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
    """Explain to a user why no host was left.

    The commonest reason has its words and its fix. The others have their
    codes, and their words where these fit.

    :param rejected: the number of hosts that each finding rejected
    :param scope: the words before the first reason
    :returns: at most MAX_SUMMARY bytes, without names of hosts
    """
    first, *others = _reasons(rejected)
    message, fix = first.finding.message, first.finding.fix

    def text(head: str, message: str, tails: list[str]) -> str:
        reasons = '; '.join([f'{head}: {message}', *tails])
        return f'{scope}{sentence(reasons)} {fix}'

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
            names: Mapping[str, Sequence[str]]) -> str:
    """Explain to an operator why hosts were removed, with all words.

    :param rejected: the number of hosts that each finding rejected
    :param names: some of these hosts, by the code of the finding
    """
    explained = []
    for reason in _reasons(rejected):
        listed = ', '.join(names.get(reason.finding.code, ())[:MAX_NAMED])
        more = ', ...' if reason.count > MAX_NAMED else ''
        explained.append(
            f'{reason.finding.code} {reason.finding.name} ({reason.hosts}: '
            f'{listed}{more}): {reason.finding.message}. '
            f'{reason.finding.fix}')
    return '; '.join(explained)


def sentence(text: str) -> str:
    """End a text with a full stop, unless it was cut."""
    return text if text.endswith('...') else f'{text}.'


def _reasons(rejected: Mapping[rules.Finding, int]) -> list[_Reason]:
    """Join the findings of each code, the commonest first."""
    by_code: dict[str, list[rules.Finding]] = {}
    for finding in rejected:
        by_code.setdefault(finding.code, []).append(finding)
    return sorted(
        (_Reason(sum(rejected[finding] for finding in findings),
                 _join(findings)) for findings in by_code.values()),
        key=lambda reason: (-reason.count, reason.finding.code))


def _join(findings: Sequence[rules.Finding]) -> rules.Finding:
    """Make one finding of all of one code, with what each has found."""
    first = findings[0]
    actuals = sorted({f.actual for f in findings if f.actual is not None})
    return rules.CATALOGUE[first.code].finding(
        first.image, ', '.join(actuals) if actuals else None, first.required,
        cause=first.cause)
