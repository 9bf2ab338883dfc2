# SPDX-License-Identifier: Apache-2.0
r"""Which of the templates of Hyper-V start the loaders of a disk.

Firmware verifies the loader that it starts and what that starts, by the keys
of the template (EDK II, ``DxeImageVerificationLib.c``); a shim verifies what
it starts and what that starts, by the same keys and its own (``verify.c`` of
rhboot/shim).
A shim has its own keys in the section ``.vendor_cert``, little endian; what it
trusts is one certificate, or lists of them:

====== ==== ==========================================================
offset size
====== ==== ==========================================================
     0    4 size of what it trusts
     4    4 size of the lists of what it refuses
     8    4 offset of what it trusts
    12    4 offset of the lists of what it refuses
====== ==== ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import enum
import struct

from hyperv_sched import names
from hyperv_sched.disk import authenticode
from hyperv_sched.disk import certificates
from hyperv_sched.disk import der
from hyperv_sched.disk import inspection
from hyperv_sched.disk import pe
from hyperv_sched.disk import ranges
from hyperv_sched.disk import reader
from hyperv_sched.disk import sbat
from hyperv_sched.disk import signature_lists
from hyperv_sched.disk import templates
from hyperv_sched.disk import uefi

#: What trusts a loader that a key of shim trusts.
SHIM = 'shim'

_VENDOR = struct.Struct('<IIII')
#: The hash function of signatures that a shim reads.
_SHIM_HASH = 'sha256'
#: Bytes of ``.vendor_cert``. Canonical's has 10 KB.
_MAX_VENDOR = 128 * 1024
#: Bytes of programs that are hashed in one inspection. A unified kernel image
#: has 100 MiB.
_MAX_HASHED = 512 * 1024 ** 2
#: Signers of a loader in the result, which users read.
_MAX_LISTED = 8


@dataclasses.dataclass(frozen=True)
class Policy:
    """What to verify, and by which keys."""

    templates: Mapping[str, templates.Template]
    """By the operating system that selects them."""
    whole: bool
    """Read whole loaders, to compare them with their signatures. Otherwise
    only the certificates are read, and no loader is found to start."""

    @classmethod
    def of_years(cls, years: Collection[str], whole: bool = True) -> Policy:
        """Return the policy for hosts with certificates of some years.

        :param years: some of :data:`hyperv_sched.names.CERTIFICATE_YEARS`;
            empty for all
        """
        return cls({os_type: template.restrict(years or (
            names.CERTIFICATE_YEARS)) for os_type, template
            in templates.load().items()}, whole)


@enum.unique
class Problem(str, enum.Enum):
    """Why a loader does not start, at least on some hosts: names of rules."""

    UNSIGNED = 'loader-unsigned'
    INVALID = 'signature-invalid'
    REVOKED = 'loader-revoked'
    NOT_TRUSTED = 'loader-not-trusted'
    SECOND_STAGE_NOT_TRUSTED = 'second-stage-not-trusted'
    NEW_ONLY = 'loader-2023-only'
    NOT_VERIFIED = 'not-verified'


class _RefusedError(Exception):
    """A loader does not start."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(problem, detail)
        self.problem = problem
        self.detail = detail


@dataclasses.dataclass(frozen=True)
class _Loader:
    """What Secure Boot reads of a loader."""

    contents: pe.Contents | None
    table: authenticode.Table | None
    """None for a loader without signatures, and for one whose table cannot be
    read."""
    problem: str
    """Why the table cannot be read."""
    digests: Mapping[str, bytes] | None
    """None if the loader was not read as a whole."""

    def state(self, signature: authenticode.Signature) -> bool | None:
        """Return whether a signature is valid; None if that is unknown."""
        if signature.defect:
            return False
        if self.digests is None:
            return None
        return self.digests.get(signature.hash) == signature.digest


@dataclasses.dataclass(frozen=True)
class _Keys:
    """What firmware or a shim trusts."""

    trusted: Sequence[templates.Anchor]
    own: Sequence[certificates.Certificate]
    """Certificates of the shim."""
    allowed: frozenset[bytes]
    """Hashes that the shim trusts."""
    refused: Sequence[signature_lists.Signatures]
    of_shim: bool = False
    """Whether they are those of a shim."""
    needs_sbat: bool = False
    """Whether a program must have a section ``.sbat``: what a shim itself
    starts."""


@dataclasses.dataclass(frozen=True)
class _Trust:
    """Who trusts a loader."""

    years: frozenset[str]
    """Empty if a shim does."""
    verified: bool


