"""All buckets of many articles at once: who is in which, and who shares them.

Rows (bucket, article) are dealt out by bits of the bucket's group into shards small enough for the
processor's cache. In a shard, what is left of the id and the number of the article stand in one
64-bit number, so that sorting these numbers brings every bucket together with its articles in
order. Nine of ten buckets hold one article, and are dropped on the spot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from clustering.compiled import compiled
from clustering.errors import ConfigurationError
from clustering.pieces import in_pieces
from clustering.propose.kernels import TEXT_WEIGHT
from clustering.propose.lsh import BUCKET_BITS, EVENT_WEIGHT, SLOT_BITS, TEXT_BIT, BucketLimits
from clustering.propose.sharing import best_candidates

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]

_SHARD_BITS: Final = 8
_ARTICLE_BITS: Final = 64 - (BUCKET_BITS - _SHARD_BITS)
_TEXT_BIT: Final = TEXT_BIT >> _SHARD_BITS
"""The lowest bits of a group's name choose its shard: `TEXT_BIT` is among the rest."""
_PIECE_ARTICLES: Final = 1_024
"""Articles whose candidates a thread finds at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class BucketIndex:
    """Buckets that several of n articles share.

    Attributes
    ----------
    article_begins
        int64, shape (n + 1,): article a is in the buckets
        ``bucket_of[article_begins[a] : article_begins[a + 1]]``.
    bucket_of
        int32.
    bucket_begins
        int64, shape (buckets + 1,): bucket b holds
        ``members[bucket_begins[b] : bucket_begins[b + 1]]``, ascending.
    members
        int32: articles.
    weights
        int32, shape (buckets,): as `clustering.propose.lsh.bucket_weights`.
    """

    article_begins: Int64Array
    bucket_of: Int32Array
    bucket_begins: Int64Array
    members: Int32Array
    weights: Int32Array

    @classmethod
    def of(
        cls,
        articles: int,
        ids_of: Callable[[int, int], tuple[Int64Array, UInt64Array]],
        *,
        limits: BucketLimits,
        threads: int = 1,
        piece_articles: int = 2_048,
    ) -> BucketIndex:
        """Index articles.

        Parameters
        ----------
        articles
            How many there are.
        ids_of
            Called for the articles ``begin`` … ``end - 1``, by several threads at a time, for
            what `clustering.propose.lsh.bucket_ids_of_all` returns: how many ids there are up to
            the end of each, and the ids.
        limits
            Event buckets over their limit are left out.
        threads
            To use; the result does not depend on it.
        piece_articles
            Articles whose ids are asked for at once; nor does it on this.

        Raises
        ------
        ConfigurationError
            For more than 2^28 articles, whose numbers would not fit.
        """
        if articles >> _ARTICLE_BITS:
            raise ConfigurationError(f"{articles} articles are too many for one set of buckets")

        def dealt_out(begin: int, end: int) -> tuple[int, Int64Array, UInt64Array]:
            ends, ids = ids_of(begin, end)
            rows = _dealt_rows(ends, ids, begin, SLOT_BITS, _SHARD_BITS, _ARTICLE_BITS)
            return int((np.diff(ends, prepend=0) > 0).sum()), *rows

        dealt = list(in_pieces(range(articles), piece_articles, dealt_out, threads=threads))
        most = limits.event_bucket_articles(sum(indexed for indexed, _, _ in dealt))

        def gathered(
            shard: int, following: int
        ) -> tuple[Int64Array, Int32Array, NDArray[np.bool_]]:
            rows = np.concatenate(
                [
                    np.zeros(0, np.uint64),
                    *(rows[at[shard] : at[following]] for _, at, rows in dealt),
                ]
            )
            rows.sort()
            return _shared_buckets(rows, most, _ARTICLE_BITS, _TEXT_BIT)

        shards = list(in_pieces(range(1 << _SHARD_BITS), 1, gathered, threads=threads))
        dealt.clear()
        sizes = np.concatenate([shard[0] for shard in shards])
        members = np.concatenate([shard[1] for shard in shards])
        is_text = np.concatenate([shard[2] for shard in shards])
        del shards
        bucket_begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        article_begins, bucket_of = _buckets_of_articles(articles, bucket_begins, members)
        weights = np.where(is_text, np.int32(TEXT_WEIGHT), np.int32(EVENT_WEIGHT))
        return cls(article_begins, bucket_of, bucket_begins, members, weights)

    def named(
        self,
        *,
        per_article_limit: int,
        limits: BucketLimits,
        threads: int = 1,
        on_progress: Callable[[int], None] | None = None,
    ) -> NamedCandidates:
        """Let every article name its best candidates by the rule of `clustering.propose.lsh`.

        Parameters
        ----------
        per_article_limit
            Most of an article, at least 1.
        limits
            Those of the index.
        threads
            To use; the result does not depend on it.
        on_progress
            Told the number of articles that are done.

        Raises
        ------
        ConfigurationError
            If ``per_article_limit`` is less than 1.
        """
        if per_article_limit < 1:
            raise ConfigurationError(
                f"per_article_limit must be at least 1, not {per_article_limit}"
            )
        count = self.article_begins.size - 1

        def candidates_of(begin: int, end: int) -> tuple[Int64Array, Int32Array, Int32Array]:
            found = best_candidates(
                begin,
                end,
                self.article_begins,
                self.bucket_of,
                self.bucket_begins,
                self.members,
                self.weights,
                TEXT_WEIGHT,
                np.iinfo(np.int64).max,
                limits.max_text_bucket_articles,
                per_article_limit,
                limits.faint_share,
                limits.strong_weight,
            )
            return _by_candidate(begin, end, *found)

        begins = np.zeros(count + 1, dtype=np.int64)
        # Room for all that could be named. What is not written takes no memory.
        candidates = np.empty(count * min(per_article_limit, count), dtype=np.int32)
        weights = np.empty_like(candidates)
        named = 0
        begin = 0
        pieces = in_pieces(range(count), _PIECE_ARTICLES, candidates_of, threads=threads)
        for counts, its_candidates, its_weights in pieces:
            end = begin + counts.size
            begins[begin + 1 : end + 1] = named + np.cumsum(counts)
            candidates[named : begins[end]] = its_candidates
            weights[named : begins[end]] = its_weights
            begin, named = end, int(begins[end])
            if on_progress is not None:
                on_progress(end)
        return NamedCandidates(begins, candidates[:named], weights[:named])


@dataclass(frozen=True, slots=True, eq=False)
class NamedCandidates:
    """Whom each of n articles names.

    Attributes
    ----------
    begins
        int64, shape (n + 1,): article a names ``candidates[begins[a] : begins[a + 1]]``, ascending.
    candidates, shared_weights
        int32: articles, and the weighted count of the buckets they share with the one that names.
    """

    begins: Int64Array
    candidates: Int32Array
    shared_weights: Int32Array

    def pairs_of(self, begin: int, end: int) -> tuple[Int64Array, Int64Array]:
        """Return the pairs that the articles ``begin`` … ``end - 1`` answer for; int64.

        A pair is answered for by the smaller one of the two if that names the other, else by the
        larger one: so over all articles every pair comes once. The first of each pair is the one
        that answers, and pairs of one article stand together.
        """
        return _answered_pairs(begin, end, self.begins, self.candidates)


@compiled
def _dealt_rows(
    ends: Int64Array,
    ids: UInt64Array,
    first_article: int,
    slot_bits: int,
    shard_bits: int,
    article_bits: int,
) -> tuple[Int64Array, UInt64Array]:
    """Deal rows out by the bits above the slot; return where each shard begins, and rows.

    In a row the bits of the slot take the place of those that chose the shard.
    """
    shards = 1 << shard_bits
    mask = np.uint64(shards - 1)
    above_slot, above_shard = np.uint64(slot_bits), np.uint64(slot_bits + shard_bits)
    slot_mask = np.uint64((1 << slot_bits) - 1)
    begins = np.zeros(shards + 1, dtype=np.int64)
    for at in range(ids.size):
        begins[np.int64((ids[at] >> above_slot) & mask) + 1] += 1
    for k in range(shards):
        begins[k + 1] += begins[k]
    following = begins.copy()
    rows = np.empty(ids.size, dtype=np.uint64)
    at = 0
    for article in range(ends.size):
        while at < ends[article]:
            shard = np.int64((ids[at] >> above_slot) & mask)
            rest = ((ids[at] >> above_shard) << above_slot) | (ids[at] & slot_mask)
            rows[following[shard]] = (rest << np.uint64(article_bits)) | np.uint64(
                first_article + article
            )
            following[shard] += 1
            at += 1
    return begins, rows


@compiled
def _shared_buckets(
    rows: UInt64Array, event_bucket_articles: int, article_bits: int, text_bit: int
) -> tuple[Int64Array, Int32Array, NDArray[np.bool_]]:
    """Return sizes, members and kinds of the buckets that say something."""
    shift = np.uint64(article_bits)
    mask = (np.uint64(1) << shift) - np.uint64(1)
    sizes = np.empty(rows.size // 2, dtype=np.int64)
    members = np.empty(rows.size, dtype=np.int32)
    is_text = np.empty(rows.size // 2, dtype=np.bool_)
    buckets, size = 0, 0
    begin = 0
    while begin < rows.size:
        bucket = rows[begin] >> shift
        end = begin + 1
        while end < rows.size and rows[end] >> shift == bucket:
            end += 1
        text = bucket & np.uint64(text_bit) != 0
        if end - begin > 1 and (text or end - begin <= event_bucket_articles):
            sizes[buckets] = end - begin
            is_text[buckets] = text
            buckets += 1
            for at in range(begin, end):
                members[size] = np.int32(rows[at] & mask)
                size += 1
        begin = end
    return sizes[:buckets].copy(), members[:size].copy(), is_text[:buckets].copy()


@compiled
def _buckets_of_articles(
    articles: int, bucket_begins: Int64Array, members: Int32Array
) -> tuple[Int64Array, Int32Array]:
    """Turn buckets of articles into articles' buckets."""
    begins = np.zeros(articles + 1, dtype=np.int64)
    for member in members:
        begins[member + 1] += 1
    for article in range(articles):
        begins[article + 1] += begins[article]
    following = begins[:articles].copy()
    bucket_of = np.empty(members.size, dtype=np.int32)
    for bucket in range(bucket_begins.size - 1):
        for at in range(bucket_begins[bucket], bucket_begins[bucket + 1]):
            bucket_of[following[members[at]]] = bucket
            following[members[at]] += 1
    return begins, bucket_of


