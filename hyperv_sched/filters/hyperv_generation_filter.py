# SPDX-License-Identifier: Apache-2.0
"""Give a generation 2 VM only to hosts that can run it."""

from __future__ import annotations

import collections
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import re
import sys
from typing import Any
from typing import NoReturn

from nova import exception
from nova.scheduler import filters
from nova.scheduler import utils
from oslo_config import cfg
from oslo_log import log as logging

from hyperv_sched import caching
from hyperv_sched import compatibility
from hyperv_sched import conf
from hyperv_sched import document
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import versions
from hyperv_sched.objects import image_requirement
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)
CONF = cfg.CONF
conf.register_opts(CONF)

#: Hosts without a version that are remembered as warned about.
MAX_WARNED = 10_000


class HyperVGenerationFilter(filters.BaseHostFilter):
    """Judge hosts by the image's Hyper-V generation and version.

    Nova itself never looks at hw_machine_type, skips
    hypervisor_version_requires where hypervisor_type is missing, and passes
    hosts whose version is unknown (``ImagePropertiesFilter``).

    One instance serves all threads of the scheduler. What is remembered
    changes by single, atomic operations, and is never needed to be right.
    """

    #: A rebuild may bring an image that the host cannot run, and destroys
    #: the guest before it finds out. (filter_all here runs in any case; this
    #: is for host_passes' other callers.)
    RUN_ON_REBUILD = True

    #: All servers of a request share one image, and no host changes its
    #: version in between.
    run_filter_once_per_request = True

    def __init__(self) -> None:
        super().__init__()
        # Here, so that a misspelt option keeps the scheduler from starting
        # rather than every server from being scheduled.
        minimum, unknown, self._explain = conf.read(
            CONF, 'gen2_minimum_version', 'unknown_host_version',
            'explain_no_valid_host')
        self._policy = compatibility.Policy(
            generation_2_minimum=versions.Version(minimum),
            accept_unknown_version=unknown == 'accept')
        self._offer = CONF.scheduler.max_placement_results
        self._warned: set[object] = set()

    def host_passes(self, host_state: Any, spec_obj: Any) -> bool:
        matcher = _compile(spec_obj, self._policy)
        return matcher is None or _judge(matcher, host_state) is None

    def filter_all(self, filter_obj_list: Sequence[Any],
                   spec_obj: Any) -> Sequence[Any]:
        """Return the hosts that can run the request's image.

        Neither a broken request nor a broken host record makes it fail: no
        host meets the one, and the other is no host.

        :raises nova.exception.NoValidHost: none can; with the reason, and
            only where ``explain_no_valid_host`` is set.
        """
        matcher = _compile(spec_obj, self._policy)
        if matcher is None:
            return filter_obj_list
        passed, others = _split(filter_obj_list, matcher.known_good_versions)
        if not others:
            return passed
        findings = _judge_all(matcher, others)
        rejected = collections.Counter(filter(None, findings))
        if rejected.total() < len(others):
            # In their old order, with those that are unusual and can.
            passed = [host for host in filter_obj_list
                      if _judge(matcher, host) is None]
        if self._policy.accept_unknown_version or any(
                finding.code == 'HV403' for finding in rejected):
            self._warn_of_silent(others, findings)
        if rejected and (not passed or LOG.isEnabledFor(logging.DEBUG)):
            LOG.log(logging.DEBUG if passed else logging.INFO,
                    '%(passed)d of %(all)d hosts can run image %(image)s. '
                    '%(reason)s',
                    {'passed': len(passed), 'all': len(filter_obj_list),
                     'image': _image_id(spec_obj),
                     'reason': compatibility.explain(
                         rejected, _names(others, findings, {
                             finding.code for finding in rejected}))})
        if rejected and not passed and self._explain:
            self._raise_no_valid_host(rejected, filter_obj_list, spec_obj)
        return passed

    def _raise_no_valid_host(
            self, rejected: Mapping[rules.Finding, int],
            hosts: Sequence[Any], spec_obj: Any) -> NoReturn:
        """Give the user the reason, and the log the line that Nova skips."""
        results = [*_earlier_results(), f'{type(self).__name__}: '
                   f'(start: {len(hosts)}, end: 0)']
        LOG.info('Filtering removed all hosts for the request with instance '
                 "ID '%(server)s'. Filter results: %(results)s",
                 {'server': _instance_uuid(spec_obj),
                  'results': str(results)})
        raise exception.NoValidHost(reason=compatibility.summarize(
            rejected, self._scope(results, spec_obj)))

    def _scope(self, results: Sequence[str], spec_obj: Any) -> str:
        """Return the words on the hosts that the reason is about.

        Hosts that are full or disabled are not among those that placement
        offers, nor are more than ``[scheduler] max_placement_results``.
        """
        try:
            if utils.request_is_rebuild(spec_obj):
                # Placement is not asked: it is the server's own host.
                return ''
        except Exception:
            LOG.debug("A request's hints cannot be read", exc_info=True)
        start = re.search(r'start: (\d+)', results[0])
        limited = start is not None and int(start[1]) >= self._offer
        return 'Of the hosts that placement offered{}: '.format(
            f' (max_placement_results={self._offer})' if limited else '')

    def _warn_of_silent(self, hosts: Sequence[Any],
                        findings: Sequence[rules.Finding | None]) -> None:
        """Warn of hosts without a version, once and not once a request."""
        for host, finding in zip(hosts, findings, strict=True):
            silent = (versions.from_nova(host.hypervisor_version) is None
                      if finding is None else finding.code == 'HV403')
            if silent:
                name = _node(host)
                if name not in self._warned and (
                        len(self._warned) < MAX_WARNED):
                    self._warned.add(name)
                    LOG.warning('Host %s has not reported its hypervisor '
                                'version', name)


