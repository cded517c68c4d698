"""Buckets that a process knows to be over-full: they need not be read to be left out.

Of the buckets of an article among 100,000 a fifth are over-full. That is all that reading them
tells, and it would be half of the bytes that are read.

Why it may be told without reading: a bucket's entries only ever become fewer where an article is
removed or replaced. Either raises the difference between the highest handle and the number of
articles stored (`service.store.bucket_reading.State.removed`) by one. So a bucket that had c
entries when that was r has at least c - (r' - r) when it is r': over-full still, if that is more
than a bucket may have by then. What is written anew, or expires in one go, is not counted so, and
with either everything is forgotten.
"""

from __future__ import annotations

from typing import Final

from clustering.articles import UInt8Array, UInt64Array
from service.store.bucket_loops import BoolArray, BucketSet, Int64Array

SLACK_ENTRIES: Final = 32
"""So many entries more than it may have a bucket must have to be noted: the others would soon have
to be looked at again."""

_MOST_BUCKETS: Final = 1 << 18


class OverfullBuckets:
    """Event buckets that were found over-full; begins with none.

    Parameters
    ----------
    most_buckets
        With more than so many everything is forgotten; 16 to 32 bytes each.

    Attributes
    ----------
    edition
        Another one whenever everything was forgotten.
    """

    def __init__(self, most_buckets: int = _MOST_BUCKETS) -> None:
        self._most_buckets = most_buckets
        self._of: tuple[bytes, int] = (b"", 0)
        self.edition = 0
        self._forget()

    def __len__(self) -> int:
        return len(self._buckets)

    def _forget(self) -> None:
        self.edition += 1
        self._buckets = BucketSet()
        # Of all that are noted, the least of entries and removed articles then, added up.
        self._least = 0

    def among(self, ids: UInt64Array, weights: UInt8Array) -> BoolArray | None:
        """Return bool, shape (n,): which event buckets are noted; ``None`` for none of them."""
        if not len(self._buckets):
            return None
        noted = self._buckets.contains(ids) & (weights == 1)
        return noted if noted.any() else None

    def hold(self, edition: int, of: tuple[bytes, int], removed: int, overfull: int) -> bool:
        """Tell whether all that were noted are over-full now; where not, forget them.

        Parameters
        ----------
        edition
            The one that they were noted in.
        of
            Mark and floor of the store: with others everything is forgotten.
        removed
            How many articles were removed or replaced since the collection began.
        overfull
            A bucket with more entries is over-full.
        """
        if of != self._of or self._least - removed <= overfull:
            self._of = of
            self._forget()
        return edition == self.edition

    def note(
        self, ids: UInt64Array, sizes: Int64Array, of: tuple[bytes, int], removed: int
    ) -> None:
        """Note buckets that were read under the state given, and were found so full."""
        if of != self._of or len(self._buckets) + ids.size > self._most_buckets:
            self._of = of
            self._forget()
        least = int(sizes.min()) + removed
        self._least = min(self._least, least) if len(self._buckets) else least
        self._buckets.add(ids)
