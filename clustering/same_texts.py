"""Near-duplicate groups within the clusters of a batch.

Groups join when more than half of the pairs between them carry the same text, so text that drifts
from copy to copy makes no chain. The near-duplicates that LSH proposed are known, and most of what
else has to be known lies within the chains that these make: it is asked all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clustering.compiled import compiled
from clustering.pieces import in_pieces
from clustering.refine import Comparison, MergeRule
from clustering.refine.linkage import Float64Array, Int64Array
from clustering.refine.linkage_sparse import link_sparse

_MAJORITY: Final = MergeRule.cut(0.5)

_COMPARED_PAIRS: Final = 16_384
"""Pairs that a thread looks at for being copies at a time."""
_MOST_CHAINED: Final = 64
"""Articles of a chain whose pairs are all compared: some thirty an article at most."""


def duplicate_groups(
    comparison: Comparison,
    labels: Int64Array,
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    identical: Sequence[Sequence[int]],
    members_compared: int,
    threads: int,
) -> Int64Array:
    """Group near-duplicates within clusters, by average linkage over yes and no.

    Parameters
    ----------
    comparison
        The articles, n of them.
    labels
        int64, shape (n,): equal numbers for articles of one cluster.
    first, second
        Those `near_duplicates` among the pairs that LSH proposed, each once. Copies that are in
        none are tested when they matter.
    identical
        Articles of one cluster that are alike in all that is known of them, to be kept together.
    members_compared
        Where two large groups have to be compared, so many articles of each stand for it.
    threads
        To use; the result does not depend on it.

    Returns
    -------
    int64, shape (n,): labels 0, 1, … in order of first appearance.
    """

    def same_text(i: Int64Array, j: Int64Array) -> Float64Array:
        same: NDArray[np.bool_] = comparison.near_duplicates(i, j) & (labels[i] == labels[j])
        return same.astype(np.float64)

    inside = labels[first] == labels[second]
    first, second = first[inside], second[inside]
    others = _different_texts(comparison, labels.size, first, second, identical, threads)
    return link_sparse(
        labels.size,
        np.concatenate([first, others[0]]),
        np.concatenate([second, others[1]]),
        np.concatenate([np.ones(first.size), np.zeros(others[0].size)]),
        _MAJORITY,
        same_text,
        blocks=identical,
        most_members_measured=members_compared,
    )


def near_duplicates(
    comparison: Comparison,
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    *,
    threads: int,
) -> NDArray[np.bool_]:
    """Compare pairs as `Comparison.near_duplicates` does, by several threads."""
    pieces = in_pieces(
        range(first.size),
        _COMPARED_PAIRS,
        lambda begin, end: comparison.near_duplicates(first[begin:end], second[begin:end]),
        threads=threads,
    )
    return np.concatenate([np.zeros(0, dtype=np.bool_), *pieces])


def _different_texts(
    comparison: Comparison,
    count: int,
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    identical: Sequence[Sequence[int]],
    threads: int,
) -> tuple[Int64Array, Int64Array]:
    """Name the pairs of different texts that chains of near-duplicates connect.

    The linkage would ask for nearly all of them, two or three at a time. They change nothing: it
    merges by true means, and asks for what is missing in them. So chains are left to it that hold
    near-duplicates nobody proposed, whole blocks of copies, or very many articles.
    """
    chain = _chains(count, first, second)
    copied = np.array([k for group in identical for k in group], dtype=np.int64)
    left_out = np.bincount(chain, minlength=count) > _MOST_CHAINED
    left_out[chain[copied]] = True
    known = np.bincount(chain[first], minlength=count)
    # A single pair has nothing that could be missing.
    chained = np.flatnonzero((known[chain] > 1) & ~left_out[chain])
    i, j = _pairs_in_chains(chained[np.argsort(chain[chained], kind="stable")], chain)
    same = near_duplicates(comparison, i, j, threads=threads)
    is_whole = np.bincount(chain[i[same]], minlength=count) == known
    different = ~same & is_whole[chain[i]]
    return i[different], j[different]


@compiled
def _root(chain: Int64Array, article: int) -> int:
    """Return the smallest article of a chain, shortening the way to it."""
    while chain[article] != article:
        chain[article] = chain[chain[article]]
        article = chain[article]
    return article


@compiled
def _chains(count: int, first: NDArray[np.integer], second: NDArray[np.integer]) -> Int64Array:
    """Return the smallest article that pairs connect each article with; int64, shape (count,)."""
    chain = np.arange(count)
    for k in range(first.size):
        one, other = _root(chain, first[k]), _root(chain, second[k])
        chain[max(one, other)] = min(one, other)
    for article in range(count):
        # Every way leads to smaller articles, whose own way is short by now.
        chain[article] = chain[chain[article]]
    return chain


@compiled
def _pairs_in_chains(articles: Int64Array, chain: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return all pairs of articles of one chain; those of a chain stand together, ascending."""
    size = 0
    for writing in range(2):
        first = np.empty(size, dtype=np.int64)
        second = np.empty(size, dtype=np.int64)
        size = 0
        for one in range(articles.size):
            other = one + 1
            while other < articles.size and chain[articles[other]] == chain[articles[one]]:
                if writing:
                    first[size], second[size] = articles[one], articles[other]
                size += 1
                other += 1
    return first, second
