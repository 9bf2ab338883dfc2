# SPDX-License-Identifier: Apache-2.0
"""Stored images, read through the pipeline behind the API filter."""

from __future__ import annotations

from collections.abc import Mapping
import io
import time
from typing import Any

import webob

from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched.disk import ranges
from hyperv_sched.disk import secure_boot

#: Seconds for reading the content of an image. A request in progress is not
#: interrupted.
MAX_SECONDS = 10.0

#: Key of request attributes in the WSGI environment (webob). Glance sets
#: ``context``.
_ATTRIBUTES = 'webob.adhoc_attrs'

#: Prefixes of keys that belong to the request of the client or its routing.
_REQUEST_PREFIXES = (
    'HTTP_', 'CONTENT_', 'webob.', 'wsgiorg.', 'routes.', 'paste.',
    'api.cache.')


class UnreadContentError(Exception):
    """The content of an image cannot be read within the limits."""


class StoredImage:
    """Image that is read with internal requests and the rights of the caller.

    :param application: pipeline behind the filter
    :param environ: WSGI environment of the request of the client. Routing
        changes it later
    :param path: path of the image in the environment
    """

    def __init__(self, application: Any, environ: Mapping[str, Any],
                 path: str) -> None:
        self._application = application
        self._path = path
        self._attributes = dict(environ.get(_ATTRIBUTES, {}))
        self._environ = {
            name: value for name, value in environ.items()
            if name == 'HTTP_HOST' or not name.startswith(_REQUEST_PREFIXES)}

    @property
    def is_admin(self) -> bool:
        """Return whether the caller is an administrator."""
        return bool(getattr(self._attributes.get('context'), 'is_admin',
                            False))

    def record(self, as_admin: bool = False) -> dict[str, Any]:
        """Return the record of the image.

        :param as_admin: include properties that the caller cannot read
            (``property_protection_file``). Call the method without it first:
            Glance decides whether the image exists for the caller.
        :raises hyperv_sched.document.InvalidDocumentError: the caller cannot
            read the image. The response of Glance has the reason.
        """
        attributes = self._attributes
        if as_admin and 'context' in attributes:
            attributes = {**attributes,
                          'context': attributes['context'].elevated()}
        # Routes ignores one line feed at the end of a path.
        end = '\n' if self._path.endswith('\n') else ''
        response = self._get(f'{self._path}{end}', attributes)
        if response.status_int != 200:
            raise image_document.InvalidDocumentError(response.status)
        record: dict[str, Any] = response.json
        return record

    def content(self, size: object,
                policy: secure_boot.Policy | None = None) -> dict[str, Any]:
        """Inspect the stored content, which is read in ranges.

        :param size: size in bytes in the record
        :param policy: what to verify for Secure Boot, without whole loaders
        :returns: from :meth:`hyperv_sched.disk.Inspection.as_dict`
        :raises UnreadContentError: the store does not support ranges, the
            caller may not download the image, or a limit is exceeded:
            :data:`MAX_SECONDS` or those of
            :class:`hyperv_sched.disk.ranges.RangeSource`.
        """
        if not isinstance(size, int):
            raise UnreadContentError('its size is not known')
        end = time.monotonic() + MAX_SECONDS

        def fetch(offset: int, length: int) -> bytes:
            if time.monotonic() > end:
                raise UnreadContentError(
                    f'reading it takes more than {MAX_SECONDS:g} s')
            response = self._get(
                f'{self._path}/file', self._attributes,
                HTTP_RANGE=f'bytes={offset}-{offset + length - 1}')
            data = _read(response, length)
            if response.status_int != 206:
                raise UnreadContentError(
                    f'Glance does not return a range of it: {response.status}')
            return data

        try:
            return disk.inspect_source(
                ranges.RangeSource(size, fetch), policy).as_dict()
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
    """Read at most this many bytes of a response."""
    data = bytearray()
    try:
        for chunk in response.app_iter:
            data += chunk
            if len(data) >= length:
                break
    finally:
        getattr(response.app_iter, 'close', lambda: None)()
    return bytes(data[:length])
