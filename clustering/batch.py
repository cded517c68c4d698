"""Cluster a whole set of articles at once: candidates, verified similarities, average linkage.

The partition is a function of the set of articles: they are first put into an order that follows
from their own content, so neither the order they came in nor the number of threads can show in
the result. The work is bounded by the candidates, a few dozen an article, and by the pairs inside
the clusters that come out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures
from clustering.columns import KINDS, UNDATED, FeatureColumns
from clustering.errors import ConfigurationError
from clustering.pair_finding import PairFinder, PairSearch, Progress, find_pairs_here
from clustering.parting import link_parted
from clustering.pieces import done_beside
from clustering.propose import BucketLimits, SignatureScheme
from clustering.refine import Comparison, Refinement
from clustering.refine.linkage import Int64Array, first_appearance
from clustering.same_texts import duplicate_groups, near_duplicates

Digests: TypeAlias = NDArray[np.uint64]

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
        When a bucket is too full to be read, and which candidates are too faint to be compared.
    members_compared
        Where two whole clusters have to be compared, so many articles of each stand for it.

    Notes
    -----
    Measured on four labelled sets among made strangers, the share of an article's event that is
    proposed: among 10,000 articles .94 with 60 candidates; among 100,000 .920 with 60, .936 with
    120 and .941 with 150. Reading buckets twice as full gives .002: the limit is what costs.

    Buckets of more than 600 articles are not read: up to 300,000 articles they are skipped for
    their share anyway, and beyond it reading them would take most of the time. With 200 instead,
    300,000 made articles had the same recall and .013 less precision.

    An article whose best candidate shares 40 buckets with it has its event among those that share
    8 or more. Leaving fainter ones out takes three of five pairs away, and the mean BCubed F1 of
    four labelled sets goes from .918 to .920, among 20,000 made articles from .915 to .916. Three
    tenths instead of a fifth cost .001, four tenths .002.
    """

    candidates_per_article: int = 60
    candidate_growth: float = 0.4
    buckets: BucketLimits = field(
        default_factory=lambda: BucketLimits(max_bucket_articles=600, faint_share=0.2)
    )
    members_compared: int = 128

    def candidates(self, article_count: int) -> int:
        """Return how many candidates an article names among so many articles."""
        counted = min(max(article_count, _UNCROWDED_ARTICLES), _CROWDED_ARTICLES)
        crowding = counted / _UNCROWDED_ARTICLES
        return max(1, int(self.candidates_per_article * crowding**self.candidate_growth))


