# SPDX-License-Identifier: Apache-2.0
"""An image that is in Glance, read through the rest of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
import io
import time
from typing import Any

import webob

from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched.disk import ranges

#: The seconds in which the content of an image is read. A request in
#: progress is not interrupted.
MAX_SECONDS = 10.0

#: Where webob keeps attributes of a request; Glance sets ``context``.
_ATTRIBUTES = 'webob.adhoc_attrs'

#: What belongs to the request of the client, or to how it was routed.
_OTHERS = ('HTTP_', 'CONTENT_', 'webob.', 'wsgiorg.', 'routes.', 'paste.',
           'api.cache.')


class UnreadContentError(Exception):
    """The content of an image cannot be read, or costs too much to read."""


class StoredImage:
    """Reads an image by requests of its own, with the rights of the caller.

    :param application: the pipeline behind the filter
    :param environ: of the client's request, before it is routed: routing
        changes it in place
    :param path: of the image, as in the environment
    """

    def __init__(self, application: Any, environ: Mapping[str, Any],
                 path: str) -> None:
        self._application = application
        self._path = path
        self._attributes = dict(environ.get(_ATTRIBUTES, {}))
        self._environ = {
            name: value for name, value in environ.items()
            if name == 'HTTP_HOST' or not name.startswith(_OTHERS)}

    @property
    def is_admin(self) -> bool:
        """Whether the caller is an administrator."""
        return bool(getattr(self._attributes.get('context'), 'is_admin',
                            False))

    def record(self, as_admin: bool = False) -> dict[str, Any]:
        """Read the properties.

        :param as_admin: also those that the caller may not read
            (``property_protection_file``). Call it without first: whether
            the image exists for the caller is Glance's to decide.
        :raises hyperv_sched.document.InvalidDocumentError: the caller cannot
            read the image; Glance says so in its own response.
        """
        attributes = self._attributes
        if as_admin and 'context' in attributes:
            attributes = {**attributes,
                          'context': attributes['context'].elevated()}
        # Routes ignores one line feed at the end.
        end = '\n' if self._path.endswith('\n') else ''
        response = self._get(f'{self._path}{end}', attributes)
        if response.status_int != 200:
            raise image_document.InvalidDocumentError(response.status)
        record: dict[str, Any] = response.json
        return record

    def content(self, size: object) -> dict[str, Any]:
        """Inspect the stored content, read in ranges.

        :param size: of the content in bytes, as the record has it
        :returns: as :meth:`hyperv_sched.disk.Inspection.as_dict`
        :raises UnreadContentError: the store serves no ranges, the caller
            may not download the image, or it takes more than
            :data:`MAX_SECONDS` or the limits of
            :class:`hyperv_sched.disk.ranges.RangeSource`.
        """
        if not isinstance(size, int):
            raise UnreadContentError('its size is not known')
        end = time.monotonic() + MAX_SECONDS

        def fetch(offset: int, length: int) -> bytes:
            if time.monotonic() > end:
                raise UnreadContentError(
                    f'to read it takes more than {MAX_SECONDS:g} s')
            response = self._get(
                f'{self._path}/file', self._attributes,
                HTTP_RANGE=f'bytes={offset}-{offset + length - 1}')
            data = _read(response, length)
            if response.status_int != 206:
                raise UnreadContentError(
                    f'Glance does not serve a range of it: {response.status}')
            return data

        try:
            return disk.inspect_source(
                ranges.RangeSource(size, fetch)).as_dict()
        except (OSError, ranges.BudgetExceededError) as exc:
            raise UnreadContentError(str(exc)) from exc

    def _get(self, path: str, attributes: Mapping[str, Any],
             **headers: str) -> webob.Response:
        environ = {
            **self._environ, **headers, _ATTRIBUTES: dict(attributes),
            'REQUEST_METHOD': 'GET', 'PATH_INFO': path, 'QUERY_STRING': '',
            'wsgi.input': io.BytesIO()}
        return webob.Request(environ).get_response(self._application)


def _read(response: webob.Response, length: int) -> bytes:
    """Read at most so many bytes of a response, however many it has."""
    data = bytearray()
    try:
        for chunk in response.app_iter:
            data += chunk
            if len(data) >= length:
                break
    finally:
        getattr(response.app_iter, 'close', lambda: None)()
    return bytes(data[:length])
