# SPDX-License-Identifier: Apache-2.0
"""The API filter: judges requests before Glance carries them out.

Named ``hyperv_generation`` in the pipeline of glance-api-paste.ini, behind
``context``. It judges what the other guards of Glance do not see: rules over
several properties on POST and PATCH, the first bytes of an upload before
Glance stores them, and the stored content when a PATCH gives an active image
another generation.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from collections.abc import Iterable
import contextlib
import io
import re
from typing import Any
from typing import NamedTuple

from glance.common import wsgi
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import strutils
import webob
import webob.exc

from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.glance import patch
from hyperv_sched.glance import stored
from hyperv_sched.glance import verdict
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)

#: Whatever is in front, ``/v2`` or another version: where the filter stands
#: before Glance's version negotiation, that has not rewritten it yet. The
#: rest is as Routes matches it, with a slash or a line feed at the end, too.
_PATH = re.compile(
    r'(.*?/images)(?:/([^/]+?)(?:/(file|stage|import))?)?/?\n?\Z', re.DOTALL)

#: All that tells a format, that of an ISO included (32769 + 5).
_HEAD = 32774

#: The largest body that is judged, in bytes. An image with 128 properties
#: of 255 characters takes 64 KiB.
_MAX_BODY = 2 ** 20

#: The image and its known errors, for the check after the change.
_CHANGED = 'hyperv_sched.changed'


class _BodyTooLargeError(Exception):
    """The body of a request is larger than the filter judges."""


class _Route(NamedTuple):
    """The operation that Glance will route a request to.

    :ivar path: of the image, or of all images, as in the environment
    """

    method: str
    path: str
    image_id: str | None
    action: str | None


class HyperVGeneration(wsgi.Middleware):
    """Refuse what Hyper-V would not run; by default, only log it.

    :param report_only: log what would be refused, and let it pass
    :param max_body: the largest body of JSON that is judged, in bytes
    :param refuse_oversized: refuse larger ones; else they are left to Glance
    :param read_active: read the content of an active image when a change
        of its properties makes other demands on it
    """

    def __init__(self, application: Any, report_only: bool = True,
                 max_body: int = _MAX_BODY, refuse_oversized: bool = False,
                 read_active: bool = True) -> None:
        super().__init__(application)
        self._report_only = report_only
        self._max_body = max_body
        self._refuse_oversized = refuse_oversized
        self._read_active = read_active

    @classmethod
    def factory(cls, global_conf: Any, report_only: str = 'true',
                max_body: str = str(_MAX_BODY), oversized: str = 'pass',
                read_active: str = 'true',
                **local_conf: Any) -> Callable[[Any], HyperVGeneration]:
        """Return a filter for paste.deploy, which passes text.

        :raises ValueError: an option here or in [hyperv_sched] is wrong,
            which keeps glance-api from starting
        """
        verdict.weights()
        if oversized not in ('pass', 'refuse'):
            raise ValueError(
                f'oversized is {oversized!r}. Valid values: pass, refuse')
        limit = int(max_body)
        if limit < 1:
            raise ValueError(f'max_body is {limit}. It must be at least 1')
        options = (strutils.bool_from_string(report_only, strict=True),
                   limit, oversized == 'refuse',
                   strutils.bool_from_string(read_active, strict=True))
        return lambda application: cls(application, *options)

    def process_request(self, req: webob.Request) -> Any:
        """Return the response to a request that is wrong, else None."""
        try:
            route = _route(req)
            findings = () if route is None else self._judge(req, route)
        except _BodyTooLargeError:
            return self._leave_oversized(req)
        except Exception:
            # A fault of the filter does not take the image API down.
            LOG.exception('Request is not judged: %(method)s %(path)s',
                          _shown(req))
            return None
        if not findings:
            return None
        return self._refuse(req, webob.exc.HTTPBadRequest,
                            verdict.words(findings))

    def process_response(self, response: Any) -> Any:
        """Judge an image again after a change.

        Glance has no change on condition that the image is still the one
        that was judged. Of two changes at once the later one sees both.
        """
        change = response.request.environ.pop(_CHANGED, None)
        if change is not None and response.status_int == 200:
            try:
                _judge_again(*change)
            except Exception:
                LOG.exception('A changed image is not judged again')
        return response

    def _refuse(self, req: webob.Request, error: type[Any],
                reason: str) -> Any:
        LOG.warning('%(what)s: %(method)s %(path)s: %(reason)s',
                    {'what': 'Would be refused' if self._report_only
                     else 'Refused', 'reason': reason, **_shown(req)})
        if self._report_only:
            return None
        # Of openstacksdk, which shows no plain text, changes and uploads
        # accept nothing in particular.
        if not req.headers.get('Accept'):
            req.headers['Accept'] = 'application/json'
        return error(explanation=reason, body_template='${explanation}')

    def _leave_oversized(self, req: webob.Request) -> Any:
        reason = (f'the body is larger than {self._max_body} bytes '
                  '(max_body) and is not judged')
        if self._refuse_oversized:
            return self._refuse(
                req, webob.exc.HTTPRequestEntityTooLarge, reason)
        LOG.warning('Left to Glance: %(method)s %(path)s: %(reason)s',
                    {'reason': reason, **_shown(req)})
        return None

    def _judge(self, req: webob.Request,
               route: _Route) -> Iterable[rules.Finding]:
        """Return what a request makes wrong."""
        method, path, image_id, action = route
        image = stored.StoredImage(self.application, req.environ, path)
        try:
            if method == 'POST' and image_id is None:
                return _errors(self._body(req))
            if method == 'PATCH' and image_id and action is None:
                return self._judge_patch(req, image)
            if method == 'PUT' and action in ('file', 'stage'):
                return self._judge_upload(req, image)
            if method == 'POST' and action == 'import':
                return _judge_image(image, _errors)
        except (image_document.InvalidDocumentError,
                patch.NotUnderstood) as exc:
            LOG.info('Left to Glance: %(method)s %(path)s: %(reason)s',
                     {'reason': escape(exc), **_shown(req)})
        return ()

    def _judge_patch(self, req: webob.Request,
                     image: stored.StoredImage) -> list[rules.Finding]:
        known: list[rules.Finding] = []
        content: dict[str, Any] | None = None

        def judge(raw: dict[str, Any]) -> list[rules.Finding]:
            nonlocal content
            after = patch.apply(raw, changes, req.content_type)
            if content is None and self._read_active and (
                    _makes_demands(raw, after)):
                content = _content(image, raw.get('size'))
            before = _errors(raw, content)
            wrong = _new(before, _errors(after, content))
            known.extend((*before, *wrong))
            return wrong

        try:
            changes = self._body(req)
        except _BodyTooLargeError:
            req.environ[_CHANGED] = (image, _errors(image.record()), None)
            raise
        findings = _judge_image(image, judge)
        req.environ[_CHANGED] = (image, known, content)
        return findings

    def _judge_upload(self, req: webob.Request,
                      image: stored.StoredImage) -> list[rules.Finding]:
        # Glance refuses any other without waiting for a body.
        if req.content_type != 'application/octet-stream':
            return []
        content: dict[str, Any] | None = None

        def judge(raw: dict[str, Any]) -> list[rules.Finding]:
            nonlocal content
            document = verdict.document(raw)
            if not validators.concerns_hyperv(
                    {**document, 'content': {'format': 'vhdx'}}):
                # Whatever is uploaded: another hypervisor runs it.
                return []
            if content is None:
                content = _upload(req)
            # The mark of a fixed VHD is at its end: the first bytes are
            # those of the disk in it.
            if document.get('disk_format') == 'vhd' and (
                    content['format'] in ('raw', 'unknown')):
                return []
            return _new(_errors(raw), _errors(raw, content))

        return _judge_image(image, judge)

    def _body(self, req: webob.Request) -> Any:
        """Return the JSON document of a request, which stays readable.

        :raises InvalidDocumentError: it has none.
        :raises _BodyTooLargeError: it is larger than max_body.
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
            # As Glance reads it, all of it and as UTF-8.
            return jsonutils.loads(data)
        except (ValueError, RecursionError) as exc:
            raise image_document.InvalidDocumentError(str(exc)) from None


