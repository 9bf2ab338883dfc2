# SPDX-License-Identifier: Apache-2.0
"""What stands between an image and a virtual machine on a host."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
from typing import Any

from hyperv_sched import caching
from hyperv_sched import compatibility
from hyperv_sched import document as image_document
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import text
from hyperv_sched import validators
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement

Document = Mapping[str, Any]

#: Tells a host's hypervisor_type and hypervisor_version.
Reported = Callable[[], tuple[object, object]]

#: Errors that keep a virtual machine from being made or from starting, on
#: whatever host. The others (a label that Glance would refuse today, a
#: missing hypervisor_type) do not.
_UNUSABLE = frozenset((
    'HV101', 'HV103', 'HV104', 'HV107', 'HV109', 'HV110', 'HV111', 'HV117',
    'HV128', 'HV202', 'HV203', 'HV204', 'HV205'))

#: Errors that hosts of 10.0 do not mind, where the rest is right.
_BY_VERSION = frozenset(('HV112', 'HV113'))


def _requirement(document: Document) -> objects.ImageRequirement:
    """What is asked of a host: not to be changed, others have it as well."""
    return _required(*map(document.get, image_requirement.PROPERTIES))


@caching.cache_small
def _required(*demands: str | None) -> objects.ImageRequirement:
    return objects.ImageRequirement.from_document({
        name: value for name, value
        in zip(image_requirement.PROPERTIES, demands, strict=True)
        if value is not None})


def generation(document: Document) -> str | None:
    """The generation that is asked for; None where nothing is asked."""
    return _requirement(document).generation


def _generation_made(document: Document) -> str:
    """The generation that the drivers make of it."""
    return generation(document) or image_requirement.GENERATION_1


def unusable(document: Document) -> rules.Finding | None:
    """HV502, if no host can run the image."""
    requirement = _requirement(document)
    if requirement.generation is None and requirement.invalid is None:
        return None
    cause = next(
        (finding for finding in validators.validate(document)
         if finding.code in _UNUSABLE
         or finding.code in _BY_VERSION and _first_broken(
             {finding.code}, document, versions.WINDOWS_SERVER_2016)), None)
    return cause and unusable_because(cause)


def unusable_because(cause: rules.Finding) -> rules.Finding:
    """Return HV502 with its cause and the fix of that."""
    return rules.CATALOGUE['HV502'].finding(
        cause.image, cause=cause, fix=cause.fix)


def unsupported_here(document: Document, reported: Reported,
                     extra_specs: Mapping[str, str],
                     policy: compatibility.Policy
                     ) -> rules.Finding | None:
    """HV501, if this host cannot run what the image and the flavor ask for.

    Where a guest has come to be, its disk is no question any more.

    :param reported: asked only where the image asks for Hyper-V
    """
    requirement = _requirement(document)
    matcher = compatibility.host_matcher(requirement, policy)
    if matcher is None:
        return None
    kind = reported()
    cause = matcher.match(*kind)
    reason = None
    version = objects.HostCapability.from_reported(*kind).hypervisor_version
    if cause is None and version is not None and (
            version < versions.WINDOWS_SERVER_2016):
        cause = _first_broken(_BY_VERSION, document, version)
        if (cause is None and extra_specs.get('os:resolution')
                and requirement.generation == image_requirement.GENERATION_2):
            reason = (
                'RemoteFX (os:resolution) on generation 2 needs hosts of '
                f'version 10.0, this one runs {version}')
    if cause is None and reason is None:
        return None
    return rules.CATALOGUE['HV501'].finding(
        image_document.label(document), reason, cause=cause)


def _first_broken(codes: Collection[str], document: Document,
                  version: versions.Version) -> rules.Finding | None:
    """Judge an image as if only hosts of this version were asked for."""
    return next(
        (finding for finding in validators.validate(
            {**document, 'hypervisor_version_requires': f'>={version}'})
         if finding.code in codes), None)


def edited(document: Document, server: Document) -> rules.Finding | None:
    """HV502, if an image is not any more what the server was asked for as.

    compute-hyperv makes what the image says now, and the disk, Nova and
    other hosts stay with what it said then.
    """
    now, then = _generation_made(document), _generation_made(server)
    if now == then:
        return None
    return rules.CATALOGUE['HV502'].finding(
        image_document.label(document),
        f'the image is {now} now, the server was asked for as {then}', then,
        fix=f'Set hw_machine_type={then} on the image, or make a new server')


def other_generation(document: Document, server: Document,
                     reported: Reported) -> rules.Finding | None:
    """HV504, if an image is not for the server's virtual machine."""
    needed = _generation_made(server)
    if (_generation_made(document) == needed
            or not objects.HostCapability.from_reported(
                *reported()).is_hyperv):
        return None
    declared = generation(document)
    return rules.CATALOGUE['HV504'].finding(
        image_document.label(document),
        declared or f'{image_requirement.GENERATION_1} (the default)', needed)


