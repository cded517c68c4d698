"""The editors' constraints that a process decides with, loaded when their number has changed.

Every probe tells the number in force (`service.store.constraints`), so following costs no round
trip until an editor says something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from clustering.constraints import CannotLink, Constraint, Constraints, Key, MustLink, NotInCluster
from service.store.constraints import ConstrainedStore, ConstraintInForce, StoredConstraint


@dataclass(frozen=True, slots=True)
class ConstraintsInForce:
    """All constraints of one epoch.

    Attributes
    ----------
    by_handle
        What linkage respects.
    by_article_id
        The same, to look for contradictions.
    named
        Handles that a cannot-link or a forbidden cluster names, ascending: a decision must know
        in which large cluster each of them is.
    headlines
        Cluster id → pinned headline. Where a pinned cluster was merged into another, that one has
        it, unless it has one of its own.
    """

    epoch: int = 0
    by_handle: Constraints[int] = field(default_factory=Constraints)
    by_article_id: Constraints[str] = field(default_factory=Constraints)
    named: tuple[int, ...] = ()
    headlines: Mapping[str, str] = field(default_factory=dict)

    def cannot_link_pairs(self, cluster_of: Mapping[int, str]) -> list[tuple[int, int]]:
        """Return the pairs of handles that must be apart, among those of ``cluster_of``."""
        pairs = self.by_handle.cannot_link_pairs(cluster_of)
        return sorted((min(pair), max(pair)) for pair in pairs)


class FollowedConstraints:
    """The constraints in force as this process knows them."""

    def __init__(self) -> None:
        self._current = ConstraintsInForce()

    async def follow(self, store: ConstrainedStore, epoch: int) -> ConstraintsInForce:
        """Return the constraints of ``epoch``, or of a later one that has come meanwhile."""
        current = self._current
        if current.epoch != epoch:
            loaded, found = await store.constraints_in_force()
            current = self._current = in_force(loaded, found)
        return current

    async def refresh(self, store: ConstrainedStore) -> ConstraintsInForce:
        """Return the constraints of this moment."""
        return await self.follow(store, await store.constraint_epoch())


def in_force(epoch: int, found: Iterable[ConstraintInForce]) -> ConstraintsInForce:
    """Return stored constraints as decisions need them."""
    items: list[Constraint[int]] = []
    by_id: list[Constraint[str]] = []
    own: dict[str, str] = {}
    inherited: dict[str, str] = {}
    for stored in found:
        constraint = stored.constraint
        if constraint.kind == "headline":
            text = str(orjson.loads(constraint.payload)["headline"])
            # Oldest first, so the newest stays.
            if stored.leads_to == constraint.cluster_id:
                own[stored.leads_to] = text
            else:
                inherited[stored.leads_to] = text
            continue
        said = item_of(constraint, constraint.article_ids)
        if said is not None:
            by_id.append(said)
        # What is named and not stored cannot be: an article that goes takes its constraints along.
        known = item_of(constraint, stored.handles)
        if known is not None and all(stored.handles):
            items.append(known)
    return ConstraintsInForce(
        epoch=epoch,
        by_handle=Constraints(items),
        by_article_id=Constraints(by_id),
        named=tuple(
            sorted({key for item in items if not isinstance(item, MustLink) for key in _keys(item)})
        ),
        headlines={**inherited, **own},
    )


def item_of(constraint: StoredConstraint, articles: Sequence[Key]) -> Constraint[Key] | None:
    """Return what a stored constraint says of its articles, whatever stands for them.

    ``None`` for one that says nothing of articles.
    """
    name = constraint.constraint_id
    match constraint.kind:
        case "must-link":
            return MustLink(name, tuple(articles))
        case "cannot-link":
            return CannotLink(name, articles[0], articles[1])
        case "not-in-cluster":
            return NotInCluster(name, articles[0], constraint.cluster_id, tuple(articles[1:]))
        case "headline":
            return None


def _keys(item: CannotLink[int] | NotInCluster[int]) -> tuple[int, ...]:
    if isinstance(item, CannotLink):
        return item.first, item.second
    return item.article, *item.members