def recluster(
    features: Sequence[ArticleFeatures],
    refinement: Refinement | Callable[[], Refinement],
    scheme: SignatureScheme,
    *,
    limits: BatchLimits | None = None,
    must_link: Sequence[Sequence[int]] = (),
    cannot_link: Sequence[tuple[int, int]] = (),
    threads: int | None = None,
    find_pairs: PairFinder = find_pairs_here,
    on_progress: Progress | None = None,
    digests: Digests | None = None,
) -> Clustering:
    """Cluster articles.

    Parameters
    ----------
    features
        The articles, in any order; articles that are not ``TextKind.ORDINARY`` end up alone.
    refinement
        Similarity and merge rule, with the document frequencies to use; or what makes them,
        which is then done while candidates are found.
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
    digests
        Those that `content_digests` gives, if they are known. Articles that are in
        `canonical_order` already are not copied.

    Raises
    ------
    ConfigurationError
        If a must-link or cannot-link position is out of range, or one contradicts another.
    """
    limits = BatchLimits() if limits is None else limits
    report: Progress = _silent if on_progress is None else on_progress
    threads = _cores() if threads is None else threads
    columns = FeatureColumns.of(features)
    count = len(columns)
    _check_positions(count, must_link, cannot_link)
    if digests is None:
        digests = content_digests(columns)
    order = canonical_order(columns.published_at_seconds, digests)
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    ordered = columns
    if (order != np.arange(count)).any():
        ordered = columns.taken(order)
        digests = digests[order]

    def made_ready() -> tuple[Refinement, Comparison]:
        made = refinement() if callable(refinement) else refinement
        return made, made.compare(ordered, threads=threads)

    forbidden = [(int(place[a]), int(place[b])) for a, b in cannot_link]
    linked = [[int(place[k]) for k in group] for group in must_link]
    usable = ordered.is_ordinary
    copies = _copies(digests, usable, [*forbidden, *linked])

    with done_beside(made_ready, threads=threads) as ready:
        pairs = find_pairs(
            PairSearch(
                features=ordered,
                # One copy stands for all: the others would name each other and nobody else.
                without_buckets=frozenset(k for group in copies for k in group[1:]),
                ready=ready,
                scheme=scheme,
                per_article_limit=limits.candidates(count),
                bucket_limits=limits.buckets,
                threads=threads,
                report=report,
            )
        )
        rule, comparison = ready()[0].rule, ready()[1]

    report("linkage", 0, count)
    candidate_pair_count = pairs.candidate_pair_count
    if candidate_pair_count is None:
        candidate_pair_count = int(pairs.first.size)
    pairs = pairs.plausible(rule)
    # The linkage is one thread's work.
    with done_beside(
        lambda: near_duplicates(comparison, pairs.first, pairs.second, threads=1), threads=threads
    ) as compared:
        labels = link_parted(
            comparison,
            rule,
            pairs.first,
            pairs.second,
            pairs.similarities,
            blocks=[*linked, *copies],
            cannot_link=forbidden,
            most_members_measured=limits.members_compared,
        )
        same = compared()
    report("linkage", count, count)

    report("duplicates", 0, count)
    duplicates = duplicate_groups(
        comparison,
        labels,
        pairs.first[same],
        pairs.second[same],
        _identical(digests, usable, labels),
        limits.members_compared,
        threads,
    )
    report("duplicates", count, count)
    return Clustering(
        labels=first_appearance(labels[place]),
        duplicate_labels=first_appearance(duplicates[place]),
        candidate_pair_count=candidate_pair_count,
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


def canonical_order(published_at_seconds: Int64Array, digests: Digests) -> Int64Array:
    """Return positions in the order in which articles are clustered, whatever order they came in.

    Parameters
    ----------
    published_at_seconds
        int64, shape (n,): as in `FeatureColumns`.
    digests
        As `content_digests` gives them.
    """
    dates = np.where(published_at_seconds == UNDATED, 0, published_at_seconds)
    # As bytes compare: the first eight of a digest, then the others.
    return np.lexsort((digests[:, 1], digests[:, 0], dates))


def content_digests(features: FeatureColumns) -> Digests:
    """Return 16 bytes that are equal for articles nothing here can tell apart but by date.

    As big-endian numbers: uint64, shape (n, 2).
    """
    pieces = []
    for values, offsets in (
        (features.term_ids, features.term_offsets),
        (features.body_counts, features.term_offsets),
        (features.lead_counts, features.term_offsets),
        (features.title_counts, features.term_offsets),
        (features.term_flags, features.term_offsets),
        (features.bigram_ids, features.bigram_offsets),
        (features.text_signatures, features.signature_offsets),
        (features.event_tokens, features.event_offsets),
    ):
        content = values.tobytes()
        ends = (offsets * values.itemsize).tolist()
        pieces.append([content[begin:end] for begin, end in pairwise(ends)])
    numbers = zip(
        features.kinds.tolist(),
        features.languages.tolist(),
        np.diff(features.term_offsets).tolist(),
        np.diff(features.bigram_offsets).tolist(),
        features.token_counts.tolist(),
        strict=True,
    )
    heads = [
        f"{KINDS[kind]} {features.language_names[language]} {terms} {bigrams} {tokens}".encode()
        for kind, language, terms, bigrams, tokens in numbers
    ]
    digests = [
        hashlib.blake2b(b"".join(content), digest_size=16).digest()
        for content in zip(heads, *pieces, strict=True)
    ]
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64).reshape(-1, 2)


def _copies(
    digests: Digests, usable: NDArray[np.bool_], constraints: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Group identical copies, in order of position.

    Copies that an editor's constraint names are left to the constraint: each stands apart here.
    """
    apart = np.zeros(len(digests), dtype=np.int64)
    named = sorted({k for group in constraints for k in group})
    apart[named] = 1 + np.arange(len(named))
    return _identical(digests, usable, apart)


def _identical(
    digests: Digests, is_usable: NDArray[np.bool_], apart: Int64Array
) -> list[list[int]]:
    """Group identical articles that have equal numbers in ``apart``, by the first of each group.

    A text that a thousand sites carry unchanged would have half a million pairs to compare, all
    with one answer.
    """
    usable = np.flatnonzero(is_usable)
    keys = np.column_stack([digests[usable], apart[usable].astype(np.uint64)])
    order = np.lexsort(keys.T)
    same = (keys[order][1:] == keys[order][:-1]).all(axis=1)
    begins = np.flatnonzero(np.concatenate([[True], ~same])) if usable.size else order
    ends = np.append(begins[1:], usable.size)
    several = np.flatnonzero(ends - begins > 1)
    ordered = usable[order]
    return sorted(ordered[begins[k] : ends[k]].tolist() for k in several.tolist())