def on_ide(document: Document,
           buses: Iterable[str]) -> rules.Finding | None:
    """HV503, if a device of generation 2 asks for IDE, in any case."""
    if generation(document) != image_requirement.GENERATION_2:
        return None
    bus = next((bus for bus in buses if bus.lower() == 'ide'), None)
    return None if bus is None else rules.CATALOGUE['HV503'].finding(
        image_document.label(document), bus)


def gone(image_id: str) -> rules.Finding:
    """Return HV502 for an image that is deleted, or another project's."""
    return rules.CATALOGUE['HV502'].finding(
        image_id, 'Glance has no such image for this project',
        fix='Use another image')


def withheld(image_id: str) -> rules.Finding:
    """Return HV502 for an image that Glance shows and does not hand out."""
    return rules.CATALOGUE['HV502'].finding(
        image_id, 'Glance does not let this project download the image, '
        'as while it is deactivated',
        fix='Reactivate it, or use another image')


def unread(image_id: str, exc: Exception) -> rules.Finding:
    """Return HV501 where Glance, or the host's own file, cannot be read.

    Generation 2 is not guessed.
    """
    # The user need not know where on the host a file lies.
    reason = exc.strerror if isinstance(exc, OSError) else None
    return rules.CATALOGUE['HV501'].finding(
        image_id, f'it cannot be read: {reason or exc}'.rstrip('.'),
        fix='Try again later')


#: What helps where no other host is tried, by the method of the driver.
_FIXES_HERE = {
    'rescue': 'Rescue with an image that this host can run',
    **dict.fromkeys(
        ('finish_migration', 'finish_revert_migration'),
        'The disk of the guest is on this host: ask the administrator of '
        'the cloud'),
}


def without_other_host(finding: rules.Finding,
                       method: str) -> rules.Finding:
    """Return the finding with a fix that does not name another host.

    :param method: the method of the driver that Nova has called
    """
    if finding.fix != rules.CATALOGUE['HV501'].fix:
        return finding
    return dataclasses.replace(
        finding, fix=_FIXES_HERE.get(method, finding.fix))


#: What a user runs to read all about a rule.
_MORE = 'More: hyperv-sched rule show {}'


def brief(finding: rules.Finding, size: int) -> str:
    """Word a finding for a place with little room.

    Whole sentences: the code, the cause, and the fix; where the fix does not
    fit, the command that tells it. Only a cause that leaves no room even for
    that, by the length of a value, is shortened.

    :param size: bytes of UTF-8
    """
    code, cause = finding.code, finding.message
    if finding.cause is not None:
        code = finding.cause.code
        cause = f'{code} {finding.cause.message}'
    more = _MORE.format(code)
    head = f'{finding.code}: '
    for words in (str(finding), f'{head}{finding.message}. {finding.fix}',
                  f'{head}{cause}. {finding.fix}', f'{head}{cause}. {more}'):
        if len(words.encode()) <= size:
            return words
    room = size - len(f'{head} {more}'.encode())
    return f'{head}{text.shorten(cause, room)} {more}'


def destructive(cause: rules.Finding) -> rules.Finding:
    """HV505, if a rebuild would end in what has been found."""
    deepest = cause.cause
    if deepest is None and cause.code not in ('HV501', 'HV502'):
        deepest = cause
    fix = cause.fix
    if fix == rules.CATALOGUE['HV501'].fix:
        # There is no other host to go to.
        fix = 'Rebuild with an image that this host can run'
    return rules.CATALOGUE['HV505'].finding(
        cause.image, cause.actual, cause.required, cause=deepest, fix=fix)
