# SPDX-License-Identifier: Apache-2.0
"""Random access to a file of which a server hands out ranges."""

from __future__ import annotations

from collections.abc import Callable

_KIB = 1024

#: What is fetched begins and ends with a page: tables, directories and the
#: heads of programs are read piece by piece.
PAGE = 32 * _KIB
#: Fetched at once from the start of the file: the headers and region tables
#: of a VHDX, and with them the head of anything else.
HEAD = 320 * _KIB

#: What one image may cost. The table of blocks of a VHDX alone has 8 bytes
#: a block, and all of it is looked at.
MAX_REQUESTS = 32
MAX_BYTES = 4 * _KIB * _KIB

Fetch = Callable[[int, int], bytes]
"""Gets a range by offset and length; raises OSError where it cannot."""


class TooCostly(Exception):
    """It takes more than :data:`MAX_REQUESTS` or :data:`MAX_BYTES`."""


class RangeSource:
    """A source for :func:`hyperv_sched.disk.inspect_source`.

    Keeps all that it fetched: nothing is fetched twice.
    """

    def __init__(self, size: int, fetch: Fetch) -> None:
        self.size = size
        self.requests = 0
        self.fetched = 0
        self._fetch = fetch
        self._pages: dict[int, bytes] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Read a range that lies inside.

        :raises TooCostly: the budget is spent.
        :raises OSError: it cannot be fetched.
        """
        end = offset + length
        if offset < HEAD:
            # Never part of it: what follows is asked for next.
            self._need(0, min(max(end, HEAD), self.size))
        else:
            self._need(offset, end)
        first = offset // PAGE
        data = b''.join(self._pages[page] for page in _pages(offset, end))
        return data[offset - first * PAGE:end - first * PAGE]

    def _need(self, offset: int, end: int) -> None:
        """Fetch the pages that are missing, those side by side at once."""
        missing: list[int] = []
        for page in _pages(offset, end):
            if page not in self._pages:
                missing.append(page)
            elif missing:
                self._get(missing)
                missing = []
        if missing:
            self._get(missing)

    def _get(self, pages: list[int]) -> None:
        start = pages[0] * PAGE
        length = min((pages[-1] + 1) * PAGE, self.size) - start
        if (self.requests >= MAX_REQUESTS
                or self.fetched + length > MAX_BYTES):
            raise TooCostly(
                f'to judge it takes more than {MAX_REQUESTS} requests or '
                f'{MAX_BYTES // _KIB // _KIB} MiB')
        self.requests += 1
        self.fetched += length
        data = self._fetch(start, length)
        if len(data) != length:
            raise OSError(f'{len(data)} bytes came instead of {length}')
        for page in pages:
            at = page * PAGE - start
            self._pages[page] = data[at:at + PAGE]


def _pages(offset: int, end: int) -> range:
    return range(offset // PAGE, -(-end // PAGE))
