# SPDX-License-Identifier: Apache-2.0
"""The API filter: judges requests before Glance carries them out.

Named ``hyperv_generation`` in the pipeline of glance-api-paste.ini, behind
``context``. It sees what the other guards of Glance do not: rules over
several properties on POST and PATCH, and the first bytes of an upload before
any of it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import io
import re
from typing import Any

from glance.common import wsgi
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import strutils
import webob
import webob.exc

from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched.glance import patch
from hyperv_sched.glance import verdict

LOG = logging.getLogger(__name__)

_PATH = re.compile(r'/v2/images(?:/([^/\n]+)(?:/(file|stage|import))?)?/?$')

#: What tells a format, that of an ISO included (32769 + 5).
_HEAD = 32774

#: Formats that the head of a file cannot be mistaken for: a fixed VHD looks
#: like a raw disk, as its mark is at the end.
_UNDECIDED = ('raw', 'unknown')


class HyperVGeneration(wsgi.Middleware):
    """Refuses what Hyper-V would not run; by default it only says so."""

    def __init__(self, application: Any, report_only: bool = True) -> None:
        super().__init__(application)
        self._report_only = report_only

    @classmethod
    def factory(cls, global_conf: Any, report_only: str = 'true',
                **local_conf: Any) -> Callable[[Any], HyperVGeneration]:
        """What paste.deploy calls.

        :param report_only: log what would be refused, and let it pass
        :raises ValueError: report_only is neither true nor false, or an
            option of [hyperv_sched] is wrong, which keeps glance-api from
            starting
        """
        verdict.weights()
        only = strutils.bool_from_string(report_only, strict=True)
        return lambda application: cls(application, only)

    def process_request(self, req: webob.Request) -> Any:
        """Answer a request that is wrong; None lets it pass."""
        try:
            findings = self._judge(req)
        except Exception:
            # Glance goes on without us rather than not at all.
            LOG.exception('Request is not judged: %(method)s %(path)s',
                          {'method': rules.printable(req.method),
                           'path': rules.printable(req.path_info)})
            return None
        if not findings:
            return None
        reason = verdict.words(findings)
        LOG.warning('%(what)s: %(method)s %(path)s: %(reason)s',
                    {'what': 'Would be refused' if self._report_only
                     else 'Refused', 'method': rules.printable(req.method),
                     'path': rules.printable(req.path_info),
                     'reason': reason})
        if self._report_only:
            return None
        # Of openstacksdk, which shows no plain text, changes and uploads
        # accept nothing in particular.
        if not req.headers.get('Accept'):
            req.headers['Accept'] = 'application/json'
        return webob.exc.HTTPBadRequest(
            explanation=reason, body_template='${explanation}')

    def _judge(self, req: webob.Request) -> Iterable[rules.Finding]:
        """What a request makes wrong, or worse."""
        match = _PATH.match(req.path_info)
        if match is None:
            return ()
        image_id, action = match.groups()
        method = _method(req)
        try:
            if method == 'POST' and image_id is None:
                return _errors(_body(req))
            if method == 'PATCH' and image_id and action is None:
                return self._judge_patch(req, image_id)
            if method == 'PUT' and action in ('file', 'stage'):
                return self._judge_upload(req, image_id)
            if method == 'POST' and action == 'import':
                return _errors(self._image(req, image_id))
        except (image_document.InvalidDocument, patch.NotUnderstood) as exc:
            LOG.info('Left to Glance: %(method)s %(path)s: %(reason)s',
                     {'method': rules.printable(req.method),
                      'path': rules.printable(req.path_info),
                      'reason': rules.printable(exc)})
        return ()

    def _judge_patch(self, req: webob.Request,
                     image_id: str) -> list[rules.Finding]:
        changes = _body(req)
        before = self._image(req, image_id)
        after = patch.apply(before, changes, req.content_type)
        return _new(_errors(before), _errors(after))

    def _judge_upload(self, req: webob.Request,
                      image_id: str) -> list[rules.Finding]:
        # First what Glance refuses without waiting for a body.
        if req.content_type != 'application/octet-stream':
            return []
        document = self._image(req, image_id)
        # The rest of an upload stays where it is.
        head = _read_head(req)
        found = disk.read_format(io.BytesIO(head))
        if found.name in _UNDECIDED:
            return []
        return _new(_errors(document), _errors(
            document, {'format': found.name}))

    def _image(self, req: webob.Request, image_id: str) -> dict[str, Any]:
        """The image as the caller may see it.

        :raises InvalidDocument: there is none: Glance will say so.
        """
        environ = {
            name: value for name, value in req.environ.items()
            if not name.startswith(('HTTP_', 'CONTENT_', 'webob._'))}
        environ.update({
            'REQUEST_METHOD': 'GET', 'PATH_INFO': f'/v2/images/{image_id}',
            'QUERY_STRING': '', 'wsgi.input': io.BytesIO()})
        response = webob.Request(environ).get_response(self.application)
        if response.status_int != 200:
            raise image_document.InvalidDocument(response.status)
        document: dict[str, Any] = response.json
        return document


def _method(req: webob.Request) -> str:
    """The method by which Routes will go, as Glance lets it."""
    try:
        method: str = req.GET.get('_method') or req.method
    except UnicodeDecodeError:
        method = req.method
    return method.upper()


def _body(req: webob.Request) -> Any:
    """The JSON document of a request, which stays there to be read.

    Glance sets no limit to its size, and reads all of it, too.

    :raises InvalidDocument: it has none.
    """
    _dechunk(req)
    try:
        # As Glance reads it, all of it and as UTF-8.
        return jsonutils.loads(req.body)
    except (ValueError, RecursionError) as exc:
        raise image_document.InvalidDocument(str(exc)) from None


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


def _errors(raw: Any,
            content: dict[str, Any] | None = None) -> list[rules.Finding]:
    document = verdict.document(raw)
    if content is not None:
        document['content'] = content
    return verdict.errors(document)


def _new(before: Iterable[rules.Finding],
         after: Iterable[rules.Finding]) -> list[rules.Finding]:
    """What is wrong now and was not before."""
    known = {finding.code for finding in before}
    return [finding for finding in after if finding.code not in known]


def _read_head(req: webob.Request) -> bytes:
    """Read the first bytes of an upload, and put them back.

    webob's own body_file would swallow more than it is asked for.
    """
    _dechunk(req)
    source = req.body_file_raw
    length = _HEAD
    if req.content_length is not None:
        length = min(length, req.content_length)
    head = b''
    while len(head) < length:
        data = source.read(length - len(head))
        if not data:
            break
        head += data
    req.environ['wsgi.input'] = _Input(head, source)
    return head


class _Input(io.RawIOBase):
    """The bytes that were read, then those that were not.

    webob takes less than it asked for for a client that is gone.
    """

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head = io.BytesIO(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head.read(len(buffer))
        if len(data) < len(buffer):
            data += self._rest.read(len(buffer) - len(data))
        buffer[:len(data)] = data
        return len(data)
