# SPDX-License-Identifier: Apache-2.0
"""Requests made of Nova's objects, and the exceptions that refuse them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import NoReturn

from nova import exception
from oslo_log import log as logging

from hyperv_sched import compatibility
from hyperv_sched import document as image_document
from hyperv_sched import metrics
from hyperv_sched import names
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched.compute import checks
from hyperv_sched.compute import devices
from hyperv_sched.compute import hosts
from hyperv_sched.compute import images
from hyperv_sched.compute import notifications
from hyperv_sched.compute import operations

LOG = logging.getLogger(__name__)


def make_request(
        host: hosts.Host, policy: compatibility.Policy, context: Any,
        instance: Any, image: Any = None,
        info: devices.BlockDeviceInfo | None = None, flavor: Any = None,
        **members: Any) -> checks.Request:
    """Make the request of an operation on a server.

    :param image: an ImageMeta or an ImageRecord; None for the server's own
    :param flavor: None for the server's own
    :param members: of the request, where they differ from the usual ones
    """
    document = images.document(instance, image, flavor)
    request = checks.Request(**{
        'document': document,
        'server_document': images.document(instance),
        'policy': policy,
        'read_host': lambda: host.hypervisor_info_for(instance),
        'read_content': lambda: images.read_content(document, context, host),
        'disk_buses': devices.disk_buses(info),
        **members})
    return (request.without_disk() if devices.root_is_volume(info)
            else request)


def enforce(name: str, context: Any, instance: Any,
            request: checks.Request) -> None:
    """Refuse an operation that a check has a finding for.

    :param name: a key of operations.OPERATIONS
    :raises nova.exception.NovaException: the class that the table names.
    """
    finding = operations.run_checks(name, request)
    if finding is not None:
        refuse(name, context, instance, finding, request.requirement,
               request.read_host)


def refuse(name: str, context: Any, instance: Any, finding: rules.Finding,
           requirement: objects.ImageRequirement,
           read_host: Callable[[], hosts.HypervisorInfo]) -> NoReturn:
    """Report a refusal to the operator, and raise its exception for Nova."""
    try:
        capability = objects.HostCapability.from_reported(*read_host())
    except Exception:
        # Without the report of the host the refusal is as valid.
        LOG.exception('Cannot read the hypervisor of the host',
                      instance=instance)
        capability = None
    metrics.count_refusal(operations.OPERATIONS[name].method, [finding])
    notifications.emit_refusal(
        context, instance, operations.OPERATIONS[name].method, finding,
        requirement, capability)
    raise make_exception(name, finding)


def make_exception(name: str, finding: rules.Finding) -> Exception:
    """Return the exception that refuses an operation.

    Its message is the reason alone: the text that Nova's classes add would
    use up the room of the reason.
    """
    effect = operations.OPERATIONS[name].effect_of(finding.code)
    reason = operations.reason(finding, effect.room)
    refusal: Exception
    # A positional argument replaces the text of the class.
    match effect.exception:
        case 'MigrationPreCheckError':
            refusal = exception.MigrationPreCheckError(reason=reason)
        case 'InstanceFaultRollback':
            refusal = exception.InstanceFaultRollback(
                exception.ImageUnacceptable(reason))
        case class_name:
            refusal = getattr(exception, class_name)(reason)
    return refusal


def read_image(name: str, driver: Any, context: Any, instance: Any,
               image_meta: Any) -> Any:
    """Return the image that the driver acts on.

    :param name: the operation, which is refused if the image of a server of
        generation 2 cannot be read
    :returns: an ImageRecord for compute-hyperv, else image_meta
    """
    if not driver.reads_image_records:
        return image_meta
    try:
        return driver.read_image_record(context, instance, image_meta)
    except Exception as exc:
        document = images.document(instance, image_meta)
        if names.created_generation(
                document.get('hw_machine_type')) == names.GENERATION_2:
            finding = images.unavailable(image_document.label(document), exc)
            refuse(name, context, instance, operations.wrap(name, finding),
                   compatibility.requirement(document),
                   lambda: hosts.Host(driver).hypervisor_info_for(instance))
        # The driver fails in the same way: that is its own affair.
        raise
