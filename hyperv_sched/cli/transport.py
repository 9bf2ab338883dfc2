# SPDX-License-Identifier: Apache-2.0
"""HTTP transport with limits on the size and duration of responses.

keystoneauth, openstacksdk and requests read some responses into memory
without a limit: tokens, version documents, errors. The limit is therefore
enforced at the socket. It counts everything that is received for one
response: headers, chunk sizes, body and trailers.

The module is imported only by commands that need a cloud.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import contextvars
import io
import time
from typing import Any

from keystoneauth1 import session as keystone_session
from urllib3 import connection
from urllib3 import connectionpool

#: Bytes of a response that openstacksdk or keystoneauth reads. The catalog of
#: a large cloud has some 100 KiB.
MAX_UNSTREAMED = 1024 * 1024

#: Bytes added to the limit of a body, for headers and chunk sizes.
_OVERHEAD = 256 * 1024

#: A response may take this many seconds from its first byte, and one second
#: more for each MIN_RATE bytes.
MAX_SECONDS = 60
MIN_RATE = 4 * 1024

_limit: contextvars.ContextVar[int] = contextvars.ContextVar(
    'limit', default=MAX_UNSTREAMED)


class ResponseError(Exception):
    """A response exceeds a limit or is compressed.

    It is not an OSError or a requests exception: keystoneauth retries those,
    or reports that the service is missing.
    """


@contextlib.contextmanager
def limit(size: int) -> Iterator[None]:
    """Limit the bodies of streamed responses to this many bytes."""
    token = _limit.set(size + _OVERHEAD)
    try:
        yield
    finally:
        _limit.reset(token)


class _LimitedSocket(io.RawIOBase):
    """Socket file that enforces the limits on size and duration.

    Reading raises ResponseError if the response exceeds one of them.
    """

    def __init__(self, raw: Any, size: int) -> None:
        self._raw = raw
        self._size = size
        self._received = 0
        self._seconds = 0.0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read into a buffer.

        :raises ResponseError: the response exceeds a limit.
        """
        start = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        if self._received:
            # Glance sends the first byte after it has stored an upload.
            self._seconds += time.monotonic() - start
        self._received += count or 0
        if self._received > self._size:
            raise ResponseError(
                f'the response has more than {self._size} bytes')
        if self._seconds > MAX_SECONDS + self._received / MIN_RATE:
            raise ResponseError(
                f'the response is too slow: {self._received} bytes in '
                f'{self._seconds:.0f} seconds')
        return count

    def fileno(self) -> int:
        """Return the file descriptor of the socket."""
        number: int = self._raw.fileno()
        return number

    def close(self) -> None:
        """Close the socket file."""
        self._raw.close()
        super().close()


def _bounded(base: Any) -> Any:
    """Return a subclass of a connection class, with limited responses."""
    class Response(base.response_class):  # type: ignore[misc]
        fp: Any

        def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp = io.BufferedReader(
                _LimitedSocket(self.fp.detach(), _limit.get()))

    class Connection(base):  # type: ignore[misc]
        response_class = Response

    return Connection


class _HTTPPool(
        connectionpool.HTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _bounded(connection.HTTPConnection)


class _HTTPSPool(
        connectionpool.HTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _bounded(connection.HTTPSConnection)


class Adapter(keystone_session.TCPKeepAliveAdapter):  # type: ignore[misc]
    """HTTP adapter that limits every response and accepts no compression.

    A few compressed kilobytes can expand to gigabytes.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pool manager with limited connections."""
        super().init_poolmanager(*args, **kwargs)
        _use_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the manager of a proxy with limited connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _use_pools(manager)
        return manager

    def send(self, request: Any, stream: bool = False,
             **kwargs: Any) -> Any:
        """Send a request.

        :param stream: the caller reads the body and limits it; otherwise
            requests reads it
        :raises ResponseError: the response exceeds a limit or is compressed.
        """
        request.headers['Accept-Encoding'] = 'identity'
        token = None if stream else _limit.set(MAX_UNSTREAMED)
        try:
            response = super().send(request, stream=stream, **kwargs)
        finally:
            if token is not None:
                _limit.reset(token)
        encoding = response.headers.get('Content-Encoding', 'identity')
        if encoding.strip().lower() not in ('', 'identity'):
            response.close()
            raise ResponseError(
                f'the response has Content-Encoding {encoding[:80]!r}, and '
                'the request accepts only identity. Turn compression off in '
                'the proxy in front of the cloud, or lint the output of '
                '"openstack image show -f json" with "image lint '
                '--image-json"')
        return response


def _use_pools(manager: Any) -> None:
    manager.pool_classes_by_scheme = {'http': _HTTPPool, 'https': _HTTPSPool}


def mount(session: Any) -> None:
    """Use :class:`Adapter` for all requests of a keystoneauth session."""
    http = session.session
    replaced = http.get_adapter('https://')
    # Older releases of keystoneauth, such as 5.14, have neither attribute.
    tls = {name: value for name in ('tls_ciphers', 'tls_min_version')
           if (value := getattr(replaced, name, None))}
    http.adapters.clear()
    for scheme in ('http://', 'https://'):
        http.mount(scheme, Adapter(**tls))
