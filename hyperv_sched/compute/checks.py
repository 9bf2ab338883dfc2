# SPDX-License-Identifier: Apache-2.0
"""Checks of an image against a server and a compute host.

Each check takes a request and returns the finding that refuses it, or None.
Nothing here imports Nova: enforcement.py makes requests of its objects.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

from hyperv_sched import compatibility
from hyperv_sched import document as image_document
from hyperv_sched import names
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import validators

Content = Mapping[str, Any]
Document = image_document.Document

#: Rules whose errors keep a virtual machine from running on any host.
_UNUSABLE = rules.preventing('scheduling', 'build')

#: The members of a document that describe the disk of the image.
_DISK_MEMBERS = frozenset(('id', 'disk_format'))


class ImageUnavailableError(Exception):
    """An image that cannot be read; has the finding that says why."""

    def __init__(self, finding: rules.Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


@dataclasses.dataclass(frozen=True)
class Request:
    """An image, the server and the host of one operation.

    Made once for each call of the driver. The callables are called only if a
    check needs the result; a refusal reads the host again.
    """

    document: Document
    """The image document that the driver acts on."""
    server_document: Document
    """The document of the image that the server was created from."""
    policy: compatibility.Policy
    """The settings of this host."""
    read_host: Callable[[], tuple[object, object]]
    """Return hypervisor_type and hypervisor_version of the host."""
    read_content: Callable[[], Content]
    """Return the member content, or raise ImageUnavailableError."""
    disk_buses: Collection[str] = ()
    """The buses that block devices request."""
    root_is_volume: Callable[[], bool] = lambda: False
    """Return whether the root disk is a volume, and not of the image."""
    read_older_release: Callable[[], tuple[str, str] | None] = lambda: None
    """Return the Windows of the destination and the one that made the guest,
    if the first is older."""
    host_fix: str | None = None
    """The fix for a host that cannot run the image; None for the rule's."""

    @property
    def requirement(self) -> objects.ImageRequirement:
        """What the image requires of a host."""
        return compatibility.requirement(self.document)

    @functools.cached_property
    def host(self) -> objects.HostCapability:
        """The capability of the host, read when a check first needs it."""
        return objects.HostCapability.from_reported(*self.read_host())

    @property
    def generation(self) -> str:
        """The generation that the image requests, valid or not."""
        return names.created_generation(self.document.get('hw_machine_type'))

    @property
    def server_generation(self) -> str:
        """The generation that the server was created with."""
        return names.created_generation(
            self.server_document.get('hw_machine_type'))

    def without(self, members: Collection[str]) -> Request:
        """Return the request without some members of its document."""
        if not any(name in self.document for name in members):
            return self
        return dataclasses.replace(self, document=Document({
            name: value for name, value in self.document.items()
            if name not in members}))

    def without_disk(self) -> Request:
        """Return the request for a server whose root disk is a volume."""
        return self.without(_DISK_MEMBERS)


def check_image(request: Request) -> rules.Finding | None:
    """Return HV502 for properties that no host can run."""
    return _check_document(request, request.document)


def check_disk_format(request: Request) -> rules.Finding | None:
    """Return HV502 for an image file that generation 2 cannot run from.

    HV509 if the image cannot be read now. Generation 1 does not wait for
    Glance: the driver reads the image in any case.
    """
    if 'id' not in request.document or (
            request.generation != names.GENERATION_2):
        return None
    try:
        content = request.read_content()
    except ImageUnavailableError as exc:
        return exc.finding
    if content['format'] == 'iso' and (
            request.document.get('disk_format') != 'iso'):
        # Right by the rules on content, which lint a file for any use.
        return image_unusable(rules.CATALOGUE['HV203'].finding(
            image_document.label(request.document), 'iso',
            fix='Label installation media as such: disk_format=iso'))
    return _check_document(
        request, image_document.extend(request.document, content=content))


def _check_document(request: Request,
                    document: Document) -> rules.Finding | None:
    if not request.requirement.is_for_hyperv:
        return None
    invalid = request.requirement.invalid
    cause = next((finding for finding in validators.validate(document)
                  if finding.code in _UNUSABLE), invalid and invalid.cause)
    return cause and image_unusable(cause)


def check_host(request: Request) -> rules.Finding | None:
    """Return HV501 for a host that cannot run the image."""
    if not request.requirement.is_for_hyperv:
        return None
    cause = compatibility.check_host(
        request.requirement, request.host, request.policy)
    return cause and host_unsuitable(request, cause)


def check_release(request: Request) -> rules.Finding | None:
    """Return HV506 for a host of an older Windows than the guest's."""
    older = request.read_older_release()
    return older and rules.CATALOGUE['HV506'].finding(
        image_document.label(request.document), *older, fix=request.host_fix)


