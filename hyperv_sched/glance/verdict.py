# SPDX-License-Identifier: Apache-2.0
"""Validation of images in glance-api, and the reasons that users get."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
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

#: Findings in a reason. Responses and tasks have little room for text.
_MAX_FINDINGS = 5

#: Severities of findings for which an image is refused.
_BLOCKING = ('error', 'unknown')


#: Rule codes whose findings are dropped, and those that are errors.
SeverityOverrides = tuple[Sequence[str], Sequence[str]]


def severity_overrides() -> SeverityOverrides:
    """Read the severity overrides of the configuration.

    :raises hyperv_sched.conf.InvalidOptionError: no rule has one of the
        codes.
    """
    ignored, errors = conf.read(CONF, 'ignored_rules', 'error_rules')
    return ignored, errors


def to_document(record: Any) -> image_document.Document:
    """Normalize a record of Glance into an image document.

    Records of Glance are flat, and "properties" is a property like others.

    :raises hyperv_sched.document.InvalidDocumentError: the record is invalid.
    """
    if isinstance(record, Mapping):
        record = {name: value for name, value in record.items()
                  if name != 'properties'}
    return image_document.normalize(record)


def blocking_findings(document: image_document.Document,
                      overrides: SeverityOverrides) -> list[rules.Finding]:
    """Return the findings for which an image is refused, and log the others.

    :param document: from :func:`to_document`, with content if it is known
    """
    if not validators.concerns_hyperv(document):
        return []
    findings = rules.apply_overrides(
        validators.validate(document), *overrides)
    for finding in findings:
        if finding.severity not in _BLOCKING:
            LOG.warning('Image %(image)s: %(finding)s',
                        {'image': escape(finding.image),
                         'finding': finding})
    return [finding for finding in findings if finding.severity in _BLOCKING]


def has_property_protection() -> bool:
    """Return whether some properties may not be readable for a user."""
    return bool(CONF.property_protection_file)


def validate_readable(
        validate: Callable[[dict[str, Any]], Iterable[rules.Finding]],
        record: dict[str, Any],
        readable: dict[str, Any]) -> list[rules.Finding]:
    """Validate a record without quoting properties that the user cannot read.

    :param validate: returns the findings of a record
    :param record: record with all properties
    :param readable: record with the properties that the user can read
    """
    findings = list(validate(record))
    if not findings or record == readable:
        return findings
    quotable = {str(finding) for finding in validate(readable)}
    return [
        finding if str(finding) in quotable else dataclasses.replace(
            finding, actual=None, required='',
            message='a property that you cannot read contradicts it',
            fix='Ask an administrator of the cloud')
        for finding in findings]


def format_reason(findings: Iterable[rules.Finding]) -> str:
    """Format the findings as the reason of a refusal."""
    sentences = [str(finding) for finding in findings]
    more = len(sentences) - _MAX_FINDINGS
    return '. '.join(sentences[:_MAX_FINDINGS]) + (
        f'. And {more} more' if more > 0 else '')
