# SPDX-License-Identifier: Apache-2.0
"""Traits of Hyper-V hosts in placement."""

from __future__ import annotations

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
    version = _build(windows_version) or _oldest_build(
        host.hypervisor_version)
    if version is not None:
        traits.update(
            trait for trait, first in _RELEASES.items() if version >= first)
    return frozenset(traits)


def _build(windows_version: object) -> versions.Version | None:
    """Parse a version; None if it has no build."""
    try:
        version = versions.Version(str(windows_version)[:_MAX_VERSION])
    except packaging_version.InvalidVersion:
        return None
    return version if len(version.release) > 2 else None


def _oldest_build(version: versions.Version | None
                  ) -> versions.Version | None:
    """Return the first build of the oldest release with this version."""
    return min((first for first in _RELEASES.values()
                if version and first.release[:2] == version.release),
               default=version)
