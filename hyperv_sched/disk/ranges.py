# SPDX-License-Identifier: Apache-2.0
"""Random access to a file that a server serves in ranges."""

from __future__ import annotations

from collections.abc import Callable

_KIB = 1024

#: Ranges are fetched in whole pages, as tables, directories and the headers
#: of programs are read piece by piece.
PAGE = 32 * _KIB
#: The size of the first range: the headers and region tables of a VHDX.
HEAD = 320 * _KIB

#: Limits for one image. The block allocation table of a VHDX, which is read
#: completely, has 8 bytes a block.
MAX_REQUESTS = 32
MAX_BYTES = 4 * _KIB * _KIB

Fetch = Callable[[int, int], bytes]
"""Fetches a range by offset and length, or raises OSError."""


class BudgetExceededError(Exception):
    """More than :data:`MAX_REQUESTS` or :data:`MAX_BYTES` are needed."""


class RangeSource:
    """A source for :func:`hyperv_sched.disk.inspect_source`.

    Each page is fetched once and kept.
    """

    def __init__(self, size: int, fetch: Fetch) -> None:
        self.size = size
        self.requests = 0
        self.fetched = 0
        self._fetch = fetch
        self._pages: dict[int, bytes] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Read a range that is inside of the file.

        :raises BudgetExceededError: the budget is spent.
        :raises OSError: the range cannot be fetched.
        """
        end = offset + length
        if offset < HEAD:
            # All of it, as its other parts are read next.
            self._fetch_missing(0, min(max(end, HEAD), self.size))
        else:
            self._fetch_missing(offset, end)
        first = offset // PAGE
        data = b''.join(self._pages[page] for page in _pages(offset, end))
        return data[offset - first * PAGE:end - first * PAGE]

    def _fetch_missing(self, offset: int, end: int) -> None:
        """Fetch the missing pages, adjacent pages in one request."""
        missing: list[int] = []
        for page in _pages(offset, end):
            if page not in self._pages:
                missing.append(page)
            elif missing:
                self._fetch_pages(missing)
                missing = []
        if missing:
            self._fetch_pages(missing)

    def _fetch_pages(self, pages: list[int]) -> None:
        start = pages[0] * PAGE
        length = min((pages[-1] + 1) * PAGE, self.size) - start
        if (self.requests >= MAX_REQUESTS
                or self.fetched + length > MAX_BYTES):
            raise BudgetExceededError(
                f'inspecting it takes more than {MAX_REQUESTS} requests or '
                f'{MAX_BYTES // _KIB // _KIB} MiB')
        self.requests += 1
        self.fetched += length
        data = self._fetch(start, length)
        if len(data) != length:
            raise OSError(
                f'the server sent {len(data)} bytes instead of {length}')
        for page in pages:
            offset = page * PAGE - start
            self._pages[page] = data[offset:offset + PAGE]


def _pages(offset: int, end: int) -> range:
    """Return the numbers of the pages that hold a range."""
    return range(offset // PAGE, -(-end // PAGE))