@compiled
def _by_candidate(
    begin: int, end: int, articles: Int32Array, candidates: Int32Array, weights: Int32Array
) -> tuple[Int64Array, Int32Array, Int32Array]:
    """Order what `best_candidates` found by candidate within each article; count each's."""
    counts = np.zeros(end - begin, dtype=np.int64)
    for at in range(articles.size):
        counts[articles[at] - begin] += 1
    first = 0
    for article in range(end - begin):
        last = first + counts[article]
        order = np.argsort(candidates[first:last])
        candidates[first:last] = candidates[first:last][order]
        weights[first:last] = weights[first:last][order]
        first = last
    return counts, candidates, weights


@compiled
def _answered_pairs(
    begin: int, end: int, begins: Int64Array, candidates: Int32Array
) -> tuple[Int64Array, Int64Array]:
    size = begins[end] - begins[begin]
    first = np.empty(size, dtype=np.int64)
    second = np.empty(size, dtype=np.int64)
    found = 0
    for article in range(begin, end):
        for at in range(begins[article], begins[article + 1]):
            other = candidates[at]
            if other < article:
                low, high = begins[other], begins[other + 1]
                while low < high:
                    middle = (low + high) // 2
                    if candidates[middle] < article:
                        low = middle + 1
                    else:
                        high = middle
                if low < begins[other + 1] and candidates[low] == article:
                    continue
            first[found] = article
            second[found] = other
            found += 1
    return first[:found], second[:found]
