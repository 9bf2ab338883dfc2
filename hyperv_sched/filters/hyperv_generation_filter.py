# SPDX-License-Identifier: Apache-2.0
"""The filter of nova-scheduler for Hyper-V generations and versions."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from collections.abc import Sequence
import re
import sys
from typing import Any
from typing import NoReturn

from nova import exception
from nova.objects import image_meta
from nova.scheduler import filters
from nova.scheduler import utils
from oslo_config import cfg
from oslo_log import log as logging

from hyperv_sched import caching
from hyperv_sched import compatibility
from hyperv_sched import conf
from hyperv_sched import document
from hyperv_sched import metrics
from hyperv_sched import names
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import traits
from hyperv_sched import versions
from hyperv_sched.filters import trait_request
from hyperv_sched.objects import image_requirement
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)
CONF = cfg.CONF
conf.register_opts(CONF)

#: Nova's names of the properties that have another name in a document.
_NOVA_NAMES = {used: name for name, used in names.USED.items()}

#: The fields of Nova's ImageMetaProps that make demands on a host.
_FIELDS = tuple(
    field for name in image_requirement.PROPERTIES
    if (field := _NOVA_NAMES.get(name, name))
    in image_meta.ImageMetaProps.fields)

#: An image without these fields does not require Hyper-V.
_SELECTORS = tuple(_NOVA_NAMES.get(name, name)
                   for name in image_requirement.SELECTORS)

_EXTRA_SPECS = document.EXTRA_SPECS

#: Hosts without a version that the log has a warning of.
MAX_WARNED = 10_000


class HyperVGenerationFilter(filters.BaseHostFilter):
    """Filter hosts by the image's Hyper-V generation and version.

    Nova itself ignores hw_machine_type, ignores hypervisor_version_requires
    without hypervisor_type, and passes hosts whose version is unknown
    (``ImagePropertiesFilter``).

    Threads of the scheduler share one instance. Its caches change by single
    atomic operations, and only speed depends on them.
    """

    #: A rebuild may use an image that the host cannot run, and destroys the
    #: guest first. (Nova runs filter_all in any case; this is for other
    #: callers of host_passes.)
    RUN_ON_REBUILD = True

    #: All servers of a request have the same image, and no host changes its
    #: version meanwhile.
    run_filter_once_per_request = True

    def __init__(self) -> None:
        super().__init__()
        # Read at the start: an invalid option stops the scheduler instead of
        # failing every request.
        minimum, unknown, self._explain, require_trait = conf.read(
            CONF, 'gen2_minimum_version', 'unknown_host_version',
            'explain_no_valid_host', 'require_trait')
        self._policy = compatibility.Policy(
            generation_2_minimum=versions.Version(minimum),
            accept_unknown_version=unknown == 'accept')
        self._max_results = CONF.scheduler.max_placement_results
        self._warned: set[object] = set()
        trait_request.configure(self._required_traits if require_trait
                                else None)

    def _required_traits(self, spec_obj: Any) -> frozenset[str]:
        """Return the traits of the hosts that can run a request's image."""
        matcher = _matcher(spec_obj, self._policy)
        return frozenset() if matcher is None else traits.required_traits(
            matcher.requirement, self._policy)

    def host_passes(self, host_state: Any, spec_obj: Any) -> bool:
        """Return whether one host can run the image of the request."""
        matcher = _matcher(spec_obj, self._policy)
        return matcher is None or _match(matcher, host_state) is None

    def filter_all(self, filter_obj_list: Sequence[Any],
                   spec_obj: Any) -> Sequence[Any]:
        """Return the hosts that can run the request's image.

        No other error is raised: an unreadable request matches no host, and
        an unreadable host matches no request.

        :raises nova.exception.NoValidHost: no host can, and
            ``explain_no_valid_host`` is set. The message is the reason.
        """
        matcher = _matcher(spec_obj, self._policy)
        if matcher is None:
            return filter_obj_list
        findings = [_match(matcher, host) for host in filter_obj_list]
        passed = [host for host, finding
                  in zip(filter_obj_list, findings, strict=True)
                  if finding is None]
        rejected = collections.Counter(filter(None, findings))
        if self._policy.accept_unknown_version or any(
                finding.code == 'HV403' for finding in rejected):
            self._warn_of_unknown_versions(filter_obj_list, findings)
        if rejected and (not passed or LOG.isEnabledFor(logging.DEBUG)):
            LOG.log(logging.DEBUG if passed else logging.INFO,
                    '%(passed)d of %(all)d hosts can run image %(image)s. '
                    '%(reason)s',
                    {'passed': len(passed), 'all': len(findings),
                     'image': _image_id(spec_obj),
                     'reason': compatibility.explain(
                         rejected, _names(filter_obj_list, findings))})
        if rejected and not passed:
            metrics.count_refusal('scheduling', rejected)
        if rejected and not passed and self._explain:
            self._raise_no_valid_host(rejected, len(findings), spec_obj)
        return passed

    def _raise_no_valid_host(
            self, rejected: Mapping[rules.Finding, int], start: int,
            spec_obj: Any) -> NoReturn:
        """Raise NoValidHost with the reason, and log what Nova would log."""
        results = [*_earlier_results(), f'{type(self).__name__}: '
                   f'(start: {start}, end: 0)']
        LOG.info('Filtering removed all hosts for the request with instance '
                 "ID '%(server)s'. Filter results: %(results)s",
                 {'server': _instance_uuid(spec_obj),
                  'results': str(results)})
        raise exception.NoValidHost(reason=compatibility.summarize(
            rejected, self._scope(results, spec_obj)))

    def _scope(self, results: Sequence[str], spec_obj: Any) -> str:
        """Return the text on which hosts the reason is about.

        Placement offers neither full nor disabled hosts, and no more than
        ``[scheduler] max_placement_results``.
        """
        try:
            if utils.request_is_rebuild(spec_obj):
                # Placement offers no hosts here: it is the server's own host.
                return ''
        except Exception:
            LOG.debug("Cannot read a request's hints", exc_info=True)
        start = re.search(r'start: (\d+)', results[0])
        limited = start is not None and int(start[1]) >= self._max_results
        return 'Of the hosts that placement offered{}: '.format(
            f' (max_placement_results={self._max_results})'
            if limited else '')

    def _warn_of_unknown_versions(
            self, hosts: Sequence[Any],
            findings: Sequence[rules.Finding | None]) -> None:
        """Log a warning, once for each host that reports no version."""
        for host, finding in zip(hosts, findings, strict=True):
            unknown = (_is_unknown(host.hypervisor_version)
                       if finding is None else finding.code == 'HV403')
            name = _node_name(host) if unknown else None
            if unknown and name not in self._warned and (
                    len(self._warned) < MAX_WARNED):
                self._warned.add(name)
                LOG.warning('Host %s has not reported its hypervisor '
                            'version', name)


