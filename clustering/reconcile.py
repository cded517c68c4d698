"""Old cluster ids onto a new partition, so that as many articles as possible keep theirs.

Ids and groups form a bipartite graph: an edge joins an id and a group that share articles, weighted
by how many. Each id may go to one group and each group may take one id, so keeping the most
articles is the assignment problem (Kuhn 1955), solved exactly in each connected component
(scipy's sparse Jonker-Volgenant, since a component may be large but has few edges).
Greedy matching, largest overlap first, would not do: with overlaps A-x 3, A-y 2, B-x 2 it keeps
three articles, where A-y, B-x keeps four.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """New groups with ids, and what became of the old ids.

    Attributes
    ----------
    assignment
        Handle → cluster id, for every handle in the groups.
    kept
        Old ids that live on, oldest first.
    merged_into
        Old id that lost its place → id of the group that most of its articles went to. Never an
        id that is alive, and always to one that is.
    split_into
        Old id whose articles were divided → ids of the other groups that hold some of them, most
        first: other than the one that kept it, or that it was merged into.
    minted
        Fresh ids, in the order they were made.
    """

    assignment: dict[int, str]
    kept: tuple[str, ...]
    merged_into: dict[str, str]
    split_into: dict[str, tuple[str, ...]]
    minted: tuple[str, ...]


def reconcile(
    old: Mapping[int, str],
    groups: Sequence[Sequence[int]],
    mint: Callable[[], str],
    *,
    pinned: Collection[int] = (),
) -> Reconciliation:
    """Lay old cluster ids onto a new partition.

    The number of articles that keep their id is the largest possible. Where several assignments
    keep as many, older ids are preferred (those with the smaller first handle), then groups with
    the smaller first handle. The outcome does not depend on the order of ``old``, of the groups,
    or of the handles in them; ``mint`` is called group by group in the order of their smallest
    handles.

    Parameters
    ----------
    old
        Handle → cluster id. Handles that are in no group (deleted articles) are ignored, and with
        them ids that no group's articles carry.
    groups
        The new partition; handles without an old id are new articles.
    mint
        Gives an id that was never used.
    pinned
        Handles whose group keeps their id, however few they are.

    Returns
    -------
    reconciliation
        See `Reconciliation`.

    Raises
    ------
    ValueError
        If a handle is in two groups or twice in one, a group is empty, ``mint`` gives an id that
        is in use, or pinned handles ask for two ids in one group or one id in two.
    """
    ordered = sorted((sorted(group) for group in groups), key=lambda group: group[:1])
    handles = [handle for group in ordered for handle in group]
    if any(not group for group in ordered) or len(set(handles)) != len(handles):
        raise ValueError("groups must be disjoint and not empty")
    overlaps, ages = _overlaps(old, ordered)
    keeper = _pinned(old, ordered, pinned)
    taken = set(keeper.values())
    free = {
        old_id: {group: shared for group, shared in overlap.items() if group not in taken}
        for old_id, overlap in overlaps.items()
        if old_id not in keeper
    }
    keeper |= _assign(free, [old_id for old_id in ages if free.get(old_id)])

    id_of_group = {group: old_id for old_id, group in keeper.items()}
    used = set(old.values())
    minted = []
    for group in range(len(ordered)):
        if group not in id_of_group:
            fresh = mint()
            if fresh in used:
                raise ValueError(f"mint gave {fresh!r}, which is in use: ids are never reused")
            used.add(fresh)
            minted.append(fresh)
            id_of_group[group] = fresh

    merged_into: dict[str, str] = {}
    split_into: dict[str, tuple[str, ...]] = {}
    for old_id in ages:
        overlap = overlaps[old_id]
        home = keeper.get(old_id, _largest(overlap))
        if old_id not in keeper:
            merged_into[old_id] = id_of_group[home]
        rest = sorted((-shared, group) for group, shared in overlap.items() if group != home)
        others = tuple(id_of_group[group] for _, group in rest)
        if others:
            split_into[old_id] = others
    return Reconciliation(
        assignment={
            handle: id_of_group[group]
            for group, members in enumerate(ordered)
            for handle in members
        },
        kept=tuple(old_id for old_id in ages if old_id in keeper),
        merged_into=merged_into,
        split_into=split_into,
        minted=tuple(minted),
    )


def _overlaps(
    old: Mapping[int, str], ordered: Sequence[Sequence[int]]
) -> tuple[dict[str, dict[int, int]], list[str]]:
    """Old id → group → shared articles; and the ids, oldest first."""
    overlaps: dict[str, dict[int, int]] = defaultdict(dict)
    first_handle: dict[str, int] = {}
    for group, members in enumerate(ordered):
        for handle in members:
            old_id = old.get(handle)
            if old_id is not None:
                overlaps[old_id][group] = overlaps[old_id].get(group, 0) + 1
                first_handle[old_id] = min(handle, first_handle.get(old_id, handle))
    return overlaps, sorted(overlaps, key=first_handle.__getitem__)


def _pinned(
    old: Mapping[int, str], ordered: Sequence[Sequence[int]], pinned: Collection[int]
) -> dict[str, int]:
    """Old id → the group that its pinned handles are in."""
    pinned = frozenset(pinned)
    keeper: dict[str, int] = {}
    for group, members in enumerate(ordered if pinned else ()):
        ids = {old[handle] for handle in members if handle in pinned}
        if len(ids) > 1 or not keeper.keys().isdisjoint(ids):
            raise ValueError(f"pinned handles contradict one another: {sorted(ids)}")
        keeper |= dict.fromkeys(ids, group)
    return keeper


def _largest(overlap: Mapping[int, int]) -> int:
    """Group with the largest overlap; of equals the one with the smaller first handle."""
    return min(overlap, key=lambda group: (-overlap[group], group))


def _assign(overlaps: Mapping[str, Mapping[int, int]], ages: Sequence[str]) -> dict[str, int]:
    """Old id → the group that keeps it, component by component of the overlap graph."""
    ids_of_group: dict[int, list[str]] = defaultdict(list)
    for old_id in ages:
        for group in overlaps[old_id]:
            ids_of_group[group].append(old_id)
    rank = {old_id: age for age, old_id in enumerate(ages)}
    keeper: dict[str, int] = {}
    seen: set[str] = set()
    for start in ages:
        if start in seen:
            continue
        seen.add(start)
        component, reached = [start], set()
        for old_id in component:  # grows while it is walked
            for group in overlaps[old_id]:
                if group not in reached:
                    reached.add(group)
                    fresh = [other for other in ids_of_group[group] if other not in seen]
                    seen.update(fresh)
                    component.extend(fresh)
        if len(component) == 1:
            keeper[start] = _largest(overlaps[start])
        else:
            component.sort(key=rank.__getitem__)
            keeper.update(_assign_component(overlaps, component, sorted(reached)))
    return keeper


def _assign_component(
    overlaps: Mapping[str, Mapping[int, int]], ids: Sequence[str], groups: Sequence[int]
) -> dict[str, int]:
    """Solve one component; ids oldest first, groups by first handle."""
    if len(groups) == 1:
        group = groups[0]
        return {max(ids, key=lambda old_id: overlaps[old_id][group]): group}  # first of equals
    # Late: most decisions never come here, and scipy takes a third of a second to import.
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    # Kept articles count first. The preference among equals is a whole number below `scale` even
    # when summed over all ids, so it never outweighs one article: with n ids and m groups,
    # (n - i)(m + 1) + (m - j) <= (n + 1)(m + 1), summed over at most n ids.
    scale = len(ids) * (len(ids) + 1) * (len(groups) + 1) + 1
    articles = sum(sum(overlap.values()) for overlap in overlaps.values())
    if scale * (articles + len(ids)) >= 2**53:
        # Floating point could not hold both; the canonical order still makes it deterministic.
        scale = 1
    column = {group: number for number, group in enumerate(groups)}
    rows, columns, weights = [], [], []
    for i, old_id in enumerate(ids):
        for group, shared in overlaps[old_id].items():
            j = column[group]
            preference = (len(ids) - i) * (len(groups) + 1) + (len(groups) - j)
            rows.append(i)
            columns.append(j)
            weights.append(shared * scale + (preference if scale > 1 else 0))
        # A column of its own, so that every id can be matched, with "nowhere" for what it loses.
        rows.append(i)
        columns.append(len(groups) + i)
        weights.append(0)
    # Entries of 0 would count as missing. Every id is matched once, so adding 1 to all entries
    # adds the same to every matching.
    graph = csr_array(
        (np.array(weights, dtype=np.float64) + 1, (rows, columns)),
        shape=(len(ids), len(groups) + len(ids)),
    )
    matched_rows, matched_columns = min_weight_full_bipartite_matching(graph, maximize=True)
    return {
        ids[i]: groups[j]
        for i, j in zip(matched_rows.tolist(), matched_columns.tolist(), strict=True)
        if j < len(groups)
    }
