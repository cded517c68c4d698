"""Cluster a whole set of articles at once: candidates, verified similarities, average linkage.

The partition is a function of the set of articles: they are first put into an order that follows
from their own content, so neither the order they came in nor the number of threads can show in
the result. The work is bounded by the candidates, a few dozen an article, and by the pairs inside
the clusters that come out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures
from clustering.errors import ConfigurationError
from clustering.pair_finding import PairFinder, PairSearch, Progress, find_pairs_here
from clustering.propose import BucketLimits, SignatureScheme
from clustering.refine import Comparison, MergeRule, Refinement
from clustering.refine.linkage import Float64Array, Int64Array, first_appearance
from clustering.refine.linkage_sparse import link_sparse

_MAJORITY = MergeRule.cut(0.5)
_UNCROWDED_ARTICLES = 10_000
_CROWDED_ARTICLES = 100_000


@dataclass(frozen=True, slots=True)
class Clustering:
    """The clusters of a set of articles, by position.

    Attributes
    ----------
    labels
        int64, shape (n,): articles with equal labels are in one cluster. 0, 1, … in order of
        first appearance.
    duplicate_labels
        int64, shape (n,): articles with equal labels carry the same text; every near-duplicate
        group lies within one cluster. 0, 1, … in order of first appearance.
    candidate_pair_count
        Pairs that LSH proposed.
    """

    labels: Int64Array
    duplicate_labels: Int64Array
    candidate_pair_count: int = 0


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of the work of `recluster`.

    Attributes
    ----------
    candidates_per_article
        Most candidates an article names, those sharing most buckets first, among up to 10,000
        articles; at least 1.
    candidate_growth
        Among N > 10,000 articles they are (N / 10,000) ** candidate_growth times as many, since
        more strangers share as many buckets by chance as an article's own event does. In [0, 1].
        From 100,000 articles on they grow no more: a pair takes some 100 bytes while it is linked.
    buckets
        When a bucket is too full to be read.
    members_compared
        Where two whole clusters have to be compared, so many articles of each stand for it.

    Notes
    -----
    Measured on four labelled sets among made strangers, the share of an article's event that is
    proposed: among 10,000 articles .94 with 60 candidates; among 100,000 .920 with 60, .936 with
    120 and .941 with 150. Reading buckets twice as full gives .002: the limit is what costs.
    """

    candidates_per_article: int = 60
    candidate_growth: float = 0.4
    buckets: BucketLimits = field(default_factory=BucketLimits)
    members_compared: int = 128

    def candidates(self, article_count: int) -> int:
        """Return how many candidates an article names among so many articles."""
        counted = min(max(article_count, _UNCROWDED_ARTICLES), _CROWDED_ARTICLES)
        crowding = counted / _UNCROWDED_ARTICLES
        return max(1, int(self.candidates_per_article * crowding**self.candidate_growth))


def recluster(
    features: Sequence[ArticleFeatures],
    refinement: Refinement,
    scheme: SignatureScheme,
    *,
    limits: BatchLimits | None = None,
    must_link: Sequence[Sequence[int]] = (),
    cannot_link: Sequence[tuple[int, int]] = (),
    threads: int | None = None,
    find_pairs: PairFinder = find_pairs_here,
    on_progress: Progress | None = None,
) -> Clustering:
    """Cluster articles.

    Parameters
    ----------
    features
        The articles, in any order; articles that are not ``TextKind.ORDINARY`` end up alone.
    refinement
        Similarity and merge rule, with the document frequencies to use.
    scheme
        The one their signatures were made under.
    limits
        Bounds of the work.
    must_link
        Groups of positions that stay together, whatever the evidence; no position twice.
    cannot_link
        Pairs of positions that never share a cluster.
    threads
        Threads that compare pairs; ``None`` for one a core. Does not change the result.
    find_pairs
        Where candidates are found and compared: in this process, or
        `clustering.distributed.pair_finder`. Does not change the result.
    on_progress
        Told of the stages ``"candidates"``, ``"similarities"``, ``"linkage"``, ``"duplicates"``.

    Raises
    ------
    ConfigurationError
        If a must-link or cannot-link position is out of range, or one contradicts another.
    """
    limits = BatchLimits() if limits is None else limits
    report: Progress = _silent if on_progress is None else on_progress
    threads = _cores() if threads is None else threads
    count = len(features)
    _check_positions(count, must_link, cannot_link)
    digests = [_content_digest(item) for item in features]
    order = sorted(
        range(count),
        key=lambda k: (features[k].published_at_seconds or 0, digests[k]),
    )
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    ordered = [features[k] for k in order]

    comparison = refinement.compare(ordered)
    forbidden = [(int(place[a]), int(place[b])) for a, b in cannot_link]
    linked = [[int(place[k]) for k in group] for group in must_link]
    copies = _copies([digests[k] for k in order], comparison, [*forbidden, *linked])

    pairs = find_pairs(
        PairSearch(
            features=ordered,
            # One copy stands for all: the others would name each other and nobody else.
            without_buckets=frozenset(k for group in copies for k in group[1:]),
            refinement=refinement,
            comparison=comparison,
            scheme=scheme,
            per_article_limit=limits.candidates(count),
            bucket_limits=limits.buckets,
            threads=threads,
            report=report,
        )
    )

    report("linkage", 0, count)
    alike = pairs.similarities > 0
    labels = link_sparse(
        count,
        pairs.first[alike],
        pairs.second[alike],
        pairs.similarities[alike],
        refinement.rule,
        comparison.similarities,
        blocks=[*linked, *copies],
        cannot_link=forbidden,
        most_members_measured=limits.members_compared,
    )
    report("linkage", count, count)

    report("duplicates", 0, count)
    identical = _identical([digests[k] for k in order], comparison, labels)
    duplicates = _duplicate_groups(
        comparison, labels, pairs.first, pairs.second, identical, limits.members_compared
    )
    report("duplicates", count, count)
    return Clustering(
        labels=first_appearance(labels[place]),
        duplicate_labels=first_appearance(duplicates[place]),
        candidate_pair_count=int(pairs.first.size),
    )


