"""All candidate pairs of many articles at once, by the rule of `clustering.propose.lsh`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.articles import UInt64Array
from clustering.propose.bucket_index import BucketIndex
from clustering.propose.lsh import DEFAULT_LIMITS, BucketLimits
from clustering.propose.sharing import united


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
    count = len(ids_of_articles)

    def ids_of(begin: int, end: int) -> tuple[NDArray[np.int64], UInt64Array]:
        ids = ids_of_articles[begin:end]
        return np.cumsum([each.size for each in ids], dtype=np.int64), np.concatenate(ids)

    named = BucketIndex.of(count, ids_of, limits=limits, threads=threads).named(
        per_article_limit=per_article_limit,
        limits=limits,
        threads=threads,
        on_progress=on_progress,
    )
    first = np.repeat(np.arange(count, dtype=np.int32), np.diff(named.begins))
    return CandidatePairs(*united(count, first, named.candidates, named.shared_weights))