def _earlier_results() -> list[str]:
    """Return what Nova has noted of the filters before this one.

    Nova logs it where a filter returns no host, and skips that where a filter
    raises NoValidHost, which is the only way to give the user a reason. Only
    a local variable of the caller has it (``nova/filters.py``
    ``get_filtered_objects``).
    """
    caller = sys._getframe()
    while caller.f_back is not None:
        caller = caller.f_back
        if caller.f_code.co_name == 'get_filtered_objects':
            return list(caller.f_locals.get('part_filter_results', ()))
    return []


def _names(hosts: Sequence[Any], findings: Sequence[rules.Finding | None],
           codes: Collection[str]) -> dict[str, list[str]]:
    """Name the first hosts that the findings of each code rejected."""
    named: dict[str, list[str]] = {code: [] for code in codes}
    missing = len(named)
    for host, finding in zip(hosts, findings, strict=True):
        if finding is not None:
            names = named[finding.code]
            if len(names) < compatibility.MAX_NAMED:
                names.append(_node(host))
                missing -= len(names) == compatibility.MAX_NAMED
                if not missing:
                    break
    return named


def _split(hosts: Sequence[Any],
           usual: frozenset[int]) -> tuple[list[Any], list[Any]]:
    """Part the hosts that surely can run the image from all others.

    This loop runs for each host of a cloud in each request: hence no call
    in it.
    """
    others: list[Any] = []
    set_aside = others.append
    hyperv = objects.HYPERV
    try:
        return [
            host for host in hosts
            if ((version := host.hypervisor_version) in usual
                and version.__class__ is int
                and host.hypervisor_type == hyperv)
            or set_aside(host)
        ], others
    except Exception:
        # Some record is broken: each host is to be judged alone.
        return [], list(hosts)


def _judge_all(matcher: compatibility.HostMatcher,
               hosts: Sequence[Any]) -> list[rules.Finding | None]:
    try:
        return [
            matcher[host.hypervisor_type,
                    (version := host.hypervisor_version), version.__class__]
            for host in hosts]
    except Exception:
        return [_judge(matcher, host) for host in hosts]


def _judge(matcher: compatibility.HostMatcher,
           host: Any) -> rules.Finding | None:
    try:
        return matcher.match(host.hypervisor_type, host.hypervisor_version)
    except Exception:
        LOG.debug('The record of a host is broken', exc_info=True)
        return matcher.match(None, None)


def _node(host: Any) -> str:
    try:
        return escape(host.nodename)
    except Exception:
        return 'of an unreadable record'


def _image_id(spec_obj: Any) -> str:
    """The image's id; one booted from a volume has none."""
    try:
        return escape(spec_obj.image.id)
    except Exception:
        return '-'


def _instance_uuid(spec_obj: Any) -> str:
    try:
        return escape(spec_obj.instance_uuid)
    except Exception:
        return '-'


def _compile(spec_obj: Any, policy: compatibility.Policy,
             ) -> compatibility.HostMatcher | None:
    """What the request's image asks of a host; without an image, nothing."""
    try:
        image = spec_obj.image
        if image is None:
            return None
        asked = document.from_image_meta(image)
        return _compile_properties(
            policy, *map(asked.get, image_requirement.PROPERTIES))
    except Exception:
        LOG.exception("A request's image cannot be read")
        return compatibility.host_matcher(
            objects.ImageRequirement.unreadable(), policy)


@caching.cache_small
def _compile_properties(
        policy: compatibility.Policy,
        *values: str | None) -> compatibility.HostMatcher | None:
    """Many requests ask for few images, and many images for the same."""
    return compatibility.host_matcher(
        objects.ImageRequirement.from_document({
            name: value for name, value in zip(
                image_requirement.PROPERTIES, values, strict=True)
            if value is not None}), policy)
