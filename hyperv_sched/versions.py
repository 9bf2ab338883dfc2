# SPDX-License-Identifier: Apache-2.0
"""Hyper-V versions: what hosts report and what images may require.

A Hyper-V driver reports ``major * 1000 + minor`` of the Windows kernel and
drops the build (compute-hyperv ``hostops.py`` ``_get_hypervisor_version``),
so Windows Server 2016 and everything after it is 10.0.
"""

from __future__ import annotations

import re

from packaging import specifiers
from packaging import version as packaging_version

Version = packaging_version.Version

#: What compute nodes of Windows Server 2012, 2012 R2 and 2016 to 2025 record.
REPORTED_BY_NOVA = (6002, 6003, 10000)

#: The first that runs generation 2 (os-win ``hostutils.py``
#: ``get_supported_vm_types``).
GENERATION_2_MINIMUM = Version('6.3')

#: The first that has a Secure Boot template for Linux, vTPM and shielding.
WINDOWS_SERVER_2016 = Version('10.0')

#: Nova cuts longer values off when it stores them in system_metadata.
MAX_REQUIREMENT_LENGTH = 255

#: Nova stores hypervisor_version in a signed 32-bit column.
_MAX_NOVA_VERSION = 2**31 - 1

# One comma part of oslo.utils' versionutils.VersionPredicate, which is what
# Nova accepts. Narrower than packaging's own grammar: no ~=, no ===.
_PREDICATE = re.compile(r'\s*(<=|>=|<|>|!=|==)\s*(\S+)\s*')

# VersionPredicate orders 6.3+x just above 6.3. Specifiers take no such local
# version here, but hosts have none: between a public version and its local
# ones there is nothing to tell apart.
_WITHOUT_LOCAL = {'>=': '>', '>': '>', '<=': '<=', '<': '<='}


# distutils' StrictVersion and VersionPredicate, which Nova used until 2023.2
# (oslo.versionedobjects before 3.6).
_PORTABLE = re.compile(
    r'[ \t]*(<=|>=|<|>|!=|==)[ \t]*[0-9]+\.[0-9]+(\.[0-9]+)?([ab][0-9]+)?'
    r'[ \t]*')


class InvalidRequirementError(ValueError):
    """A version requirement that Nova does not accept."""


class Specifiers(specifiers.SpecifierSet):
    """A version requirement that is shown in the order of its parts.

    packaging sorts them.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __reduce__(self) -> tuple[type[Specifiers], tuple[str]]:
        # A copy: packaging's own state knows nothing of the order.
        return type(self), (self._text,)


def parse_requirement(text: str) -> Specifiers:
    """Parse the value of hypervisor_version_requires.

    The grammar is Nova's, the comparison is packaging's.

    :raises InvalidRequirementError: Nova answers such a value with HTTP 400.
    """
    if len(text) > MAX_REQUIREMENT_LENGTH:
        raise InvalidRequirementError(
            f'it is longer than {MAX_REQUIREMENT_LENGTH} characters')
    return Specifiers(','.join(map(_specifier, text.split(','))))


def _specifier(part: str) -> str:
    predicate = _PREDICATE.fullmatch(part)
    if predicate is None:
        raise InvalidRequirementError(
            'each part must be one of < <= == != >= > and a version')
    operator, text = predicate.groups()
    try:
        version = Version(text)
    except packaging_version.InvalidVersion:
        raise InvalidRequirementError(f'{text!r} is not a version') from None
    if version.local and operator in _WITHOUT_LOCAL:
        return f'{_WITHOUT_LOCAL[operator]}{version.public}'
    return f'{operator}{version}'


def is_portable(text: str) -> bool:
    """Whether older Novas accept a requirement that new ones accept."""
    return all(map(_PORTABLE.fullmatch, text.split(',')))


def satisfies(version: Version, requirement: Specifiers) -> bool:
    """Whether a host of this version meets the requirement."""
    return requirement.contains(version, prereleases=True)


def from_nova(number: object) -> Version | None:
    """Turn a compute node's hypervisor_version into a version.

    :param number: ``major * 1000 + minor``; 0 and None mean that the host
        has not reported any.
    :returns: None for anything that no Hyper-V driver reports.
    """
    if (isinstance(number, bool) or not isinstance(number, int)
            or not 1000 <= number <= _MAX_NOVA_VERSION):
        return None
    major, minor = divmod(number, 1000)
    return Version(f'{major}.{minor}')


#: REPORTED_BY_NOVA as versions.
REPORTED = tuple(filter(None, map(from_nova, REPORTED_BY_NOVA)))
