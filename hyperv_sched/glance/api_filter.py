# SPDX-License-Identifier: Apache-2.0
"""The API filter: validates requests before Glance executes them.

The filter has the name ``hyperv_generation`` and follows ``context`` in the
pipeline of glance-api-paste.ini. It checks what Glance and the import plugin
do not: rules over several properties on POST and PATCH, the first bytes of an
upload before Glance stores them, and stored content when a PATCH changes the
generation of an active image.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import contextlib
import functools
import io
import re
from typing import Any
from typing import NamedTuple

from glance.common import wsgi
from oslo_log import log as logging
from oslo_serialization import jsonutils
import webob
import webob.exc

from hyperv_sched import conf
from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched import glance_options
from hyperv_sched import metrics
from hyperv_sched import names
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.disk import secure_boot
from hyperv_sched.glance import patch
from hyperv_sched.glance import stored
from hyperv_sched.glance import verdict
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)

#: Paths of the Image API. Any prefix is accepted: in front of the version
#: negotiation of Glance, the path has a version. The end is as Routes matches
#: it, which accepts a slash and a line feed.
_PATH = re.compile(
    r'(.*?/images)(?:/([^/]+?)(?:/(file|stage|import))?)?/?\n?\Z', re.DOTALL)

#: Bytes at the start of an upload that determine its format. The signature
#: of an ISO is the last: 5 bytes at offset 32769.
_HEAD_SIZE = 32774

#: Names in metrics of the operations that are validated, by method and action.
_OPERATIONS = {
    ('POST', None): 'image_create', ('PATCH', None): 'image_update',
    ('PUT', 'file'): 'image_upload', ('PUT', 'stage'): 'image_stage',
    ('POST', 'import'): 'image_import'}

#: Key of the WSGI environment for the check after a change: image, findings
#: before the change, content.
_CHANGED = 'hyperv_sched.changed'

#: Code and severity of a finding for which no change is refused. Stored
#: content is read in ranges, and only a whole loader could show that its
#: signature is valid.
_NOT_VERIFIED = 'HV340', 'unknown'


class _BodyTooLargeError(Exception):
    """The body of a request is larger than the filter validates."""


class _Route(NamedTuple):
    """Operation that Glance routes a request to.

    :ivar path: path of the image or of all images in the environment
    """

    method: str
    path: str
    image_id: str | None
    action: str | None


class HyperVGeneration(wsgi.Middleware):
    """Refuse images that do not run on Hyper-V; by default, only log them.

    :param report_only: log the requests to refuse, and accept them
    :param max_body: largest JSON body that is validated, in bytes
    :param refuse_oversized: refuse larger bodies instead of accepting them
        without validation
    :param read_active: read the content of an active image if a change of
        its properties requires other content
    :param overrides: severity overrides of the configuration
    :param certificate_years: those of the certificates that hosts have for
        Secure Boot
    """

    def __init__(self, application: Any, report_only: bool = True,
                 max_body: int = glance_options.MAX_BODY,
                 refuse_oversized: bool = False, read_active: bool = True,
                 overrides: verdict.SeverityOverrides = ((), ()),
                 certificate_years: Collection[str] = names.CERTIFICATE_YEARS,
                 ) -> None:
        super().__init__(application)
        self._report_only = report_only
        self._max_body = max_body
        self._refuse_oversized = refuse_oversized
        self._read_active = read_active
        self._overrides = overrides
        self._certificate_years = certificate_years

    @classmethod
    def factory(cls, global_conf: Any, **local_conf: str
                ) -> Callable[[Any], HyperVGeneration]:
        """Return a filter for PasteDeploy, whose options are strings.

        :raises ValueError: an option here or in [hyperv_sched] is invalid.
            glance-api does not start
        """
        overrides = verdict.severity_overrides()
        years, = conf.read(verdict.CONF, 'secure_boot_certificates')
        read = functools.partial(
            glance_options.read_filter_option, local_conf)
        options = (read('report_only'), read('max_body'),
                   read('oversized') == 'refuse', read('read_active'),
                   overrides, years)
        return lambda application: cls(application, *options)

    def process_request(self, req: webob.Request) -> Any:
        """Return an error response to a request to refuse, otherwise None."""
        try:
            route = _route(req)
            findings = () if route is None else self._validate(req, route)
        except _BodyTooLargeError:
            return self._respond_oversized(req)
        except Exception:
            # A bug of the filter must not stop the Image API.
            LOG.exception('Request is not validated: %(method)s %(path)s',
                          _log_fields(req))
            return None
        if route is None or not findings:
            return None
        metrics.count_refusal(_OPERATIONS[route.method, route.action],
                              findings, self._report_only)
        return self._refuse(req, webob.exc.HTTPBadRequest,
                            verdict.format_reason(findings))

    def process_response(self, response: Any) -> Any:
        """Validate an image again after a change.

        Glance has no conditional requests, so that another change may come
        between the check and the change. The later of two changes at once
        sees both.
        """
        change = response.request.environ.pop(_CHANGED, None)
        if change is not None and response.status_int == 200:
            try:
                self._validate_changed(*change)
            except Exception:
                LOG.exception('A changed image is not validated again')
        return response

    def _refuse(self, req: webob.Request, error: type[Any],
                reason: str) -> Any:
        LOG.warning('%(result)s: %(method)s %(path)s: %(reason)s',
                    {'result': 'Would be refused' if self._report_only
                     else 'Refused', 'reason': reason, **_log_fields(req)})
        if self._report_only:
            return None
        # openstacksdk sends no Accept header with changes and uploads, and
        # shows no reason of a plain text response.
        if not req.headers.get('Accept'):
            req.headers['Accept'] = 'application/json'
        return error(explanation=reason, body_template='${explanation}')

    def _respond_oversized(self, req: webob.Request) -> Any:
        reason = (f'the body is larger than {self._max_body} bytes '
                  '(max_body) and is not validated')
        if self._refuse_oversized:
            return self._refuse(
                req, webob.exc.HTTPRequestEntityTooLarge, reason)
        LOG.warning('Passed to Glance: %(method)s %(path)s: %(reason)s',
                    {'reason': reason, **_log_fields(req)})
        return None

    def _validate(self, req: webob.Request,
                  route: _Route) -> Iterable[rules.Finding]:
        """Return the findings for which a request is refused."""
        method, path, image_id, action = route
        image = stored.StoredImage(self.application, req.environ, path)
        try:
            if method == 'POST' and image_id is None:
                return self._validate_new(req)
            if method == 'PATCH' and image_id and action is None:
                return self._validate_patch(req, image)
            if method == 'PUT' and action in ('file', 'stage'):
                return self._validate_upload(req, image)
            if method == 'POST' and action == 'import':
                return _validate_image(image, self._findings)
        except (image_document.InvalidDocumentError,
                patch.InvalidPatchError) as exc:
            LOG.info('Passed to Glance: %(method)s %(path)s: %(reason)s',
                     {'reason': escape(exc), **_log_fields(req)})
        return ()

    def _validate_new(self, req: webob.Request) -> list[rules.Finding]:
        record = self._body(req)
        findings = self._findings(record)
        if not findings or not _is_snapshot(record):
            return findings
        # Nova copies its record of the server's image, which no user can
        # correct, and a shelving server whose snapshot is refused is stuck.
        LOG.warning('Not refused, because it is the snapshot of a server: '
                    '%(method)s %(path)s: %(reason)s',
                    {'reason': verdict.format_reason(findings),
                     **_log_fields(req)})
        return []

    def _validate_patch(self, req: webob.Request,
                        image: stored.StoredImage) -> list[rules.Finding]:
        previous: list[rules.Finding] | None = None
        content: dict[str, Any] | None = None

        def validate(record: dict[str, Any]) -> list[rules.Finding]:
            nonlocal content, previous
            changed = patch.apply(record, changes, req.content_type)
            if content is None and self._read_active and (
                    _requires_other_content(record, changed)):
                content = _content(
                    image, record.get('size'), self._policy(changed))
            before = self._findings(record, content)
            introduced = _introduced(before, self._findings(changed, content))
            # The first record has all properties.
            if previous is None:
                previous = [*before, *introduced]
            return introduced

        try:
            changes = self._body(req)
        except _BodyTooLargeError:
            req.environ[_CHANGED] = (
                image, self._findings(image.record()), None)
            raise
        findings = _validate_image(image, validate)
        req.environ[_CHANGED] = (image, previous or [], content)
        return findings

    def _validate_upload(self, req: webob.Request,
                         image: stored.StoredImage) -> list[rules.Finding]:
        # Glance refuses other types without reading the body.
        if req.content_type != 'application/octet-stream':
            return []
        content: dict[str, Any] | None = None

        def validate(record: dict[str, Any]) -> list[rules.Finding]:
            nonlocal content
            document = verdict.to_document(record)
            if not validators.concerns_hyperv(
                    image_document.extend(
                        document, content={'format': 'vhdx'})):
                # The image is for another hypervisor with any content.
                return []
            if content is None:
                content = _inspect_upload(req)
            # A fixed VHD has its footer at the end, and starts with the
            # first bytes of the virtual disk.
            if document.get('disk_format') == 'vhd' and (
                    content['format'] in ('raw', 'unknown')):
                return []
            return _introduced(self._findings(record),
                               self._findings(record, content))

        return _validate_image(image, validate)

    def _validate_changed(self, image: stored.StoredImage,
                          previous: list[rules.Finding],
                          content: dict[str, Any] | None) -> None:
        """Log the findings that a change has introduced.

        The change is not undone: another request may have introduced the
        findings, and its client has a response already.
        """
        record = image.record(as_admin=True)
        findings = _introduced(previous, self._findings(record, content))
        if findings:
            LOG.warning(
                'Image %(image)s is invalid after a change: it was changed '
                'by another request at the same time, or the change was not '
                'validated. %(reason)s',
                {'image': escape(record.get('id')),
                 'reason': verdict.format_reason(findings)})

    def _findings(self, record: Any, content: dict[str, Any] | None = None,
                  ) -> list[rules.Finding]:
        """Return the findings for which an image is refused."""
        document = verdict.to_document(record)
        if content is not None:
            document['content'] = content
        findings = []
        for finding in verdict.blocking_findings(document, self._overrides):
            if (finding.code, finding.severity) == _NOT_VERIFIED:
                LOG.warning('Image %(image)s: %(finding)s',
                            {'image': escape(finding.image),
                             'finding': finding})
            else:
                findings.append(finding)
        return findings

    def _policy(self, record: dict[str, Any]) -> secure_boot.Policy | None:
        if not image_document.requires_secure_boot(record):
            return None
        return secure_boot.Policy.of_years(
            self._certificate_years, whole=False)

    def _body(self, req: webob.Request) -> Any:
        """Return the JSON document in a body, which Glance can read again.

        :raises InvalidDocumentError: the body is empty or not JSON.
        :raises _BodyTooLargeError: the body is larger than max_body.
        """
        _dechunk(req)
        length = req.content_length
        if length is not None and length > self._max_body:
            raise _BodyTooLargeError
        if not req.is_body_readable:
            raise image_document.InvalidDocumentError('there is no body')
        data = _read_start(
            req, self._max_body + 1 if length is None else length)
        if len(data) > self._max_body:
            raise _BodyTooLargeError
        try:
            # Glance decodes the whole body as UTF-8, too.
            return jsonutils.loads(data)
        except (ValueError, RecursionError) as exc:
            raise image_document.InvalidDocumentError(str(exc)) from None


def _route(req: webob.Request) -> _Route | None:
    """Return the operation on images that Glance routes a request to.

    The path in the environment is matched as Glance does: paste.urlmap folds
    slashes (``paste/urlmap.py``, ``normalize_url``), and Routes matches it
    without decoding (``routes/mapper.py``).
    """
    path = re.sub('//+', '/', req.environ.get('PATH_INFO', ''))
    match = _PATH.match(path)
    if match is None:
        return None
    images, image_id, action = match.groups()
    return _Route(
        _method(req), images if image_id is None else f'{images}/{image_id}',
        image_id, action)


def _method(req: webob.Request) -> str:
    """Return the method that Routes uses (``routes/middleware.py``)."""
    method: str = req.method
    # Routes searches for the name before it decodes the query.
    if '_method' in req.environ.get('QUERY_STRING', ''):
        with contextlib.suppress(UnicodeDecodeError):
            method = req.GET.get('_method') or method
    return method.upper()


def _log_fields(req: webob.Request) -> dict[str, str]:
    """Return the method and path of a request for the log."""
    return {'method': escape(req.method),
            'path': escape(req.environ.get('PATH_INFO', ''))}


def _dechunk(req: webob.Request) -> None:
    """Let Glance read a chunked body from wsgi.input as well."""
    if req.headers.get('Transfer-Encoding', '').lower() != 'chunked':
        return
    # uWSGI has no chunked body in wsgi.input. Glance has a reader for it.
    source = wsgi.Request(req.environ).body_file
    req.is_body_readable = True
    if isinstance(source, getattr(wsgi, '_UWSGIChunkFile', ())):
        req.environ['wsgi.input'] = source
        # Otherwise Glance would read from uWSGI again.
        del req.environ['HTTP_TRANSFER_ENCODING']


def _validate_image(
        image: stored.StoredImage,
        validate: Callable[[dict[str, Any]], Iterable[rules.Finding]],
) -> list[rules.Finding]:
    """Validate a stored image with the properties that the caller lacks."""
    readable = record = image.record()
    if verdict.has_property_protection() and not image.is_admin:
        record = image.record(as_admin=True)
    return verdict.validate_readable(validate, record, readable)


def _is_snapshot(record: Any) -> bool:
    """Return whether Nova makes an image from a server.

    It names the image of the server (``nova/compute/api.py``
    ``_populate_instance_for_create``).
    """
    return isinstance(record, Mapping) and 'base_image_ref' in record


def _introduced(before: Iterable[rules.Finding],
                after: list[rules.Finding]) -> list[rules.Finding]:
    """Return the findings after a change that the image did not have before.

    A rule that applies to several properties is broken more often then.
    """
    previous = collections.Counter(finding.code for finding in before)
    counts = collections.Counter(finding.code for finding in after)
    return [finding for finding in after
            if counts[finding.code] > previous[finding.code]]


def _requires_other_content(before: dict[str, Any],
                            after: dict[str, Any]) -> bool:
    """Return whether a change affects the rules over stored content."""
    if before.get('status') != 'active':
        return False
    old, new = verdict.to_document(before), verdict.to_document(after)
    return validators.concerns_hyperv(new) and any(
        old.get(member) != new.get(member)
        for member in validators.content_members())


def _content(image: stored.StoredImage, size: object,
             policy: secure_boot.Policy | None) -> dict[str, Any] | None:
    """Return the stored content of an image, or None if that fails."""
    try:
        return image.content(size, policy)
    except stored.UnreadContentError as exc:
        LOG.warning('The content of an image is not validated with its new '
                    'properties: %s', escape(exc))
        return None


def _inspect_upload(req: webob.Request) -> dict[str, Any]:
    """Return the format and size of an upload."""
    _dechunk(req)
    length = req.content_length
    size = _HEAD_SIZE if length is None else min(length, _HEAD_SIZE)
    head = _read_start(req, size)
    return {'format': disk.read_format(io.BytesIO(head)).name,
            'file_size': len(head) if length is None else length}


def _read_start(req: webob.Request, length: int) -> bytes:
    """Read the first bytes of a body; Glance reads them again.

    body_file of webob would read more bytes than requested.
    """
    source = req.body_file_raw
    chunks: list[bytes] = []
    missing = length
    while missing > 0:
        data = source.read(missing)
        if not data:
            break
        chunks.append(data)
        missing -= len(data)
    start = b''.join(chunks)
    req.environ['wsgi.input'] = _Input(start, source)
    return start


class _Input(io.RawIOBase):
    """File of the bytes that were read, followed by the rest of the body.

    Each read is complete: for webob, a short read is a closed connection.
    """

    def __init__(self, start: bytes, rest: Any) -> None:
        self._start = io.BytesIO(start)
        self._rest = rest

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        data = self._start.read(len(buffer))
        if len(data) < len(buffer):
            data += self._rest.read(len(buffer) - len(data))
        buffer[:len(data)] = data
        return len(data)