def _route(req: webob.Request) -> _Route | None:
    """Return the operation on images that Glance will route a request to.

    The path is taken as the environment has it: paste.urlmap folds slashes
    and Routes matches it without decoding (``paste/urlmap.py``
    ``normalize_url``, ``routes/mapper.py``).
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
    """Return the method by which Routes routes (``routes/middleware.py``)."""
    method: str = req.method
    # Routes looks for the name before it decodes the query.
    if '_method' in req.environ.get('QUERY_STRING', ''):
        with contextlib.suppress(UnicodeDecodeError):
            method = req.GET.get('_method') or method
    return method.upper()


def _shown(req: webob.Request) -> dict[str, str]:
    """Return the method and path of a request for the log."""
    return {'method': escape(req.method),
            'path': escape(req.environ.get('PATH_INFO', ''))}


def _dechunk(req: webob.Request) -> None:
    """Have a body without a length read from wsgi.input, by Glance too."""
    if req.headers.get('Transfer-Encoding', '').lower() != 'chunked':
        return
    # Of uWSGI, wsgi.input has none of it: Glance knows how to read it.
    source = wsgi.Request(req.environ).body_file
    req.is_body_readable = True
    if isinstance(source, getattr(wsgi, '_UWSGIChunkFile', ())):
        req.environ['wsgi.input'] = source
        # Or Glance would ask uWSGI again.
        del req.environ['HTTP_TRANSFER_ENCODING']


def _judge_image(image: stored.StoredImage,
                 judge: Callable[[dict[str, Any]], Iterable[rules.Finding]],
                 ) -> list[rules.Finding]:
    """Judge the record of an image with what the caller cannot read of it."""
    readable = whole = image.record()
    if verdict.protected() and not image.is_admin:
        whole = image.record(as_admin=True)
    return verdict.judge_readable(judge, whole, readable)


def _judge_again(image: stored.StoredImage, known: list[rules.Finding],
                 content: dict[str, Any] | None) -> None:
    """Log what is wrong with an image after a change, and was not before.

    Nothing is changed back: another request may have made the change that
    is wrong, and its client has been told that it is done.
    """
    raw = image.record(as_admin=True)
    findings = _new(known, _errors(raw, content))
    if findings:
        LOG.warning(
            'Image %(image)s is wrong after a change: another change came '
            'between, or this one was not judged. %(reason)s',
            {'image': escape(raw.get('id')),
             'reason': verdict.words(findings)})


def _errors(raw: Any,
            content: dict[str, Any] | None = None) -> list[rules.Finding]:
    document = verdict.document(raw)
    if content is not None:
        document['content'] = content
    return verdict.errors(document)


def _new(before: Iterable[rules.Finding],
         after: list[rules.Finding]) -> list[rules.Finding]:
    """Return the findings of rules that a change breaks more often.

    Some rules hold for each of many properties.
    """
    known = collections.Counter(finding.code for finding in before)
    counts = collections.Counter(finding.code for finding in after)
    return [finding for finding in after
            if counts[finding.code] > known[finding.code]]


def _makes_demands(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether a change makes other demands on stored content."""
    if before.get('status') != 'active':
        return False
    old, new = verdict.document(before), verdict.document(after)
    return validators.concerns_hyperv(new) and any(
        old.get(member) != new.get(member)
        for member in validators.content_members())


def _content(image: stored.StoredImage,
             size: object) -> dict[str, Any] | None:
    """Return the stored content of an image, or None if that fails."""
    try:
        return image.content(size)
    except stored.UnreadContentError as exc:
        LOG.warning('The content of an image is not judged with its new '
                    'properties: %s', escape(exc))
        return None


def _upload(req: webob.Request) -> dict[str, Any]:
    """Return what the first bytes of an upload tell of the content."""
    _dechunk(req)
    length = req.content_length
    head = _read_start(req, _HEAD if length is None else min(length, _HEAD))
    return {'format': disk.read_format(io.BytesIO(head)).name,
            'file_size': len(head) if length is None else length}


def _read_start(req: webob.Request, length: int) -> bytes:
    """Read the first bytes of a body, and put them back.

    webob's own body_file would read more than it is asked for.
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
    """The bytes that were read, then those that were not.

    webob takes a read that returns less than it asked for for the end of
    the connection.
    """

    def __init__(self, start: bytes, rest: Any) -> None:
        self._start = io.BytesIO(start)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._start.read(len(buffer))
        if len(data) < len(buffer):
            data += self._rest.read(len(buffer) - len(data))
        buffer[:len(data)] = data
        return len(data)
