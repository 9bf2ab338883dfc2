# SPDX-License-Identifier: Apache-2.0
"""Ask placement for hosts by their traits.

Nova has no plug-in point for request filters, but a list that it goes through
before it asks placement (``nova/scheduler/request_filter.py``). A filter is
added to the list only if all that it relies on is as in Nova 26 to 34.
"""

from __future__ import annotations

from collections.abc import Callable
import inspect
from typing import Any

from nova import context as nova_context
from nova import objects
from nova.compute import task_states
from nova.objects import request_spec
from nova.scheduler import manager
from nova.scheduler import request_filter
from oslo_log import log as logging

from hyperv_sched import names
from hyperv_sched import traits

LOG = logging.getLogger(__name__)

#: Returns the traits that the image of a request needs.
ReadTraits = Callable[[Any], frozenset[str]]

_PARAMETERS = ['ctxt', 'request_spec']

#: Moves of a virtual machine as it is. An evacuation and an unshelve make
#: another one.
_MOVES = (task_states.RESIZE_PREP, task_states.MIGRATING)


class TraitRequest:
    """A request filter that adds the traits of capable hosts."""

    def __init__(self, read_traits: ReadTraits) -> None:
        self._read_traits = read_traits

    def __call__(self, ctxt: Any, request_spec: Any) -> bool:
        """Add the traits to a request.

        Never fails: without them the request is as Nova makes it, and the
        host filter rejects the wrong hosts.

        :returns: whether traits were added
        """
        try:
            required = self._read_traits(request_spec)
            if not required:
                return False
            release = _release_trait(ctxt, request_spec)
            request_spec.root_required.update(
                required | ({release} if release else set()))
        except Exception:
            LOG.exception('Cannot ask placement for the traits of a request')
            return False
        return True


def configure(read_traits: ReadTraits | None) -> None:
    """Add the request filter to those of Nova, or remove it.

    A process has at most one. The log has one line where it is added or
    cannot be.

    :param read_traits: None to remove it
    """
    found = getattr(request_filter, 'ALL_REQUEST_FILTERS', None)
    if isinstance(found, list):
        found[:] = [entry for entry in found
                    if not isinstance(entry, TraitRequest)]
    if read_traits is None:
        return
    difference = find_difference()
    if difference is not None:
        LOG.error('[hyperv_sched] require_trait has no effect: %s',
                  difference)
        return
    request_filter.ALL_REQUEST_FILTERS.append(TraitRequest(read_traits))
    LOG.info('Placement selects hosts by the traits that an image needs '
             '([hyperv_sched] require_trait)')


def find_difference() -> str | None:
    """Describe what is different in this Nova; None if nothing is."""
    found = getattr(request_filter, 'ALL_REQUEST_FILTERS', None)
    process = getattr(request_filter, 'process_reqspec', None)
    if not isinstance(found, list) or not found:
        return 'this Nova has no list of request filters'
    for function in (process, *found):
        if not isinstance(function, TraitRequest) and (
                _parameters(function) != _PARAMETERS):
            return 'the request filters of this Nova have other parameters'
    code = getattr(process, '__code__', None)
    if code is None or 'ALL_REQUEST_FILTERS' not in code.co_names:
        return 'this Nova does not go through its list of request filters'
    if getattr(manager, 'request_filter', None) is not request_filter:
        return 'the scheduler of this Nova has other request filters'
    if not isinstance(request_spec.RequestSpec().root_required, set):
        return 'a request of this Nova takes no traits'
    return None


def _parameters(function: Any) -> list[str] | None:
    try:
        return [*inspect.signature(function, follow_wrapped=False).parameters]
    except (TypeError, ValueError):
        return None


def _release_trait(ctxt: Any, request_spec: Any) -> str | None:
    """Return the trait of the Windows that a moving guest was made on."""
    try:
        mapping = objects.InstanceMapping.get_by_instance_uuid(
            ctxt, request_spec.instance_uuid)
        if mapping.cell_mapping is None:
            # A new server.
            return None
        with nova_context.target_cell(ctxt, mapping.cell_mapping) as cell:
            instance = objects.Instance.get_by_uuid(
                cell, request_spec.instance_uuid,
                expected_attrs=['system_metadata'])
    except Exception:
        LOG.debug('Cannot read the server of a request', exc_info=True)
        return None
    made_on = traits.parse_build(
        instance.system_metadata.get(names.RELEASE_KEY))
    if made_on is None or instance.task_state not in _MOVES:
        return None
    return traits.release_trait(made_on)
