"""Which articles of a batch can be decided together, as if one after the other.

Articles that are decided on one reading of the store do not see one another there. So the ones
before are put among the candidates of an article here, by the rule that the store follows
(`clustering.propose.lsh`). As long as none of them turns out to be like it, its decision is the one
that it would have met one after the other, and the *wave* goes on. Where one is, or where it cannot
be told, the wave ends before the article, which is decided on the next reading.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from service.store import Finding, FoundArticle, Newcomer
from service.wave_loops import share_with_each

_NAME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Fellow:
    """An article of the wave, as a candidate of a later one: its number, what it shares."""

    number: int
    shared_weight: int
    record: bytes


class Wave:
    """The articles that are decided together, in order; before them some that are stored."""

    def __init__(self) -> None:
        self.name = secrets.token_bytes(_NAME_BYTES)
        self.article_ids: set[str] = set()
        self.indexed_articles = 0
        self._newcomers = 0
        self._records: list[bytes] = []
        # The buckets of all, one after the other, and where each one's end; room for more.
        self._buckets: UInt64Array = np.empty(1024, dtype=np.uint64)
        self._ends: NDArray[np.int64] = np.zeros(16, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def expected_articles(self) -> int:
        """How many that have buckets must be committed for what comes after them to hold."""
        return self.indexed_articles - self._newcomers

    def add(self, article_id: str, record: bytes, bucket_ids: UInt64Array) -> None:
        """Let the next article join."""
        self.article_ids.add(article_id)
        self._add(record, bucket_ids)

    def add_stored(self, newcomer: Newcomer) -> None:
        """Let an article take part that others stored meanwhile; before any other one."""
        self._newcomers += bool(newcomer.bucket_ids.size)
        self._add(newcomer.record, newcomer.bucket_ids)

    def _add(self, record: bytes, bucket_ids: UInt64Array) -> None:
        number = len(self._records)
        begin = int(self._ends[number - 1]) if number else 0
        end = begin + bucket_ids.size
        if end > self._buckets.size:
            self._buckets = np.concatenate([self._buckets[:begin], np.empty_like(self._buckets)])
            self._add(record, bucket_ids)
            return
        if number == self._ends.size:
            self._ends = np.concatenate([self._ends, np.zeros_like(self._ends)])
        self._buckets[begin:end] = bucket_ids
        self._ends[number] = end
        self._records.append(record)
        self.indexed_articles += bool(bucket_ids.size)

    def fellows(self, finding: Finding) -> list[Fellow] | None:
        """Return those that share buckets with an article; ``None`` where that cannot be told.

        It cannot where they would make a bucket over-full, or push others out of one: then the
        candidates that were found are not the right ones either.
        """
        if not self._records:
            return []
        told = self.fellows_and_sizes(finding)
        return None if told is None else told[0]

    def fellows_and_sizes(self, finding: Finding) -> tuple[list[Fellow], NDArray[np.int64]] | None:
        """Return `fellows`, and how many articles are in each of its buckets with them."""
        buckets, members = finding.buckets, len(self._records)
        limits, indexed = buckets.limits, buckets.indexed_articles
        overfull = limits.event_bucket_articles(indexed)
        if limits.event_bucket_articles(indexed + self.indexed_articles) != overfull:
            return None
        counts = np.zeros(buckets.ids.size, dtype=np.int64)
        shared = np.zeros(members, dtype=np.int64)
        if members and not share_with_each(
            buckets.ids,
            buckets.weights,
            buckets.sizes,
            self._buckets,
            self._ends[:members],
            overfull,
            limits.max_text_bucket_articles,
            counts,
            shared,
        ):
            return None
        fellows = [
            Fellow(number, int(shared[number]), self._records[number])
            for number in np.flatnonzero(shared).tolist()
        ]
        return fellows, buckets.sizes + counts


def ranked(
    candidates: Sequence[FoundArticle], fellows: Sequence[Fellow], limit: int
) -> list[FoundArticle | Fellow]:
    """Return the candidates among both: most shared weight first, and of equals the newest.

    Parameters
    ----------
    candidates
        In that order.
    fellows
        Newer than any of them, the higher the number the newer.
    limit
        How many at most.
    """
    if not fellows:
        return list(candidates[:limit])
    both: list[FoundArticle | Fellow] = [
        *sorted(fellows, key=lambda fellow: -fellow.number),
        *candidates,
    ]
    both.sort(key=lambda item: -item.shared_weight)
    return both[:limit]
