"""All candidate pairs of many articles at once, by the rule of `clustering.propose.lsh`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from clustering.errors import ConfigurationError
from clustering.propose.kernels import shared_buckets
from clustering.propose.lsh import DEFAULT_LIMITS, BucketLimits, bucket_weights


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
    owners = np.repeat(np.arange(counts.size), counts)
    # Bucket by bucket, owners ascending within each (stable sort of an ascending list).
    order = np.argsort(ids, kind="stable")
    begins = np.flatnonzero(np.r_[True, ids[order][1:] != ids[order][:-1]])
    bucket_of = np.empty(ids.size, dtype=np.int64)
    bucket_of[order] = np.repeat(np.arange(begins.size), np.diff(np.r_[begins, ids.size]))
    first, second, weights = shared_buckets(
        np.r_[0, np.cumsum(counts)],
        bucket_of,
        np.r_[begins, ids.size],
        owners[order],
        bucket_weights(ids[order][begins]).astype(np.int64),
        limits.event_bucket_articles(int((counts > 0).sum())),
        limits.max_text_bucket_articles,
        per_article_limit,
    )
    low, high = np.minimum(first, second), np.maximum(first, second)
    keys = low * counts.size + high
    # A pair that both sides name stands twice; the heavier is put last, and kept.
    order = np.lexsort((weights, keys))
    is_last = np.ones(order.size, dtype=np.bool_)
    is_last[:-1] = keys[order][1:] != keys[order][:-1]
    kept = order[is_last]
    return CandidatePairs(low[kept], high[kept], weights[kept])