def verify(steps: Sequence[uefi.LoadedImage], policy: Policy,
           result: inspection.Inspection,
           allow: Callable[[int], None]) -> None:
    """Add who signed each loader, and which templates start all of them.

    :param steps: the loaders, in the order of :attr:`Inspection.loaders`
    :param allow: adds bytes to the budget of the inspection
    """
    budget = _MAX_HASHED
    loaders: dict[str, _Loader] = {}
    for step in steps:
        size = step.program.contents.file.size if (
            step.program.contents) else 0
        whole = policy.whole and bool(step.started_by) and size <= budget
        if whole:
            budget -= size
            allow(size)
        loaders[step.path] = _read(step.program, whole)
    path = [step for step in steps if step.started_by]
    trusted_by: dict[str, list[str]] = {step.path: [] for step in steps}
    result.secure_boot = {
        os_type: _verify(path, loaders, template, trusted_by)
        for os_type, template in policy.templates.items()} if path else {}
    result.loaders = [
        dataclasses.replace(
            loader, signatures=_signatures(loaders[step.path]),
            trusted_by=[*dict.fromkeys(trusted_by[step.path])])
        for loader, step in zip(result.loaders or (), steps, strict=False)]


def _read(program: pe.Program, whole: bool) -> _Loader:
    contents = program.contents
    if contents is None or not program.signed:
        return _Loader(contents, None, '', None)
    table = digests = None
    problem = ''
    try:
        table = authenticode.read(contents)
        if whole:
            digests = authenticode.digest(
                contents, {'sha256'} | {s.hash for s in table.signatures})
    except authenticode.UnreadableError as exc:
        problem = str(exc)
    except (reader.ExhaustedError, ranges.BudgetExceededError) as exc:
        problem = f'its signatures take too much work: {exc}'
    return _Loader(contents, table, problem, digests)


def _signatures(loader: _Loader) -> list[inspection.Signature]:
    if loader.table is None:
        return []
    return [inspection.Signature(
        signature.signers[0].name, signature.signers[0].issuer_name,
        signature.hash, loader.state(signature))
        for signature in loader.table.signatures[:_MAX_LISTED]]


def _verify(path: Sequence[uefi.LoadedImage], loaders: Mapping[str, _Loader],
            template: templates.Template,
            trusted_by: dict[str, list[str]]) -> inspection.SecureBoot:
    """Verify the loaders that start one another, by the keys of a template.

    :param trusted_by: the lists to which who trusts each loader is added
    """
    years = {anchor.year for anchor in template.db}
    problems: dict[Problem, str] = {}
    starts: bool | None = True
    try:
        for step, keys, level in _stages(path, loaders, template):
            trust = _verify_loader(step, loaders[step.path], keys, level)
            trusted_by[step.path] += [
                f'{template.name} {year}' for year in sorted(trust.years)
            ] or [SHIM]
            if trust.years:
                if names.CERTIFICATES_2011 in years - trust.years:
                    problems[Problem.NEW_ONLY] = (
                        f'{step.path} is signed for the certificates of '
                        f'{", ".join(sorted(trust.years))} alone')
                years &= trust.years
            if not trust.verified:
                starts = None
                problems.setdefault(
                    Problem.NOT_VERIFIED, f'{step.path} was not read as a '
                    'whole, to be compared with its signature')
    except _RefusedError as exc:
        starts = None if exc.problem == Problem.NOT_VERIFIED else False
        problems = {exc.problem: exc.detail}
    except (reader.ExhaustedError, ranges.BudgetExceededError,
            certificates.UnsupportedError) as exc:
        starts = None
        problems = {Problem.NOT_VERIFIED: str(exc)}
    return inspection.SecureBoot(
        template.name, starts, [] if starts is False else sorted(years),
        {problem.value: detail for problem, detail in problems.items()})


def _stages(path: Sequence[uefi.LoadedImage], loaders: Mapping[str, _Loader],
            template: templates.Template,
            ) -> Iterator[tuple[uefi.LoadedImage, _Keys, sbat.Level | None]]:
    """Yield each loader with the keys that it is verified by.

    The level of SBAT is that of the shims before it: a shim replaces the
    level of another by its own if that is newer.
    """
    by_path: dict[str, _Keys] = {inspection.FIRMWARE: _Keys(
        template.db, (), frozenset(), (template.dbx,))}
    level: sbat.Level | None = None
    for step in path:
        keys = by_path.get(step.started_by, by_path[inspection.FIRMWARE])
        yield step, keys, level if keys.of_shim else None
        contents = loaders[step.path].contents
        if step.program.shim is not None and contents is not None:
            own = sbat.automatic_level(
                contents.section(b'.sbatlevel', sbat.MAX_SIZE) or b'')
            if own and (level is None or own.date > level.date):
                level = own
            keys = _shim_keys(contents, template)
        else:
            keys = dataclasses.replace(keys, needs_sbat=False)
        by_path[step.path] = keys


