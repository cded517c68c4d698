"""The sparse linkage in plain Python, pair by pair: what the compiled one is compared with.

The same merges as ``linkage.link_dense``, without a matrix: a heap of pairs of groups, the most
similar on top. Pairs nobody proposed are neither taken for zero nor for similar. Until they matter
they are left open: a pair of groups with open pairs is ranked by the mean of what is known,
which is no less than the true mean as long as unproposed pairs are less alike than proposed
ones. When it comes to the top and would be accepted, its open pairs are measured and it goes
back to its true place. So nothing is merged on an unverified pair, and pairs far from any merge are
never measured.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clustering.errors import ConfigurationError
from clustering.refine.linkage import (
    OUTSIDE_SIMILARITY,
    WEIGHED,
    Float64Array,
    Int64Array,
    MergeRule,
    density,
    first_appearance,
    weigh,
)

Measure = Callable[[Int64Array, Int64Array], NDArray[np.floating]]
"""Similarity of pairs of articles; shapes (m,), (m,) → (m,), in [0, 1]."""


@dataclass(slots=True)
class _Pair:
    """What is known between two groups: sum and number of similarities, and what is open.

    ``holes`` names pairs of nodes of the merge tree, no pair of whose leaves has been measured.
    """

    total: float
    known: int
    stamp: int = 0
    holes: list[tuple[int, int]] = field(default_factory=list)


def link_sparse(
    article_count: int,
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    similarities: NDArray[np.floating],
    rule: MergeRule,
    measure: Measure,
    *,
    blocks: Sequence[Sequence[int]] = (),
    cannot_link: Sequence[tuple[int, int]] = (),
) -> Int64Array:
    """Link articles by their plausible pairs.

    Parameters
    ----------
    article_count
        Articles are named 0 … article_count - 1.
    first, second, similarities
        The known pairs, shape (m,) each, every pair once, in any order; similarities in [0, 1].
        Groups that no known pair connects are never merged.
    rule
        When two groups may join.
    measure
        Gives the similarity of pairs that were not known, when they matter.
    blocks
        Articles that stay together, at most one block each (must-links).
    cannot_link
        Pairs of articles that never end under one label.

    Returns
    -------
    int64, shape (article_count,): labels 0, 1, … in order of first appearance. Equal means are
    merged in order of position.

    Raises
    ------
    ConfigurationError
        If a position is out of range, blocks overlap, or a block holds a cannot-link pair.
    """
    linking = _Linking(article_count, rule, measure)
    linking.found_blocks(blocks)
    linking.forbid(cannot_link)
    linking.know(
        np.asarray(first, dtype=np.int64),
        np.asarray(second, dtype=np.int64),
        np.asarray(similarities, dtype=np.float64),
    )
    return linking.run()


class _Linking:
    """One run of the linkage. A group is named by its smallest article, as in ``link_dense``."""

    def __init__(self, article_count: int, rule: MergeRule, measure: Measure) -> None:
        self.count = article_count
        self.rule = rule
        self.measure = measure
        self.parent = list(range(article_count))
        self.size = [1] * article_count
        self.within = [0.0] * article_count
        # Node of the merge tree that a group stands for; nodes past the articles have children.
        self.node = list(range(article_count))
        self.children: list[tuple[int, ...]] = []
        self.pairs: dict[int, dict[int, _Pair]] = {}
        self.forbidden: dict[int, set[int]] = {}
        self.heap: list[tuple[float, int, int, int]] = []
        self.stamps = 0

    def found_blocks(self, blocks: Sequence[Sequence[int]]) -> None:
        seen: set[int] = set()
        for block in blocks:
            members = sorted(set(block))
            self._check(members)
            if seen.intersection(members):
                raise ConfigurationError("an article stands in two blocks: join those blocks first")
            seen.update(members)
            if len(members) < 2:
                continue
            head = members[0]
            for member in members:
                self.parent[member] = head
            self.size[head] = len(members)
            first, second = np.triu_indices(len(members), k=1)
            at = np.array(members, dtype=np.int64)
            self.within[head] = float(np.sum(self.measure(at[first], at[second]), dtype=np.float64))
            self.node[head] = self._new_node(tuple(members))

    def forbid(self, cannot_link: Sequence[tuple[int, int]]) -> None:
        for article, other in cannot_link:
            self._check((article, other))
            a, b = self._group(article), self._group(other)
            if a == b:
                raise ConfigurationError(
                    f"articles {article} and {other} must not be linked and stand in one block"
                )
            self.forbidden.setdefault(a, set()).add(b)
            self.forbidden.setdefault(b, set()).add(a)

    def know(self, first: Int64Array, second: Int64Array, similarities: Float64Array) -> None:
        """Take in the known pairs; between blocks, whatever is not known is measured at once."""
        if first.size:
            self._check((int(min(first.min(), second.min())), int(max(first.max(), second.max()))))
        for article, other, similarity in zip(
            first.tolist(), second.tolist(), similarities.tolist(), strict=True
        ):
            a, b = self._group(article), self._group(other)
            if a == b:
                continue
            if self.size[a] == 1 and self.size[b] == 1:
                self._set(a, b, _Pair(similarity, 1))
            elif b not in self.pairs.get(a, ()):
                self._set(a, b, _Pair(0.0, 0, holes=[(self.node[a], self.node[b])]))
        for a in sorted(self.pairs):
            for b, pair in sorted(self.pairs[a].items()):
                if a < b:
                    if pair.holes:
                        self._fill(pair)
                    self._push(a, b, pair)

    def run(self) -> Int64Array:
        while self.heap:
            _, a, b, stamp = heapq.heappop(self.heap)
            pair = self.pairs.get(a, {}).get(b)
            if pair is None or pair.stamp != stamp:
                continue
            if pair.holes:
                self._fill(pair)
                self._push(a, b, pair)
            elif self._may_merge(a, b, self._outside(a, b), self._outside(b, a)):
                self._merge(a, b)
        return first_appearance(np.array([self._group(k) for k in range(self.count)]))

    def _check(self, articles: Sequence[int]) -> None:
        for article in articles:
            if not 0 <= article < self.count:
                raise ConfigurationError(
                    f"article {article} is out of range: {self.count} are here"
                )

    def _group(self, article: int) -> int:
        """Return the group of an article, shortening the way to it."""
        root = article
        while self.parent[root] != root:
            root = self.parent[root]
        while self.parent[article] != root:
            self.parent[article], article = root, self.parent[article]
        return root

    def _new_node(self, children: tuple[int, ...]) -> int:
        self.children.append(children)
        return self.count + len(self.children) - 1

    def _leaves(self, node: int) -> list[int]:
        leaves, stack = [], [node]
        while stack:
            current = stack.pop()
            if current < self.count:
                leaves.append(current)
            else:
                stack.extend(self.children[current - self.count])
        return sorted(leaves)

    def _set(self, a: int, b: int, pair: _Pair) -> None:
        self.pairs.setdefault(a, {})[b] = pair
        self.pairs.setdefault(b, {})[a] = pair

    def _push(self, a: int, b: int, pair: _Pair) -> None:
        """Queue a pair of groups if, by what is known of it, it may merge."""
        self.stamps += 1
        pair.stamp = self.stamps
        if b in self.forbidden.get(a, ()):
            return
        mean = pair.total / pair.known
        if self._may_merge(a, b, 0.0, 0.0):
            heapq.heappush(self.heap, (-mean, min(a, b), max(a, b), pair.stamp))

    def _may_merge(self, a: int, b: int, outside: float, other_outside: float) -> bool:
        pair = self.pairs[a][b]
        return weigh(
            pair.total / pair.known,
            float(self.size[a]),
            float(self.size[b]),
            density(self.within[a], float(self.size[a])),
            density(self.within[b], float(self.size[b])),
            outside,
            other_outside,
            self.rule.coefficients,
            np.empty(WEIGHED),
        )

    def _outside(self, group: int, partner: int) -> float:
        """Return o of a group beside a partner; what is open counts as unlike."""
        total = 0.0
        for other, pair in self.pairs[group].items():
            if other != partner:
                mean = pair.total / (self.size[group] * self.size[other])
                total += self.size[other] * max(0.0, mean - OUTSIDE_SIMILARITY)
        return float(np.log1p(total))

    def _fill(self, pair: _Pair) -> None:
        """Measure what is open between two groups."""
        firsts, seconds = [], []
        for x, y in pair.holes:
            left, right = self._leaves(x), self._leaves(y)
            firsts.append(np.repeat(np.array(left, dtype=np.int64), len(right)))
            seconds.append(np.tile(np.array(right, dtype=np.int64), len(left)))
        i, j = np.concatenate(firsts), np.concatenate(seconds)
        pair.total += float(np.sum(self.measure(i, j), dtype=np.float64))
        pair.known += i.size
        pair.holes = []

    def _merge(self, a: int, b: int) -> None:
        """Merge group b into group a (a < b); S(A ∪ B, C) = S(A, C) + S(B, C)."""
        node_a, node_b = self.node[a], self.node[b]
        self.parent[b] = a
        self.size[a] += self.size[b]
        self.within[a] += self.within[b] + self.pairs[a][b].total
        self.node[a] = self._new_node((node_a, node_b))
        pairs_a, pairs_b = self.pairs.pop(a), self.pairs.pop(b)
        del pairs_a[b], pairs_b[a]
        for other in self.forbidden.pop(b, set()):
            self.forbidden[other].discard(b)
            self.forbidden[other].add(a)
            self.forbidden.setdefault(a, set()).add(other)
        merged: dict[int, _Pair] = {}
        for other in sorted(pairs_a.keys() | pairs_b.keys()):
            left, right = pairs_a.get(other), pairs_b.get(other)
            pair = _Pair(0.0, 0)
            for part, node in ((left, node_a), (right, node_b)):
                if part is None:
                    pair.holes.append((node, self.node[other]))
                else:
                    pair.total += part.total
                    pair.known += part.known
                    pair.holes.extend(part.holes)
            theirs = self.pairs[other]
            theirs.pop(b, None)
            theirs[a] = merged[other] = pair
        self.pairs[a] = merged
        for other, pair in merged.items():
            self._push(a, other, pair)
