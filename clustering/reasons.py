"""Why articles are no longer together, or are together now: a reason from the evidence, or none.

Whether two groups belong together is what the rule of the linkage says of them
(`clustering.refine.MergeRule`). It is asked about the articles that went (S) and those they left,
or found (T), each time with one thing more as it is now::

    before        S and T as they were, weighted as they were
    frequencies   S and T as they were, weighted as today
    text          S and T prepared anew, weighted as today
    company       the clusters that S and T are in, or were in, whole

Where its answer changes from "together" to "apart", or the other way round for articles that came
together, is the reason. Where it gives the answer of today from the beginning, the earlier
decision is what was wrong, one that was taken with fewer articles in view:
`ReasonKind.CORRECTED`. Where it does not give the answer of today at the end, the evidence does not
tell why: there is no reason, and it is counted as such.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clustering.articles import ArticleFeatures
from clustering.refine import Comparison, LookAlikeKind, Refinement, other_subjects
from clustering.refine.linkage import (
    OUTSIDE_SIMILARITY,
    WEIGHED,
    Float64Array,
    Int64Array,
    density,
    weigh,
)

_MOST_OF_EACH: Final = 24
_TERMS: Final = 3
_MOST_NEAR: Final = 6
_Groups: TypeAlias = tuple[Sequence[int], Sequence[int]]


class ReasonKind(StrEnum):
    """What parted articles, or brought them together."""

    EDITOR = "editor"
    """An editor's constraint."""
    LOOK_ALIKE = "look_alike"
    """They turned out to be written alike about different things."""
    FREQUENCIES = "frequencies"
    """Their common words have become common in general, and their similarity fell."""
    TEXT = "text"
    """Their text was cleaned otherwise, and their similarity fell."""
    ARRIVALS = "arrivals"
    """Articles that came since made one of the groups another than it was."""
    CLOSER = "closer"
    """One of the groups went together with others that are closer to it."""
    CORRECTED = "corrected"
    """By the rule they were apart, or together, from the beginning: a decision of the day that was
    taken with fewer articles in view did otherwise."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some articles left others, or came to them.

    Attributes
    ----------
    kind
        ``None`` where the evidence does not tell.
    similarity_before, similarity_after
        Mean similarity, in [0, 1], of those that went to those they left or came to, as it was and
        as it is.
    arrivals
        Articles in the clusters concerned that came since.
    look_alike
        In what most of the pairs differ; empty unless it is a matter of look-alikes.
    term_ids
        Where frequencies or texts did it: the terms whose weight changed most between the two most
        similar articles.
    """

    kind: ReasonKind | None
    similarity_before: float
    similarity_after: float
    arrivals: int = 0
    look_alike: str = ""
    term_ids: tuple[int, ...] = ()