def first_finding(
        checks: Iterable[Callable[[Request], rules.Finding | None]],
        request: Request) -> rules.Finding | None:
    """Return the finding of the first check that has one."""
    return next(filter(None, (check(request) for check in checks)), None)


def check_new_server(request: Request) -> rules.Finding | None:
    """Check a new server before Nova makes its networks and volumes.

    If a check that needs no I/O fails, read the database and Glance as well:
    an image that no host can run (HV502) outranks a host that cannot run it
    (HV501). A wrong file or device bus alone is found by the spawn.
    """
    if first_finding((check_image, check_host), request) is None:
        return None
    if request.root_is_volume():
        request = request.without_disk()
    return first_finding(
        (check_image, check_disk_format, check_host), request)


def check_generation_unchanged(request: Request) -> rules.Finding | None:
    """Return HV502 for an image whose generation was edited.

    compute-hyperv creates what the image requests now, but the disk, Nova
    and other hosts rely on what it requested when the server was created.
    """
    current = request.generation
    expected = request.server_generation
    if current == expected:
        return None
    return rules.CATALOGUE['HV502'].finding(
        image_document.label(request.document),
        f'the image is {current}, the server was created as {expected}',
        expected,
        fix=f'Set hw_machine_type={expected} on the image, or create a new '
        'server')


def check_rescue_generation(request: Request) -> rules.Finding | None:
    """Return HV504 for a rescue image of another generation."""
    current = request.generation
    expected = request.server_generation
    if current == expected or not request.host.is_hyperv:
        return None
    is_default = request.document.get('hw_machine_type') != current
    return rules.CATALOGUE['HV504'].finding(
        image_document.label(request.document),
        f'{current} (the default)' if is_default else current, expected)


def check_rescue_medium(request: Request) -> rules.Finding | None:
    """Return HV502 for installation media, which no driver rescues with.

    compute-hyperv and Nova's own driver look for the format of a disk in the
    file (``imagecache.py`` ``get_cached_image``).
    """
    if request.document.get('disk_format') != 'iso' or (
            not request.host.is_hyperv):
        return None
    return rules.CATALOGUE['HV502'].finding(
        image_document.label(request.document),
        'the rescue image is installation media (disk_format=iso), which '
        'Hyper-V cannot rescue with', 'a disk image',
        fix='Rescue with a VHD or VHDX image of the same generation')


def check_disk_buses(request: Request) -> rules.Finding | None:
    """Return HV503 for a device of generation 2 on IDE, in any case."""
    if request.generation != names.GENERATION_2:
        return None
    bus = next((bus for bus in request.disk_buses if bus.lower() == 'ide'),
               None)
    return None if bus is None else rules.CATALOGUE['HV503'].finding(
        image_document.label(request.document), bus)


def image_unusable(cause: rules.Finding) -> rules.Finding:
    """Return HV502 with its cause and the fix of the cause."""
    return rules.CATALOGUE['HV502'].finding(
        cause.image, cause=cause, fix=cause.fix)


def host_unsuitable(request: Request, cause: rules.Finding) -> rules.Finding:
    """Return HV501 with its cause."""
    return rules.CATALOGUE['HV501'].finding(
        image_document.label(request.document), cause=cause,
        fix=request.host_fix)


def rebuild_refused(finding: rules.Finding) -> rules.Finding:
    """Return HV505 for a rebuild that would end in a refused spawn."""
    cause = finding.cause
    if cause is None and finding.code not in ('HV501', 'HV502'):
        cause = finding
    return rules.CATALOGUE['HV505'].finding(
        finding.image, finding.actual, finding.required, cause=cause,
        fix=finding.fix)


def image_not_found(image_id: str) -> rules.Finding:
    """Return HV502 for an image that is deleted, or of another project."""
    return rules.CATALOGUE['HV502'].finding(
        image_id, 'the image is deleted, or not visible to this project',
        fix='Use another image')


def image_not_downloadable(image_id: str) -> rules.Finding:
    """Return HV502 for an image that Glance shows, but does not send."""
    return rules.CATALOGUE['HV502'].finding(
        image_id, 'Glance does not let this project download the image (for '
        'example, while the image is deactivated)',
        fix='Reactivate the image, or use another one')


def image_unreadable(image_id: str, exc: Exception) -> rules.Finding:
    """Return HV509 for an image that Glance or the host cannot read now."""
    # A user does not see the paths of the host.
    reason = exc.strerror if isinstance(exc, OSError) else None
    return rules.CATALOGUE['HV509'].finding(
        image_id, str(reason or exc).rstrip('.'))
