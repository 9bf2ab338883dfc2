# SPDX-License-Identifier: Apache-2.0
"""Turn findings into the exceptions that have the right effect in Nova.

``ImageUnacceptable`` ends a build at once and shows its reason;
``ComputeResourcesUnavailable`` sends it to the next host
(``nova/compute/manager.py`` ``_build_and_run_instance``).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Mapping
import contextlib
import dataclasses
import io
from typing import Any

from nova import exception
from nova import objects as nova_objects
from nova.image import glance
from oslo_config import cfg
from oslo_log import log as logging

from hyperv_sched import compatibility
from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement

LOG = logging.getLogger(__name__)
CONF = cfg.CONF

#: Errors of an image that no host can run. The others (a label that Glance
#: would refuse today, a missing hypervisor_type) do not keep a VM from
#: starting.
_UNUSABLE = frozenset((
    'HV101', 'HV103', 'HV104', 'HV107', 'HV108', 'HV202', 'HV203', 'HV204',
    'HV205'))


#: Tells a host's hypervisor_type and hypervisor_version.
Reported = Callable[[], tuple[object, object]]


def check(context: Any, instance: Any, image_meta: Any,
          reported: Reported) -> None:
    """Refuse an image that cannot run, here or anywhere.

    :param reported: asked only where the image asks for Hyper-V.
    :raises nova.exception.ImageUnacceptable: the image is at fault.
    :raises nova.exception.ComputeResourcesUnavailable: the host is at fault.
    """
    finding = _judge(context, _document(instance, image_meta), reported)
    if finding is None:
        return
    LOG.warning('%s', finding)
    if finding.code == 'HV501':
        raise exception.ComputeResourcesUnavailable(reason=str(finding))
    raise exception.ImageUnacceptable(
        image_id=finding.image, reason=str(finding))


def check_rebuild(context: Any, instance: Any, image_meta: Any,
                  reported: Reported) -> None:
    """Refuse an image for the host that the guest is on.

    There is no other host to go to: where the host is at fault Nova would
    show the server as ACTIVE, as if nothing had been asked.

    :raises nova.exception.ImageUnacceptable: the image cannot run here.
    """
    finding = _judge(context, _document(instance, image_meta), reported)
    if finding is None:
        return
    if finding.code == 'HV501':
        finding = dataclasses.replace(
            finding, fix='Rebuild with an image that this host can run')
    LOG.warning('%s', finding)
    raise exception.ImageUnacceptable(
        image_id=finding.image, reason=str(finding))


def check_devices(instance: Any, image_meta: Any,
                  block_device_info: Mapping[str, Any] | None) -> None:
    """Refuse what Nova tells a driver of a server's disks.

    :param block_device_info: by kind (``nova/virt/driver.py``
        ``get_block_device_info``)
    :raises nova.exception.InvalidDiskInfo: see :func:`check_bus`.
    """
    by_kind = block_device_info or {}
    devices = [device for kind in (
        'image', 'ephemerals', 'block_device_mapping')
        for device in by_kind.get(kind) or ()]
    for device in (*devices, by_kind.get('swap') or {}):
        check_bus(instance, image_meta, device.get('disk_bus'))


def check_bus(instance: Any, image_meta: Any, bus: str | None) -> None:
    """Refuse IDE for a server of generation 2, however it is written.

    :param image_meta: None for the server's own image
    :raises nova.exception.InvalidDiskInfo: a build ends with its reason.
    """
    if bus is None or bus.lower() != 'ide':
        return
    document = _document(instance, image_meta)
    if _generation(document) != image_requirement.GENERATION_2:
        return
    finding = rules.CATALOGUE['HV503'].finding(
        image_document.label(document), bus)
    LOG.warning('%s', finding)
    raise exception.InvalidDiskInfo(str(finding))


def check_departure(context: Any, instance: Any) -> None:
    """Refuse to stop a guest for a host that could not run it.

    :raises nova.exception.InstanceFaultRollback: Nova leaves the server as
        it is, and the reason with the action.
    """
    def reported() -> tuple[object, object]:
        migration = nova_objects.Migration.get_by_instance_and_status(
            context.elevated(), instance.uuid, 'migrating')
        node = nova_objects.ComputeNode.get_by_host_and_nodename(
            context.elevated(), migration.dest_compute, migration.dest_node)
        return node.hypervisor_type, node.hypervisor_version

    finding = _unsupported_here(_document(instance), reported)
    if finding is None:
        return
    LOG.warning('%s', finding)
    raise exception.InstanceFaultRollback(
        exception.ImageUnacceptable(str(finding)))


def check_arrival(instance: Any, reported: Reported) -> None:
    """Refuse a guest that was moved here while it was off.

    :raises nova.exception.ImageUnacceptable: Nova shows the reason and
        leaves the disk where it is.
    """
    finding = _unsupported_here(_document(instance), reported)
    if finding is None:
        return
    LOG.warning('%s', finding)
    raise exception.ImageUnacceptable(str(finding))


def check_live_migration(instance: Any, reported: Reported) -> None:
    """Refuse a running guest that this host could not run.

    :raises nova.exception.MigrationPreCheckError: Nova tries the next host,
        or says no; the guest runs on where it is.
    """
    finding = _unsupported_here(_document(instance), reported)
    if finding is None:
        return
    LOG.warning('%s', finding)
    raise exception.MigrationPreCheckError(reason=str(finding))


def check_rescue(context: Any, instance: Any, image_meta: Any,
                 reported: Reported) -> None:
    """Refuse an image that the guest's virtual machine cannot start from.

    Nova puts the reason behind words of its own, and leaves the server in
    ERROR whatever is raised.

    :raises nova.exception.ImageUnacceptable: the image cannot be used here.
    """
    document = image_document.from_image_meta(image_meta)
    finding = (_unusable(context, document)
               or _other_generation(instance, document, reported)
               or _unsupported_here(document, reported))
    if finding is None:
        return
    LOG.warning('%s', finding)
    raise exception.ImageUnacceptable(str(finding))


def _judge(context: Any, document: dict[str, Any],
           reported: Reported) -> rules.Finding | None:
    """HV502 where the image is at fault, HV501 where the host is."""
    return _unusable(context, document) or _unsupported_here(
        document, reported)


def _document(instance: Any, image_meta: Any = None) -> dict[str, Any]:
    """What a server is spawned from.

    :param image_meta: None for the server's own image: there are drivers
        that spawn by themselves, as after a migration.
    """
    document = image_document.from_image_meta(
        instance.image_meta if image_meta is None else image_meta)
    if not instance.image_ref:
        # The root is a volume, in whatever format Cinder made it.
        document.pop('disk_format', None)
    return document


def _other_generation(instance: Any, document: dict[str, Any],
                      reported: Reported) -> rules.Finding | None:
    """HV504, if an image is not for the server's virtual machine.

    A generation that is not set is the first, for the drivers.
    """
    server = _generation(_document(instance)) or (
        image_requirement.GENERATION_1)
    declared = _generation(document)
    image = declared or image_requirement.GENERATION_1
    if image == server or not objects.HostCapability.from_reported(
            *reported()).is_hyperv:
        return None
    return rules.CATALOGUE['HV504'].finding(
        image_document.label(document),
        declared or f'{image} (the default)', server)


def _generation(document: dict[str, Any]) -> str | None:
    return objects.ImageRequirement.from_document(document).generation


def _unsupported_here(document: dict[str, Any],
                      reported: Reported) -> rules.Finding | None:
    """HV501, if the host cannot run what the image asks for.

    Where a guest has come to be, its disk is no question any more.
    """
    verdicts = compatibility.compile(
        objects.ImageRequirement.from_document(document), policy())
    here = None if verdicts is None else verdicts.of(*reported())
    if here is None:
        return None
    return rules.CATALOGUE['HV501'].finding(
        image_document.label(document), f'{here.code} {here.message}')


def policy() -> compatibility.Policy:
    """What the operator decides for this host."""
    # A driver knows its own version; one that does not is not to be trusted.
    return compatibility.Policy(generation_2_minimum=versions.Version(
        CONF.hyperv_sched.gen2_minimum_version))


def _unusable(context: Any,
              document: dict[str, Any]) -> rules.Finding | None:
    """HV502, if the image itself is at fault."""
    requirement = objects.ImageRequirement.from_document(document)
    if requirement.generation is None and requirement.defect is None:
        return None
    generation_2 = requirement.generation == image_requirement.GENERATION_2
    if (generation_2 and document.get('disk_format') == 'vhd'
            and 'id' in document):
        # Glance before 13 had no vhdx: the label does not tell.
        document = {**document, **_head(context, document['id'])}
    for found in validators.validate(document):
        if found.code in _UNUSABLE:
            return dataclasses.replace(
                rules.CATALOGUE['HV502'].finding(
                    found.image, f'{found.code} {found.message}',
                    found.required),
                fix=found.fix)
    return None


def _head(context: Any, image_id: str) -> dict[str, Any]:
    """The content of an image labelled vhd, by its first bytes in Glance.

    :returns: no content where Glance cannot be read.
    """
    try:
        chunks = glance.API().download(context, image_id)
        with contextlib.closing(_closable(chunks)) as stream:
            head = next(filter(None, stream))
    except Exception as exc:
        LOG.warning('Cannot read the first bytes of image %(image)s: '
                    '%(error)r', {'image': image_id, 'error': exc})
        return {}
    seen = disk.inspect_file(io.BytesIO(head))
    if seen.format in ('raw', 'unknown'):
        # The mark of a fixed VHD is at the end: the label is right.
        seen.format = 'vhd'
    # What was read is not the whole file: only its format is known.
    return {'content': {'format': seen.format}}


def _closable(chunks: Any) -> Generator[bytes, None, None]:
    """Read chunks, and let go of the connection when that is enough."""
    try:
        yield from chunks or ()
    finally:
        getattr(chunks, 'close', lambda: None)()
