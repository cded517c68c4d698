"""All candidate pairs of many articles at once, by the rule of `clustering.propose.lsh`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from clustering.errors import ConfigurationError
from clustering.propose.lsh import DEFAULT_LIMITS, TEXT_WEIGHT, BucketLimits, bucket_weights
from clustering.propose.sharing import best_candidates, united

_PIECE_ARTICLES: Final = 1_024
"""Articles that a thread works on at a time."""


@dataclass(frozen=True, slots=True)
class CandidatePairs:
    """Pairs of positions with i < j, ordered by i, then j.

    Attributes
    ----------
    first, second
        int64, shape (n,): i and j.
    shared_weight
        int64, shape (n,): weighted count of shared buckets; the larger one where a text bucket
        over its limit shows the two each other unequally.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shared_weight: NDArray[np.int64]


def candidate_pairs(
    ids_of_articles: Sequence[UInt64Array],
    *,
    per_article_limit: int,
    limits: BucketLimits = DEFAULT_LIMITS,
    threads: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> CandidatePairs:
    """All candidate pairs of a set of articles.

    The same pairs as putting every article (by position) into a `CandidateIndex` and asking for
    each one's ``per_article_limit`` candidates besides itself: a pair is there when either names
    the other. Work is the sum over articles of the sizes of their buckets that are read, which
    the limits bound; memory is linear in buckets and answers.

    The order of the articles matters in two places only: which of equally good candidates fall
    under the limit, and which entries of a text bucket above its limit are read.

    Parameters
    ----------
    ids_of_articles
        For each article, its `bucket_ids`.
    per_article_limit
        Most candidates an article names, at least 1.
    limits
        When a bucket is skipped.
    threads
        Threads to spread the articles over; does not change the result.
    on_progress
        Told the number of articles that are done.

    Raises
    ------
    ConfigurationError
        If ``per_article_limit`` is less than 1.
    """
    if per_article_limit < 1:
        raise ConfigurationError(f"per_article_limit must be at least 1, not {per_article_limit}")
    counts = np.array([ids.size for ids in ids_of_articles], dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    if not counts.sum():
        return CandidatePairs(nothing, nothing, nothing)
    ids = np.concatenate(ids_of_articles)
    owners = np.repeat(np.arange(counts.size, dtype=np.int32), counts)
    # Bucket by bucket, owners ascending within each (stable sort of an ascending list).
    order = np.argsort(ids, kind="stable")
    in_order = ids[order]
    begins = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
    bucket_begins = np.r_[begins, ids.size]
    bucket_of = np.empty(ids.size, dtype=np.int32)
    bucket_of[order] = np.repeat(np.arange(begins.size, dtype=np.int32), np.diff(bucket_begins))
    members = owners[order]
    article_begins = np.r_[0, np.cumsum(counts)]
    weights = bucket_weights(in_order[begins]).astype(np.int32)
    most = limits.event_bucket_articles(int((counts > 0).sum()))

    def candidates_of(begin: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        return best_candidates(
            begin,
            min(begin + _PIECE_ARTICLES, counts.size),
            article_begins,
            bucket_of,
            bucket_begins,
            members,
            weights,
            TEXT_WEIGHT,
            most,
            limits.max_text_bucket_articles,
            per_article_limit,
        )

    pieces = []
    with ThreadPoolExecutor(threads) as pool:
        begins_of_pieces = range(0, counts.size, _PIECE_ARTICLES)
        for begin, piece in zip(
            begins_of_pieces, pool.map(candidates_of, begins_of_pieces), strict=True
        ):
            pieces.append(piece)
            if on_progress is not None:
                on_progress(min(begin + _PIECE_ARTICLES, counts.size))
    first, second, shared = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return CandidatePairs(*united(counts.size, first, second, shared))
