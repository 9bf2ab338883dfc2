# SPDX-License-Identifier: Apache-2.0
"""HTTP client of the Image API, on top of openstacksdk.

openstacksdk is imported only by commands that need a cloud. Responses are
read up to a limit, and every failure is reported as one sentence.
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
from hyperv_sched.cli import document_files
from hyperv_sched.cli import progress
from hyperv_sched.disk import ranges
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)

#: Seconds without a byte.
TIMEOUT = 60

PAGE_SIZE = 200
#: Bytes of a document or a page. The quotas of Glance allow 8 MiB for the
#: properties of one image; a page of 200 usual images has some 600 KB.
MAX_DOCUMENT_SIZE = 16 * 1024 * 1024
#: Values in a document or a page: an empty list takes 3 bytes on the wire and
#: 64 in memory. Glance allows 128 properties for each of 200 images.
MAX_VALUES = 500_000
#: Characters of the query of the next page.
MAX_QUERY = 4096
#: Image ids, which become part of a path.
_ID = re.compile('[0-9A-Za-z-]{1,36}')
_LIMIT = re.compile('(?<![^&])limit=[0-9]+')
#: Two patterns, one applied after the other: one pattern for both would take
#: quadratic time.
_ESCAPE, _STRING = re.compile(rb'\\.', re.DOTALL), re.compile(b'"[^"]*"')
_CHUNK_SIZE = 64 * 1024
_MAX_REASON_SIZE = 64 * 1024
#: Seconds: Glance responds to an upload after the store has written it.
_UPLOAD_TIMEOUT = 3600


class CloudError(base.UsageError):
    """A request to the cloud failed.

    :ivar status: HTTP status of the response; None without a response
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class ResponseTooLargeError(CloudError):
    """A document or a page exceeds a limit."""


class ContentUnavailableError(Exception):
    """The cloud does not return the content of an image."""


class ImageChangedError(Exception):
    """The image was changed or deleted, or its content is lost."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the option that selects a cloud."""
    parser.add_argument(
        '--os-cloud', metavar='NAME',
        help='use this cloud of clouds.yaml; the default comes from the '
             'environment (OS_CLOUD, OS_AUTH_URL and so on)')


