"""Records that a process has read before, so that they need not travel again.

A handle is never given to another article, and its record changes only when an article is written
anew (`RedisClusterStore.rewrite`) or when the whole server is emptied. Both change the *mark* that
every probe tells, and with another mark everything is forgotten.

Those of the newest articles are kept, each in the place that its handle names: so a bitmap says to
a script which ones need not be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_MOST_ARTICLES: Final = 131_072


class KeptRecords:
    """The packed features of the newest articles met, by handle.

    Parameters
    ----------
    most_articles
        How many of the newest to keep, some 1 to 2 kB each; a multiple of 8.
    """

    def __init__(self, most_articles: int = _MOST_ARTICLES) -> None:
        self._most_articles = most_articles
        self._mark = b""
        self._forget()

    def _forget(self) -> None:
        self._records: dict[int, tuple[int, bytes]] = {}
        self._held = bytearray(self._most_articles // 8)
        self._newest = 0

    def get(self, handle: int, mark: bytes) -> bytes | None:
        """Return the record of an article; ``None`` when it is not known under this mark."""
        if mark != self._mark:
            return None
        found = self._records.get(handle % self._most_articles)
        return found[1] if found is not None and found[0] == handle else None

    def put(self, handle: int, record: bytes, mark: bytes) -> None:
        """Keep a record that was read after the mark was."""
        if mark != self._mark:
            self._mark = mark
            self._forget()
        if handle <= self._newest - self._most_articles:
            return
        place = handle % self._most_articles
        self._records[place] = (handle, record)
        self._held[place >> 3] |= 1 << (place & 7)
        if handle > self._newest:
            self._drop_between(self._newest, handle)
            self._newest = handle

    def held(self, mark: bytes) -> tuple[int, bytes]:
        """Return the newest handle, and a bitmap: bit (handle % its size), for those up to it."""
        if mark != self._mark:
            return 0, b""
        return self._newest, bytes(self._held[: (self._newest >> 3) + 1])

    def get_many(self, handles: Sequence[int], mark: bytes) -> list[bytes | None]:
        """Return the records of articles; see `get`."""
        if mark != self._mark:
            return [None] * len(handles)
        most, find = self._most_articles, self._records.get
        found = [find(handle % most) for handle in handles]
        return [
            pair[1] if pair is not None and pair[0] == handle else None
            for pair, handle in zip(found, handles, strict=True)
        ]

    def _drop_between(self, newest: int, handle: int) -> None:
        """Free the places of handles that are passed over: what is there is too old by now."""
        for passed in range(max(newest + 1, handle - self._most_articles + 1), handle):
            place = passed % self._most_articles
            found = self._records.get(place)
            if found is not None and found[0] <= handle - self._most_articles:
                del self._records[place]
                self._held[place >> 3] &= ~(1 << (place & 7)) & 0xFF
