"""Which pairs of a whole set are candidates, and how alike they are: the part that spreads.

Linking looks at all articles together, but every article finds its candidates and every pair is
compared on its own. So this part of `clustering.batch` stands behind one call, `PairFinder`: here
on the threads of this process (`find_pairs_here`), or on other machines
(`clustering.distributed`). Whoever finds the pairs finds the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures
from clustering.propose import BucketLimits, SignatureScheme, bucket_ids, candidate_pairs
from clustering.refine import Comparison, Refinement

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and how much there is."""

_SIMILARITY_PIECE: Final = 500_000
"""Pairs between two reports of progress."""


@dataclass(frozen=True, slots=True)
class PairSearch:
    """What a `PairFinder` is asked.

    Attributes
    ----------
    features
        The articles, in the order that decides between equally good candidates.
    without_buckets
        Positions of articles that neither name candidates nor are any.
    refinement, comparison
        What compares them: the configuration, and the articles made ready for it in this process.
    scheme
        Of the signatures.
    per_article_limit
        Most candidates an article names, at least 1.
    bucket_limits
        When a bucket is skipped.
    threads
        Threads of this process to use.
    report
        Told of the stages ``"candidates"`` and ``"similarities"``.
    """

    features: Sequence[ArticleFeatures]
    without_buckets: frozenset[int]
    refinement: Refinement
    comparison: Comparison
    scheme: SignatureScheme
    per_article_limit: int
    bucket_limits: BucketLimits
    threads: int
    report: Progress


@dataclass(frozen=True, slots=True)
class ComparedPairs:
    """Candidate pairs i < j, ordered by i, then j, and how alike they are.

    Attributes
    ----------
    first, second
        int64, shape (n,): i and j.
    similarities
        float32, shape (n,), in [0, 1].
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    similarities: NDArray[np.float32]


PairFinder: TypeAlias = Callable[[PairSearch], ComparedPairs]


def find_pairs_here(search: PairSearch) -> ComparedPairs:
    """Find the pairs by the threads of this process."""
    count = len(search.features)
    search.report("candidates", 0, count)
    buckets = [bucket_ids(item, search.scheme) for item in search.features]
    for position in search.without_buckets:
        buckets[position] = buckets[position][:0]
    pairs = candidate_pairs(
        buckets,
        per_article_limit=search.per_article_limit,
        limits=search.bucket_limits,
        threads=search.threads,
        on_progress=lambda done: search.report("candidates", done, count),
    )
    search.report("candidates", count, count)

    pair_count = int(pairs.first.size)
    search.report("similarities", 0, pair_count)
    pieces = [np.zeros(0, dtype=np.float32)]
    for begin in range(0, pair_count, _SIMILARITY_PIECE):
        end = begin + _SIMILARITY_PIECE
        pieces.append(
            search.comparison.similarities(
                pairs.first[begin:end], pairs.second[begin:end], threads=search.threads
            )
        )
        search.report("similarities", min(end, pair_count), pair_count)
    search.report("similarities", pair_count, pair_count)
    return ComparedPairs(pairs.first, pairs.second, np.concatenate(pieces))
