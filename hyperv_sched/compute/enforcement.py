# SPDX-License-Identifier: Apache-2.0
"""Turn findings into the exceptions that have the right effect in Nova.

See ``nova/compute/manager.py``: ``_build_and_run_instance``,
``_build_resources``, ``_do_rebuild_instance_with_claim``,
``rescue_instance``, ``_error_out_instance_on_exception``,
``_do_check_can_live_migrate_destination``.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
from typing import Any
from typing import NoReturn

from nova import exception
from nova.compute import utils as compute_utils

from hyperv_sched import compatibility
from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched.compute import devices
from hyperv_sched.compute import hosts
from hyperv_sched.compute import images
from hyperv_sched.compute import judgement
from hyperv_sched.compute import refusals
from hyperv_sched.objects import image_requirement

#: The bytes of a fault that Nova keeps (``nova/compute/utils.py``
#: ``exception_to_dict``).
_FAULT_SIZE = 255

#: The bytes that Nova puts before a reason, by the method of the driver.
_PREFIXES = {
    'prepare_for_spawn': len('Build of instance  aborted: ') + 36,
    'spawn': len('Build of instance  aborted: ') + 36,
    'rescue': len('Instance  cannot be rescued: Driver Error: ') + 36,
    'check_can_live_migrate_destination': len('Migration pre-check error: '),
    'pre_live_migration': len('Migration pre-check error: '),
    'migrate_disk_and_power_off': len(
        'Instance rollback performed due to: '),
}

#: The same where each host that Nova tried has refused a new server; there
#: may be 9999 attempts.
_PREFIX_OF_LAST = len(
    'Exceeded maximum number of retries. Exceeded max scheduling attempts '
    '9999 for instance . Last exception: ') + 36


@dataclasses.dataclass(frozen=True)
class Operation:
    """What Nova asks a driver to do with a server."""

    name: str
    """The method of the driver."""
    context: Any
    instance: Any
    host: hosts.Host
    policy: compatibility.Policy
    """What the operator decides for this host."""

    def reported(self) -> tuple[object, object]:
        return self.host.reported(self.instance)

    def refuse(self, finding: rules.Finding) -> NoReturn:
        """Tell operators, and Nova by the exception that it understands."""
        finding = judgement.without_other_host(finding, self.name)
        refusals.tell(self.context, self.instance, self.name, finding)
        raise error(self.name, finding)

    def refuse_if(self, finding: rules.Finding | None) -> None:
        if finding is not None:
            self.refuse(finding)


def error(method: str, finding: rules.Finding) -> Exception:
    """Return the exception that has the right effect in Nova.

    Its message is the reason alone: the words that Nova's classes put before
    it would cost the room that the reason needs.

    :param method: the method of the driver that Nova has called
    """
    prefix = _PREFIXES.get(method, 0)
    if method in ('prepare_for_spawn', 'spawn') and finding.code == 'HV501':
        prefix = _PREFIX_OF_LAST
    reason = judgement.brief(finding, _FAULT_SIZE - prefix)
    raised: Exception
    match method, finding.code:
        case ('prepare_for_spawn' | 'spawn'), 'HV501':
            # The next host is tried.
            raised = exception.ComputeResourcesUnavailable(reason)
        case 'prepare_for_spawn', _:
            # The only one whose words Nova keeps there.
            raised = exception.InstanceUnacceptable(reason)
        case ('spawn' | 'attach_volume'), 'HV503':
            raised = exception.InvalidDiskInfo(reason)
        case ('check_can_live_migrate_destination'
              | 'pre_live_migration'), _:
            # The next host is tried, or the user is told no; the guest runs
            # on where it is.
            raised = exception.MigrationPreCheckError(reason=reason)
        case 'migrate_disk_and_power_off', _:
            # The server is left as it is, and the reason with the action.
            raised = exception.InstanceFaultRollback(
                exception.ImageUnacceptable(reason))
        case _:
            # One attempt, and the reason in the fault.
            raised = exception.ImageUnacceptable(reason)
    return raised


def read_record(operation: Operation, image_meta: Any,
                read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a driver that asks Glance again goes by.

    :param image_meta: what Nova knows of the image
    :param read: the driver's own reading
    """
    try:
        return images.cured(read())
    except Exception as exc:
        known = images.document(operation.instance, image_meta)
        if judgement.generation(known) == image_requirement.GENERATION_2:
            operation.refuse(_unreadable(image_document.label(known), exc))
        # What else a driver makes of it is its own affair.
        raise