def _silent(stage: str, done: int, total: int) -> None:
    """Take a report and do nothing with it."""


def _cores() -> int:
    return os.cpu_count() or 1


def _check_positions(
    count: int, must_link: Sequence[Sequence[int]], cannot_link: Sequence[tuple[int, int]]
) -> None:
    for group in (*must_link, *cannot_link):
        for position in group:
            if not 0 <= position < count:
                raise ConfigurationError(
                    f"a constraint names article {position}: {count} articles are here"
                )


def _content_digest(features: ArticleFeatures) -> bytes:
    """Return 16 bytes that are equal for articles nothing here can tell apart but by date."""
    vector = features.vector
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{features.kind} {features.lang} {vector.term_ids.size} ".encode())
    digest.update(f"{vector.bigram_ids.size} {vector.token_count}".encode())
    for array in (
        vector.term_ids,
        vector.body_counts,
        vector.lead_counts,
        vector.title_counts,
        vector.term_flags,
        vector.bigram_ids,
        features.text_signature,
        features.event_tokens,
    ):
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _copies(
    digests: Sequence[bytes], comparison: Comparison, constraints: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Group identical copies, in order of position.

    Copies that an editor's constraint names are left to the constraint: each stands apart here.
    """
    apart = np.zeros(len(digests), dtype=np.int64)
    named = sorted({k for group in constraints for k in group})
    apart[named] = 1 + np.arange(len(named))
    return _identical(digests, comparison, apart)


def _identical(
    digests: Sequence[bytes], comparison: Comparison, apart: Int64Array
) -> list[list[int]]:
    """Group identical articles that have equal numbers in ``apart``.

    A text that a thousand sites carry unchanged would have half a million pairs to compare, all
    with one answer.
    """
    copies: dict[tuple[bytes, int], list[int]] = {}
    for position in np.flatnonzero(comparison.corpus.usable).tolist():
        key = (digests[position], int(apart[position]))
        copies.setdefault(key, []).append(position)
    return [group for group in copies.values() if len(group) > 1]


def _duplicate_groups(
    comparison: Comparison,
    labels: Int64Array,
    first: Int64Array,
    second: Int64Array,
    identical: Sequence[Sequence[int]],
    members_compared: int,
) -> Int64Array:
    """Group near-duplicates within clusters, by average linkage over yes and no.

    Two groups join when more than half of the pairs between them are near-duplicates, so text
    that drifts from copy to copy makes no chain. Copies that LSH did not pair are tested when
    they matter.
    """

    def same_text(i: Int64Array, j: Int64Array) -> Float64Array:
        same: NDArray[np.bool_] = comparison.near_duplicates(i, j) & (labels[i] == labels[j])
        return same.astype(np.float64)

    inside = labels[first] == labels[second]
    first, second = first[inside], second[inside]
    same = comparison.near_duplicates(first, second)
    return link_sparse(
        labels.size,
        first[same],
        second[same],
        np.ones(int(same.sum())),
        _MAJORITY,
        same_text,
        blocks=identical,
        most_members_measured=members_compared,
    )
