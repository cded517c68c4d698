"""Clusters linked again because an editor said something of their articles.

The same linkage and merge rule as for a posting (``clustering.online``), without a new article.
Articles move in *units*, as in ``clustering.neighbourhood``: a near-duplicate group, or the known
part of a cluster too large to be divided. Where a constraint parts what is in one unit, the unit
gives up the articles that the constraint speaks of, and no others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from clustering.constraints import Constraints, Projection
from clustering.errors import ConfigurationError
from clustering.neighbourhood import Neighbour, TouchedCluster
from clustering.reconcile import reconcile
from clustering.refine import Refinement


@dataclass(frozen=True, slots=True)
class Relinking:
    """What linking clusters again changes.

    Attributes
    ----------
    moves
        Handle → cluster id, for members that change cluster.
    group_moves
        Handle → near-duplicate group id, for copies that were parted from their group.
    merged_into
        Old cluster id that nobody has any more → the cluster that most of its members go to.
    split_into
        Old cluster id → the other clusters that some of its members went to.
    """

    moves: Mapping[int, str] = field(default_factory=dict)
    group_moves: Mapping[int, str] = field(default_factory=dict)
    merged_into: Mapping[str, str] = field(default_factory=dict)
    split_into: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Unit:
    """Members that stay together; those that are hidden are stood for by the others."""

    members: list[Neighbour]
    hidden: tuple[int, ...] = ()

    def handles(self) -> list[int]:
        return [*(member.handle for member in self.members), *self.hidden]


def relink(
    refinement: Refinement,
    touched: Sequence[TouchedCluster],
    constraints: Constraints[int],
    *,
    hidden_groups: Mapping[int, str],
    mint_cluster_id: Callable[[], str],
    mint_duplicate_group_id: Callable[[], str],
) -> Relinking:
    """Link clusters again so that the constraints hold.

    Parameters
    ----------
    refinement
        Similarity, near-duplicate test and linkage.
    touched
        The clusters. Members are those to compare, among them all that are to be parted; ``hidden``
        are all others.
    constraints
        What editors said, by handle.
    hidden_groups
        Handle → near-duplicate group id, of the hidden members.
    mint_cluster_id, mint_duplicate_group_id
        Called for each new id needed.

    Raises
    ------
    ConfigurationError
        If the constraints contradict each other, or part members that are not known here.
    """
    clusters = sorted(
        (cluster for cluster in touched if cluster.members),
        key=lambda cluster: min(member.handle for member in cluster.members),
    )
    cluster_of = {
        handle: cluster.cluster_id
        for cluster in clusters
        for handle in (*(member.handle for member in cluster.members), *cluster.hidden)
    }
    units, projection = _units(clusters, constraints, cluster_of)
    if not units:
        return Relinking()
    groups = _link(refinement, units, projection)
    # An id that is forbidden to a group must not be what it keeps: its articles claim it no more.
    disowned: dict[int, str] = {}
    for group in groups:
        forbidden = {name for handle in group for name in constraints.forbidden_clusters(handle)}
        disowned.update({h: cluster_of[h] for h in group if cluster_of[h] in forbidden})
    after = reconcile(
        {handle: name for handle, name in cluster_of.items() if handle not in disowned},
        groups,
        mint_cluster_id,
    )
    split_into = {name: list(parts) for name, parts in after.split_into.items()}
    for handle, name in sorted(disowned.items()):
        parts = split_into.setdefault(name, [])
        if after.assignment[handle] not in parts:
            parts.append(after.assignment[handle])
    group_of = {
        member.handle: member.duplicate_group_id
        for cluster in clusters
        for member in cluster.members
    } | dict(hidden_groups)
    return Relinking(
        moves={
            handle: name for handle, name in after.assignment.items() if name != cluster_of[handle]
        },
        group_moves=_parted_groups(group_of, after.assignment, mint_duplicate_group_id),
        merged_into=after.merged_into,
        split_into=split_into,
    )


def _units(
    clusters: Sequence[TouchedCluster], constraints: Constraints[int], cluster_of: Mapping[int, str]
) -> tuple[list[_Unit], Projection]:
    """Return units none of which holds what must be apart, and what is said of them."""
    units: list[_Unit] = []
    for cluster in clusters:
        members = sorted(cluster.members, key=lambda member: member.handle)
        if cluster.is_block:
            units.append(_Unit(members, cluster.hidden))
            continue
        copies: dict[str, list[Neighbour]] = defaultdict(list)
        for member in members:
            copies[member.duplicate_group_id].append(member)
        units += [_Unit(some) for some in copies.values()]
    projection = constraints.project([unit.handles() for unit in units], cluster_of)
    if projection.broken:
        linked = {handle for group in constraints.must_groups() for handle in group}
        units = [
            part
            for unit in units
            for part in _carved(unit, linked | _to_carve(unit, constraints, cluster_of))
        ]
        projection = constraints.project([unit.handles() for unit in units], cluster_of)
    if projection.broken:
        raise ConfigurationError("the constraints part articles that cannot be told apart here")
    return units, projection


def _to_carve(
    unit: _Unit, constraints: Constraints[int], cluster_of: Mapping[int, str]
) -> set[int]:
    """Return members to take out of a unit so that what remains may stay together.

    A greedy vertex cover of the pairs that must be apart: first the article that is at odds with
    most others. Of two that are at odds with one another only, both go, and linkage decides where
    the rest belongs.
    """
    handles = set(unit.handles())
    known = {member.handle for member in unit.members}
    at_odds = {
        handle: {
            other
            for mate in constraints.together(handle)
            for said in constraints.apart(mate, cluster_of)
            for other in constraints.together(said)
        }
        & handles
        for handle in handles
    }
    # Said of one side only where a cluster is forbidden to it.
    for handle, others in list(at_odds.items()):
        for other in others:
            at_odds[other].add(handle)
    carved: set[int] = set()
    while True:
        worst = max(
            known - carved,
            key=lambda handle: (len(at_odds[handle] - carved), handle),
            default=None,
        )
        if worst is None or not at_odds[worst] - carved:
            return carved
        others = at_odds[worst] - carved
        carved.add(worst)
        if len(others) == 1:
            (other,) = others
            if other in known and at_odds[other] == {worst}:
                carved.add(other)


def _carved(unit: _Unit, carved: set[int]) -> list[_Unit]:
    """Return a unit for each article that is taken out of ``unit``, and one for the rest."""
    out = [member for member in unit.members if member.handle in carved]
    rest = [member for member in unit.members if member.handle not in carved]
    if not rest and unit.hidden:
        # The hidden ones need someone to stand for them.
        rest, out = out[:1], out[1:]
    parts = [_Unit([member]) for member in out]
    if rest:
        parts.append(_Unit(rest, unit.hidden))
    return parts


def _link(
    refinement: Refinement, units: Sequence[_Unit], projection: Projection
) -> list[list[int]]:
    """Return the handles that belong together after linking the blocks of units."""
    members: list[Neighbour] = []
    places: list[list[int]] = []
    for unit in units:
        places.append(list(range(len(members), len(members) + len(unit.members))))
        members += unit.members
    blocks = [
        [place for number in block for place in places[number]] for block in projection.blocks
    ]
    labels = refinement.link(
        refinement.compare([member.features for member in members]),
        blocks=blocks,
        block_sizes=[
            sum(len(units[number].handles()) for number in block) for block in projection.blocks
        ],
        cannot_link=projection.cannot_link,
    )
    groups: dict[int, list[int]] = defaultdict(list)
    for block, label in zip(projection.blocks, labels.tolist(), strict=True):
        groups[label] += [handle for number in block for handle in units[number].handles()]
    return list(groups.values())


def _parted_groups(
    group_of: Mapping[int, str],
    assignment: Mapping[int, str],
    mint_duplicate_group_id: Callable[[], str],
) -> dict[int, str]:
    """Return new near-duplicate groups for copies that are in several clusters now.

    Most of them keep the group; of parts as large the one with the oldest article.
    """
    copies: dict[str, list[int]] = defaultdict(list)
    for handle, group_id in group_of.items():
        copies[group_id].append(handle)
    moves: dict[int, str] = {}
    for handles in copies.values():
        counts = Counter(assignment[handle] for handle in handles)
        if len(counts) > 1:
            oldest = {name: min(h for h in handles if assignment[h] == name) for name in counts}
            kept = min(counts, key=lambda name: (-counts[name], oldest[name]))
            for name in sorted(counts, key=oldest.__getitem__):
                if name != kept:
                    fresh = mint_duplicate_group_id()
                    moves.update({h: fresh for h in handles if assignment[h] == name})
    return moves
