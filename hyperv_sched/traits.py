# SPDX-License-Identifier: Apache-2.0
"""Traits of Hyper-V hosts in placement."""

from __future__ import annotations

from collections.abc import Collection
import dataclasses

from packaging import version as packaging_version

from hyperv_sched import compatibility
from hyperv_sched import names
from hyperv_sched import objects
from hyperv_sched import versions

#: "At least this release", and the first build of the release.
_RELEASES = {
    'CUSTOM_HYPERV_WS2012R2': versions.Version('6.3.9600'),
    'CUSTOM_HYPERV_WS2016': versions.Version('10.0.14393'),
    'CUSTOM_HYPERV_WS2019': versions.Version('10.0.17763'),
    'CUSTOM_HYPERV_WS2022': versions.Version('10.0.20348'),
    'CUSTOM_HYPERV_WS2025': versions.Version('10.0.26100'),
}

#: Characters of a version that are read.
_MAX_VERSION = 64

#: Traits that nothing but this package and a provider.yaml reports.
CUSTOM = frozenset(
    (names.HYPERV_TRAIT, names.GENERATION_2_TRAIT, *_RELEASES))

_FIRMWARE = frozenset((names.BIOS_TRAIT, names.UEFI_TRAIT))


def owned_traits(host: objects.HostCapability) -> frozenset[str]:
    """Return the traits that EnforcedDriver adds to a host and removes.

    The firmware of other hypervisors is left to their drivers.
    """
    return CUSTOM | _FIRMWARE if host.is_hyperv else CUSTOM


def host_traits(host: objects.HostCapability, windows_version: object,
                policy: compatibility.Policy) -> frozenset[str]:
    """Return the owned traits that a host has.

    :param windows_version: with its build, 10.0.20348 or similar; anything
        else if the driver does not know the build
    """
    if not host.is_hyperv:
        return frozenset()
    traits = {names.HYPERV_TRAIT, names.BIOS_TRAIT}
    if compatibility.check_host(
            compatibility.generation_2(), host, policy) is None:
        traits |= {names.GENERATION_2_TRAIT, names.UEFI_TRAIT}
    version = parse_build(windows_version) or _oldest_build(
        host.hypervisor_version)
    if version is not None:
        traits |= release_traits(version)
    return frozenset(traits)


def required_traits(requirement: objects.ImageRequirement,
                    policy: compatibility.Policy) -> frozenset[str]:
    """Return the traits that every host has which can run an image.

    :returns: none for an image that asks nothing of Hyper-V, and for one that
        no host can run
    """
    if requirement.generation is None:
        return frozenset()
    traits = {names.HYPERV_TRAIT}
    minimum = versions.Version('0')
    if requirement.generation == names.GENERATION_2:
        traits.add(names.GENERATION_2_TRAIT)
        minimum = policy.generation_2_minimum
    if requirement.needs_2016:
        minimum = max(minimum, versions.WINDOWS_SERVER_2016)
    required = requirement.version_requires
    oldest = next((version for version in versions.REPORTED
                   if version >= minimum and (
                       not required or versions.satisfies(version, required))),
                  None)
    trait = None if oldest is None else release_trait(oldest)
    return frozenset(traits | ({trait} if trait else set()))


def parse_build(windows_version: object) -> versions.Version | None:
    """Parse a version of Windows; None if it has no build.

    :returns: major, minor and build, without the number of an update
    """
    try:
        version = versions.Version(str(windows_version)[:_MAX_VERSION])
    except packaging_version.InvalidVersion:
        return None
    if len(version.release) < 3:
        return None
    return versions.Version('.'.join(map(str, version.release[:3])))


def release_traits(build: versions.Version) -> frozenset[str]:
    """Return the traits of the releases that a build is at least."""
    return frozenset(
        trait for trait, first in _RELEASES.items() if build >= first)


def release_trait(version: versions.Version) -> str | None:
    """Return the trait that a host of a version has, and no older one.

    :param version: with or without a build
    """
    build = version if len(version.release) > 2 else _oldest_build(version)
    reached = [trait for trait, first in _RELEASES.items()
               if build is not None and build >= first]
    return reached[-1] if reached else None


def least_build(traits: Collection[str]) -> versions.Version | None:
    """Return the oldest build that a host with some traits can run."""
    return max((first for trait, first in _RELEASES.items()
                if trait in traits), default=None)


@dataclasses.dataclass(frozen=True)
class HostRelease:
    """The release of Windows on a host, as far as it is known."""

    build: versions.Version | None = None
    """From its own driver, which nova-compute of other hosts cannot ask."""
    version: versions.Version | None = None
    """Major and minor, as the compute node has them."""
    traits: frozenset[str] | None = None
    """Of its resource provider; None if they cannot be read."""

    def describe_older(self, build: versions.Version) -> str | None:
        """Describe this Windows if it is older than a build.

        :returns: None if it is not older
        :raises UnknownReleaseError: that cannot be decided.
        """
        if self.build is not None:
            return str(self.build) if self.build < build else None
        major = versions.Version('.'.join(map(str, build.release[:2])))
        if self.version is not None and self.version != major:
            return str(self.version) if self.version < major else None
        trait = release_trait(build)
        if trait is None or self.traits is None:
            raise UnknownReleaseError
        if trait in self.traits:
            return None
        if names.BIOS_TRAIT not in self.traits:
            # The traits are from a provider.yaml, which may say less than is
            # true.
            raise UnknownReleaseError
        return f'an older release, without the trait {trait}'


class UnknownReleaseError(Exception):
    """The releases of two hosts cannot be compared."""


def _oldest_build(version: versions.Version | None
                  ) -> versions.Version | None:
    """Return the first build of the oldest release with this version."""
    return min((first for first in _RELEASES.values()
                if version and first.release[:2] == version.release),
               default=version)
