# SPDX-License-Identifier: Apache-2.0
"""Turn findings into the exceptions that have the right effect in Nova.

``ImageUnacceptable`` ends a build at once and shows its reason;
``ComputeResourcesUnavailable`` sends it to the next host
(``nova/compute/manager.py`` ``_build_and_run_instance``).
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import io
from typing import Any

from nova import exception
from nova.image import glance
from oslo_config import cfg
from oslo_log import log as logging

from hyperv_sched import compatibility
from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.objects import image_requirement

LOG = logging.getLogger(__name__)
CONF = cfg.CONF

#: Errors of an image that no host can run. The others (a label that Glance
#: would refuse today, a missing hypervisor_type) do not keep a VM from
#: starting.
_UNUSABLE = frozenset((
    'HV101', 'HV103', 'HV104', 'HV107', 'HV202', 'HV203', 'HV204', 'HV205'))


def check(context: Any, image_meta: Any,
          reported: Callable[[], tuple[object, object]]) -> None:
    """Refuse an image that cannot run, here or anywhere.

    :param reported: tells the host's hypervisor_type and hypervisor_version;
        asked only where the image asks for Hyper-V.
    :raises nova.exception.ImageUnacceptable: the image is at fault.
    :raises nova.exception.ComputeResourcesUnavailable: the host is at fault.
    """
    document = image_document.from_image_meta(image_meta)
    requirement = objects.ImageRequirement.from_document(document)
    verdicts = compatibility.compile(requirement, _policy())
    if verdicts is None:
        return
    unusable = _unusable(context, document, requirement)
    if unusable is not None:
        raise exception.ImageUnacceptable(
            image_id=document.get('id', '-'), reason=str(unusable))
    here = verdicts.of(*reported())
    if here is not None:
        finding = rules.CATALOGUE['HV501'].finding(
            image_document.label(document), f'{here.code} {here.message}')
        LOG.warning('%s', finding)
        raise exception.ComputeResourcesUnavailable(reason=str(finding))


def _policy() -> compatibility.Policy:
    # A driver knows its own version; one that does not is not to be trusted.
    return compatibility.Policy(
        generation_2_minimum=CONF.hyperv_sched.gen2_minimum_version)


def _unusable(context: Any, document: dict[str, Any],
              requirement: objects.ImageRequirement) -> rules.Finding | None:
    """The image's own fault, if it has one."""
    generation_2 = requirement.generation == image_requirement.GENERATION_2
    if (generation_2 and document.get('disk_format') == 'vhd'
            and 'id' in document):
        # Glance before 13 had no vhdx: the label does not tell.
        document['content'] = _head(context, document['id'])
    for found in validators.validate(document):
        if found.code in _UNUSABLE:
            return dataclasses.replace(
                rules.CATALOGUE['HV502'].finding(
                    found.image, f'{found.code} {found.message}',
                    found.required),
                fix=found.fix)
    return None


def _head(context: Any, image_id: str) -> dict[str, Any]:
    """Tell a VHDX from a VHD by the first bytes in Glance.

    Where Glance cannot be asked the label is believed: generation 2 never
    starts from a VHD.
    """
    content = disk.Content(format='vhd')
    try:
        chunks = glance.API().download(context, image_id)
        head = io.BytesIO(next(iter(chunks or ()), b''))
    except Exception as exc:
        LOG.warning('Cannot read the first bytes of image %(image)s: '
                    '%(error)s', {'image': image_id, 'error': exc})
    else:
        seen = disk.inspect_file(head)
        if seen.format == 'vhdx':
            content = seen
    return content.as_dict()
