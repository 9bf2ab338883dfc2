# SPDX-License-Identifier: Apache-2.0
"""Tell operators what was refused: a line in the log, and a notification."""

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

#: On the topics of Nova's versioned notifications; Nova sends none unless
#: ``[notifications] notification_format`` says so.
EVENT_TYPE = 'hyperv_sched.refusal'


def tell(context: Any, instance: Any, operation: str,
         finding: rules.Finding) -> None:
    """Tell of a refusal, once."""
    refusal = objects.Refusal.of(
        finding, host=CONF.host, instance_uuid=instance.uuid,
        operation=operation)
    LOG.warning('Refused: %s', json.dumps(
        refusal.as_dict()),
        instance=instance)
    try:
        rpc.get_versioned_notifier(f'nova-compute:{CONF.host}').error(
            context, EVENT_TYPE, refusal.obj_to_primitive())
    except Exception:
        # The bus may be away: the refusal stands.
        LOG.exception('Cannot notify of the refusal', instance=instance)