def _shim_keys(contents: pe.Contents, template: templates.Template) -> _Keys:
    """Return what a shim trusts and refuses."""
    section = contents.section(pe.SHIM_SECTION, _MAX_VENDOR) or b''
    contents.file.spend(len(section) // 16)
    own = refused = signature_lists.Signatures()
    if len(section) >= _VENDOR.size:
        size, refused_size, offset, refused_offset = _VENDOR.unpack_from(
            section)
        data = section[offset:offset + size]
        try:
            own = signature_lists.Signatures((certificates.read(data),))
        except der.DERError:
            own = signature_lists.read(data)
        refused = signature_lists.read(
            section[refused_offset:refused_offset + refused_size])
    return _Keys(template.db, own.certificates, own.hashes,
                 (template.dbx, refused), of_shim=True, needs_sbat=True)


def _verify_loader(step: uefi.LoadedImage, loader: _Loader, keys: _Keys,
                   level: sbat.Level | None) -> _Trust:
    """Verify one loader.

    :param level: that of the shim that starts the loader
    :raises _RefusedError: it does not start, or cannot be verified.
    :raises certificates.UnsupportedError: it cannot be verified.
    """
    by_firmware = not keys.of_shim
    if not step.program.signed or loader.contents is None:
        raise _RefusedError(Problem.UNSIGNED, step.path)
    table = loader.table
    if table is None:
        raise _RefusedError(
            Problem.NOT_VERIFIED, f'{step.path}: {loader.problem}')
    defect = table.defect if by_firmware else table.shim_defect
    if defect:
        raise _RefusedError(
            Problem.INVALID, f'{step.path}: the certificate table is '
            f'damaged: {defect}')
    digest = (loader.digests or {}).get('sha256')
    _check_revoked(step, loader, keys, digest)
    trust = _trust(step, loader, keys, by_firmware, digest)
    if level is not None:
        _check_sbat(step, loader.contents, level, keys.needs_sbat)
    return trust


def _check_revoked(step: uefi.LoadedImage, loader: _Loader, keys: _Keys,
                   digest: bytes | None) -> None:
    assert loader.table is not None  # noqa: S101
    for refused in keys.refused:
        if digest in refused.hashes:
            raise _RefusedError(
                Problem.REVOKED,
                f'{step.path}: the list of revoked programs (dbx) has it')
        for signature in loader.table.signatures:
            if loader.state(signature) is not False and signature.anchors(
                    refused.certificates):
                raise _RefusedError(
                    Problem.REVOKED, f'{step.path}: the signer '
                    f'{signature.signers[0].name} is revoked')


def _trust(step: uefi.LoadedImage, loader: _Loader, keys: _Keys,
           by_firmware: bool, digest: bytes | None) -> _Trust:
    """Return who trusts a loader."""
    table = loader.table
    assert table is not None  # noqa: S101
    if digest is not None and digest in keys.allowed:
        return _Trust(frozenset(), True)
    years: set[str] = set()
    own = verified = broken = False
    valid: list[authenticode.Signature] = []
    invalid: list[authenticode.Signature] = []
    for signature in table.signatures:
        state = loader.state(signature)
        if not by_firmware and signature.hash != _SHIM_HASH:
            state = False
        anchors = signature.anchors(
            [anchor.certificate for anchor in keys.trusted])
        mine = signature.anchors(keys.own)
        if state is False:
            # Those that would be trusted come first.
            invalid.insert(
                0 if anchors or mine else len(invalid), signature)
            broken |= bool(anchors or mine)
            continue
        valid.append(signature)
        verified |= bool((anchors or mine) and state)
        own |= bool(mine)
        years |= {anchor.year for anchor in keys.trusted
                  if anchor.certificate in anchors}
    if years or own:
        return _Trust(frozenset() if own else frozenset(years), verified)
    if table.unsupported and not valid:
        raise certificates.UnsupportedError(
            f'{step.path}: {table.unsupported[0]}')
    if broken or not valid:
        reason = (_describe(invalid[0], by_firmware) if invalid else
                  (*table.undecodable, 'the table has no signature')[0])
        raise _RefusedError(Problem.INVALID, f'{step.path}: {reason}')
    signers = ', '.join(dict.fromkeys(
        signature.signers[0].issuer_name for signature in valid))
    if by_firmware:
        raise _RefusedError(
            Problem.NOT_TRUSTED, f'{step.path} is signed by {signers}')
    raise _RefusedError(
        Problem.SECOND_STAGE_NOT_TRUSTED,
        f'{step.path} is signed by {signers}')


def _describe(signature: authenticode.Signature, by_firmware: bool) -> str:
    """Return the name of a signer, and why the signature is invalid."""
    signer = signature.signers[0]
    reason = signature.defect or 'it does not cover the program'
    if not by_firmware and signature.hash != _SHIM_HASH:
        reason = f'shim reads no {signature.hash}'
    return (f'the signature of {signer.name} ({signer.issuer_name}): '
            f'{reason}')


def _check_sbat(step: uefi.LoadedImage, contents: pe.Contents,
                level: sbat.Level, is_needed: bool) -> None:
    section = contents.section(b'.sbat', sbat.MAX_SIZE)
    if not section:
        if not is_needed:
            return
        raise _RefusedError(
            Problem.REVOKED, f'{step.path} has no section .sbat, without '
            'which shim starts nothing')
    reason = sbat.revoked(section, level)
    if reason:
        raise _RefusedError(Problem.REVOKED, f'{step.path} is {reason}')