def connect(app: Any, name: str | None) -> ImageAPI:
    """Connect to a cloud.

    :param app: application that runs the command. The openstack client has
        parsed its own options and configuration before
    :param name: name in ``clouds.yaml``; None for the environment
    :raises CloudError: the cloud does not exist, or the login fails.
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

    with _cloud_errors('. Select a cloud with --os-cloud, or set OS_CLOUD'):
        client = getattr(app, 'cloud_config', None)
        if client is None:
            connection = openstack.connect(cloud=name)
        else:
            # The openstack client logs in only for commands that always need
            # a cloud.
            connection = openstack.connection.Connection(
                config=client.get_one(
                    cloud=name or app.options.cloud, argparse=app.options))
        # Before the first request.
        transport.mount(connection.session)
        return ImageAPI(connection.image)


@contextlib.contextmanager
def _cloud_errors(hint: str = '') -> Iterator[None]:
    """Raise exceptions of the HTTP libraries as CloudError."""
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


class ImageAPI:
    """Image API of a cloud; images are the JSON documents of the API."""

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy

    def find(self, name: str) -> dict[str, Any]:
        """Get an image by its id or name.

        :raises CloudError: no image has the id or name, or several have the
            name.
        """
        with contextlib.suppress(ValueError):
            try:
                return self.get(str(uuid.UUID(name)))
            except CloudError as exc:
                if exc.status != 404:
                    raise
        # Without eq:, Glance parses names such as "in:a,b" as an operator.
        images = [image for image in self.list_all(name=f'eq:{name}')
                  if image.get('name') == name]
        if not images:
            raise CloudError(f'no image has the id or name {name!r}')
        if len(images) > 1:
            raise CloudError(f'{len(images)} images have the name {name!r}. '
                             'Give the id')
        return images[0]

    def get(self, image_id: str) -> dict[str, Any]:
        """Get an image by its id."""
        return {**self._request_object('GET', _path(image_id)),
                'id': image_id}

    def list_all(self, **filters: str) -> Iterator[dict[str, Any]]:
        """Yield all images that the user can see, hidden images last."""
        for hidden in ('false', 'true'):
            query = urllib.parse.urlencode({
                'limit': PAGE_SIZE, 'visibility': 'all',
                'os_hidden': hidden, **filters})
            seen: set[str] = set()
            count = 0
            while query not in seen:
                seen.add(query)
                page = self._get_page(query)
                images = page['images']
                # An empty page counts as one: the pages may never end.
                count += max(len(images), 1)
                if count > document_files.MAX_DOCUMENTS:
                    raise CloudError('the cloud lists more than '
                                     f'{document_files.MAX_DOCUMENTS} images')
                yield from (image for image in images
                            if isinstance(image, dict)
                            and _ID.fullmatch(str(image.get('id'))))
                query = _next_query(page)
                if not query:
                    break

    def _get_page(self, query: str) -> dict[str, Any]:
        """Get a page of images, with one image if the page is too large.

        The owner of a few images with very large properties cannot hide all
        images of a cloud from its operator.
        """
        try:
            page = self._request_object('GET', f'/images?{query}')
        except ResponseTooLargeError:
            shorter = _LIMIT.sub('limit=1', query)
            if shorter == query:
                raise
            page = self._request_object('GET', f'/images?{shorter}')
        if not isinstance(page.get('images'), list):
            raise CloudError('the response has no list of images')
        return page

    def source(self, image: Mapping[str, Any]) -> ranges.RangeSource:
        """Open the content of an image for reading in ranges.

        Reading raises :class:`ContentUnavailableError`,
        :class:`ImageChangedError`, :class:`CloudError` and
        :class:`ranges.BudgetExceededError`.
        """
        size = get_size(image)

        def fetch(offset: int, length: int) -> bytes:
            span = f'{offset}-{offset + length - 1}'
            with self._request_file(image, length,
                                    {'Range': f'bytes={span}'}) as response:
                if response.status_code in (200, 400, 416, 501):
                    raise ContentUnavailableError(
                        'its store returns whole images only')
                _expect(response, 206)
                content_range = response.headers.get('Content-Range', '')
                if content_range != f'bytes {span}/{size}':
                    raise ImageChangedError
                return b''.join(_body(response, length))

        return ranges.RangeSource(size, fetch)

    def download(self, image: Mapping[str, Any], target: BinaryIO,
                 progress_line: progress.Progress) -> None:
        """Write the whole content into a file.

        :raises ContentUnavailableError: the cloud does not return it.
        :raises ImageChangedError: the content has another length than the
            image.
        """
        size, received = get_size(image), 0
        with self._request_file(image, size, {}) as response:
            _expect(response, 200)
            for chunk in _body(response, size):
                received += len(chunk)
                target.write(chunk)
                progress_line.count(len(chunk))
        if received != size:
            raise ImageChangedError

    @contextlib.contextmanager
    def _request_file(self, image: Mapping[str, Any], size: int,
                      headers: Mapping[str, str]) -> Iterator[Any]:
        with self._request(
                'GET', _path(image['id'], 'file'), size,
                headers={'Accept': 'application/octet-stream',
                         **headers}) as response:
            if response.status_code in (204, 404, 410):
                raise ImageChangedError
            if response.status_code == 403:
                raise ContentUnavailableError(
                    'the cloud does not let you download it: '
                    f'{_reason(response)}')
            yield response

    def create(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create an image without content.

        :raises CloudError: the cloud refuses it.
        """
        return self._request_object('POST', '/images', 201, json=document)

    def upload(self, image_id: str, data: Any) -> None:
        """Upload the content of an image.

        :param data: has a length and is read in pieces, once
        :raises CloudError: the cloud refuses it.
        """
        with self._request(
                'PUT', _path(image_id, 'file'), data=data,
                headers={'Content-Type': 'application/octet-stream'},
                timeout=_UPLOAD_TIMEOUT,
                # The data cannot be sent a second time.
                allow_reauth=False,
                connect_retries=0, status_code_retries=0) as response:
            _expect(response, 204)

    def delete(self, image_id: str) -> bool:
        """Delete an image and return whether it existed.

        :raises CloudError: the cloud refuses that.
        """
        with self._request('DELETE', _path(image_id)) as response:
            if response.status_code == 404:
                return False
            _expect(response, 204)
            return True

    def _request_object(self, method: str, path: str, status: int = 200,
                        **options: Any) -> dict[str, Any]:
        with self._request(method, path, MAX_DOCUMENT_SIZE,
                           **options) as response:
            _expect(response, status)
            text = b''.join(_body(response, MAX_DOCUMENT_SIZE))
        if _count_values(text) > MAX_VALUES:
            raise ResponseTooLargeError(
                f'the response has more than {MAX_VALUES} values')
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise CloudError('the response is not a JSON object')
        return document

    @contextlib.contextmanager
    def _request(self, method: str, path: str, size: int = _MAX_REASON_SIZE,
                 timeout: int = TIMEOUT, **options: Any) -> Iterator[Any]:
        """Send a request and yield the response.

        :param size: largest body of the response in bytes
        """
        from hyperv_sched.cli import transport

        with _cloud_errors(), transport.limit(max(size, _MAX_REASON_SIZE)), \
                contextlib.closing(self._proxy.request(
                    path, method, timeout=timeout, skip_cache=True,
                    # A redirect would send the token to any host that the
                    # response names.
                    redirect=False,
                    # To log it, keystoneauth would decode the whole body.
                    stream=True, log=False, **options)) as response:
            LOG.debug('%s %s: %s %s', method, path, response.status_code,
                      response.headers.get('x-openstack-request-id', ''))
            yield response


