# SPDX-License-Identifier: Apache-2.0
"""Log lines and versioned notifications of refused operations."""

from __future__ import annotations

import json
from typing import Any

from nova import rpc
from oslo_config import cfg
from oslo_log import log as logging

from hyperv_sched import objects
from hyperv_sched import rules

LOG = logging.getLogger(__name__)
CONF = cfg.CONF

#: Sent on the topics of Nova's versioned notifications, and only if
#: ``[notifications] notification_format`` enables these.
EVENT_TYPE = 'hyperv_sched.refusal'


def emit_refusal(
        context: Any, instance: Any, operation: str, finding: rules.Finding,
        requirement: objects.ImageRequirement,
        host_capability: objects.HostCapability | None) -> None:
    """Log a refusal and send the notification of it.

    :param operation: the method of the driver that Nova has called
    :param host_capability: None if it is not known
    """
    refusal = objects.Refusal.of(
        finding, host=CONF.host, instance_uuid=instance.uuid,
        operation=operation, requirement=requirement,
        host_capability=host_capability)
    LOG.warning('Refused: %s', json.dumps(refusal.as_dict()),
                instance=instance)
    try:
        rpc.get_versioned_notifier(f'nova-compute:{CONF.host}').error(
            context, EVENT_TYPE, refusal.obj_to_primitive())
    except Exception:
        # Without a message bus the refusal is as valid.
        LOG.exception('Cannot send the notification of a refusal',
                      instance=instance)
