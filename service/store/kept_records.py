"""Records that a process has read before, so that they need not travel again.

A handle is never given to another article, and its record changes only when an article is written
anew (`RedisClusterStore.rewrite`) or when the whole server is emptied. Both change the *mark* that
every probe tells, and with another mark everything is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_MOST_ARTICLES: Final = 20_000


class KeptRecords:
    """The packed features of the articles met last, by handle.

    Parameters
    ----------
    most_articles
        How many to keep, about 2 kB each; of more, those used longest ago are forgotten.
    """

    def __init__(self, most_articles: int = _MOST_ARTICLES) -> None:
        self._most_articles = most_articles
        self._mark = b""
        self._records: OrderedDict[int, bytes] = OrderedDict()

    def get(self, handle: int, mark: bytes) -> bytes | None:
        """Return the record of an article; ``None`` when it is not known under this mark."""
        if mark != self._mark:
            return None
        record = self._records.get(handle)
        if record is not None:
            self._records.move_to_end(handle)
        return record

    def put(self, handle: int, record: bytes, mark: bytes) -> None:
        """Keep a record that was read after the mark was."""
        if mark != self._mark:
            self._records.clear()
            self._mark = mark
        self._records[handle] = record
        if len(self._records) > self._most_articles:
            self._records.popitem(last=False)
