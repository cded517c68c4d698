"""The candidate rule of `lsh` in parts that need not be in one place.

`candidate_pairs` holds all buckets of all articles. Here they are rows (bucket id, article), which
can be dealt out by bucket and gathered again; and the candidates of a block of articles are found
from the buckets that its articles are in, wherever those were gathered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures, UInt64Array
from clustering.propose.lsh import (
    TEXT_BIT,
    TEXT_WEIGHT,
    BucketLimits,
    bucket_ids,
    bucket_weights,
)
from clustering.propose.sharing import best_candidates, united
from clustering.propose.signatures import SignatureScheme

_MIXER: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: multiplied by it, the high bits of a product depend on all
bits of the id (Knuth, "The Art of Computer Programming", volume 3, section 6.4)."""

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BucketShard:
    """Some rows of some buckets.

    Attributes
    ----------
    ids
        uint64, shape (n,): bucket ids.
    articles
        int32, shape (n,): which article is in that bucket.
    """

    ids: UInt64Array
    articles: Int32Array

    def holding(self, begin: int, end: int) -> BucketShard:
        """Return the buckets that one of the articles ``begin`` … ``end - 1`` is in, whole.

        Rows must be ordered by bucket, as `gathered` leaves them.
        """
        bucket_begins = _runs(self.ids)
        inside = (self.articles >= begin) & (self.articles < end)
        wanted = np.add.reduceat(inside, bucket_begins[:-1], dtype=np.int64) > 0
        rows = np.repeat(wanted, np.diff(bucket_begins))
        return BucketShard(self.ids[rows], self.articles[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Which articles name which; int32, shape (n,) each, in no order."""

    articles: Int32Array
    candidates: Int32Array
    shared_weights: Int32Array

    @classmethod
    def none(cls) -> Self:
        """Return no candidates."""
        nothing = np.zeros(0, dtype=np.int32)
        return cls(nothing, nothing, nothing)


def bucket_rows(
    features: Iterable[ArticleFeatures],
    begin: int,
    without_buckets: Int32Array,
    scheme: SignatureScheme,
) -> BucketShard:
    """Make the rows of articles, ordered by article.

    Parameters
    ----------
    features
        The articles ``begin``, ``begin + 1`` … in order; read once.
    begin
        Number of the first.
    without_buckets
        Numbers of those that get no rows.
    scheme
        Of the signatures.
    """
    skipped = frozenset(without_buckets.tolist())
    ids = [np.zeros(0, dtype=np.uint64)]
    counts = []
    for number, item in enumerate(features, start=begin):
        counts.append(0)
        if number not in skipped:
            ids.append(bucket_ids(item, scheme))
            counts[-1] = ids[-1].size
    articles = np.repeat(np.arange(begin, begin + len(counts), dtype=np.int32), counts)
    return BucketShard(np.concatenate(ids), articles)


def dealt_out(rows: BucketShard, shards: int) -> list[BucketShard]:
    """Divide rows into so many shards by their bucket; the order within each is kept."""
    shard_of = ((rows.ids * _MIXER) >> np.uint64(33)) % np.uint64(shards)
    return [
        BucketShard(rows.ids[inside], rows.articles[inside])
        for inside in (shard_of == np.uint64(shard) for shard in range(shards))
    ]


def indexed_articles(shards: Sequence[BucketShard]) -> int:
    """Count the articles that are in at least one bucket of these."""
    return int(np.unique(np.concatenate([shard.articles for shard in shards])).size)


def gathered(parts: Sequence[BucketShard], event_bucket_articles: int) -> BucketShard:
    """Put the rows of one shard together, buckets one after the other, articles ascending in each.

    Buckets of a single row, and event buckets of more than ``event_bucket_articles`` (L of the
    rule), are left out: nobody finds a candidate there.

    Parameters
    ----------
    parts
        Of the blocks, in their order; the articles of each are ascending.
    event_bucket_articles
        At least 1.
    """
    ids = np.concatenate([part.ids for part in parts])
    articles = np.concatenate([part.articles for part in parts])
    order = np.argsort(ids, kind="stable")
    ids, articles = ids[order], articles[order]
    bucket_begins = _runs(ids)
    sizes = np.diff(bucket_begins)
    is_text = (ids[bucket_begins[:-1]] & np.uint64(TEXT_BIT)) != 0
    kept = (sizes > 1) & (is_text | (sizes <= event_bucket_articles))
    rows = np.repeat(kept, sizes)
    return BucketShard(ids[rows], articles[rows])


def block_candidates(
    begin: int,
    end: int,
    articles: int,
    shards: Sequence[BucketShard],
    limits: BucketLimits,
    per_article_limit: int,
) -> Candidates:
    """Name the candidates of the articles ``begin`` … ``end - 1``.

    Parameters
    ----------
    begin, end
        The block.
    articles
        How many there are in all.
    shards
        Buckets of the block, from `BucketShard.holding` of every shard.
    limits, per_article_limit
        Of the rule. Event buckets over their limit are gone already.
    """
    ids = np.concatenate([shard.ids for shard in shards])
    members = np.concatenate([shard.articles for shard in shards])
    bucket_begins = _runs(ids)
    bucket_of_row = np.repeat(
        np.arange(bucket_begins.size - 1, dtype=np.int32), np.diff(bucket_begins)
    )
    own = np.flatnonzero((members >= begin) & (members < end))
    own = own[np.argsort(members[own], kind="stable")]
    article_begins = np.searchsorted(members[own], np.arange(articles + 1))
    found = best_candidates(
        begin,
        end,
        article_begins,
        bucket_of_row[own],
        bucket_begins,
        members,
        bucket_weights(ids[bucket_begins[:-1]]).astype(np.int32),
        TEXT_WEIGHT,
        max(1, members.size),
        limits.max_text_bucket_articles,
        per_article_limit,
        limits.faint_share,
        limits.strong_weight,
    )
    return Candidates(*found)


def united_pairs(
    articles: int, found: Sequence[Candidates]
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return the pairs that either article names: as `CandidatePairs` holds them."""
    return united(
        articles,
        np.concatenate([part.articles for part in found]),
        np.concatenate([part.candidates for part in found]),
        np.concatenate([part.shared_weights for part in found]),
    )


def _runs(ids: UInt64Array) -> Int64Array:
    """Bounds of the runs of equal ids: 0, …, n; a single 0 for no ids."""
    if not ids.size:
        return np.zeros(1, dtype=np.int64)
    changes = np.flatnonzero(ids[1:] != ids[:-1]).astype(np.int64) + 1
    return np.concatenate([np.zeros(1, np.int64), changes, np.array([ids.size], np.int64)])
