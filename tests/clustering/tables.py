"""A refinement that reads similarities from a table, so that a test can say what is alike.

Only the comparison is replaced: linkage, merge rule, blocks and near-duplicate groups are real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from clustering.articles import ArticleFeatures, TextKind, UInt8Array
from clustering.neighbourhood import Neighbour, TouchedCluster
from clustering.refine import Comparison, MergeRule, Refinement
from clustering.refine.tfidf import BoolArray, Float32Array
from clustering.refine.verifier import Verifier
from clustering.unpacking import Comparable, features_of
from tests.clustering.refine.made import MadeFrequencies

Table = Mapping[frozenset[str], float]


def article(name: str, kind: TextKind = TextKind.ORDINARY) -> ArticleFeatures:
    """Features that say nothing but a name, kept as the publisher."""
    return ArticleFeatures(kind=kind, lang="en", publisher=name)


def table(values: Mapping[str, float]) -> Table:
    """``{"a b": .9}`` → the similarity of a and b. Pairs not named are 0."""
    return {frozenset(pair.split()): value for pair, value in values.items()}


class TableComparison(Comparison):
    def __init__(
        self,
        features: Sequence[ArticleFeatures],
        similarity: Table,
        copies: Iterable[frozenset[str]],
    ) -> None:
        super().__init__(features, MadeFrequencies(), Verifier.shipped())
        self._names = [item.publisher for item in features]
        self._table = similarity
        self._copied = set(copies)

    def _pairs(self, first: ArrayLike, second: ArrayLike) -> list[frozenset[str]]:
        positions = zip(np.asarray(first).tolist(), np.asarray(second).tolist(), strict=True)
        return [frozenset((self._names[i], self._names[j])) for i, j in positions]

    def similarities(
        self, first: ArrayLike, second: ArrayLike, *, threads: int = 1
    ) -> Float32Array:
        pairs = self._pairs(first, second)
        return np.array([self._table.get(pair, 0.0) for pair in pairs], dtype=np.float32)

    def similarity_matrix(self) -> Float32Array:
        i, j = np.triu_indices(len(self), k=1)
        matrix = np.eye(len(self), dtype=np.float32)
        matrix[i, j] = matrix[j, i] = self.similarities(i, j)
        return matrix

    def look_alikes(self, first: ArrayLike, second: ArrayLike) -> tuple[Float32Array, UInt8Array]:
        """The table knows none."""
        alike = self.similarities(first, second)
        return alike, np.zeros(alike.size, dtype=np.uint8)

    def candidates(self) -> tuple[Float32Array, UInt8Array, BoolArray]:
        others = np.arange(1, len(self))
        first = np.zeros_like(others)
        return *self.look_alikes(first, others), self.near_duplicates(first, others)

    def neighbourhood(self) -> tuple[Float32Array, BoolArray]:
        others = np.arange(1, len(self))
        return self.similarity_matrix(), self.near_duplicates(np.zeros_like(others), others)

    def near_duplicates(self, first: ArrayLike, second: ArrayLike) -> BoolArray:
        return np.array([pair in self._copied for pair in self._pairs(first, second)], dtype=bool)


class TableRefinement(Refinement):
    """Joins what the table says, by the textbook rule: a mean similarity above ½."""

    def __init__(self, similarity: Mapping[str, float], copies: Iterable[str] = ()) -> None:
        super().__init__(MadeFrequencies(), Verifier.shipped())
        self._similarity = table(similarity)
        self._copied = [frozenset(pair.split()) for pair in copies]

    @property
    def rule(self) -> MergeRule:
        return MergeRule.cut(0.5)

    def compare(self, features: Sequence[Comparable], *, threads: int = 1) -> Comparison:
        articles = [features_of(item) for item in features]
        return TableComparison(articles, self._similarity, self._copied)

    def compare_near(
        self, new: Comparable, candidates: Sequence[Comparable], least_similarity: float
    ) -> tuple[Comparison, Sequence[int]]:
        return self.compare([new, *candidates]), range(len(candidates))


def cluster(
    cluster_id: str,
    members: Mapping[int, str],
    *,
    size: int | None = None,
    groups: Mapping[int, str] | None = None,
) -> TouchedCluster:
    """Handle → name, each in a near-duplicate group of its own unless ``groups`` says another."""
    named = groups or {}
    return TouchedCluster(
        cluster_id=cluster_id,
        size=len(members) if size is None else size,
        members=tuple(
            Neighbour(handle, cluster_id, named.get(handle, f"d{handle}"), article(name))
            for handle, name in members.items()
        ),
    )


def minter(prefix: str) -> Callable[[], str]:
    """Return a function that gives ``prefix1``, ``prefix2`` …"""
    count = 0

    def mint() -> str:
        nonlocal count
        count += 1
        return f"{prefix}{count}"

    return mint
