# SPDX-License-Identifier: Apache-2.0
"""Checks of an image against a server and a compute host.

Each check takes a request and returns the finding that refuses it, or None.
Nothing here imports Nova: enforcement.py makes requests of its objects.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

from hyperv_sched import compatibility
from hyperv_sched import document as image_document
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement

Document = Mapping[str, Any]

#: Rules whose errors keep a virtual machine from running on any host.
_UNUSABLE = rules.preventing('scheduling', 'build')

#: Rules whose errors do so only on hosts before 10.0.
_BY_VERSION = rules.preventing('build-before-10.0')

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

    Made once for each call of the driver. The callables are called at most
    once, and only if a check needs the result.
    """

    document: Document
    """The image document that the driver acts on."""
    server_document: Document
    """The document of the image that the server was created from."""
    policy: compatibility.Policy
    """The settings of this host."""
    read_host: Callable[[], tuple[object, object]]
    """Return hypervisor_type and hypervisor_version of the host."""
    read_content: Callable[[], Document]
    """Return the member content, or raise ImageUnavailableError."""
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Of the flavor."""
    disk_buses: Collection[str] = ()
    """The buses that block devices request."""
    root_is_volume: Callable[[], bool] = lambda: False
    """Return whether the root disk is a volume, and not of the image."""

    @property
    def requirement(self) -> objects.ImageRequirement:
        """What the image requires of a host."""
        return compatibility.requirement(self.document)

    @functools.cached_property
    def host(self) -> objects.HostCapability:
        """The capability of the host, read when a check first needs it."""
        return objects.HostCapability.from_reported(*self.read_host())

    @property
    def generation(self) -> str | None:
        """The generation that the image requests."""
        return self.requirement.generation

    @property
    def server_generation(self) -> str:
        """The generation that the server was created with."""
        return _effective(
            compatibility.requirement(self.server_document).generation)

    def without(self, members: Collection[str]) -> Request:
        """Return the request without some members of its document."""
        if not any(name in self.document for name in members):
            return self
        return dataclasses.replace(self, document={
            name: value for name, value in self.document.items()
            if name not in members})

    def without_disk(self) -> Request:
        """Return the request for a server whose root disk is a volume."""
        return self.without(_DISK_MEMBERS)


def _effective(generation: str | None) -> str:
    """Return the generation that drivers create by default."""
    return generation or image_requirement.GENERATION_1


def check_image(request: Request) -> rules.Finding | None:
    """Return HV502 for properties that no host can run."""
    return _check_document(request, request.document)


def check_disk_format(request: Request) -> rules.Finding | None:
    """Return HV502 for an image file that generation 2 cannot run from.

    HV501 if the image cannot be read now. Generation 1 does not wait for
    Glance: the driver reads the image in any case.
    """
    if 'id' not in request.document or (
            request.generation != image_requirement.GENERATION_2):
        return None
    try:
        content = request.read_content()
    except ImageUnavailableError as exc:
        return exc.finding
    return _check_document(
        request, {**request.document, 'content': content})


def _check_document(request: Request,
                    document: Document) -> rules.Finding | None:
    if not request.requirement.is_for_hyperv:
        return None
    cause = next(
        (finding for finding in validators.validate(document)
         if finding.code in _UNUSABLE
         or finding.code in _BY_VERSION and _first_broken(
             {finding.code}, document, versions.WINDOWS_SERVER_2016)), None)
    return cause and image_unusable(cause)


def check_host(request: Request) -> rules.Finding | None:
    """Return HV501 for a host that cannot run the generation or version."""
    if not request.requirement.is_for_hyperv:
        return None
    cause = compatibility.judge(
        request.requirement, request.host, request.policy)
    return cause and host_unsuitable(request, cause)


def check_host_features(request: Request) -> rules.Finding | None:
    """Return HV501 for a feature of the image that needs a newer host."""
    if not _is_before_2016(request):
        return None
    cause = _first_broken(_BY_VERSION, request.document,
                          request.host.hypervisor_version)
    return cause and host_unsuitable(request, cause)


def check_remotefx(request: Request) -> rules.Finding | None:
    """Return HV501 for RemoteFX on generation 2, which needs 10.0."""
    if (request.generation != image_requirement.GENERATION_2
            or not request.extra_specs.get('os:resolution')
            or not _is_before_2016(request)):
        return None
    return rules.CATALOGUE['HV501'].finding(
        image_document.label(request.document),
        'RemoteFX (os:resolution) on generation 2 needs Hyper-V >=10.0, the '
        f'host runs {request.host.hypervisor_version}')


def _is_before_2016(request: Request) -> bool:
    if not request.requirement.is_for_hyperv:
        return False
    version = request.host.hypervisor_version
    return version is not None and version < versions.WINDOWS_SERVER_2016


def _first_broken(codes: Collection[str], document: Document,
                  version: versions.Version | None) -> rules.Finding | None:
    """Validate an image as if it required hosts of at least this version."""
    return next(
        (finding for finding in validators.validate(
            {**document, 'hypervisor_version_requires': f'>={version}'})
         if finding.code in codes), None)


def check_new_server(request: Request) -> rules.Finding | None:
    """Check a new server before Nova makes its networks and volumes.

    A server that passes is checked again when it is spawned, so that neither
    the database nor Glance is read here. Before the host is blamed both are:
    no other host helps an image that is itself at fault.
    """
    if check_image(request) is None and _check_host(request) is None:
        return None
    if request.root_is_volume():
        request = request.without_disk()
    return (check_image(request) or check_disk_format(request)
            or _check_host(request))


def _check_host(request: Request) -> rules.Finding | None:
    return (check_host(request) or check_host_features(request)
            or check_remotefx(request))


def check_generation_unchanged(request: Request) -> rules.Finding | None:
    """Return HV502 for an image whose generation was edited.

    compute-hyperv creates what the image requests now, but the disk, Nova
    and other hosts rely on what it requested when the server was created.
    """
    current = _effective(request.generation)
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
    expected = request.server_generation
    if (_effective(request.generation) == expected
            or not request.host.is_hyperv):
        return None
    return rules.CATALOGUE['HV504'].finding(
        image_document.label(request.document),
        request.generation
        or f'{image_requirement.GENERATION_1} (the default)', expected)


def check_disk_buses(request: Request) -> rules.Finding | None:
    """Return HV503 for a device of generation 2 on IDE, in any case."""
    if request.generation != image_requirement.GENERATION_2:
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
        image_document.label(request.document), cause=cause)


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
    """Return HV501 for an image that Glance or the host cannot read now."""
    # A user does not see the paths of the host.
    reason = exc.strerror if isinstance(exc, OSError) else None
    return rules.CATALOGUE['HV501'].finding(
        image_id, f'it cannot be read: {reason or exc}'.rstrip('.'),
        fix='Try again later')
