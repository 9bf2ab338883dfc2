# SPDX-License-Identifier: Apache-2.0
"""Rules over the signatures of loaders, for Secure Boot (HV335 to HV340).

The disk reader verifies them by both templates (``disk/secure_boot.py``);
os_type selects the one that counts. HV110 to HV113, over the properties for
Secure Boot, are in ``properties.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
import typing
from typing import Any

from hyperv_sched.rules import references
from hyperv_sched.rules.conditions import Schema
from hyperv_sched.rules.conditions import all_of
from hyperv_sched.rules.conditions import equal
from hyperv_sched.rules.conditions import none_of
from hyperv_sched.rules.conditions import not_
from hyperv_sched.rules.conditions import optional
from hyperv_sched.rules.conditions import ref
from hyperv_sched.rules.conditions import required
from hyperv_sched.rules.model import Clause
from hyperv_sched.rules.model import Rule
from hyperv_sched.rules.model import Severity
from hyperv_sched.rules.model import Variant

_LOADER = '\\EFI\\BOOT\\BOOTX64.EFI'
_DISABLE = 'or set os_secure_boot=disabled'


class _System(typing.NamedTuple):
    """An operating system by which os_type selects a template."""

    member: str
    """The member of content.secure_boot."""
    os_type: str
    """A value of os_type that selects the template."""
    condition: Schema
    template: str
    other: str
    """The member of the other template."""


#: compute-hyperv compares os_type with windows, in lower case.
_SYSTEMS = (
    _System('windows', 'windows', equal('windows'), 'MicrosoftWindows',
            'linux'),
    _System('linux', 'linux', {'minLength': 1, **none_of('windows')},
            'MicrosoftUEFICertificateAuthority', 'windows'))


def _example(system: _System, problems: dict[str, str],
             other_starts: bool = False) -> dict[str, Any]:
    starts = None if 'not-verified' in problems else (
        not problems or 'loader-2023-only' in problems)
    return {
        'os_secure_boot': 'required', 'os_type': system.os_type,
        'hypervisor_version_requires': '>=10.0',
        'content': {
            'format': 'vhdx', 'file_size': 4194304, 'firmware': 'uefi',
            'secure_boot': {
                system.member: {
                    'template': system.template, 'starts': starts,
                    'certificates': ['2023'] if starts else [],
                    'problems': problems},
                system.other: {
                    'template': 'another', 'starts': other_starts,
                    'certificates': [], 'problems': {}}}}}


def _clauses(problem: str, detail: str, why: str, *,
             severity: Severity | None = None, variant: str | None = None,
             by_other: bool = False) -> Iterator[Clause]:
    """Yield a clause for each template.

    :param problem: the name of the problem that the disk reader reports
    :param detail: what it reports
    :param by_other: make two clauses of each, of which one has the variant
        that is named by the other system: its template starts the loaders
    """
    for system in _SYSTEMS:
        path = f'content.secure_boot.{system.member}'
        other = required(f'content.secure_boot.{system.other}.starts',
                         equal(True))
        for starts in (False, True) if by_other else (False,):
            condition = (other if starts else not_(other)) if (
                by_other) else None
            yield Clause(
                why=why, path=f'{path}.problems.{problem}', value=False,
                required_paths=[f'{path}.template'], severity=severity,
                variant=system.other if starts else variant,
                when=all_of(*filter(None, (
                    ref('starts-by-uefi'), ref('secure-boot'),
                    required('os_type', system.condition), condition))),
                wrong=[_example(system, {problem: detail}, starts)],
                right=[_example(system, {}, starts)])


def _signed_loader(signed: bool, started_by: str = 'firmware',
                   ) -> dict[str, Any]:
    return {'partition': 1, 'path': _LOADER, 'machine': 'x64',
            'subsystem': 'application', 'signed': signed,
            'started_by': started_by}


def _loaders(*loaders: dict[str, Any]) -> dict[str, Any]:
    return {'os_secure_boot': 'required', 'os_type': 'linux',
            'hypervisor_version_requires': '>=10.0',
            'content': {'format': 'vhdx', 'file_size': 4194304,
                        'firmware': 'uefi', 'loaders': [*loaders]}}


RULES = (
    Rule('HV335', 'loader-unsigned', 'error',
         'os_secure_boot=required, but a loader carries no signature',
         'signed loaders',
         'Install the signed packages (shim-signed, grub-efi-amd64-signed), '
         f'{_DISABLE}', references.SECURE_BOOT,
         scope='generation-2',
         clauses=[Clause(
             why='With Secure Boot firmware starts signed programs alone, and '
                 'shim does, too. A loader that nothing starts need not be '
                 'signed.',
             path='content.firmware',
             then=optional('content.loaders', {'items': {'anyOf': [
                 optional('signed', equal(True)),
                 required('started_by', equal(''))]}}),
             when=all_of(ref('starts-by-uefi'), ref('secure-boot')),
             wrong=[_loaders(_signed_loader(True), _signed_loader(
                 False, _LOADER))],
             right=[_loaders(_signed_loader(True), _signed_loader(
                 False, ''))])]),
    Rule('HV336', 'loader-not-trusted', 'error',
         'os_type selects the Secure Boot template {required}, which does '
         'not trust the loader: {actual}',
         'a loader that the template trusts',
         'For Linux, install shim (shim-signed) as '
         f'{_LOADER}, with its second stage beside it, {_DISABLE}',
         references.SECURE_BOOT_TEMPLATES, {
             'linux': Variant(
                 'Set os_type=linux, whose template starts the loaders; or '
                 f'install Windows Boot Manager as {_LOADER}'),
             'windows': Variant(
                 'Set os_type=windows, whose template starts the loaders; or '
                 f'install shim as {_LOADER}')},
         scope='generation-2',
         clauses=[*_clauses(
             'loader-not-trusted',
             f'{_LOADER} is signed by Debian Secure Boot CA',
             'Firmware starts a loader that a certificate of the template '
             'has signed, directly or by another certificate. The template '
             'of Windows trusts Windows Boot Manager, the other one trusts '
             'shim; neither trusts both, nor a GRUB of a distribution.',
             by_other=True)]),
    Rule('HV337', 'loader-2023-only', 'warning',
         'hosts whose Secure Boot template {required} has no certificates of '
         '2023 do not start the loader: {actual}',
         'a loader that is signed for the certificates of 2011, too',
         'Find out which hosts have the certificates of 2023: VMs keep those '
         'of the time when they were created. Install a loader with both '
         f'signatures (shim 16.1 has them), {_DISABLE}',
         references.CERTIFICATES_2023,
         scope='generation-2',
         clauses=[*_clauses(
             'loader-2023-only',
             f'{_LOADER} is signed for the certificates of 2023 alone',
             'Microsoft signs by certificates of 2011 and of 2023. Templates '
             'of hosts without newer updates hold those of 2011 alone. The '
             'option secure_boot_certificates says which the hosts of a '
             'cloud hold.')]),
    Rule('HV338', 'loader-revoked', 'error',
         'a loader is revoked (Secure Boot template {required}): {actual}',
         'a loader that is not revoked',
         'Install the current packages of the loaders (shim-signed, '
         f'grub-efi-amd64-signed), {_DISABLE}',
         references.SBAT,
         scope='generation-2',
         clauses=[*_clauses(
             'loader-revoked',
             '\\EFI\\BOOT\\grubx64.efi is grub of generation 4, and 5 '
             'is the oldest that shim starts',
             'The template has hashes of loaders with vulnerabilities (dbx). '
             'A shim refuses what its vendor has revoked, and components of '
             'an older generation than its level of SBAT.')]),
    Rule('HV339', 'second-stage-not-trusted', 'error',
         'neither the shim nor the Secure Boot template {required} trusts '
         'what the shim starts: {actual}',
         'a second stage of the vendor of the shim',
         'Install shim and what it starts from the same distribution, '
         f'{_DISABLE}',
         references.SHIM,
         scope='generation-2',
         clauses=[*_clauses(
             'second-stage-not-trusted',
             '\\EFI\\BOOT\\grubx64.efi is signed by Canonical Ltd. '
             'Master Certificate Authority',
             'A shim starts what the template trusts, and what its vendor '
             'has signed: each vendor has a certificate of its own in the '
             'shim. Keys of the owner (MOK) are in no new VM.')]),
    Rule('HV340', 'signature-invalid', 'error',
         'the signature of a loader is invalid, so that Secure Boot does not '
         'start it: {actual}',
         'an unchanged loader',
         f'Install the loader again from its package, {_DISABLE}',
         references.AUTHENTICODE, {
             'not-verified': Variant(
                 'Lint the file itself, or use "image lint --download"',
                 'whether the Secure Boot template {required} starts the '
                 'loaders is not known: {actual}')},
         scope='generation-2',
         clauses=[
             *_clauses(
                 'signature-invalid',
                 f'{_LOADER}: the signature of Microsoft UEFI CA 2023 signer '
                 '(Microsoft UEFI CA 2023): it does not cover the program',
                 'A signature covers all bytes of a loader. A loader that '
                 'was changed after it was signed, cut off or appended to '
                 'does not start.'),
             *_clauses(
                 'not-verified',
                 f'{_LOADER} was not read as a whole, to be compared with '
                 'its signature',
                 'Of an image in a cloud the certificates are read, and not '
                 'the whole loader.',
                 severity='unknown', variant='not-verified')]),
)
