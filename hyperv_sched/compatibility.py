# SPDX-License-Identifier: Apache-2.0
"""Can this host run this image? The one decision, wherever it is asked."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

from hyperv_sched import caching
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement

#: Nova cuts a fault's message at 255 bytes, "No valid host was found. "
#: included.
MAX_SUMMARY = 228


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

    if requirement.defect is not None:
        return found('HV405', requirement.defect)
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


class Verdicts(dict[Kind, 'rules.Finding | None']):
    """The answers for one set of demands, by the kind of host.

    A cloud has few kinds of host: the first of a kind is judged, the others
    are looked up.
    """

    def __init__(self, requirement: objects.ImageRequirement,
                 policy: Policy) -> None:
        super().__init__()
        self._requirement = requirement
        self._policy = policy
        self.usual = frozenset(
            number for number in versions.REPORTED_BY_NOVA
            if self.of(objects.HYPERV, number) is None)
        """The hypervisor_version of common Hyper-V hosts that can run it."""

    def of(self, hypervisor_type: object,
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


def compile(requirement: objects.ImageRequirement,
            policy: Policy) -> Verdicts | None:
    """Work out what does not depend on the host.

    :returns: None where the image asks nothing of Hyper-V.
    """
    if requirement.generation is None and requirement.defect is None:
        return None
    return Verdicts(requirement, policy)


def summarise(rejected: Mapping[rules.Finding, int]) -> str:
    """Tell a user why no host was left: codes, counts and reasons.

    :param rejected: how many hosts each finding rejected.
    :returns: at most MAX_SUMMARY bytes, without names of hosts.
    """
    by_code: dict[str, dict[rules.Finding, int]] = {}
    for finding, count in rejected.items():
        by_code.setdefault(finding.code, {})[finding] = count
    reasons = sorted((_reason(found) for found in by_code.values()),
                     key=lambda reason: (-reason[0], reason[1]))
    # The codes of all, then as many words as there is room for.
    parts = [head for _, head, _ in reasons]
    for index, (_, head, message) in enumerate(reasons):
        worded = [*parts]
        worded[index] = f'{head}: {message}'
        if len('; '.join(worded).encode()) <= MAX_SUMMARY:
            parts = worded
    return '; '.join(parts)


def _reason(found: Mapping[rules.Finding, int]) -> tuple[int, str, str]:
    """Join the findings of one code, which differ in what was found."""
    first = next(iter(found))
    count = sum(found.values())
    actuals = sorted({f.actual for f in found if f.actual is not None})
    joined = rules.CATALOGUE[first.code].finding(
        first.image, ', '.join(actuals) if actuals else None, first.required)
    hosts = 'host' if count == 1 else 'hosts'
    return count, f'{first.code} {first.name} ({count} {hosts})', (
        joined.message)
