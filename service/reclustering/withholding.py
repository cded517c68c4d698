"""Applies a reclustering as far as editors' constraints allow.

A plan is made under the constraints in force then. By the time it is applied, editors may have said
more, or articles may have gone elsewhere. The store refuses a switch that would break a constraint;
then the moves around it are withheld, so that these clusters stay exactly as they are, where all
constraints hold, and the rest of the plan is applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from clustering.constraints import Constraints, clusters_at_odds
from service.constraints_in_force import FollowedConstraints
from service.store import Reassignment, ReassignmentResult
from service.store.plans import ReclusteringStore, RefusedError, Switch


async def apply_within_constraints(
    store: ReclusteringStore, reassignment: Reassignment, switch: Switch
) -> ReassignmentResult:
    """Apply a reclustering; the moves that would break a constraint are left out.

    Raises
    ------
    RefusedError
        As `ReclusteringStore.apply` raises it.
    """
    for everywhere in (False, True):
        try:
            return await store.apply(reassignment, switch)
        except RefusedError as error:
            if error.reason != "constrained":
                raise
        said = (await FollowedConstraints().refresh(store)).by_handle
        current = {
            article.handle: article.cluster_id
            for article in await store.articles(sorted(said.named))
        }
        # Articles that came later and would follow others can break one as well: where that is
        # what happened, nothing around any constraint moves.
        broken = _broken_clusters(reassignment, said, current, everywhere=everywhere)
        reassignment = _without(reassignment, clusters_at_odds(reassignment.moves, broken))
    return await store.apply(reassignment, switch)


def _broken_clusters(
    reassignment: Reassignment,
    said: Constraints[int],
    current: Mapping[int, str],
    *,
    everywhere: bool,
) -> set[str]:
    """Return the clusters, of now and after, of the articles whose constraints would not hold."""
    after = dict(current)
    for handle, home in current.items():
        expected, wanted = reassignment.moves.get(handle, (home, home))
        if expected == home:
            after[handle] = wanted
    if everywhere:
        return {*current.values(), *after.values()}
    concerned: set[int] = set()
    for group in said.must_groups():
        if len({after[handle] for handle in group if handle in after}) > 1:
            concerned.update(group)
    for pair in said.cannot_link_pairs(after):
        if len({after[handle] for handle in pair}) == 1:
            concerned |= pair
    concerned |= {h for h, home in after.items() if home in said.forbidden_clusters(h)}
    return {home for h in concerned & after.keys() for home in (current[h], after[h])}


def _without(reassignment: Reassignment, cluster_ids: set[str]) -> Reassignment:
    """Return the reassignment without what it changes of these clusters."""
    moves = {h: move for h, move in reassignment.moves.items() if move[0] not in cluster_ids}
    return replace(
        reassignment,
        moves=moves,
        group_moves={h: group for h, group in reassignment.group_moves.items() if h in moves},
        merged_into={
            old: new for old, new in reassignment.merged_into.items() if old not in cluster_ids
        },
        split_into={
            old: parts for old, parts in reassignment.split_into.items() if old not in cluster_ids
        },
    )
