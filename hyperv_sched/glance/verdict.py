# SPDX-License-Identifier: Apache-2.0
"""The verdict on an image, as Glance gives it to a user."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
from typing import Any

from glance.common import property_utils  # noqa: F401 (registers options)
from oslo_config import cfg
from oslo_log import log as logging

from hyperv_sched import conf
from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.text import escape

CONF = cfg.CONF
conf.register_opts(CONF)
LOG = logging.getLogger(__name__)

#: Reasons that are given at once: answers and tasks have little room.
_MAX_TOLD = 5

#: Severities of findings that an image is refused for.
_REFUSED = ('error', 'unknown')


def document(raw: Any) -> dict[str, Any]:
    """Bring what Glance has of an image into the shape that rules judge.

    Glance knows no nesting: "properties" is a property like any other.

    :raises hyperv_sched.document.InvalidDocumentError: it is none.
    """
    if isinstance(raw, Mapping):
        raw = {name: value for name, value in raw.items()
               if name != 'properties'}
    return image_document.normalize(raw)


def errors(document: Mapping[str, Any]) -> list[rules.Finding]:
    """Return what an image is refused for; log what is odd about it.

    What could not be decided is refused, too.

    :param document: as :func:`hyperv_sched.document.normalize` returns it.
    """
    if not validators.concerns_hyperv(document):
        return []
    findings = rules.apply_overrides(validators.validate(document), *weights())
    for finding in findings:
        if finding.severity not in _REFUSED:
            LOG.warning('Image %(image)s: %(finding)s',
                        {'image': escape(finding.image),
                         'finding': finding})
    return [f for f in findings if f.severity in _REFUSED]


def protected() -> bool:
    """Return whether there may be properties that a user cannot read."""
    return bool(CONF.property_protection_file)


def judge_readable(
        judge: Callable[[dict[str, Any]], Iterable[rules.Finding]],
        whole: dict[str, Any],
        readable: dict[str, Any]) -> list[rules.Finding]:
    """Judge a whole image; quote nothing that its user cannot read.

    :param judge: returns the findings about a record of the image
    :param whole: the record with all properties
    :param readable: the record as its user can read it
    """
    findings = list(judge(whole))
    if not findings or whole == readable:
        return findings
    known = {str(finding) for finding in judge(readable)}
    return [
        finding if str(finding) in known else dataclasses.replace(
            finding, actual=None, required='',
            message='a property that you cannot read contradicts it',
            fix='Ask an administrator of the cloud')
        for finding in findings]


def weights() -> tuple[list[str], list[str]]:
    """The codes that an operator ignores, and those taken for errors.

    :raises oslo_config.cfg.Error: a code is misspelt.
    """
    options = CONF.hyperv_sched
    return options.ignored_rules, options.error_rules


def words(findings: Iterable[rules.Finding]) -> str:
    """The reasons for a refusal, in one text."""
    told = [str(finding) for finding in findings]
    more = len(told) - _MAX_TOLD
    return '. '.join(told[:_MAX_TOLD]) + (
        f'. And {more} more' if more > 0 else '')
