# SPDX-License-Identifier: Apache-2.0
"""The Image API of a cloud, by openstacksdk.

Only here openstacksdk is imported, and only when a command needs a cloud.
What the API answers is bounded, and told in one sentence where it fails.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import html
import json
import logging
import re
from typing import Any
from typing import BinaryIO
import urllib.parse
import uuid

from hyperv_sched.cli import base
from hyperv_sched.cli import inputs
from hyperv_sched.cli import progress
from hyperv_sched.disk import ranges
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)

#: Seconds without a byte.
TIMEOUT = 60

PAGE_SIZE = 200
#: Bytes of a document or a page. Glance's own quotas allow 8 MiB for the
#: properties of one image; a page of 200 usual images has some 600 KB.
MAX_DOCUMENT_SIZE = 16 * 1024 * 1024
#: Values in a document or a page: an empty list takes 3 bytes on the wire and
#: 64 in memory. Glance allows 128 properties for each of 200 images.
MAX_VALUES = 500_000
#: Characters of the query that leads to the next page.
MAX_QUERY = 4096
#: What becomes part of a path.
_ID = re.compile('[0-9A-Za-z-]{1,36}')
_LIMIT = re.compile('(?<![^&])limit=[0-9]+')
#: One after the other, since a search for both at once is quadratic.
_ESCAPE, _STRING = re.compile(rb'\\.', re.DOTALL), re.compile(b'"[^"]*"')
_CHUNK = 64 * 1024
_MAX_REASON = 64 * 1024
#: Seconds: Glance answers an upload once the store is through with it.
_UPLOAD_TIMEOUT = 3600


class CloudError(base.UsageError):
    """The cloud does not do what is asked; the text has its own reason."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class TooLargeError(CloudError):
    """A document or a page exceeds a limit."""


class Unread(Exception):
    """The cloud has the content and does not hand it out, and why."""


class Changed(Exception):
    """The image is not any more what it was, or is gone."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let a command say which cloud it means."""
    parser.add_argument(
        '--os-cloud', metavar='NAME',
        help='the cloud of clouds.yaml; without, the environment says '
             '(OS_CLOUD, OS_AUTH_URL and so on)')


def connect(app: Any, name: str | None) -> Images:
    """Connect to a cloud.

    :param app: what runs the command: the openstack client has read options
        and configuration before
    :param name: of ``clouds.yaml``; None: the environment says
    :raises CloudError: there is no such cloud, or it lets nobody in.
    """
    try:
        import openstack
    except ImportError:
        raise CloudError(
            'openstacksdk is not installed in the Python environment of this '
            'command. Run "pip install openstacksdk" in that environment, or '
            '"pipx inject hyperv-sched openstacksdk" if pipx made it'
        ) from None
    from hyperv_sched.cli import transport

    with _errors('; name one with --os-cloud, or set OS_CLOUD'):
        client = getattr(app, 'cloud_config', None)
        if client is None:
            connection = openstack.connect(cloud=name)
        else:
            # It logs in for those commands alone that always need a cloud.
            connection = openstack.connection.Connection(
                config=client.get_one(
                    cloud=name or app.options.cloud, argparse=app.options))
        # Before the first request.
        transport.mount(connection.session)
        return Images(connection.image)


@contextlib.contextmanager
def _errors(hint: str = '') -> Iterator[None]:
    """Say in one sentence what goes wrong between here and the cloud."""
    from keystoneauth1 import exceptions as auth_errors
    from openstack import exceptions as sdk_errors
    import requests

    from hyperv_sched.cli import transport

    try:
        yield
    except transport.ResponseError as exc:
        raise CloudError(str(exc)) from None
    except (auth_errors.ClientException, sdk_errors.SDKException,
            requests.RequestException) as exc:
        raise CloudError(f'the cloud cannot be used: {exc}{hint}') from None


