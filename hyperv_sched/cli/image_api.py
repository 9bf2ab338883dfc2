# SPDX-License-Identifier: Apache-2.0
"""HTTP client of the Image API, on top of openstacksdk."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import re
from typing import TYPE_CHECKING
from typing import Any
from typing import BinaryIO
import urllib.parse
import uuid

from hyperv_sched.cli import document_files
from hyperv_sched.cli import progress
from hyperv_sched.cli import rest

if TYPE_CHECKING:
    from hyperv_sched.disk import ranges

PAGE_SIZE = 200
#: Image ids, which become part of a path.
_ID = re.compile('[0-9A-Za-z-]{1,36}')
#: Seconds: Glance responds to an upload after the store has written it.
_UPLOAD_TIMEOUT = 3600


class ContentUnavailableError(Exception):
    """The cloud does not return the content of an image."""


class ImageChangedError(Exception):
    """The image was changed or deleted, or its content is lost."""


def connect(app: Any, name: str | None) -> ImageAPI:
    """Connect to the Image API of a cloud; see :func:`rest.connect`."""
    return ImageAPI(rest.service(rest.connect(app, name), 'image'))


class ImageAPI(rest.API):
    """Image API of a cloud; images are the JSON documents of the API."""

    def find(self, name: str) -> dict[str, Any]:
        """Get an image by its id or name.

        :raises rest.CloudError: no image has the id or name, or several
            have the name.
        """
        with contextlib.suppress(ValueError):
            try:
                return self.get(str(uuid.UUID(name)))
            except rest.CloudError as exc:
                if exc.status != 404:
                    raise
        # Without eq:, Glance parses names such as "in:a,b" as an operator.
        images = [image for image in self.list_all(name=f'eq:{name}')
                  if image.get('name') == name]
        if not images:
            raise rest.CloudError(f'no image has the id or name {name!r}')
        if len(images) > 1:
            raise rest.CloudError(
                f'{len(images)} images have the name {name!r}. Give the id')
        return images[0]

    def get(self, image_id: str) -> dict[str, Any]:
        """Get an image by its id."""
        return {**self.request_object('GET', _path(image_id)),
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
                    raise rest.CloudError(
                        'the cloud lists more than '
                        f'{document_files.MAX_DOCUMENTS} images')
                yield from (image for image in images
                            if isinstance(image, dict)
                            and _ID.fullmatch(str(image.get('id'))))
                query = rest.next_query(page.get('next'), PAGE_SIZE)
                if not query:
                    break

    def _get_page(self, query: str) -> dict[str, Any]:
        """Get a page of images, with one image if the page is too large.

        The owner of a few images with very large properties cannot hide all
        images of a cloud from its operator.
        """
        try:
            page = self.request_object('GET', f'/images?{query}')
        except rest.ResponseTooLargeError:
            shorter = rest.limit_query(query, 1)
            if shorter == query:
                raise
            page = self.request_object('GET', f'/images?{shorter}')
        if not isinstance(page.get('images'), list):
            raise rest.CloudError('the response has no list of images')
        return page

    def source(self, image: Mapping[str, Any]) -> ranges.RangeSource:
        """Open the content of an image for reading in ranges.

        Reading raises :class:`ContentUnavailableError`,
        :class:`ImageChangedError`, :class:`rest.CloudError` and
        :class:`ranges.BudgetExceededError`.
        """
        from hyperv_sched.disk import ranges

        size = get_size(image)

        def fetch(offset: int, length: int) -> bytes:
            span = f'{offset}-{offset + length - 1}'
            with self._request_file(image, length,
                                    {'Range': f'bytes={span}'}) as response:
                if response.status_code in (200, 400, 416, 501):
                    raise ContentUnavailableError(
                        'its store returns whole images only')
                rest.expect(response, 206)
                content_range = response.headers.get('Content-Range', '')
                if content_range != f'bytes {span}/{size}':
                    raise ImageChangedError
                return b''.join(rest.read_body(response, length))

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
            rest.expect(response, 200)
            for chunk in rest.read_body(response, size):
                received += len(chunk)
                target.write(chunk)
                progress_line.count(len(chunk))
        if received != size:
            raise ImageChangedError

    @contextlib.contextmanager
    def _request_file(self, image: Mapping[str, Any], size: int,
                      headers: Mapping[str, str]) -> Iterator[Any]:
        with self.request(
                'GET', _path(image['id'], 'file'), size,
                headers={'Accept': 'application/octet-stream',
                         **headers}) as response:
            if response.status_code in (204, 404, 410):
                raise ImageChangedError
            if response.status_code == 403:
                raise ContentUnavailableError(
                    'the cloud does not let you download it: '
                    f'{rest.reason(response)}')
            yield response

    def create(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create an image without content.

        :raises rest.CloudError: the cloud refuses it.
        """
        return self.request_object('POST', '/images', 201, json=document)

    def upload(self, image_id: str, data: Any) -> None:
        """Upload the content of an image.

        :param data: has a length and is read in pieces, once
        :raises rest.CloudError: the cloud refuses it.
        """
        with self.request(
                'PUT', _path(image_id, 'file'), data=data,
                headers={'Content-Type': 'application/octet-stream'},
                timeout=_UPLOAD_TIMEOUT,
                # The data cannot be sent a second time.
                allow_reauth=False,
                connect_retries=0, status_code_retries=0) as response:
            rest.expect(response, 204)

    def delete(self, image_id: str) -> bool:
        """Delete an image and return whether it existed.

        :raises rest.CloudError: the cloud refuses that.
        """
        with self.request('DELETE', _path(image_id)) as response:
            if response.status_code == 404:
                return False
            rest.expect(response, 204)
            return True


def _path(image_id: str, *more: str) -> str:
    return '/'.join(('/images', urllib.parse.quote(image_id, ''), *more))


def get_size(image: Mapping[str, Any]) -> int:
    """Return the size of the content of an image in bytes.

    :raises ContentUnavailableError: the image has no valid size.
    """
    size = image.get('size')
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ContentUnavailableError('the cloud does not know its size')
    return size