class Reasons:
    """Finds reasons for what changed between two clusterings of the same articles.

    Parameters
    ----------
    before, after
        The refinement with the document frequencies of either clustering.
    features_before, features_after
        Of every article, as it was prepared for either.
    labels_before, labels_after
        The cluster of every article in either clustering; of those that came in between, the one
        they were put into first, or ``None``.
    arrived
        Positions of articles that came after the earlier clustering.
    kept_apart, kept_together
        Pairs of positions that an editor keeps apart, or together, now.
    """

    def __init__(
        self,
        before: Refinement,
        after: Refinement,
        *,
        features_before: Sequence[ArticleFeatures],
        features_after: Sequence[ArticleFeatures],
        labels_before: Sequence[Hashable],
        labels_after: Sequence[Hashable],
        arrived: Collection[int] = (),
        kept_apart: Collection[tuple[int, int]] = (),
        kept_together: Collection[tuple[int, int]] = (),
    ) -> None:
        self._before = before
        self._after = after
        self._features_before = features_before
        self._features_after = features_after
        self._labels_before = labels_before
        self._labels_after = labels_after
        self._arrived = frozenset(arrived)
        self._kept_apart = tuple(kept_apart)
        self._kept_together = tuple(kept_together)
        self._members_before = _members(labels_before)
        self._members_after = _members(labels_after)

    def parted(self, label_before: Hashable) -> dict[Hashable, Reason]:
        """Return why each group of a cluster that was divided left the rest of it.

        Returns
        -------
        dict[Hashable, Reason]
            By the later label of the group; the largest group, of equals the one that comes first,
            is what the others left. Empty when all are still together.
        """
        cluster = self._members_before[label_before]
        groups: dict[Hashable, list[int]] = {}
        for position in cluster:
            groups.setdefault(self._labels_after[position], []).append(position)
        if len(groups) < 2:
            return {}
        stayed = max(groups, key=lambda label: len(groups[label]))
        found = {}
        for label, gone in groups.items():
            if label != stayed:
                others = set(gone)
                left = [k for k in cluster if k not in others]
                whole = self._members_after[label], self._members_after[stayed]
                near = [self._members_after[name] for name in groups if name not in (label, stayed)]
                found[label] = self._reason(gone, left, whole, near, apart=True)
        return found

    def joined(self, label_before: Hashable, label_after: Hashable) -> Reason | None:
        """Return why articles of one cluster are together with those of others now.

        ``None`` where they are with nobody that they were not with before.
        """
        now = self._members_after[label_after]
        came = [k for k in now if self._labels_before[k] == label_before]
        found = [k for k in now if self._labels_before[k] != label_before]
        if not came or not found:
            return None
        counted = Counter(self._labels_before[k] for k in found)
        most = counted.most_common(1)[0][0]
        whole = (
            self._members_before[label_before],
            found if most is None else self._members_before[most],
        )
        return self._reason(came, found, whole, (), apart=False)

    def _reason(
        self,
        some: Sequence[int],
        others: Sequence[int],
        whole: _Groups,
        near: Sequence[Sequence[int]],
        *,
        apart: bool,
    ) -> Reason:
        """Ask the rule about two groups, and about the clusters that they are, or were, in.

        ``near`` are clusters of today besides.
        """
        groups: _Groups = (some, others)
        near = near[:_MOST_NEAR]
        sample = _Sample(*groups, *whole, *near)
        features_before = [self._features_before[k] for k in sample.positions]
        features_after = [self._features_after[k] for k in sample.positions]
        old = _Asked(self._before, features_before, sample)
        new = _Asked(self._after, features_after, sample)
        arrivals = len(self._arrived.intersection({*some, *others, *whole[0], *whole[1]}))
        reason = Reason(None, old.mean(groups), new.mean(groups), arrivals)
        if _names(self._kept_apart if apart else self._kept_together, groups):
            return replace(reason, kind=ReasonKind.EDITOR)
        # What is apart now is asked about whole as it is; what is together, whole as it was.
        first, last = (groups, whole) if apart else (whole, groups)
        today = not apart
        if old.accepts(first) is today:
            holds = today in (new.accepts(first), new.accepts(last), new.accepts(last, near))
            return replace(reason, kind=ReasonKind.CORRECTED if holds else None)
        if _Asked(self._after, features_before, sample).accepts(first) is today:
            terms = _changed_terms(old, new, groups)
            return replace(reason, kind=ReasonKind.FREQUENCIES, term_ids=terms)
        if new.accepts(first) is today:
            kinds = new.look_alikes(groups)
            if apart and kinds.total() > old.look_alikes(groups).total():
                look_alike = kinds.most_common(1)[0][0]
                return replace(reason, kind=ReasonKind.LOOK_ALIKE, look_alike=look_alike)
            terms = _changed_terms(old, new, groups)
            return replace(reason, kind=ReasonKind.TEXT, term_ids=terms)
        if today in (new.accepts(last), new.accepts(last, near)):
            return replace(reason, kind=ReasonKind.ARRIVALS if arrivals else ReasonKind.CLOSER)
        return reason


class _Sample:
    """A few of each group, evenly spread, and where they stand in a comparison."""

    def __init__(self, *groups: Sequence[int]) -> None:
        self._of_group = {tuple(group): _spread(group) for group in groups}
        self.positions = sorted({k for some in self._of_group.values() for k in some})
        self._row = {position: row for row, position in enumerate(self.positions)}

    def rows(self, group: Sequence[int]) -> Int64Array:
        """Return where the few of a group stand."""
        return np.array([self._row[k] for k in self._of_group[tuple(group)]], dtype=np.int64)