class Images:
    """The images of a cloud, as the documents of its API."""

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy

    def find(self, name: str) -> dict[str, Any]:
        """Get the image of an id or a name.

        :raises CloudError: there is none, or more than one of the name.
        """
        with contextlib.suppress(ValueError):
            try:
                return self.get(str(uuid.UUID(name)))
            except CloudError as exc:
                if exc.status != 404:
                    raise
        # A name may look like an operator and a list of names.
        found = [image for image in self.all(name=f'eq:{name}')
                 if image.get('name') == name]
        if not found:
            raise CloudError(f'no image has the id or name {name!r}')
        if len(found) > 1:
            raise CloudError(f'{len(found)} images have the name {name!r}: '
                             'give the id')
        return found[0]

    def get(self, image_id: str) -> dict[str, Any]:
        """Get an image by its id."""
        return {**self._object('GET', _path(image_id)), 'id': image_id}

    def all(self, **filters: str) -> Iterator[dict[str, Any]]:
        """Go through the images that may be seen, the hidden ones last."""
        for hidden in ('false', 'true'):
            query = urllib.parse.urlencode({
                'limit': PAGE_SIZE, 'visibility': 'all',
                'os_hidden': hidden, **filters})
            seen: set[str] = set()
            count = 0
            while query not in seen:
                seen.add(query)
                page = self._page(query)
                images = page['images']
                # An empty page counts, too: there may be no end of them.
                count += max(len(images), 1)
                if count > inputs.MAX_DOCUMENTS:
                    raise CloudError('the cloud lists more than '
                                     f'{inputs.MAX_DOCUMENTS} images')
                yield from (one for one in images if isinstance(one, dict)
                            and _ID.fullmatch(str(one.get('id'))))
                # Whatever host and path it names: the same as before.
                query = urllib.parse.urlsplit(
                    str(page.get('next') or '')).query
                if len(query) > MAX_QUERY:
                    raise CloudError('the cloud names the next page in more '
                                     f'than {MAX_QUERY} characters')
                if not query:
                    break
                query = _LIMIT.sub(f'limit={PAGE_SIZE}', query)

    def _page(self, query: str) -> dict[str, Any]:
        """Get a page of images; a shorter one where it is too large.

        The owners of a few images with very large properties must not be
        able to hide all images of a cloud from its operator.
        """
        try:
            page = self._object('GET', f'/images?{query}')
        except TooLargeError:
            shorter = _LIMIT.sub('limit=1', query)
            if shorter == query:
                raise
            page = self._object('GET', f'/images?{shorter}')
        if not isinstance(page.get('images'), list):
            raise CloudError('the cloud answers with no list of images')
        return page

    def source(self, image: Mapping[str, Any]) -> ranges.RangeSource:
        """The content of an image, read in ranges.

        Reading raises :class:`Unread`, :class:`Changed`, :class:`CloudError`
        and :class:`ranges.BudgetExceededError`.
        """
        size = size_of(image)

        def fetch(offset: int, length: int) -> bytes:
            span = f'{offset}-{offset + length - 1}'
            with self._file(image, length,
                            {'Range': f'bytes={span}'}) as response:
                if response.status_code in (200, 400, 416, 501):
                    raise Unread('its store hands out whole images only')
                _expect(response, 206)
                told = response.headers.get('Content-Range', '')
                if told != f'bytes {span}/{size}':
                    raise Changed
                return b''.join(_body(response, length))

        return ranges.RangeSource(size, fetch)

    def download(self, image: Mapping[str, Any], target: BinaryIO,
                 shown: progress.Progress) -> None:
        """Write the whole content into a file.

        :raises Unread: the cloud does not hand it out.
        :raises Changed: it is not as long as it should be.
        """
        size, came = size_of(image), 0
        with self._file(image, size, {}) as response:
            _expect(response, 200)
            for chunk in _body(response, size):
                came += len(chunk)
                target.write(chunk)
                shown.count(len(chunk))
        if came != size:
            raise Changed

    @contextlib.contextmanager
    def _file(self, image: Mapping[str, Any], size: int,
              headers: Mapping[str, str]) -> Iterator[Any]:
        with self._answer(
                'GET', _path(image['id'], 'file'), size,
                headers={'Accept': 'application/octet-stream',
                         **headers}) as response:
            if response.status_code in (204, 404, 410):
                raise Changed
            if response.status_code == 403:
                raise Unread('the cloud does not let you download it: '
                             f'{_reason(response)}')
            yield response

    def create(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Make the record of an image.

        :raises CloudError: the cloud refuses it.
        """
        return self._object('POST', '/images', 201, json=document)

    def upload(self, image_id: str, data: Any) -> None:
        """Store the content of an image.

        :param data: has a length and is read piece by piece, once
        :raises CloudError: the cloud refuses it.
        """
        with self._answer(
                'PUT', _path(image_id, 'file'), data=data,
                headers={'Content-Type': 'application/octet-stream'},
                timeout=_UPLOAD_TIMEOUT,
                # What is sent once cannot be sent again.
                allow_reauth=False,
                connect_retries=0, status_code_retries=0) as response:
            _expect(response, 204)

    def delete(self, image_id: str) -> bool:
        """Delete an image; return whether there was one.

        :raises CloudError: the cloud refuses that.
        """
        with self._answer('DELETE', _path(image_id)) as response:
            if response.status_code == 404:
                return False
            _expect(response, 204)
            return True

    def _object(self, method: str, path: str, status: int = 200,
                **options: Any) -> dict[str, Any]:
        with self._answer(method, path, MAX_DOCUMENT_SIZE,
                          **options) as response:
            _expect(response, status)
            text = b''.join(_body(response, MAX_DOCUMENT_SIZE))
        if _values(text) > MAX_VALUES:
            raise TooLargeError('the cloud answers with more than '
                                f'{MAX_VALUES} values')
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise CloudError('the cloud answers with no JSON object')
        return document

    @contextlib.contextmanager
    def _answer(self, method: str, path: str, size: int = _MAX_REASON,
                timeout: int = TIMEOUT, **options: Any) -> Iterator[Any]:
        """Send a request.

        :param size: bytes that the body may have
        """
        from hyperv_sched.cli import transport

        with _errors(), transport.limit(max(size, _MAX_REASON)), \
                contextlib.closing(self._proxy.request(
                    path, method, timeout=timeout, skip_cache=True,
                    # A redirect would take the token to whatever host it
                    # names.
                    redirect=False,
                    # keystoneauth would decode the whole body for the log.
                    stream=True, log=False, **options)) as response:
            LOG.debug('%s %s: %s %s', method, path, response.status_code,
                      response.headers.get('x-openstack-request-id', ''))
            yield response


def _path(image_id: str, *more: str) -> str:
    return '/'.join(('/images', urllib.parse.quote(image_id, ''), *more))


def size_of(image: Mapping[str, Any]) -> int:
    """How long the content of an image is, in bytes.

    :raises Unread: the cloud does not say.
    """
    size = image.get('size')
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise Unread('the cloud does not know its size')
    return size


def _body(response: Any, limit: int) -> Iterator[bytes]:
    """The body of a response, if it is no longer than it may be."""
    came = 0
    for chunk in response.iter_content(_CHUNK):
        came += len(chunk)
        if came > limit:
            raise TooLargeError('the cloud answers with more than '
                                f'{limit} bytes')
        yield chunk


def _values(text: bytes) -> int:
    """Count the values in JSON text without decoding it."""
    def count(data: bytes) -> int:
        return sum(map(data.count, (b'[', b'{', b',', b':')))

    values = count(text)
    if values > MAX_VALUES:
        # The same characters inside of strings are no values.
        values = count(_STRING.sub(b'', _ESCAPE.sub(b'', text)))
    return values


def _expect(response: Any, status: int) -> None:
    """Raise what a response says, if it does not say that it is done."""
    if response.status_code != status:
        raise CloudError(
            f'the cloud answers {response.status_code}: {_reason(response)}',
            response.status_code)


def _reason(response: Any) -> str:
    """The words of a refusal: Glance wraps them into HTML."""
    data = b''
    for chunk in response.iter_content(_CHUNK):
        data += chunk
        if len(data) > _MAX_REASON:
            break
    text = data[:_MAX_REASON].decode('utf-8', 'replace')
    _, found, body = text.partition('</h1>')
    if found:
        # Words, an empty line, and more, if that says more than the words.
        words, _, more = body.partition('<br /><br />')
        text = _plain(more) or _plain(words)
    return escape(
        ' '.join(text.split()) or str(response.reason), 500)


def _plain(markup: str) -> str:
    return html.unescape(re.sub('<[^>]*>', ' ', markup)).strip()