def check_prepare(operation: Operation) -> None:
    """Refuse before networks and volumes are at work for a new server.

    What a good image is by its first bytes is left to :func:`check_spawn`.
    """
    instance = operation.instance
    document = images.document(instance)
    if judgement.unusable(document) or _unsupported_here(operation, document):
        # Time does not matter any more: blame the image where it is at fault.
        operation.refuse_if(_unfit(
            operation, document, compute_utils.is_volume_backed_instance(
                operation.context, instance), ()))


def check_spawn(operation: Operation, document: judgement.Document,
                info: devices.BlockDeviceInfo | None) -> None:
    """Refuse an image that cannot run, here or anywhere."""
    operation.refuse_if(_unfit(
        operation, document, devices.root_is_volume(info),
        devices.buses(info)))


def check_rebuild(operation: Operation, document: judgement.Document,
                  info: devices.BlockDeviceInfo | None,
                  evacuate: bool) -> None:
    """Refuse while the guest is still there.

    :param evacuate: it is not, but on a host that has failed
    """
    cause = _unfit(operation, document, devices.root_is_volume(info),
                   devices.buses(info))
    operation.refuse_if(
        cause if cause is None or evacuate else judgement.destructive(cause))


def check_rescue(operation: Operation,
                 document: judgement.Document) -> None:
    """Refuse an image that the guest's virtual machine cannot start from.

    Nova puts the reason behind words of its own, and leaves the server in
    ERROR whatever is raised.
    """
    # The virtual machine is there: what an image asks of a new one is moot.
    document = {name: value for name, value in document.items()
                if name not in ('os_secure_boot', 'os_vtpm',
                                'os_shielded_vm')}
    operation.refuse_if(
        judgement.unusable(document)
        or judgement.other_generation(
            document, images.document(operation.instance),
            operation.reported)
        or _unusable_by_content(operation, document)
        or _unsupported_here(operation, document))


def check_departure(operation: Operation, flavor: Any,
                    reported: judgement.Reported) -> None:
    """Refuse to stop a guest for a host that could not run it.

    :param flavor: what the server is to be
    :param reported: asks the host that it is to go to
    """
    operation.refuse_if(judgement.unsupported_here(
        images.document(operation.instance, flavor=flavor), reported,
        flavor.extra_specs, operation.policy))


def check_arrival(operation: Operation) -> None:
    """Refuse a guest that was made elsewhere."""
    operation.refuse_if(_unsupported_here(
        operation, images.document(operation.instance)))


def check_bus(operation: Operation, bus: str | None) -> None:
    """Refuse IDE for a server of generation 2, however it is written."""
    if bus is not None:
        operation.refuse_if(judgement.on_ide(
            images.document(operation.instance), [bus]))


def _unfit(operation: Operation, document: judgement.Document,
           root_is_volume: bool,
           buses: Iterable[str]) -> rules.Finding | None:
    """What keeps a server from being made.

    The image first: where it is at fault, no other host is to be tried.
    """
    if root_is_volume:
        # In whatever format Cinder made it; the image may have no data.
        document = {name: value for name, value in document.items()
                    if name not in ('id', 'disk_format')}
    return (
        judgement.unusable(document)
        or judgement.on_ide(document, buses)
        or judgement.edited(document, images.document(operation.instance))
        or _unusable_by_content(operation, document)
        or _unsupported_here(operation, document))


def _unsupported_here(operation: Operation, document: judgement.Document
                      ) -> rules.Finding | None:
    return judgement.unsupported_here(
        document, operation.reported, operation.instance.flavor.extra_specs,
        operation.policy)


def _unusable_by_content(operation: Operation, document: judgement.Document
                         ) -> rules.Finding | None:
    """Generation 1 waits for no answer of Glance's: the driver will ask."""
    if 'id' not in document or judgement.generation(
            document) != image_requirement.GENERATION_2:
        return None
    try:
        document = images.with_content(
            document, operation.context, operation.host)
    except Exception as exc:
        return _unreadable(document['id'], exc)
    return judgement.unusable(document)


def _unreadable(image_id: str, exc: Exception) -> rules.Finding:
    match exc:
        case exception.ImageNotFound():
            return judgement.gone(image_id)
        case exception.ImageNotAuthorized():
            return judgement.withheld(image_id)
    return judgement.unread(image_id, exc)
