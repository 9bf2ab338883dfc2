# SPDX-License-Identifier: Apache-2.0
"""What a host tells placement of itself."""

from __future__ import annotations

from packaging import version as packaging_version

from hyperv_sched import compatibility
from hyperv_sched import objects
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement

#: Generation 2 can run here.
GENERATION_2 = 'CUSTOM_HYPERV_GEN2'

#: "At least that release", and the first build that is.
_RELEASES = {
    'CUSTOM_HYPERV_WS2012R2': versions.Version('6.3.9600'),
    'CUSTOM_HYPERV_WS2016': versions.Version('10.0.14393'),
    'CUSTOM_HYPERV_WS2019': versions.Version('10.0.17763'),
    'CUSTOM_HYPERV_WS2022': versions.Version('10.0.20348'),
    'CUSTOM_HYPERV_WS2025': versions.Version('10.0.26100'),
}

#: The traits that come and go here. All others are somebody else's.
OWNED = frozenset((GENERATION_2, *_RELEASES))


def of(host: objects.HostCapability, windows: object,
       policy: compatibility.Policy) -> frozenset[str]:
    """Tell the traits of OWNED that a host has.

    :param windows: the version of Windows with its build, as
        ``10.0.20348``; anything else where the driver does not know it.
    """
    if not host.is_hyperv:
        return frozenset()
    wanted = objects.ImageRequirement(
        generation=image_requirement.GENERATION_2, version_requires=None,
        invalid=None)
    found = {GENERATION_2} if compatibility.judge(
        wanted, host, policy) is None else set()
    version = _build(windows) or _oldest(host.hypervisor_version)
    if version is not None:
        found.update(
            trait for trait, first in _RELEASES.items() if version >= first)
    return frozenset(found)


def _build(windows: object) -> versions.Version | None:
    """The version, if it has a build."""
    try:
        version = versions.Version(str(windows))
    except packaging_version.InvalidVersion:
        return None
    return version if len(version.release) > 2 else None


def _oldest(version: versions.Version | None) -> versions.Version | None:
    """The oldest release that reports this version, which has no build."""
    return min((first for first in _RELEASES.values()
                if version and first.release[:2] == version.release),
               default=version)
