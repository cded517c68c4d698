"""One clustering beside an earlier one of the same articles: what moved, and was it for the better.

Pairs are counted in cells of contingency tables, never one by one: with n_g the sizes of the
groups of a partition, the pairs together in it are the sum of n_g (n_g - 1) / 2, and the pairs
together in two partitions are the same sum over the sizes of their cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from clustering.metrics import PrecisionRecall, bcubed
from service.evaluation.outcome import Outcome


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """Old clusters whose articles were divided otherwise, and what became of them.

    Attributes
    ----------
    articles
        How many articles they hold.
    old_sizes, new_sizes
        Sizes of the clusters before and after, largest first.
    events
        Label → its articles among them, most first.
    f1_change
        What the change added to the BCubed F1 of these articles taken by themselves.
    """

    articles: int
    old_sizes: tuple[int, ...]
    new_sizes: tuple[int, ...]
    events: tuple[tuple[str, int], ...]
    f1_change: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What moved between two clusterings, over the articles that both hold.

    Attributes
    ----------
    articles
        In both.
    only_before, only_now
        Articles that only one of them holds; they are left out of everything else.
    joined_right, joined_wrong
        Pairs together now and not before, of one label and of two.
    parted_right, parted_wrong
        Pairs together before and not now, of two labels and of one.
    clusters
        The largest changes first.
    """

    articles: int
    only_before: int
    only_now: int
    before: PrecisionRecall
    now: PrecisionRecall
    joined_right: int
    joined_wrong: int
    parted_right: int
    parted_wrong: int
    clusters: tuple[ClusterChange, ...]

    def as_json(self) -> dict[str, object]:
        """Return the fields, cut to four digits behind the point."""

        def figures(value: PrecisionRecall) -> dict[str, float]:
            return {
                "bcubed_precision": round(value.precision, 4),
                "bcubed_recall": round(value.recall, 4),
                "bcubed_f1": round(value.f1, 4),
            }

        return {
            "articles": self.articles,
            "only_before": self.only_before,
            "only_now": self.only_now,
            "before": figures(self.before),
            "now": figures(self.now),
            "bcubed_f1_change": round(self.now.f1 - self.before.f1, 4),
            "pairs_joined": {"right": self.joined_right, "wrong": self.joined_wrong},
            "pairs_parted": {"right": self.parted_right, "wrong": self.parted_wrong},
            "clusters": [
                {
                    "articles": change.articles,
                    "old_sizes": list(change.old_sizes),
                    "new_sizes": list(change.new_sizes),
                    "events": dict(change.events),
                    "bcubed_f1_change": round(change.f1_change, 4),
                }
                for change in self.clusters
            ],
        }


def compare(outcome: Outcome, before: Mapping[str, str], *, cluster_limit: int = 10) -> Changes:
    """Compare a clustering with an earlier one.

    Parameters
    ----------
    outcome
        The clustering as it is now.
    before
        Article id → cluster id of the earlier one.
    cluster_limit
        Cluster changes to name at most.

    Raises
    ------
    ValueError
        If the two have no article in common.
    """
    chosen = [k for k, name in enumerate(outcome.article_ids) if name in before]
    if not chosen:
        raise ValueError("the two clusterings have no article in common")
    labels = [outcome.labels[k] for k in chosen]
    new = [outcome.cluster_ids[k] for k in chosen]
    old = [before[outcome.article_ids[k]] for k in chosen]
    both = list(zip(old, new, strict=True))
    joined = _pairs(new) - _pairs(both)
    parted = _pairs(old) - _pairs(both)
    kept_right = _pairs(zip(labels, both, strict=True))
    joined_right = _pairs(zip(labels, new, strict=True)) - kept_right
    parted_wrong = _pairs(zip(labels, old, strict=True)) - kept_right
    return Changes(
        articles=len(chosen),
        only_before=len(before) - len(chosen),
        only_now=len(outcome.article_ids) - len(chosen),
        before=bcubed(labels, old),
        now=bcubed(labels, new),
        joined_right=joined_right,
        joined_wrong=joined - joined_right,
        parted_right=parted - parted_wrong,
        parted_wrong=parted_wrong,
        clusters=tuple(_cluster_changes(labels, old, new)[:cluster_limit]),
    )


def _pairs(groups: Iterable[Hashable]) -> int:
    return sum(size * (size - 1) // 2 for size in Counter(groups).values())


def _cluster_changes(
    labels: Sequence[str], old: Sequence[str], new: Sequence[str]
) -> list[ClusterChange]:
    """Gather clusters that exchanged articles; those that stayed as they were are left out."""
    linked = _Linked()
    for before, now in zip(old, new, strict=True):
        linked.join(("old", before), ("new", now))
    gathered: dict[Hashable, list[int]] = {}
    for position, before in enumerate(old):
        gathered.setdefault(linked.root(("old", before)), []).append(position)
    changes = []
    for positions in gathered.values():
        old_here = [old[k] for k in positions]
        new_here = [new[k] for k in positions]
        if len(set(old_here)) == len(set(new_here)) == 1:
            continue
        labels_here = [labels[k] for k in positions]
        changes.append(
            ClusterChange(
                articles=len(positions),
                old_sizes=_sizes(old_here),
                new_sizes=_sizes(new_here),
                events=tuple(Counter(labels_here).most_common(5)),
                f1_change=bcubed(labels_here, new_here).f1 - bcubed(labels_here, old_here).f1,
            )
        )
    # Sorting is stable: equal weights keep the order of the input.
    return sorted(changes, key=lambda change: -change.articles * max(abs(change.f1_change), 1e-9))


def _sizes(groups: Sequence[str]) -> tuple[int, ...]:
    return tuple(sorted(Counter(groups).values(), reverse=True))


class _Linked:
    """Which of the things joined so far hang together (union-find with path halving)."""

    def __init__(self) -> None:
        self._parents: dict[Hashable, Hashable] = {}

    def root(self, item: Hashable) -> Hashable:
        """Return what stands for everything that hangs together with ``item``."""
        parents = self._parents
        parents.setdefault(item, item)
        while parents[item] != item:
            parents[item] = parents[parents[item]]
            item = parents[item]
        return item

    def join(self, one: Hashable, other: Hashable) -> None:
        """Note that two things hang together."""
        self._parents[self.root(one)] = self.root(other)