def _earlier_results() -> list[str]:
    """Return Nova's results of the filters before this one.

    Nova logs them if a filter returns no host, but not if it raises
    NoValidHost, the only way to give the user a reason. They are in a local
    variable of the caller (``nova/filters.py`` ``get_filtered_objects``).
    """
    caller = sys._getframe()
    while caller.f_back is not None:
        caller = caller.f_back
        if caller.f_code.co_name == 'get_filtered_objects':
            return list(caller.f_locals.get('part_filter_results', ()))
    return []


def _names(hosts: Sequence[Any], findings: Sequence[rules.Finding | None]
           ) -> Mapping[str, list[str]]:
    """Return the names of the first hosts that each code rejects."""
    named: dict[str, list[str]] = collections.defaultdict(list)
    for host, finding in zip(hosts, findings, strict=True):
        if finding is not None and (
                len(named[finding.code]) < compatibility.MAX_NAMED):
            named[finding.code].append(_node_name(host))
    return named


def _match(matcher: compatibility.HostMatcher,
           host: Any) -> rules.Finding | None:
    try:
        return matcher.match(host.hypervisor_type, host.hypervisor_version)
    except Exception:
        LOG.debug('Cannot read the record of a host', exc_info=True)
        return matcher.match(None, None)


@caching.cache_small
def _is_unknown(hypervisor_version: object) -> bool:
    return versions.from_nova(hypervisor_version) is None


def _node_name(host: Any) -> str:
    try:
        return escape(host.nodename)
    except Exception:
        return 'of an unreadable record'


def _image_id(spec_obj: Any) -> str:
    """Return the image's id; an image of a volume has none."""
    try:
        return escape(spec_obj.image.id)
    except Exception:
        return '-'


def _instance_uuid(spec_obj: Any) -> str:
    try:
        return escape(spec_obj.instance_uuid)
    except Exception:
        return '-'


def _matcher(spec_obj: Any, policy: compatibility.Policy,
             ) -> compatibility.HostMatcher | None:
    """Return the matcher of a request; None if it does not require Hyper-V."""
    try:
        image = spec_obj.image
        if image is None or not image.obj_attr_is_set('properties'):
            return None
        properties = image.properties
        if not any(map(properties.obj_attr_is_set, _SELECTORS)):
            return None
        values = [getattr(properties, name)
                  if properties.obj_attr_is_set(name) else None
                  for name in _FIELDS]
        return _cached_matcher(
            policy, *map(_extra_specs(spec_obj).get, _EXTRA_SPECS), *values)
    except Exception:
        LOG.exception('Cannot read the image or the flavor of a request')
        return compatibility.HostMatcher(
            objects.ImageRequirement.unreadable(), policy)


def _extra_specs(spec_obj: Any) -> Mapping[str, Any]:
    """Return the extra specs of a request; none for a request without any.

    Reading an unset field of these objects raises.
    """
    if not spec_obj.obj_attr_is_set('flavor'):
        return {}
    flavor = spec_obj.flavor
    return (flavor.extra_specs if flavor.obj_attr_is_set('extra_specs')
            else {})


@caching.cache_small
def _cached_matcher(policy: compatibility.Policy,
                    *values: str | None) -> compatibility.HostMatcher | None:
    """Return the matcher for the values of _EXTRA_SPECS and _FIELDS.

    The images of many requests have the same few values.
    """
    read = dict(zip((*_EXTRA_SPECS, *_FIELDS), values, strict=True))
    requirement = compatibility.requirement(document.add_flavor(
        document.normalize({name: read[name] for name in _FIELDS}), read))
    return (compatibility.HostMatcher(requirement, policy)
            if requirement.is_for_hyperv else None)
