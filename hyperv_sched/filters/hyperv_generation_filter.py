# SPDX-License-Identifier: Apache-2.0
"""Give a generation 2 VM only to hosts that can run it."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

from nova.scheduler import filters
from oslo_config import cfg
from oslo_log import log as logging

from hyperv_sched import compatibility
from hyperv_sched import conf
from hyperv_sched import document
from hyperv_sched import objects
from hyperv_sched import rules
from nova import exception

LOG = logging.getLogger(__name__)
CONF = cfg.CONF
conf.register_opts(CONF)


class HyperVGenerationFilter(filters.BaseHostFilter):
    """Judge hosts by the image's Hyper-V generation and version.

    Nova itself never looks at hw_machine_type, skips
    hypervisor_version_requires where hypervisor_type is missing, and passes
    hosts whose version is unknown (``ImagePropertiesFilter``).
    """

    #: A rebuild may bring an image that the host cannot run, and destroys
    #: the guest before it finds out.
    RUN_ON_REBUILD = True

    #: All servers of a request share one image, and no host changes its
    #: version in between.
    run_filter_once_per_request = True

    def host_passes(self, host_state: Any, spec_obj: Any) -> bool:
        verdicts = self._compile(spec_obj)
        return verdicts is None or not _verdict(verdicts, host_state)

    def filter_all(self, filter_obj_list: Sequence[Any],
                   spec_obj: Any) -> Sequence[Any]:
        """Return the hosts that can run the request's image.

        :raises nova.exception.NoValidHost: none can; with the reason, and
            only where ``explain_no_valid_host`` is set.
        """
        verdicts = self._compile(spec_obj)
        if verdicts is None:
            return filter_obj_list
        passed = []
        rejected: collections.Counter[rules.Finding] = collections.Counter()
        for host_state in filter_obj_list:
            finding = _verdict(verdicts, host_state)
            if finding is None:
                passed.append(host_state)
            else:
                rejected[finding] += 1
        if rejected:
            reason = compatibility.summarise(rejected)
            LOG.info('%(passed)d of %(all)d hosts can run image %(image)s. '
                     '%(reason)s',
                     {'passed': len(passed), 'all': len(filter_obj_list),
                      'image': next(iter(rejected)).image, 'reason': reason})
            if not passed and CONF.hyperv_sched.explain_no_valid_host:
                raise exception.NoValidHost(reason=reason)
        return passed

    @staticmethod
    def _compile(spec_obj: Any) -> compatibility.Verdicts | None:
        options = CONF.hyperv_sched
        policy = compatibility.Policy(
            generation_2_minimum=options.gen2_minimum_version,
            accept_unknown_version=options.unknown_host_version == 'accept')
        # Without an image (None), nothing is known to be asked.
        image = (document.from_image_meta(spec_obj.image)
                 if spec_obj.image else {})
        return compatibility.compile(
            objects.ImageRequirement.from_document(image), policy)


def _verdict(verdicts: compatibility.Verdicts,
             host_state: Any) -> rules.Finding | None:
    return verdicts[host_state.hypervisor_type,
                    host_state.hypervisor_version]