def _path(image_id: str, *more: str) -> str:
    return '/'.join(('/images', urllib.parse.quote(image_id, ''), *more))


def _next_query(page: Mapping[str, Any]) -> str:
    """Return the query of the next page; empty after the last page.

    The host and path of the link are ignored.
    """
    query = urllib.parse.urlsplit(str(page.get('next') or '')).query
    if len(query) > MAX_QUERY:
        raise CloudError('the link to the next page has more than '
                         f'{MAX_QUERY} characters')
    return _LIMIT.sub(f'limit={PAGE_SIZE}', query)


def get_size(image: Mapping[str, Any]) -> int:
    """Return the size of the content of an image in bytes.

    :raises ContentUnavailableError: the image has no valid size.
    """
    size = image.get('size')
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ContentUnavailableError('the cloud does not know its size')
    return size


def _body(response: Any, limit: int) -> Iterator[bytes]:
    """Yield the body of a response.

    :param limit: largest size in bytes
    :raises ResponseTooLargeError: the body is larger.
    """
    received = 0
    for chunk in response.iter_content(_CHUNK_SIZE):
        received += len(chunk)
        if received > limit:
            raise ResponseTooLargeError(
                f'the response has more than {limit} bytes')
        yield chunk


def _count_values(text: bytes) -> int:
    """Count the values in JSON text without decoding it."""
    def count(data: bytes) -> int:
        return sum(map(data.count, (b'[', b'{', b',', b':')))

    values = count(text)
    if values > MAX_VALUES:
        # These characters may be in strings.
        values = count(_STRING.sub(b'', _ESCAPE.sub(b'', text)))
    return values


def _expect(response: Any, status: int) -> None:
    """Raise the reason in a response with another status than this one."""
    if response.status_code != status:
        raise CloudError(
            f'the cloud responds with {response.status_code}: '
            f'{_reason(response)}', response.status_code)


def _reason(response: Any) -> str:
    """Extract the reason of an error from the HTML of Glance."""
    data = b''
    for chunk in response.iter_content(_CHUNK_SIZE):
        data += chunk
        if len(data) > _MAX_REASON_SIZE:
            break
    text = data[:_MAX_REASON_SIZE].decode('utf-8', 'replace')
    _, heading, body = text.partition('</h1>')
    if heading:
        # A standard sentence, an empty line, then details if there are any.
        standard, _, details = body.partition('<br /><br />')
        text = _strip_markup(details) or _strip_markup(standard)
    return escape(
        ' '.join(text.split()) or str(response.reason), 500)


def _strip_markup(markup: str) -> str:
    return html.unescape(re.sub('<[^>]*>', ' ', markup)).strip()
