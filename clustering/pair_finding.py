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
from clustering.columns import FeatureColumns
from clustering.compiled import compiled
from clustering.pieces import in_pieces
from clustering.propose import BucketIndex, BucketLimits, SignatureScheme, bucket_ids_of_all
from clustering.refine import Comparison, MergeRule, Refinement

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and how much there is."""

Float32Array: TypeAlias = NDArray[np.float32]
Int32Array: TypeAlias = NDArray[np.int32]

_COMPARED_ARTICLES: Final = 512
"""Articles whose candidates a thread compares at a time."""


@dataclass(frozen=True, slots=True)
class PairSearch:
    """What a `PairFinder` is asked.

    Attributes
    ----------
    features
        The articles, in the order that decides between equally good candidates.
    without_buckets
        Positions of articles that neither name candidates nor are any.
    ready
        Gives what compares them: the configuration, and the articles made ready for it in this
        process. May have to wait for it, which candidates do not need.
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
    ready: Callable[[], tuple[Refinement, Comparison]]
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
        int32 or int64, shape (n,): i and j.
    similarities
        float32, shape (n,), in [0, 1].
    candidate_pair_count
        How many candidate pairs there were, if some of them were left out.
    """

    first: NDArray[np.integer]
    second: NDArray[np.integer]
    similarities: Float32Array
    candidate_pair_count: int | None = None

    def plausible(self, rule: MergeRule) -> ComparedPairs:
        """Return the pairs that a linkage needs to know of: see `is_plausible`."""
        kept = is_plausible(self.similarities, rule)
        if kept.all():
            return self
        return ComparedPairs(
            self.first[kept],
            self.second[kept],
            self.similarities[kept],
            self.candidate_pair_count,
        )


def is_plausible(similarities: Float32Array, rule: MergeRule) -> NDArray[np.bool_]:
    """Tell the pairs that can bring a merge about; bool, shape (n,).

    Groups that join have a mean similarity above the rule's least one, so they hold a pair above
    it. Pairs far below it say only that some mean is low, and where that matters the linkage
    measures them itself. Half of the least one is low enough to change none of the labelled sets,
    and of 100,000 articles' pairs a third is below.
    """
    return similarities > 0.5 * rule.least_similarity


PairFinder: TypeAlias = Callable[[PairSearch], ComparedPairs]


def find_pairs_here(search: PairSearch) -> ComparedPairs:
    """Find the pairs by the threads of this process.

    Pairs are compared as they are named, and only the plausible ones are kept: of four
    candidates one.
    """
    features = FeatureColumns.of(search.features)
    count = len(features)
    without_buckets = np.zeros(count, dtype=np.bool_)
    without_buckets[list(search.without_buckets)] = True
    search.report("candidates", 0, count)
    index = BucketIndex.of(
        count,
        lambda begin, end: bucket_ids_of_all(
            features[begin:end], search.scheme, without_buckets[begin:end]
        ),
        limits=search.bucket_limits,
        threads=search.threads,
    )
    named = index.named(
        per_article_limit=search.per_article_limit,
        limits=search.bucket_limits,
        threads=search.threads,
        on_progress=lambda done: search.report("candidates", done, count),
    )
    del index
    search.report("candidates", count, count)

    refinement, comparison = search.ready()

    def alike(begin: int, end: int) -> tuple[Int32Array, Int32Array, Float32Array, int]:
        one, other = named.pairs_of(begin, end)
        similarities = comparison.similarities(one, other)
        kept = is_plausible(similarities, refinement.rule)
        one, other = one[kept].astype(np.int32), other[kept].astype(np.int32)
        return np.minimum(one, other), np.maximum(one, other), similarities[kept], kept.size

    search.report("similarities", 0, count)
    # Room for all candidates. What is not written takes no memory.
    first = np.empty(named.candidates.size, dtype=np.int32)
    second = np.empty_like(first)
    similarities = np.empty(first.size, dtype=np.float32)
    found, candidate_pair_count, compared = 0, 0, 0
    for piece in in_pieces(range(count), _COMPARED_ARTICLES, alike, threads=search.threads):
        end = found + piece[0].size
        first[found:end], second[found:end], similarities[found:end] = piece[:3]
        candidate_pair_count += piece[3]
        found = end
        compared = min(compared + _COMPARED_ARTICLES, count)
        search.report("similarities", compared, count)
    ordered = _ordered(count, first[:found], second[:found], similarities[:found])
    search.report("similarities", count, count)
    return ComparedPairs(*ordered, candidate_pair_count)


@compiled
def _ordered(
    count: int, first: Int32Array, second: Int32Array, similarities: Float32Array
) -> tuple[Int32Array, Int32Array, Float32Array]:
    """Return pairs ordered by first, then second: dealt out by first, then sorted one by one."""
    begins = np.zeros(count + 1, dtype=np.int64)
    for k in range(first.size):
        begins[first[k] + 1] += 1
    for article in range(count):
        begins[article + 1] += begins[article]
    # As many places as pairs, filled from the front: what has come so far stays sorted. An article
    # has some dozens of pairs, which mostly come in order.
    ends = begins[:count].copy()
    firsts, seconds = np.empty_like(first), np.empty_like(second)
    ordered = np.empty_like(similarities)
    for k in range(first.size):
        at = ends[first[k]]
        ends[first[k]] += 1
        while at > begins[first[k]] and seconds[at - 1] > second[k]:
            seconds[at], ordered[at] = seconds[at - 1], ordered[at - 1]
            at -= 1
        seconds[at], ordered[at] = second[k], similarities[k]
    for article in range(count):
        firsts[begins[article] : begins[article + 1]] = article
    return firsts, seconds, ordered
