# SPDX-License-Identifier: Apache-2.0
"""HTTP client of the services of a cloud, on top of openstacksdk.

openstacksdk is imported only by commands that need a cloud. Responses are
read up to a limit, and every failure is reported as one sentence.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import contextlib
import html
import json
import logging
import re
from typing import Any
import urllib.parse

from hyperv_sched.cli import base
from hyperv_sched.text import escape

LOG = logging.getLogger(__name__)

#: Seconds without a byte.
TIMEOUT = 60

#: Bytes of a document or a page. The quotas of Glance allow 8 MiB for the
#: properties of one image; a page of 200 usual images has some 600 KB.
MAX_DOCUMENT_SIZE = 16 * 1024 * 1024
#: Values in a document or a page: an empty list takes 3 bytes on the wire and
#: 64 in memory. Glance allows 128 properties for each of 200 images.
MAX_VALUES = 500_000
#: Characters of the query of the next page.
MAX_QUERY = 4096
_LIMIT = re.compile('(?<![^&])limit=[0-9]+')
#: Two patterns, one applied after the other: one pattern for both would take
#: quadratic time.
_ESCAPE, _STRING = re.compile(rb'\\.', re.DOTALL), re.compile(b'"[^"]*"')
_CHUNK_SIZE = 64 * 1024
_MAX_REASON_SIZE = 64 * 1024


_SELECT = '. Select a cloud with --os-cloud, or set OS_CLOUD'


class CloudError(base.UsageError):
    """A request to the cloud failed.

    :ivar status: HTTP status of the response; None without a response
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class ResponseTooLargeError(CloudError):
    """A document or a page exceeds a limit."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the option that selects a cloud."""
    parser.add_argument(
        '--os-cloud', metavar='NAME',
        help='use this cloud of clouds.yaml; the default comes from the '
             'environment (OS_CLOUD, OS_AUTH_URL and so on)')


def check_installed() -> None:
    """Check that there is an openstacksdk.

    :raises CloudError: there is none.
    """
    try:
        import openstack  # noqa: F401
    except ImportError:
        raise CloudError(
            'openstacksdk is not installed in the Python environment of this '
            'command. Run "pip install openstacksdk" in that environment, or '
            '"pipx inject hyperv-sched openstacksdk" if pipx made it'
        ) from None


def connect(app: Any, name: str | None) -> Any:
    """Return a connection of openstacksdk to a cloud.

    :param app: application that runs the command. The openstack client has
        parsed its own options and configuration before
    :param name: name in ``clouds.yaml``; None for the environment
    :raises CloudError: the cloud does not exist, or the login fails.
    """
    check_installed()
    import openstack

    from hyperv_sched.cli import transport

    with cloud_errors(_SELECT):
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
        return connection


def service(connection: Any, name: str) -> Any:
    """Return the adapter of openstacksdk for a service, such as ``image``.

    :raises CloudError: the login fails, or the cloud has no such service.
    """
    with cloud_errors(_SELECT):
        return getattr(connection, name)


@contextlib.contextmanager
def cloud_errors(hint: str = '') -> Iterator[None]:
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
        reason = str(exc).rstrip('.')
        raise CloudError(
            f'the cloud cannot be used: {reason}{hint}') from None


class API:
    """One service of a cloud.

    :param proxy: the adapter of openstacksdk for the service
    """

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy

    def request_object(self, method: str, path: str, status: int = 200,
                       **options: Any) -> dict[str, Any]:
        """Send a request and return the JSON object of the response.

        :raises CloudError: the response has another status than this one, or
            is not a JSON object.
        """
        with self.request(method, path, MAX_DOCUMENT_SIZE,
                          **options) as response:
            expect(response, status)
            text = b''.join(read_body(response, MAX_DOCUMENT_SIZE))
        if count_values(text) > MAX_VALUES:
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
    def request(self, method: str, path: str, size: int = _MAX_REASON_SIZE,
                timeout: int = TIMEOUT, **options: Any) -> Iterator[Any]:
        """Send a request and yield the response.

        :param size: largest body of the response in bytes
        """
        from hyperv_sched.cli import transport

        with cloud_errors(), transport.limit(max(size, _MAX_REASON_SIZE)), \
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


def next_query(link: object, page_size: int) -> str:
    """Return the query of the next page; empty after the last page.

    The host and path of the link are ignored.

    :param link: the link to the next page; None or empty after the last one
    :param page_size: replaces the limit in the link
    """
    try:
        query = urllib.parse.urlsplit(str(link or '')).query
    except ValueError as exc:
        raise CloudError('the link to the next page is not a URL: '
                         f'{escape(exc)}') from None
    if len(query) > MAX_QUERY:
        raise CloudError('the link to the next page has more than '
                         f'{MAX_QUERY} characters')
    return limit_query(query, page_size)


def limit_query(query: str, page_size: int) -> str:
    """Replace the limit in a query."""
    return _LIMIT.sub(f'limit={page_size}', query)


def read_body(response: Any, limit: int) -> Iterator[bytes]:
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


def count_values(text: bytes) -> int:
    """Count the values in JSON text without decoding it."""
    def count(data: bytes) -> int:
        return sum(map(data.count, (b'[', b'{', b',', b':')))

    values = count(text)
    if values > MAX_VALUES:
        # These characters may be in strings.
        values = count(_STRING.sub(b'', _ESCAPE.sub(b'', text)))
    return values


def expect(response: Any, status: int) -> None:
    """Raise the reason in a response with another status than this one."""
    if response.status_code != status:
        raise CloudError(
            f'the cloud responds with {response.status_code}: '
            f'{reason(response)}', response.status_code)


def reason(response: Any) -> str:
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
    # '<[^>]*>' takes quadratic time on many '<'.
    return html.unescape(re.sub('<[^<>]*>', ' ', markup)).strip()
