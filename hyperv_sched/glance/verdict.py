# SPDX-License-Identifier: Apache-2.0
"""The verdict on an image, as Glance gives it to a user."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from hyperv_sched import conf
from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched import validators

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

#: Reasons that are given at once: answers and tasks have little room.
_MAX_TOLD = 5


def document(raw: Any) -> dict[str, Any]:
    """Bring what Glance has of an image into the shape that rules judge.

    Glance knows no nesting: "properties" is a property like any other.

    :raises hyperv_sched.document.InvalidDocument: it is none.
    """
    if isinstance(raw, Mapping):
        raw = {name: value for name, value in raw.items()
               if name != 'properties'}
    return image_document.normalise(raw)


def errors(document: Mapping[str, Any]) -> list[rules.Finding]:
    """What an image is refused for; what is odd about it is logged.

    :param document: as :func:`hyperv_sched.document.normalise` returns it.
    """
    if not validators.concerns_hyperv(document):
        return []
    findings = rules.weigh(validators.validate(document), *weights())
    for finding in findings:
        if finding.severity != 'error':
            LOG.warning('Image %(image)s: %(finding)s',
                        {'image': rules.printable(finding.image),
                         'finding': finding})
    return [f for f in findings if f.severity == 'error']


def weights() -> tuple[list[str], list[str]]:
    """The codes that an operator ignores, and those taken for errors.

    :raises oslo_config.cfg.Error: a code is misspelt.
    """
    conf.register_opts(CONF)
    options = CONF.hyperv_sched
    return options.ignored_rules, options.error_rules


def words(findings: Iterable[rules.Finding]) -> str:
    """The reasons for a refusal, in one text."""
    told = [str(finding) for finding in findings]
    more = len(told) - _MAX_TOLD
    return '. '.join(told[:_MAX_TOLD]) + (
        f'. And {more} more' if more > 0 else '')