class _Asked:
    """A comparison of a sample, and what the rule says of groups in it."""

    def __init__(
        self, refinement: Refinement, features: Sequence[ArticleFeatures], sample: _Sample
    ) -> None:
        self._rule = refinement.rule
        self._sample = sample
        self.comparison: Comparison = refinement.compare(features)
        self.matrix: Float64Array = self.comparison.similarity_matrix().astype(np.float64)
        everybody = np.zeros(len(self.comparison), dtype=np.int64)
        self._other_subjects = np.zeros(self.matrix.shape, dtype=np.bool_)
        for a, b in other_subjects(self.comparison, everybody):
            self._other_subjects[a, b] = self._other_subjects[b, a] = True

    def mean(self, groups: _Groups) -> float:
        """Return the mean similarity between two groups."""
        return round(float(self._between(self.matrix, groups).mean()), 4)

    def _between(self, pairs: NDArray[Any], groups: _Groups) -> NDArray[Any]:
        """Return what a matrix says of the pairs between two groups."""
        between: NDArray[Any] = pairs[np.ix_(*map(self._sample.rows, groups))]
        return between

    def accepts(self, groups: _Groups, near: Sequence[Sequence[int]] = ()) -> bool:
        """Whether the rule would join two groups, with these others and nothing else near."""
        if set(groups[0]) & set(groups[1]):
            return True  # one and the same
        some, others = groups
        if self._between(self._other_subjects, groups).any():
            return False
        return weigh(
            self.mean(groups),
            float(len(some)),
            float(len(others)),
            self._within(some),
            self._within(others),
            self._outside(some, near),
            self._outside(others, near),
            self._rule.coefficients,
            np.empty(WEIGHED),
        )

    def look_alikes(self, groups: _Groups) -> Counter[str]:
        """Count pairs of look-alikes by their kind."""
        rows = np.meshgrid(*map(self._sample.rows, groups), indexing="ij")
        _, kinds = self.comparison.look_alikes(*(part.ravel() for part in rows))
        kinds[self._between(self._other_subjects, groups).ravel()] = LookAlikeKind.OTHER_SUBJECT
        return Counter(
            LookAlikeKind(kind).name.lower()
            for kind in kinds.tolist()
            if kind != LookAlikeKind.NONE
        )

    def most_alike(self, groups: _Groups) -> tuple[int, int]:
        """Return the rows of the most similar pair between two groups."""
        some, others = map(self._sample.rows, groups)
        best = int(np.argmax(self.matrix[np.ix_(some, others)]))
        return int(some[best // others.size]), int(others[best % others.size])

    def _within(self, group: Sequence[int]) -> float:
        """Return w of `MergeRule`, of a group that its sample stands for."""
        rows, size = self._sample.rows(group), len(group)
        if size < 2:
            return float(density(0.0, 1.0))
        inside = self.matrix[np.ix_(rows, rows)]
        mean = (inside.sum() - np.trace(inside)) / (rows.size * (rows.size - 1))
        return float(density(mean * 0.5 * size * (size - 1), float(size)))

    def _outside(self, group: Sequence[int], near: Sequence[Sequence[int]]) -> float:
        """Return o of `MergeRule`."""
        excess = (
            len(other) * max(0.0, self.mean((group, other)) - OUTSIDE_SIMILARITY) for other in near
        )
        return math.log1p(sum(excess))


def _changed_terms(old: _Asked, new: _Asked, groups: _Groups) -> tuple[int, ...]:
    """Return the terms that the most similar pair shares, or shared, whose weight changed most."""
    pair = old.most_alike(groups)
    shares: list[dict[int, float]] = [
        {term.term_id: term.cosine_share for term in asked.comparison.explain(*pair).shared_terms}
        for asked in (old, new)
    ]
    changes = {
        term: abs(shares[0].get(term, 0.0) - shares[1].get(term, 0.0))
        for term in shares[0].keys() | shares[1].keys()
    }
    return tuple(sorted(changes, key=lambda term: (-changes[term], term))[:_TERMS])


def _members(labels: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    members: dict[Hashable, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    return members


def _spread(group: Sequence[int]) -> list[int]:
    if len(group) <= _MOST_OF_EACH:
        return list(group)
    at = np.linspace(0, len(group) - 1, _MOST_OF_EACH).astype(np.int64)
    return [group[k] for k in at.tolist()]


def _names(pairs: Collection[tuple[int, int]], groups: _Groups) -> bool:
    """Whether one of the pairs has an article in each group."""
    some, others = map(frozenset, groups)
    return any((a in some and b in others) or (b in some and a in others) for a, b in pairs)
