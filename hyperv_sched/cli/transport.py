# SPDX-License-Identifier: Apache-2.0
"""HTTP that reads no more of a response than the caller has allowed.

keystoneauth, openstacksdk and requests read bodies into memory, decode and
log them in places of their own: tokens, version documents, errors. The limit
is therefore below all of them, at the socket, and counts everything that is
received for one response: headers, chunk sizes, body and trailers. It also
ends a response that trickles in.

Imported only when a command needs a cloud.
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

#: Bytes of a response that openstacksdk and keystoneauth read on their own: a
#: catalog of a large cloud has some 100 KiB.
MAX_UNSTREAMED = 1024 * 1024

#: Added to the limit of a body: headers and, where a server sends chunks,
#: their sizes.
_OVERHEAD = 256 * 1024

#: A response may take this many seconds from its first byte, and one more for
#: each so many bytes of it.
MAX_SECONDS = 60
MIN_RATE = 4 * 1024

_limit: contextvars.ContextVar[int] = contextvars.ContextVar(
    'limit', default=MAX_UNSTREAMED)


class ResponseError(Exception):
    """The response is not what a client can be expected to read.

    Not an OSError or a requests exception: those are retried, or taken for a
    service that is not there.
    """


@contextlib.contextmanager
def limit(size: int) -> Iterator[None]:
    """Allow bodies of this many bytes for streamed responses."""
    token = _limit.set(size + _OVERHEAD)
    try:
        yield
    finally:
        _limit.reset(token)


class _LimitedSocket(io.RawIOBase):
    """Reads from a socket, up to a number of bytes, at a least rate.

    :raises ResponseError: in reading, when there is more, or it takes longer.
    """

    def __init__(self, raw: Any, size: int) -> None:
        self._raw = raw
        self._size = size
        self._received = 0
        self._seconds = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        start = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        if self._received:
            # Before the first byte, Glance may still store an upload.
            self._seconds += time.monotonic() - start
        self._received += count or 0
        if self._received > self._size:
            raise ResponseError(
                f'the cloud answers with more than {self._size} bytes')
        if self._seconds > MAX_SECONDS + self._received / MIN_RATE:
            raise ResponseError(
                f'the cloud has sent {self._received} bytes of a response in '
                f'{self._seconds:.0f} seconds')
        return count

    def fileno(self) -> int:
        number: int = self._raw.fileno()
        return number

    def close(self) -> None:
        self._raw.close()
        super().close()


def _bounded(base: Any) -> Any:
    """Make a connection class whose responses are limited."""
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
    """Limits every response, and takes none that is compressed.

    A few kilobytes, compressed, can be gigabytes.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        _use_pools(manager)
        return manager

    def send(self, request: Any, stream: bool = False,
             **kwargs: Any) -> Any:
        """Send a request.

        :param stream: the caller counts the body; else requests reads it
        :raises ResponseError: the response is too long, or is encoded.
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
                f'the cloud answers in the encoding {encoding[:80]!r}, which '
                'the request does not accept. Turn compression off in the '
                'proxy before it, or judge what "openstack image show -f '
                'json" prints, with "image lint --image-json"')
        return response


def _use_pools(manager: Any) -> None:
    manager.pool_classes_by_scheme = {'http': _HTTPPool, 'https': _HTTPSPool}


def mount(session: Any) -> None:
    """Let a keystoneauth session use nothing but :class:`Adapter`."""
    http = session.session
    replaced = http.get_adapter('https://')
    # Adapters of keystoneauth before 5.11 have neither.
    tls = {name: value for name in ('tls_ciphers', 'tls_min_version')
           if (value := getattr(replaced, name, None))}
    http.adapters.clear()
    for scheme in ('http://', 'https://'):
        http.mount(scheme, Adapter(**tls))
